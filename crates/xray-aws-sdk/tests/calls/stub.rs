//! A stub of AWS that responds from a script, and clients for it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_types::SdkConfig;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use xray_core::Recorder;

/// A scripted response.
#[derive(Clone, Debug)]
pub(crate) enum ScriptedResponse {
    Reply {
        status: u16,
        headers: &'static [(&'static str, &'static str)],
        body: String,
    },
    /// The head and the first part of the body. The second part follows when the gate opens.
    Halves(&'static str, &'static str),
    /// The head and a part of the announced body. Then the connection closes.
    Cut(&'static str),
    /// No response at all.
    Silence,
}

pub(crate) fn reply(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: impl Into<String>,
) -> ScriptedResponse {
    ScriptedResponse::Reply { status, headers, body: body.into() }
}

/// A received request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Clone)]
pub(crate) struct Stub {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// The last one repeats.
    scripted: Mutex<Vec<ScriptedResponse>>,
    seen: Mutex<Vec<Seen>>,
    /// Notified when a request has been received.
    received: Notify,
    /// Notified when the second half of a response may be sent.
    gate: Notify,
}

impl Stub {
    pub(crate) async fn responding(scripted: impl IntoIterator<Item = ScriptedResponse>) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Shared {
            scripted: Mutex::new(scripted.into_iter().collect()),
            seen: Mutex::default(),
            received: Notify::new(),
            gate: Notify::new(),
        };
        let stub = Stub { address: listener.local_addr().unwrap(), shared: Arc::new(shared) };
        let shared = stub.shared.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        stub
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns an application's shared configuration.
    pub(crate) fn config(&self) -> SdkConfig {
        config(&self.url())
    }

    pub(crate) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.shared.seen.lock().unwrap())
    }

    pub(crate) async fn received(&self) {
        self.shared.received.notified().await;
    }

    pub(crate) fn open_gate(&self) {
        self.shared.gate.notify_one();
    }
}

pub(crate) fn config(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("AKID", "s3cret", None, None, "test")))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::standard().with_initial_backoff(std::time::Duration::from_millis(1)))
        .build()
}

/// Makes calls within a recorded segment. Returns their result and the recorded trace.
pub(crate) async fn recorded<T>(calls: impl Future<Output = T>) -> (T, xray_core::testing::Trace) {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let result = segment.scope(calls).await;
    segment.close();
    (result, traces.take().single())
}

/// Returns the only call of a trace, after checking and removing what differs from run to run: the ID and the times.
#[track_caller]
pub(crate) fn call(trace: &xray_core::testing::Trace) -> Value {
    let [call] = trace.children(trace.root())[..] else { panic!("one call, not\n{}", trace.tree()) };
    let mut call = call.json().clone();
    let members = call.as_object_mut().unwrap();
    assert!(members.remove("id").is_some_and(|id| id.as_str().is_some_and(|id| id.len() == 16)));
    let [start, end] = ["start_time", "end_time"].map(|name| members.remove(name).and_then(|time| time.as_f64()));
    assert!(start.unwrap() <= end.unwrap());
    for exception in members.get_mut("cause").and_then(|cause| cause["exceptions"].as_array_mut()).into_iter().flatten()
    {
        let exception = exception.as_object_mut().unwrap();
        assert!(exception.remove("id").is_some());
        exception.retain(|name, _| matches!(name.as_str(), "message" | "remote" | "type"));
    }
    if let Some(cause) = members.get_mut("cause") {
        *cause = cause["exceptions"].take();
    }
    call
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut read = Vec::new();
    while let Some(request) = receive(&mut stream, &mut read).await {
        let is_head = request.target.starts_with("HEAD");
        shared.seen.lock().unwrap().push(request);
        shared.received.notify_one();
        let response = {
            let mut scripted = shared.scripted.lock().unwrap();
            if scripted.len() > 1 { scripted.remove(0) } else { scripted[0].clone() }
        };
        let sent = match response {
            ScriptedResponse::Reply { status, headers, body } => {
                let mut text = format!("HTTP/1.1 {status} Said\r\n");
                for (name, value) in headers {
                    text.push_str(&format!("{name}: {value}\r\n"));
                }
                if !headers.iter().any(|(name, _)| *name == "transfer-encoding") {
                    text.push_str(&format!("content-length: {}\r\n", body.len()));
                }
                text.push_str("\r\n");
                if !is_head {
                    text.push_str(&body);
                }
                stream.write_all(text.as_bytes()).await
            }
            ScriptedResponse::Halves(first, second) => {
                let length = first.len() + second.len();
                let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{first}");
                let sent = stream.write_all(text.as_bytes()).await;
                shared.gate.notified().await;
                sent.and(stream.write_all(second.as_bytes()).await)
            }
            ScriptedResponse::Cut(part) => {
                let text = format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{part}");
                let _ = stream.write_all(text.as_bytes()).await;
                return;
            }
            ScriptedResponse::Silence => std::future::pending().await,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Receives one request. Returns `None` at the end of the connection.
async fn receive(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<Seen> {
    let find = |read: &[u8], what: &[u8]| read.windows(what.len()).position(|bytes| bytes == what);
    let head = loop {
        match find(read, b"\r\n\r\n") {
            Some(end) => break String::from_utf8(read.drain(..end + 4).collect()).unwrap(),
            None if stream.read_buf(read).await.ok()? == 0 => return None,
            None => {}
        }
    };
    let mut lines = head.lines();
    let target = lines.next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    if header("expect") == Some("100-continue") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
    }
    let body = match header("transfer-encoding") {
        Some("chunked") => {
            let end = loop {
                match find(read, b"0\r\n\r\n") {
                    Some(end) => break end + 5,
                    None if stream.read_buf(read).await.ok()? == 0 => return None,
                    None => {}
                }
            };
            read.drain(..end).collect()
        }
        _ => {
            let length = header("content-length").map_or(0, |length| length.parse().unwrap());
            while read.len() < length {
                if stream.read_buf(read).await.ok()? == 0 {
                    return None;
                }
            }
            read.drain(..length).collect()
        }
    };
    Some(Seen { target, headers, body })
}
