//! The implementation that all emitters of this crate share: queue, thread, retries and counts.

use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use xray_core::diagnostics::Level;
use xray_core::document::Document;
use xray_core::emit::{Emitter, EmitterContext, Fate, Flushed};
use xray_core::process::{Owned, PerProcess};

use crate::backoff::Backoff;
use crate::batching::Batching;
use crate::queue::{PushError, Queue};

/// How long the thread may send after the emitter is dropped.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The reason for documents that are dropped at shutdown.
const NO_TIME_LEFT: &str = "no time was left";

/// The protocol of one kind of receiver. Only one thread uses it.
pub(crate) trait Protocol: Send {
    /// Encodes a batch as the body of a request.
    fn encode(&mut self, batch: &[Document]) -> Encoded;

    /// Sends a request once.
    fn send(&mut self, body: &[u8], batch: &[Document]) -> Reply;
}

/// An encoded batch.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    /// The body of the request; `None` if there is nothing to send.
    pub(crate) body: Option<Vec<u8>>,
    /// Whether the body contains each document, in the order of the batch.
    pub(crate) inclusions: Vec<Inclusion>,
}

/// Whether a request contains a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Inclusion {
    Included,
    /// Left out, since a later document replaces all of it.
    Superseded,
    /// Left out, for the given reason.
    Unreadable(String),
}

/// The outcome of one attempt to send.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The receiver accepted the request, except for the documents at these indices, each with a reason.
    Accepted { rejected: Vec<(usize, String)>, rejected_spans: u64, remark: Option<String> },
    /// The receiver may accept the request later.
    Retry { why: String, after: Option<Duration> },
    /// The receiver will never accept the request.
    Rejected { why: String },
    /// The receiver accepts smaller requests only.
    TooLarge,
}

impl Reply {
    /// Returns the reply for a request that was accepted completely.
    pub(crate) fn accepted() -> Reply {
        Reply::Accepted { rejected: Vec::new(), rejected_spans: 0, remark: None }
    }
}

/// Creates a protocol with its own connections.
type Connect = Box<dyn Fn() -> Box<dyn Protocol> + Send + Sync>;

/// Sends documents by a protocol on a thread `xray-exporter`, which the first document starts. Dropping it stops the
/// thread within a second, after it has sent the queued documents.
///
/// A forked child has its own queue, thread and connections from its first document on. The parent sends the documents
/// that are queued at the fork.
pub(crate) struct Background {
    /// The name of the receiver in messages.
    target: Arc<str>,
    batching: Batching,
    connect: Arc<Connect>,
    context: Arc<OnceLock<EmitterContext>>,
    worker: PerProcess<Worker>,
}

/// The queue and the thread of a process.
#[derive(Debug)]
struct Worker {
    queue: Arc<Queue>,
    is_started: AtomicBool,
}

impl Worker {
    fn new(batching: &Batching) -> Worker {
        Worker { queue: Arc::new(Queue::new(batching.clone())), is_started: AtomicBool::new(false) }
    }
}

impl Background {
    /// Starts no thread and opens no connection yet.
    pub(crate) fn new(target: &str, batching: Batching, connect: Connect) -> Background {
        let worker = PerProcess::new(Worker::new(&batching));
        Background { target: target.into(), batching, connect: Arc::new(connect), context: Arc::default(), worker }
    }

    fn worker(&self) -> impl Deref<Target = Arc<Owned<Worker>>> {
        self.worker.get(|| Worker::new(&self.batching))
    }

    /// Wakes the thread, or starts it.
    fn wake(&self, worker: &Worker) {
        if !worker.is_started.swap(true, Relaxed) {
            let (queue, connect) = (worker.queue.clone(), self.connect.clone());
            let reporter = Reporter { target: self.target.clone(), context: self.context.clone() };
            let retry_for = self.batching.retry_for;
            let sender = move || Sender::new(&queue, reporter, retry_for, connect()).run();
            if let Err(error) = thread::Builder::new().name("xray-exporter".to_owned()).spawn(sender) {
                self.reporter().report(
                    Level::Error,
                    "no_exporter_thread",
                    format_args!("cannot start the thread that sends documents: {error}; all documents are dropped"),
                );
                let why = "there is no thread to send it";
                let give_up = |document| self.reporter().settle(&document, Fate::Unsent, format_args!("{why}"));
                worker.queue.end(give_up);
            }
        }
        worker.queue.wake();
    }

