//! An asynchronous HTTP client that makes each request on a connection of its own.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A response as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    head: String,
    /// The bytes after the head, as text.
    pub body: String,
}

impl Answer {
    /// Returns the first header with a name, ignoring case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns the lines of the head except for the date, in alphabetical order: a framework may order them at random.
    pub fn head_without_date(&self) -> Vec<&str> {
        let mut lines: Vec<_> = self.head.lines().filter(|line| !line.starts_with("date: ")).collect();
        lines.sort_unstable();
        lines
    }
}

/// Opens a connection and sends exactly this text.
pub async fn send_text(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Opens a connection and sends a request to the host `shop.test`. `line` is method and target, `headers` are lines.
pub async fn send(address: SocketAddr, line: &str, headers: &[&str]) -> TcpStream {
    let headers: String = headers.iter().flat_map(|header| [header, "\r\n"]).collect();
    send_text(address, &format!("{line} HTTP/1.1\r\nHost: shop.test\r\n{headers}\r\n")).await
}

/// Makes a request like [`send`]. Returns `None` if the connection ends without a response.
pub async fn ask(address: SocketAddr, line: &str, headers: &[&str]) -> Option<Answer> {
    let headers: Vec<_> = headers.iter().copied().chain(["Connection: close"]).collect();
    let mut stream = send(address, line, &headers).await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// Makes a GET request.
pub async fn get(address: SocketAddr, target: &str) -> Answer {
    ask(address, &format!("GET {target}"), &[]).await.unwrap()
}

/// Reads up to and including `end`.
pub async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        text.push(char::from(stream.read_u8().await.unwrap()));
    }
    text
}

/// Closes a connection by a TCP reset, which the server notices immediately.
pub fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
}
