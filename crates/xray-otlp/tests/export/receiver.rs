//! An HTTP receiver that follows a script with one act for each request.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver as Inbox, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use flate2::read::GzDecoder;
use prost::Message;

use crate::SOON;
use crate::proto::{ExportRequest, ExportResponse, PartialSuccess, Span};

/// The reaction of the receiver to a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Responds with a status, headers and a body.
    Respond(u16, &'static str, Vec<u8>),
    /// Closes the connection after reading the head and half of the body.
    CloseInRequest,
    /// Responds with status 200, and closes the connection in the middle of the body.
    CloseInResponse,
    /// Reads the request and never responds.
    Hang,
}

impl Act {
    pub(crate) fn ok() -> Act {
        Act::Respond(200, "", Vec::new())
    }

    pub(crate) fn partial(rejected_spans: i64, error_message: &str) -> Act {
        let partial = PartialSuccess { rejected_spans, error_message: error_message.to_owned() };
        Act::Respond(
            200,
            "Content-Type: application/x-protobuf\r\n",
            ExportResponse { partial_success: Some(partial) }.encode_to_vec(),
        )
    }
}

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body as received, possibly compressed.
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(is, _)| is == name).map(|(_, value)| value.as_str())
    }

    /// Returns the decompressed body. Detects compression by the first bytes, since rotel declares `gzip` also for bodies
    /// that are not compressed.
    pub(crate) fn plain(&self) -> Vec<u8> {
        if !self.body.starts_with(&[0x1f, 0x8b]) {
            return self.body.clone();
        }
        let mut plain = Vec::new();
        GzDecoder::new(&self.body[..]).read_to_end(&mut plain).unwrap();
        plain
    }

    /// Returns the spans of a request in protobuf.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let groups = ExportRequest::decode(&self.plain()[..]).unwrap().resource_spans;
        groups.into_iter().flat_map(|group| group.scope_spans).flat_map(|scope| scope.spans).collect()
    }
}

/// A running receiver, which ends when it is dropped.
pub(crate) struct Receiver {
    address: String,
    requests: Inbox<Request>,
    is_dropped: Arc<AtomicBool>,
}

impl Receiver {
    /// Starts a receiver. It accepts every request after the script.
    pub(crate) fn start(script: impl IntoIterator<Item = Act>) -> Receiver {
        Receiver::at("127.0.0.1:0", script)
    }

    pub(crate) fn at(address: &str, script: impl IntoIterator<Item = Act>) -> Receiver {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, requests) = channel();
        let script = Arc::new(Mutex::new(VecDeque::from_iter(script)));
        let is_dropped = Arc::new(AtomicBool::new(false));
        let dropped = is_dropped.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if dropped.load(SeqCst) {
                    return;
                }
                let (script, sender, dropped) = (script.clone(), sender.clone(), dropped.clone());
                thread::spawn(move || serve(stream.unwrap(), &script, &sender, &dropped));
            }
        });
        Receiver { address, requests, is_dropped }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for the next complete request.
    pub(crate) fn next(&self) -> Request {
        self.requests.recv_timeout(SOON).expect("a request")
    }

    /// Returns the requests received since then.
    pub(crate) fn rest(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.is_dropped.store(true, SeqCst);
        // Wakes the accepting thread, which then closes the port.
        let _ = TcpStream::connect(&self.address);
    }
}

fn serve(stream: TcpStream, script: &Mutex<VecDeque<Act>>, sender: &Sender<Request>, dropped: &AtomicBool) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let length =
            headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
        let act = script.lock().unwrap().pop_front().unwrap_or(Act::ok());
        if matches!(act, Act::CloseInRequest) {
            let _ = reader.read_exact(&mut vec![0; length / 2]);
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let _ = sender.send(Request { path, headers, body });
        match act {
            Act::CloseInRequest => unreachable!(),
            Act::Respond(status, headers, body) => {
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
            Act::CloseInResponse => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n\x0a\x10");
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
            Act::Hang => {
                while !dropped.load(SeqCst) {
                    thread::park_timeout(std::time::Duration::from_millis(20));
                }
                return;
            }
        }
    }
}
