//! A called service: an HTTP server whose path selects what it does.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};

/// A received request: its path, and the values of its trace headers.
pub type Seen = (String, Vec<String>);

/// The server, which runs as long as the runtime.
#[derive(Clone, Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    /// Notified by a request to `/hang`.
    hanging: Notify,
    /// The gate that `/gated` and `/slow-body` wait for.
    gate: Gate,
    connections: Mutex<usize>,
}

#[derive(Debug)]
struct Gate(Semaphore);

impl Default for Gate {
    fn default() -> Gate {
        Gate(Semaphore::new(0))
    }
}

impl Server {
    /// Starts a server on a port of its own.
    pub async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server { address: listener.local_addr().unwrap(), shared: Arc::default() };
        let shared = server.shared.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                *shared.connections.lock().unwrap() += 1;
                tokio::spawn(serve_tcp(stream, shared.clone()));
            }
        });
        server
    }

    /// Starts a server behind TLS with this configuration.
    #[cfg(feature = "tls")]
    pub async fn start_tls(config: tokio_rustls::rustls::ServerConfig) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server { address: listener.local_addr().unwrap(), shared: Arc::default() };
        let shared = server.shared.clone();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, shared) = (acceptor.clone(), shared.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, shared).await;
                    }
                });
            }
        });
        server
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns the URL of a path, without TLS.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the requests since the last call.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.shared.seen.lock().unwrap())
    }

    /// Returns how many connections without TLS were made.
    pub fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }

    /// Waits until a request to `/hang` or `/gated` has arrived.
    pub async fn hanging(&self) {
        self.shared.hanging.notified().await;
    }

    /// Lets one request to `/gated`, `/reset` or `/slow-body` continue.
    pub fn open_gate(&self) {
        self.shared.gate.0.add_permits(1);
    }
}

async fn serve_tcp(stream: TcpStream, shared: Arc<Shared>) {
    if let Some(stream) = serve(stream, shared).await {
        // So that the client reads a reset rather than an end.
        stream.set_zero_linger().unwrap();
    }
}

/// Serves until the connection ends; gives it back when it is to be reset.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, shared: Arc<Shared>) -> Option<S> {
    let mut read = Vec::new();
    loop {
        let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
            match stream.read_buf(&mut read).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => continue,
            }
        };
        let head = String::from_utf8(read.drain(..end + 4).collect()).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let is_head = head.starts_with("HEAD");
        let trace = head.lines().filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("x-amzn-trace-id").then(|| value.to_owned())
        });
        shared.seen.lock().unwrap().push((path.clone(), trace.collect()));
        let path = path.split('?').next().unwrap();
        let answer = match path.rsplit_once('/').unwrap() {
            ("/status", status) => format!("HTTP/1.1 {status} Said\r\ncontent-length: 3\r\n\r\nerr"),
            ("/redirect", port) => {
                format!("HTTP/1.1 302 Found\r\nlocation: http://localhost:{port}/ok\r\ncontent-length: 0\r\n\r\n")
            }
            _ => match path {
                "/chunked" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_owned(),
                "/empty" => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
                "/grpc" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: grpc-status\r\n\r\n\
                     2\r\nok\r\n0\r\ngrpc-status: 8\r\n\r\n"
                    .to_owned(),
                "/inventory" => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{\"left\":3}".to_owned(),
                "/missing" => "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno".to_owned(),
                "/fail" => "HTTP/1.1 500 Internal\r\ncontent-length: 3\r\n\r\nerr".to_owned(),
                "/reset" | "/slow-body" => "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok".to_owned(),
                "/lost" => {
                    drop(stream);
                    return None;
                }
                "/hang" => {
                    shared.hanging.notify_one();
                    std::future::pending().await
                }
                "/gated" => {
                    shared.hanging.notify_one();
                    shared.gate.0.acquire().await.unwrap().forget();
                    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned()
                }
                _ if is_head => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n".to_owned(),
                _ => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-cache: hit\r\n\r\nok".to_owned(),
            },
        };
        if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return None;
        }
        match path {
            // The client has all that was sent before it asks for the gate to be opened.
            "/reset" => {
                shared.gate.0.acquire().await.unwrap().forget();
                return Some(stream);
            }
            "/slow-body" => {
                shared.gate.0.acquire().await.unwrap().forget();
                stream.write_all(b"ok").await.unwrap();
                stream.flush().await.unwrap();
            }
            _ => {}
        }
    }
}