    fn reporter(&self) -> Reporter {
        Reporter { target: self.target.clone(), context: self.context.clone() }
    }
}

impl Emitter for Background {
    /// Keeps the context of the first recorder.
    fn start(&self, context: &EmitterContext) {
        let _ = self.context.set(context.clone());
    }

    fn emit(&self, document: Document) {
        let worker = self.worker();
        match worker.queue.push(document) {
            Ok(false) => {}
            Ok(true) => self.wake(&worker),
            Err(PushError::Full(document)) => {
                let reporter = self.reporter();
                reporter.settle(&document, Fate::QueueFull, format_args!("the queue is full"));
                let (bytes, target) = (self.batching.queue_bytes, &self.target);
                reporter.report(
                    Level::Error,
                    "queue_full",
                    format_args!(
                        "dropped a document: the queue of {bytes} bytes to {target} is full. New documents are dropped \
                         until there is room; check that the receiver responds, or sample fewer requests"
                    ),
                );
            }
            Err(PushError::Ended(document)) => {
                self.reporter().settle(&document, Fate::Unsent, format_args!("{NO_TIME_LEFT}"));
            }
        }
    }

    fn flush(&self, timeout: Duration) -> Flushed {
        let worker = self.worker();
        worker.queue.flush(timeout, || self.wake(&worker))
    }

    /// `then` runs on the sending thread.
    fn when_flushed(&self, then: Box<dyn FnOnce() + Send>) {
        let worker = self.worker();
        worker.queue.when_flushed(then, || self.wake(&worker));
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.existing()
            && worker.is_started.load(Relaxed)
        {
            worker.queue.close(DRAIN_TIMEOUT);
        }
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background")
            .field("target", &self.target)
            .field("batching", &self.batching)
            .finish_non_exhaustive()
    }
}

/// Implements [`Emitter`] and `Debug` for a public emitter that wraps [`Background`].
macro_rules! delegate_emitter {
    ($emitter:ident) => {
        impl xray_core::emit::Emitter for $emitter {
            fn start(&self, context: &xray_core::emit::EmitterContext) {
                self.0.start(context);
            }

            fn emit(&self, document: xray_core::document::Document) {
                self.0.emit(document);
            }

            fn flush(&self, timeout: std::time::Duration) -> xray_core::emit::Flushed {
                self.0.flush(timeout)
            }

            fn when_flushed(&self, then: Box<dyn FnOnce() + Send>) {
                self.0.when_flushed(then);
            }
        }

        impl std::fmt::Debug for $emitter {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($emitter)).field(&self.0).finish()
            }
        }
    };
}
pub(crate) use delegate_emitter;

/// Counts and reports, as soon as a recorder has provided its context.
struct Reporter {
    target: Arc<str>,
    context: Arc<OnceLock<EmitterContext>>,
}

impl Reporter {
    fn settle(&self, document: &Document, fate: Fate, why: fmt::Arguments<'_>) {
        if let Some(context) = self.context.get() {
            context.settle(document, fate, why);
        }
    }

    fn report(&self, level: Level, cause: &'static str, message: fmt::Arguments<'_>) {
        if let Some(context) = self.context.get() {
            context.report(level, cause, message);
        }
    }
}

/// The state of the sending thread.
struct Sender<'a> {
    queue: &'a Queue,
    reporter: Reporter,
    retry_for: Duration,
    protocol: Box<dyn Protocol>,
    backoff: Backoff,
}

