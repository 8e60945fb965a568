//! Stand-ins for what plugins ask: an HTTP endpoint on loopback, and a directory in the place of the file system.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::{env, fs, process, thread};

/// What a stand-in does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Text(String),
    Status(u16),
    /// Keeps the connection, and says nothing.
    Never,
}

impl Answer {
    pub(crate) fn ok(text: impl Into<String>) -> Answer {
        Answer::Text(text.into())
    }
}

/// Answers one request after the other, until the process ends.
pub(crate) struct Endpoint {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

/// By which `requests` finds out that all earlier requests were read.
const MARK: &str = "MARK";

impl Endpoint {
    /// `answer` receives the target of a request.
    pub(crate) fn start(mut answer: impl FnMut(&str) -> Answer + Send + 'static) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint { address: listener.local_addr().unwrap().to_string(), heads: Arc::default() };
        let heads = endpoint.heads.clone();
        thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let head = read_head(&mut stream);
                if head.starts_with(MARK) {
                    continue;
                }
                let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
                heads.lock().unwrap().push(head);
                let (status, body) = match answer(&target) {
                    Answer::Text(text) => (200, text),
                    Answer::Status(status) => (status, String::new()),
                    Answer::Never => {
                        kept.push(stream);
                        continue;
                    }
                };
                let head =
                    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                // A client that has given up is its own affair.
                let _ = stream.write_all((head + &body).as_bytes());
            }
        });
        endpoint
    }

    /// The address of a target that begins with `/`.
    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// The address of an endpoint that is not there.
    pub(crate) fn absent() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    /// The requests since the last call: lines up to the empty one.
    pub(crate) fn requests(&self) -> Vec<String> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(format!("{MARK}\r\n\r\n").as_bytes()).unwrap();
        stream.read_to_string(&mut String::new()).unwrap();
        std::mem::take(&mut self.heads.lock().unwrap())
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A directory that goes away when it is dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Directory {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("xray-core-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    /// Puts a file into it, at a relative path.
    pub(crate) fn with(self, path: &str, text: &str) -> Directory {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
