//! The TCP side of the daemon, with responses from a script instead of the X-Ray service.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// Responds to calls of the X-Ray API on a free port of the loopback interface, until the process ends.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    calls: Receiver<ApiCall>,
}

/// A call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ApiCall {
    /// The method.
    pub method: String,
    /// The path: a slash, and the operation.
    pub path: String,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's length in bytes.
    pub length: usize,
    /// The body.
    pub body: Value,
}

impl ApiCall {
    /// Returns the first header with a name, which must be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Proxy {
    /// Starts to respond with what `answer` returns, and with status 404 for `None`.
    ///
    /// # Errors
    /// Returns an error if there is no free port.
    pub fn start(answer: impl Fn(&ApiCall) -> Option<Value> + Send + 'static) -> io::Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (told, calls) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(call) = serve(stream, &answer) else { continue };
                if told.send(call).is_err() {
                    return;
                }
            }
        });
        Ok(Proxy { address, calls })
    }

    /// Returns the address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the next call, and returns it after the response was sent.
    ///
    /// # Errors
    /// Returns an error if there is none within the time.
    pub fn call(&self, timeout: Duration) -> Result<ApiCall, RecvTimeoutError> {
        self.calls.recv_timeout(timeout)
    }
}

fn serve(stream: TcpStream, answer: impl Fn(&ApiCall) -> Option<Value>) -> io::Result<ApiCall> {
    let call = read(&mut BufReader::new(&stream))?;
    let (status, body) = match answer(&call) {
        Some(body) => ("200 OK", body.to_string()),
        None => ("404 Not Found", String::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    (&stream).write_all((head + &body).as_bytes())?;
    Ok(call)
}

fn read(reader: &mut impl BufRead) -> io::Result<ApiCall> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "this is not HTTP");
    let mut words = lines.first().ok_or_else(malformed)?.split(' ').map(str::to_owned);
    let (method, path) = words.next().zip(words.next()).ok_or_else(malformed)?;
    let pairs = lines[1..].iter().filter_map(|line| line.split_once(':'));
    let headers: Vec<_> = pairs.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(ApiCall { method, path, headers, length: body.len(), body: serde_json::from_slice(&body)? })
}
