//! Handwritten HTTP calls, which may be invalid.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Opens a connection with a read timeout.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Reads a response until the end of the connection; returns its status and body.
pub(crate) fn read(mut stream: TcpStream) -> (u16, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Sends bytes as they are and reads the response.
pub(crate) fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> (u16, String) {
    let mut stream = connect(address);
    stream.write_all(bytes.as_ref()).unwrap();
    read(stream)
}

/// Returns the text of a request as SDKs make it.
pub(crate) fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Calls an operation and returns the body of its response.
pub(crate) fn call(address: SocketAddr, path: &str, body: &Value) -> Value {
    let (status, body) = exchange(address, post(path, &body.to_string()));
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}