impl<'a> Sender<'a> {
    fn new(queue: &'a Queue, reporter: Reporter, retry_for: Duration, protocol: Box<dyn Protocol>) -> Sender<'a> {
        Sender { queue, reporter, retry_for, protocol, backoff: Backoff::default() }
    }

    fn run(mut self) {
        let mut batch = Vec::new();
        while self.queue.take(&mut batch) {
            self.deliver(&batch);
        }
        self.queue.end(|document| self.reporter.settle(&document, Fate::Unsent, format_args!("{NO_TIME_LEFT}")));
    }

    /// Sends a batch, in halves if it is too large, and counts each of its documents.
    fn deliver(&mut self, batch: &[Document]) {
        let mut pieces = vec![batch];
        while let Some(piece) = pieces.pop() {
            // A panic is a bug; it must cost one batch and not the thread.
            let encoded = catch_unwind(AssertUnwindSafe(|| self.protocol.encode(piece)));
            let Ok(encoded) = encoded else {
                self.reject(piece.iter(), "encoding it panicked");
                continue;
            };
            let mut included = Vec::with_capacity(piece.len());
            for (document, inclusion) in piece.iter().zip(&encoded.inclusions) {
                match inclusion {
                    Inclusion::Included => included.push(document),
                    Inclusion::Superseded => self.reporter.settle(document, Fate::Superseded, format_args!("")),
                    Inclusion::Unreadable(why) => self.reject([document], why),
                }
            }
            let Some(body) = encoded.body else { continue };
            match self.send(&body, piece) {
                Ok(rejected) => self.count_accepted(piece, &encoded.inclusions, &rejected),
                Err(SendError::Rejected(why)) => self.reject(included, &why),
                Err(SendError::GivenUp(why)) => self.give_up(&included, &why),
                // Halves must not contain documents that have already been counted.
                Err(SendError::TooLarge) if included.len() > 1 && included.len() == piece.len() => {
                    let (first, second) = piece.split_at(piece.len() / 2);
                    pieces.extend([second, first]);
                }
                Err(SendError::TooLarge) if included.len() > 1 => {
                    included.into_iter().rev().for_each(|document| pieces.push(std::slice::from_ref(document)));
                }
                Err(SendError::TooLarge) => self.reject(included, "it is too large for the receiver"),
            }
        }
    }

    /// Sends a request until it is accepted, rejected or given up. Returns the documents that were rejected.
    fn send(&mut self, body: &[u8], batch: &[Document]) -> Result<Vec<(usize, String)>, SendError> {
        let started = Instant::now();
        loop {
            if !self.queue.sleep_until(self.backoff.not_before()) {
                return Err(SendError::GivenUp(NO_TIME_LEFT.to_owned()));
            }
            let reply = catch_unwind(AssertUnwindSafe(|| self.protocol.send(body, batch)));
            match reply.unwrap_or_else(|_| Reply::Rejected { why: "sending it panicked".to_owned() }) {
                Reply::Accepted { rejected, rejected_spans, remark } => {
                    self.resumed();
                    self.report_partial(rejected_spans, remark.as_deref());
                    return Ok(rejected);
                }
                Reply::Rejected { why } => {
                    self.resumed();
                    return Err(SendError::Rejected(why));
                }
                Reply::TooLarge => return Err(SendError::TooLarge),
                Reply::Retry { why, after } => {
                    let is_first = !self.backoff.is_failing();
                    let next = self.backoff.failed(after);
                    if is_first {
                        let target = &self.reporter.target;
                        let message = format_args!("cannot send documents to {target}: {why}; retrying");
                        self.reporter.report(Level::Warn, "export_failed", message);
                    }
                    if next.saturating_duration_since(started) > self.retry_for {
                        return Err(SendError::GivenUp(why));
                    }
                    if !self.queue.sleep_until(next) {
                        return Err(SendError::GivenUp(format!("{why}; {NO_TIME_LEFT}")));
                    }
                    if let Some(context) = self.reporter.context.get() {
                        context.retry();
                    }
                }
            }
        }
    }

    /// Reports that the receiver responds again, if it failed before.
    fn resumed(&mut self) {
        if self.backoff.succeeded() {
            let target = &self.reporter.target;
            self.reporter.report(Level::Info, "export_resumed", format_args!("sending documents to {target} again"));
        }
    }

    /// Counts the documents of an accepted request.
    fn count_accepted(&self, batch: &[Document], inclusions: &[Inclusion], rejected: &[(usize, String)]) {
        for (index, document) in batch.iter().enumerate() {
            if inclusions.get(index) != Some(&Inclusion::Included) {
                continue;
            }
            match rejected.iter().find(|(of, _)| *of == index) {
                Some((_, why)) => self.reject([document], why),
                None => self.reporter.settle(document, Fate::Sent, format_args!("")),
            }
        }
    }

    /// Counts and reports the spans that were rejected from an accepted request.
    fn report_partial(&self, spans: u64, remark: Option<&str>) {
        if let Some(context) = self.reporter.context.get() {
            context.reject_spans(spans);
        }
        let (target, remark) = (&self.reporter.target, remark.unwrap_or("no reason given"));
        if spans > 0 {
            let message = format_args!("{target} rejected {spans} spans of an accepted request: {remark}");
            self.reporter.report(Level::Error, "export_partial", message);
        } else if remark != "no reason given" {
            self.reporter.report(Level::Warn, "export_remark", format_args!("{target} warns: {remark}"));
        }
    }

    /// Counts and reports documents that will never be accepted.
    fn reject<'d>(&self, documents: impl IntoIterator<Item = &'d Document>, why: &str) {
        let mut count = 0;
        for document in documents {
            self.reporter.settle(document, Fate::Rejected, format_args!("{why}"));
            count += 1;
        }
        let target = &self.reporter.target;
        let message = format_args!("dropped {count} documents for {target}: {why}");
        self.reporter.report(Level::Error, "export_refused", message);
    }

