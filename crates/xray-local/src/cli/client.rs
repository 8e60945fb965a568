//! Requests to a running `xray-local`.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use xray_local::Receiver;

use super::args;

/// A program to ask: another one, or a receiver in this process with a store file.
pub(crate) struct Client {
    address: SocketAddr,
    _own: Option<Receiver>,
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No program runs at this address.
    NotReachable(SocketAddr, io::Error),
    /// The program cannot do what was asked.
    Refused(String),
}

impl Client {
    /// Connects to the program at the address in `XRAY_LOCAL`. If none runs there, opens the store file.
    pub(crate) fn connect(store: Option<&Path>) -> Result<Client, Failure> {
        let address = match std::env::var("XRAY_LOCAL") {
            Ok(text) => args::address(text.trim_start_matches("http://").trim_end_matches('/'))
                .map_err(|error| Failure::Refused(format!("XRAY_LOCAL: {error}")))?,
            Err(_) => args::DEFAULT,
        };
        match (TcpStream::connect_timeout(&address, Duration::from_secs(5)), store) {
            (Ok(_), _) => Ok(Client { address, _own: None }),
            (Err(error), None) => Err(Failure::NotReachable(address, error)),
            (Err(_), Some(file)) => {
                let own = Receiver::builder().store_file(file).bind("127.0.0.1:0");
                let own = own.map_err(|error| Failure::Refused(format!("cannot open {}: {error}", file.display())))?;
                Ok(Client { address: own.address(), _own: Some(own) })
            }
        }
    }

    pub(crate) fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Vec<u8>, Failure> {
        let query: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        self.exchange("GET", &format!("{path}?{}", query.join("&")), b"")
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Result<Vec<u8>, Failure> {
        self.exchange("POST", path, body)
    }

    /// Sends a request in HTTP/1.0, so that the response ends with the connection.
    fn exchange(&self, method: &str, target: &str, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let lost = |error| Failure::NotReachable(self.address, error);
        let mut stream = TcpStream::connect(self.address).map_err(lost)?;
        let head = format!(
            "{method} {target} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).map_err(lost)?;
        let mut response = Vec::new();
        stream.read_to_end(&mut response).map_err(lost)?;
        let end = response.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.ok_or_else(|| Failure::Refused("this is not a response of xray-local".to_owned()))?;
        let body = response.split_off(end + 4);
        if response.get(9..12) == Some(b"200") {
            return Ok(body);
        }
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let message = body["message"].as_str().unwrap_or("this is not a response of xray-local");
        let place = body["at"].as_u64().map(|at| format!(" (at byte {at})")).unwrap_or_default();
        Err(Failure::Refused(format!("{message}{place}")))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NotReachable(address, error) => write!(
                f,
                "cannot reach xray-local at {address}: {error}; start it, set XRAY_LOCAL to its address, or use --store"
            ),
            Failure::Refused(message) => f.write_str(message),
        }
    }
}

/// Encodes a parameter of a query.
fn encode(value: &str) -> String {
    let mut encoded = String::new();
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
