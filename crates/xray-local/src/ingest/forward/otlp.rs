//! Sends documents on as spans, by the mapping and the emitter of `xray-otlp`.
//!
//! OTLP cannot replace a span, so each entity must be sent once. A segment in progress is left out: its final version has
//! everything again. Of copies and further versions of a document only the first is sent.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use xray_core::Recorder;
use xray_core::document::Document;
use xray_core::emit::Emitter;
use xray_core::sampling::Never;

use super::Target;
use super::recent::Recent;
use crate::ingest::queue::{Chunk, Queue};
use crate::ingest::{datagram, spawn};
use crate::store::Arrival;
use crate::trace::hash;

/// How often the thread checks whether it should end.
const CHECK: Duration = Duration::from_millis(500);

/// How long the end of the program waits for the receiver.
const FLUSH: Duration = Duration::from_secs(2);

/// A thread that reads documents, and an emitter that sends them.
pub(crate) struct Otlp {
    endpoint: String,
    queue: Arc<Queue>,
    unreadable: Arc<AtomicU64>,
    recent: Mutex<Recent>,
    /// Counts and logs for the emitter. Nothing is recorded by it.
    recorder: Recorder,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Otlp {
    pub(crate) fn start(endpoint: String, max_bytes: usize) -> io::Result<Otlp> {
        let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidInput, error);
        // What the user has asked for counts, and not a variable that is meant for other programs.
        let emitter = xray_otlp::Otlp::builder().endpoint(&endpoint).environment(|_| None).build();
        let emitter = Arc::new(emitter.map_err(|error| invalid(error.to_string()))?);
        let recorder = Recorder::builder().environment(|_| None).sampling(Never).emitter(Arc::clone(&emitter)).build();
        let recorder = recorder.map_err(|error| invalid(error.to_string()))?;
        let (queue, unreadable) = (Arc::new(Queue::new(max_bytes)), Arc::new(AtomicU64::new(0)));
        let (source, failures) = (Arc::clone(&queue), Arc::clone(&unreadable));
        let thread = spawn("xray-local-otlp", move || send(&*emitter, &source, &failures))?;
        Ok(Otlp { endpoint, queue, unreadable, recent: Mutex::default(), recorder, thread: Mutex::new(Some(thread)) })
    }
}

impl Target for Otlp {
    fn push(&self, datagram: &[u8], arrival: Option<&Arrival>) {
        let Some(top) = arrival.and_then(Arrival::finished) else { return };
        if self.recent.lock().unwrap_or_else(PoisonError::into_inner).insert(hash(&top)) {
            self.queue.push(datagram, 0);
        }
    }

    fn counts(&self) -> (u64, u64) {
        let stats = self.recorder.stats();
        let dropped = stats.dropped_queue_full + stats.dropped_unsent + stats.dropped_rejected + stats.rejected_spans;
        (stats.emitted, self.queue.dropped() + self.unreadable.load(Ordering::Relaxed) + dropped)
    }

    fn finish(&self) {
        drop(self.queue.closing());
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            _ = thread.join();
        }
        _ = self.recorder.flush(FLUSH);
    }

    fn name(&self) -> &str {
        &self.endpoint
    }
}

fn send(emitter: &impl Emitter, queue: &Queue, unreadable: &AtomicU64) {
    while let Some(chunks) = queue.take(CHECK) {
        for (datagram, _) in chunks.iter().flat_map(Chunk::datagrams) {
            let text = datagram::document(datagram).map(String::from_utf8_lossy);
            match text.ok().and_then(|text| Document::from_json(&text).ok()) {
                Some(document) => emitter.emit(document),
                None => _ = unreadable.fetch_add(1, Ordering::Relaxed),
            }
        }
        queue.recycle(chunks);
    }
}
