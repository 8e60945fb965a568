//! Test doubles for plugins: a metadata endpoint on loopback, and a directory that replaces the file system.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::{env, fs, process, thread};

/// The reply of the endpoint to a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Text(String),
    Status(u16),
    /// Keeps the connection open, and sends nothing.
    Never,
}

impl Reply {
    pub(crate) fn ok(text: impl Into<String>) -> Reply {
        Reply::Text(text.into())
    }
}

/// An HTTP server that handles one request after the other, until the process ends.
pub(crate) struct Endpoint {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

/// The request by which `requests` knows that all earlier requests have been read.
const MARK: &str = "MARK";

impl Endpoint {
    /// Starts a server. `reply` receives the target of each request.
    pub(crate) fn start(mut reply: impl FnMut(&str) -> Reply + Send + 'static) -> Endpoint {
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
                let (status, body) = match reply(&target) {
                    Reply::Text(text) => (200, text),
                    Reply::Status(status) => (status, String::new()),
                    Reply::Never => {
                        kept.push(stream);
                        continue;
                    }
                };
                let head =
                    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                // The client may have given up.
                let _ = stream.write_all((head + &body).as_bytes());
            }
        });
        endpoint
    }

    /// Returns the URL of a target that starts with `/`.
    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// Returns the URL of an endpoint that does not exist.
    pub(crate) fn absent() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    /// Returns the heads of all requests since the last call.
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

/// A directory that is deleted when this is dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Directory {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("xray-core-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    /// Writes a file at a relative path.
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
