//! A fake of the daemon's TCP side, whose service is a function of the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// The reply to a call.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Json(Value),
    /// A response with this status and text.
    Status(u16, &'static str),
    /// Any bytes, after which the connection is closed.
    Raw(&'static str),
    /// Nothing; the connection stays open.
    Silence,
    /// Nothing; the daemon closes its sending side at once.
    HalfClosed,
    /// A response after this time.
    Late(Duration, Value),
    /// A byte from time to time, until the other side closes.
    Trickle,
}

/// One received call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) operation: String,
    pub(crate) body: Value,
}

/// A server that handles one call after the other, until the process ends.
#[derive(Clone)]
pub(crate) struct Daemon {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Daemon {
    pub(crate) fn start(mut service: impl FnMut(&Call) -> Reply + Send + 'static) -> Daemon {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let daemon = Daemon { address: listener.local_addr().unwrap(), calls: Arc::default() };
        let calls = daemon.calls.clone();
        thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(call) = read(&stream) else { continue };
                let reply = service(&call);
                calls.lock().unwrap().push(call);
                let (status, body) = match reply {
                    Reply::Json(value) => (200, value.to_string()),
                    Reply::Status(status, body) => (status, body.to_owned()),
                    Reply::Late(pause, value) => {
                        thread::sleep(pause);
                        (200, value.to_string())
                    }
                    Reply::Trickle => {
                        let mut sent = stream.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 1000000\r\n\r\n");
                        while sent.is_ok() {
                            sent = stream.write_all(b" ");
                            thread::sleep(Duration::from_millis(20));
                        }
                        continue;
                    }
                    Reply::Raw(bytes) => {
                        let _ = stream.write_all(bytes.as_bytes());
                        continue;
                    }
                    Reply::HalfClosed => {
                        let _ = stream.shutdown(Shutdown::Write);
                        kept.push(stream);
                        continue;
                    }
                    Reply::Silence => {
                        kept.push(stream);
                        continue;
                    }
                };
                let head =
                    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes());
            }
        });
        daemon
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the calls since the last call of this method.
    pub(crate) fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// Returns the operations of these calls.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.operation).collect()
    }
}

fn read(stream: &TcpStream) -> Option<Call> {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    };
    let operation = line()?.strip_prefix("POST /")?.split(' ').next()?.to_owned();
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Call { headers, operation, body: serde_json::from_slice(&body).ok()? })
}