    /// Counts and reports documents whose retries have ended.
    fn give_up(&self, documents: &[&Document], why: &str) {
        for document in documents {
            self.reporter.settle(document, Fate::Unsent, format_args!("{why}"));
        }
        let (count, target) = (documents.len(), &self.reporter.target);
        let message = format_args!("dropped {count} documents after the last attempt to send them to {target}: {why}");
        self.reporter.report(Level::Error, "export_lost", message);
    }
}

/// Why a request was not accepted.
enum SendError {
    Rejected(String),
    GivenUp(String),
    TooLarge,
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use xray_core::Recorder;
    use xray_core::sampling::Always;

    use super::*;

    /// A protocol that skips the second document of a batch, and panics instead of each reply that is `None`.
    struct Fragile {
        encode_panics: bool,
        replies: Vec<Option<Reply>>,
    }

    impl Protocol for Fragile {
        fn encode(&mut self, batch: &[Document]) -> Encoded {
            assert!(!std::mem::take(&mut self.encode_panics), "a bug");
            let mut inclusions = vec![Inclusion::Included; batch.len()];
            for inclusion in inclusions.iter_mut().skip(1).take(1) {
                *inclusion = Inclusion::Superseded;
            }
            Encoded { body: Some(Vec::new()), inclusions }
        }

        fn send(&mut self, _: &[u8], _: &[Document]) -> Reply {
            if self.replies.is_empty() { Reply::accepted() } else { self.replies.remove(0).expect("a bug") }
        }
    }

    #[test]
    fn each_document_is_counted_once_however_sending_it_ends() {
        let retry = || Some(Reply::Retry { why: "busy".to_owned(), after: Some(Duration::ZERO) });
        let reject = || Some(Reply::Rejected { why: "bad".to_owned() });
        let rejected = vec![(0, "bad".to_owned())];
        let partial = Some(Reply::Accepted { rejected, rejected_spans: 0, remark: None });
        // The counts for a batch of four documents: emitted, superseded, rejected.
        for (encode_panics, replies, want) in [
            (false, vec![], (3, 1, 0)),
            (true, vec![], (0, 0, 4)),
            (false, vec![None], (0, 1, 3)),
            (false, vec![retry(), retry()], (3, 1, 0)),
            (false, vec![retry(), reject()], (0, 1, 3)),
            (false, vec![partial], (2, 1, 1)),
            // The three documents of the request are sent one by one.
            (false, vec![Some(Reply::TooLarge), reject()], (2, 1, 1)),
        ] {
            let protocol = Mutex::new(Some(Fragile { encode_panics, replies }));
            let connect = move || -> Box<dyn Protocol> { Box::new(protocol.lock().unwrap().take().unwrap()) };
            let batching = Batching::default().delay(Duration::from_secs(3_600));
            let emitter = Background::new("here", batching, Box::new(connect));
            let recorder = Recorder::builder().environment(|_| None).sampling(Always).on_diagnostic(|_| {});
            let recorder = recorder.emitter(emitter).build().unwrap();
            for _ in 0..4 {
                recorder.begin("shop").close();
            }
            assert_eq!(recorder.flush(Duration::from_secs(20)), Flushed::All);
            let stats = recorder.stats();
            assert_eq!((stats.emitted, stats.superseded, stats.dropped_rejected), want);
        }
    }
}
