//! A traced request that calls a database, and its document as the daemon receives it.

use std::net::UdpSocket;
use std::time::Duration;

use serde_json::{Value, json};
use xray_core::sampling::{Always, Never};
use xray_core::{Recorder, Segment};

const SOON: Duration = Duration::from_secs(10);

/// A request that is being traced.
#[derive(Debug)]
pub struct Traced {
    daemon: UdpSocket,
    recorder: Recorder,
    /// The request's segment.
    pub segment: Segment,
}

impl Traced {
    /// Begins a segment whose recorder collects queries.
    pub fn begin() -> Traced {
        Traced::begin_with(true)
    }

    /// Begins a segment whose recorder collects queries or not.
    pub fn begin_with(collects_queries: bool) -> Traced {
        let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
        daemon.set_read_timeout(Some(SOON)).unwrap();
        let builder = Recorder::builder().daemon(daemon.local_addr().unwrap().into()).sampling(Always);
        let recorder = builder.collect_sql_queries(collects_queries).build().unwrap();
        let segment = recorder.begin("web");
        Traced { daemon, recorder, segment }
    }

    /// Begins a segment that is not sampled.
    pub fn unsampled() -> Segment {
        Recorder::builder().sampling(Never).build().unwrap().begin("web")
    }

    /// Runs a request, and returns its subsegments.
    pub fn run(request: impl FnOnce()) -> Value {
        let traced = Traced::begin();
        let entered = traced.segment.enter();
        request();
        drop(entered);
        traced.finish()
    }

    /// Runs an asynchronous request, and returns its subsegments.
    pub async fn run_async(request: impl Future<Output = ()>) -> Value {
        let traced = Traced::begin();
        traced.segment.scope(request).await;
        traced.finish()
    }

    /// Closes the segment, and returns its subsegments without what differs in each run.
    pub fn finish(self) -> Value {
        self.segment.close();
        let mut documents = self.documents();
        assert_eq!(documents.len(), 1, "{documents:?}");
        normalise(&mut documents[0]);
        documents.remove(0)["subsegments"].take()
    }

    /// Returns the documents that were sent. Subsegments that closed after the segment are documents of their own.
    pub fn documents(&self) -> Vec<Value> {
        assert!(self.recorder.flush(SOON) == xray_core::emit::Flushed::All);
        let mut datagram = vec![0; 65_536];
        let sent = self.recorder.stats().emitted;
        let documents = (0..sent).map(|_| {
            let len = self.daemon.recv(&mut datagram).unwrap();
            let text = std::str::from_utf8(&datagram[..len]).unwrap();
            assert!(!text.contains("planted") && !text.contains("s3cret"), "{text}");
            text.split_once('\n').unwrap().1.parse().unwrap()
        });
        documents.collect()
    }
}

/// Removes what differs in each run.
pub fn normalise(entity: &mut Value) {
    let members = entity.as_object_mut().unwrap();
    let (start, end) = (members["start_time"].as_f64(), members["end_time"].as_f64());
    assert!(start <= end);
    for member in ["id", "start_time", "end_time"] {
        members.remove(member);
    }
    if let Some(cause) = members.get_mut("cause").and_then(Value::as_object_mut) {
        cause.remove("working_directory");
        for exception in cause["exceptions"].as_array_mut().unwrap() {
            exception.as_object_mut().unwrap().retain(|member, _| member == "type" || member == "message");
        }
    }
    for child in members.get_mut("subsegments").and_then(Value::as_array_mut).into_iter().flatten() {
        normalise(child);
    }
}

/// Returns a document with more members.
pub fn with(mut base: Value, members: Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        match (&mut base[name], value) {
            (Value::Object(old), Value::Object(new)) => old.extend(new.clone()),
            (old, new) => *old = new.clone(),
        }
    }
    base
}

/// Returns a call with this text.
pub fn query(base: &Value, text: &str) -> Value {
    with(base.clone(), json!({"sql": {"sanitized_query": text}}))
}

/// Returns a call whose statement is prepared.
pub fn prepared(base: &Value, text: &str) -> Value {
    with(query(base, text), json!({"sql": {"preparation": "statement"}}))
}

/// Returns a call that is not a query of the application.
pub fn operation(base: &Value, operation: &str) -> Value {
    with(base.clone(), json!({"metadata": {"sql": {"operation": operation}}}))
}

/// Returns a call that failed.
pub fn failed(base: Value, flag: &str, kind: &str, message: &str) -> Value {
    with(base, json!({flag: true, "cause": {"exceptions": [{"type": kind, "message": message}]}}))
}
