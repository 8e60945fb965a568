//! The documents of a recorder, as the daemon receives them.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use xray_core::emit::Flushed;
use xray_core::sampling::Sampler;
use xray_core::{Recorder, RecorderBuilder};

use crate::daemon::Daemon;

const TIMEOUT: Duration = Duration::from_secs(20);

/// The documents that a recorder sends by UDP, in their order. When it is dropped, all of them must have been valid.
#[derive(Debug)]
pub struct Documents {
    daemon: Arc<Daemon>,
    recorder: Recorder,
    seen: usize,
}

/// Creates a recorder that sends to a daemon of its own. The environment does not influence it.
pub fn recorder_with(sampler: impl Sampler) -> (Recorder, Documents) {
    recorder_built(sampler, |builder| builder)
}

/// Creates a recorder as [`recorder_with`] does, with more options.
pub fn recorder_built(
    sampler: impl Sampler,
    options: impl FnOnce(RecorderBuilder) -> RecorderBuilder,
) -> (Recorder, Documents) {
    let daemon = Arc::new(Daemon::start());
    let recorder = Recorder::builder().environment(|_| None).daemon(daemon.address().into()).sampling(sampler);
    let recorder = options(recorder);
    // A server that outlives its daemon by a moment would log that.
    let recorder = recorder.on_diagnostic(|_| ());
    let recorder = recorder.build().unwrap();
    (recorder.clone(), Documents { daemon, recorder, seen: 0 })
}

impl Documents {
    /// Waits for the next document and returns it as it was sent.
    pub async fn raw(&mut self) -> Value {
        self.seen += 1;
        let (daemon, count) = (self.daemon.clone(), self.seen);
        let received = spawn_blocking(move || daemon.documents(count, TIMEOUT)).await;
        let received = received.unwrap_or_else(|failed| resume_unwind(failed.into_panic()));
        received[count - 1].json().clone()
    }

    /// Waits for the next document and returns it without what differs from run to run.
    pub async fn next(&mut self) -> Value {
        normalised(self.raw().await)
    }

    /// Asserts that nothing else was sent.
    #[track_caller]
    pub fn assert_empty(&mut self) {
        assert_eq!(self.recorder.flush(TIMEOUT), Flushed::All);
        let documents = self.daemon.take();
        assert!(documents.len() == self.seen, "unexpected documents: {:?}", &documents[self.seen..]);
        self.seen = 0;
    }
}

impl Drop for Documents {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.daemon.assert_valid();
        }
    }
}

/// Removes ids, times and what describes this process, and reduces each cause to types and messages.
///
/// # Panics
/// Panics if an entity ends before it starts.
pub fn normalised(mut document: Value) -> Value {
    let start = document["start_time"].as_f64().unwrap();
    if document["in_progress"] != true {
        assert!(document["end_time"].as_f64().unwrap() >= start);
    }
    let members = document.as_object_mut().unwrap();
    for varying in ["id", "trace_id", "parent_id", "start_time", "end_time", "aws", "service"] {
        members.remove(varying);
    }
    if let Some(Value::Array(exceptions)) = document.pointer_mut("/cause/exceptions") {
        let reduced = exceptions.iter().map(|exception| json!([exception["type"], exception["message"]]));
        document["cause"] = reduced.collect();
    }
    if let Some(Value::Array(subsegments)) = document.get_mut("subsegments") {
        *subsegments = std::mem::take(subsegments).into_iter().map(normalised).collect();
    }
    document
}

/// Returns the expected segment `shop` for `GET http://shop.test{path}`, with the members of `more`.
pub fn shop(path: &str, response: Value, more: Value) -> Value {
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
