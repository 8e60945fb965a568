//! A server to ask, a client to ask it with, and what was recorded meanwhile.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Once, OnceLock};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use xray_actix::XRay;
use xray_core::context::MissingContext;
use xray_core::document::Document;
use xray_core::emit::{Emitter, Flushed, MemoryEmitter};
use xray_core::sampling::{Always, Sampler};
use xray_core::{ContextMissing, Naming, Recorder};

/// The documents of a recorder, as they are emitted: a test can wait for the next one.
pub(crate) struct Documents {
    receiver: mpsc::UnboundedReceiver<Value>,
}

struct Channel(mpsc::UnboundedSender<Value>);

impl Emitter for Channel {
    fn emit(&self, document: Document) {
        let _ = self.0.send(serde_json::from_str(document.json()).unwrap());
    }

    fn flush(&self, _: Duration) -> Flushed {
        Flushed::All
    }
}

impl Documents {
    /// The next document as it was sent.
    pub(crate) async fn raw(&mut self) -> Value {
        let document = tokio::time::timeout(Duration::from_secs(10), self.receiver.recv()).await;
        document.expect("a document is sent").expect("the recorder lives as long as the server")
    }

    /// The next document without what differs from run to run.
    pub(crate) async fn next(&mut self) -> Value {
        normalised(self.raw().await)
    }

    /// Asserts that nothing else was sent.
    pub(crate) fn assert_empty(&mut self) {
        assert_eq!(self.receiver.try_recv().ok(), None);
    }
}

pub(crate) fn recorder_with(sampler: impl Sampler) -> (Recorder, Documents) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let recorder = Recorder::builder().sampling(sampler).emitter(Channel(sender)).build().unwrap();
    (recorder, Documents { receiver })
}

/// A middleware named `shop`, or by `naming`, that records everything.
pub(crate) fn xray(naming: impl Into<Naming>) -> (XRay, Documents) {
    let (recorder, documents) = recorder_with(Always);
    (XRay::new(naming).recorder(recorder), documents)
}

/// Removes ids, times and what describes this process, having looked at the times.
pub(crate) fn normalised(mut document: Value) -> Value {
    let start = document["start_time"].as_f64().unwrap();
    if document["in_progress"] != true {
        assert!(document["end_time"].as_f64().unwrap() >= start);
    }
    let members = document.as_object_mut().unwrap();
    for varying in ["id", "trace_id", "parent_id", "start_time", "end_time", "aws", "service"] {
        members.remove(varying);
    }
    if let Some(Value::Array(exceptions)) = document.pointer_mut("/cause/exceptions") {
        let told = exceptions.iter().map(|exception| json!([exception["type"], exception["message"]]));
        document["cause"] = told.collect();
    }
    if let Some(Value::Array(subsegments)) = document.get_mut("subsegments") {
        *subsegments = std::mem::take(subsegments).into_iter().map(normalised).collect();
    }
    document
}

/// What a segment `shop` for `GET http://shop.test{path}` is expected to say, with more members.
pub(crate) fn shop(path: &str, response: Value, more: Value) -> Value {
    let mut expected = json!({
        "name": "shop",
        "http": {"request": {"method": "GET", "url": format!("http://shop.test{path}"), "client_ip": "127.0.0.1"}},
    });
    if !response.is_null() {
        expected["http"]["response"] = response;
    }
    for (key, value) in more.as_object().into_iter().flatten() {
        expected[key] = value.clone();
    }
    expected
}

/// Serves these routes inside the middleware on one worker, so that all requests share its thread.
pub(crate) fn serve(xray: XRay, routes: impl Fn(&mut ServiceConfig) + Send + Clone + 'static) -> SocketAddr {
    serve_by(1, xray, routes)
}

pub(crate) fn serve_by(
    workers: usize,
    xray: XRay,
    routes: impl Fn(&mut ServiceConfig) + Send + Clone + 'static,
) -> SocketAddr {
    let app = move || App::new().wrap(xray.clone()).configure(&routes);
    let server = HttpServer::new(app).workers(workers).disable_signals().bind("127.0.0.1:0").unwrap();
    start(server.addrs()[0], server.run())
}

/// Runs the server for as long as the test runs.
pub(crate) fn start(address: SocketAddr, server: Server) -> SocketAddr {
    tokio::spawn(server);
    address
}

/// An answer as it came over the wire.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The head's lines, in the order of the alphabet, since actix-web's order is random.
    pub(crate) fn head_without_date(&self) -> Vec<&str> {
        let mut lines: Vec<_> = self.head.lines().filter(|line| !line.starts_with("date: ")).collect();
        lines.sort_unstable();
        lines
    }
}

/// Opens a connection and sends a request; `headers` are further lines.
pub(crate) async fn send(address: SocketAddr, line: &str, headers: &[&str]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!("{line} HTTP/1.1\r\nHost: shop.test\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Makes a request on a connection of its own; `None` when the server answers nothing.
pub(crate) async fn ask(address: SocketAddr, line: &str, headers: &[&str]) -> Option<Answer> {
    let headers: Vec<_> = headers.iter().copied().chain(["Connection: close"]).collect();
    let mut stream = send(address, line, &headers).await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, &format!("GET {path}"), &[]).await.unwrap()
}

/// Reads up to and including `end`.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let byte = stream.read_u8().await.unwrap();
        text.push(char::from(byte));
    }
    text
}

/// The recorder of the process, which takes down what was asked of a missing context.
pub(crate) struct Global {
    missing: Mutex<Vec<String>>,
    emitted: MemoryEmitter,
}

impl Global {
    /// Installs it, once.
    pub(crate) fn install() -> &'static Global {
        static GLOBAL: OnceLock<Global> = OnceLock::new();
        static INSTALLED: Once = Once::new();
        let global = GLOBAL.get_or_init(|| Global { missing: Mutex::default(), emitted: MemoryEmitter::new() });
        INSTALLED.call_once(|| {
            let note = |missing: &MissingContext<'_>| global.missing.lock().unwrap().push(missing.what().to_owned());
            let recorder = Recorder::builder()
                .sampling(Always)
                .emitter(global.emitted.clone())
                .context_missing(ContextMissing::Call(Arc::new(note)))
                .build()
                .unwrap();
            let _flushes_nothing = recorder.install();
        });
        global
    }

    pub(crate) fn missed(&self, what: &str) -> bool {
        self.missing.lock().unwrap().iter().any(|missed| missed == what)
    }

    /// Whether a document has this text in it.
    pub(crate) fn emitted(&self, text: &str) -> bool {
        self.emitted.documents().iter().any(|document| document.json().contains(text))
    }
}
