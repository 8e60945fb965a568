//! The default emitter: sends documents on a background thread.

use std::collections::VecDeque;
use std::io;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use super::address::Endpoint;
use super::inline::InlineEmitter;
use super::outage::Outage;
use super::queue::{Pushed, Queue};
use super::sender::{Delivered, Sender, WaitPolicy};
use super::socket::Socket;
use super::{Emitter, Flushed};
use crate::diagnostics::{Cause, Diagnostics};
use crate::document::Document;
use crate::process::{Owned, PerProcess};
use crate::stats::Counters;
use crate::time::Clock;

/// The size of the queue, in bytes of documents: some 8,000 traces, more than a second of a busy service.
const CAPACITY: usize = 8 << 20;

/// How long the thread may continue to send after the emitter is dropped: enough for most of a full queue.
const DRAIN: Duration = Duration::from_millis(300);

/// How long the thread waits for the daemon's name before it checks whether it should end.
const LOOKUP: Duration = Duration::from_millis(20);

/// Why documents are given up when the emitter is dropped.
const NO_TIME: &str = "no time was left at shutdown";

/// How long the queue must not have been full before the loss counts as over.
const FULL_QUIET: Duration = Duration::from_secs(10);

/// Passes documents to the thread `xray-emitter`, which sends them at a pace that the daemon can follow.
///
/// The thread starts with the first document. If it cannot be started, the callers' threads send the documents. Dropping
/// the emitter stops the thread after it has sent the queued documents, within 0.3 seconds.
///
/// A forked child gets a queue and a thread of its own with its first document. The parent sends what is queued at the
/// fork.
#[derive(Debug)]
pub(crate) struct BackgroundEmitter {
    capacity: usize,
    endpoint: Endpoint,
    counters: Arc<Counters>,
    diagnostics: Diagnostics,
    worker: PerProcess<Worker>,
}

/// The queue and the thread of a process.
#[derive(Debug)]
struct Worker {
    queue: Arc<Queue>,
    is_started: AtomicBool,
    /// Replaces the thread if it could not be started.
    inline: OnceLock<InlineEmitter>,
    full: Outage,
}

impl Worker {
    fn new(capacity: usize, diagnostics: &Diagnostics) -> Worker {
        Worker {
            queue: Arc::new(Queue::new(capacity)),
            is_started: AtomicBool::new(false),
            inline: OnceLock::new(),
            full: Outage::new(Cause::QueueFull, diagnostics.clone(), Clock::system()),
        }
    }
}

impl BackgroundEmitter {
    /// Creates the emitter, without starting the thread or opening a socket yet.
    pub(crate) fn new(endpoint: Endpoint, counters: Arc<Counters>, diagnostics: Diagnostics) -> BackgroundEmitter {
        BackgroundEmitter::with_capacity(CAPACITY, endpoint, counters, diagnostics)
    }

    /// Creates the emitter with a capacity of the queue, in bytes of documents.
    pub(crate) fn with_capacity(
        capacity: usize,
        endpoint: Endpoint,
        counters: Arc<Counters>,
        diagnostics: Diagnostics,
    ) -> BackgroundEmitter {
        let worker = PerProcess::new(Worker::new(capacity, &diagnostics));
        BackgroundEmitter { capacity, endpoint, counters, diagnostics, worker }
    }

    /// Returns the queue and thread of this process. A forked child creates its own.
    fn worker(&self) -> impl Deref<Target = Arc<Owned<Worker>>> {
        self.worker.get(|| Worker::new(self.capacity, &self.diagnostics))
    }

    /// Wakes the thread, starting it first if necessary.
    fn wake(&self, worker: &Worker) {
        if !worker.is_started.swap(true, Relaxed) {
            self.start(worker);
        }
        worker.queue.wake();
    }

    /// Starts the thread. If that fails, callers send their documents themselves from now on.
    fn start(&self, worker: &Worker) {
        let queue = worker.queue.clone();
        let socket = Socket::new(self.endpoint.clone(), self.counters.clone(), self.diagnostics.clone());
        let work = move || run(&queue, &Sender::new(socket));
        if let Err(error) = thread::Builder::new().name("xray-emitter".to_owned()).spawn(work) {
            self.fall_back(worker, &error);
        }
    }

    /// Replaces the thread by an inline emitter, and sends what is queued.
    fn fall_back(&self, worker: &Worker, error: &io::Error) {
        let message = format_args!(
            "cannot start the thread that sends documents ({error}): documents are sent by the threads that finish them"
        );
        self.diagnostics.warn(Cause::NoEmitterThread, message);
        let inline = worker
            .inline
            .get_or_init(|| InlineEmitter::new(self.endpoint.clone(), self.counters.clone(), self.diagnostics.clone()));
        worker.queue.leave().into_iter().for_each(|document| inline.emit(document));
    }
}

impl Emitter for BackgroundEmitter {
    /// Queues the document, which costs a lock and a move. The first one after a pause also wakes the thread, which
    /// takes 3 to 12 µs.
    fn emit(&self, document: Document) {
        let worker = self.worker();
        if let Some(inline) = worker.inline.get() {
            return inline.emit(document);
        }
        let content = document.content();
        match worker.queue.push(document) {
            Pushed::Queued => worker.full.over_after(FULL_QUIET, format_args!("the queue of documents has room again")),
            Pushed::Wake => self.wake(&worker),
            Pushed::Full => {
                self.counters.dropped_queue_full.add(1);
                let message = format_args!(
                    "dropped a document: the queue of {} MiB for {} is full. New documents are dropped until it has \
                     room. Sample fewer requests",
                    self.capacity >> 20,
                    self.endpoint
                );
                worker.full.lost(1, message);
                content.dropped(&self.diagnostics, format_args!("the queue is full"));
            }
            Pushed::Gone => {
                self.counters.dropped_unsent.add(1);
                self.diagnostics.error(Cause::Unsent, format_args!("dropped a document: {NO_TIME}"));
                content.dropped(&self.diagnostics, format_args!("{NO_TIME}"));
            }
        }
    }

    fn flush(&self, timeout: Duration) -> Flushed {
        let worker = self.worker();
        worker.queue.flush(timeout, || self.wake(&worker))
    }

    /// Calls `then` on the sending thread.
    fn when_flushed(&self, then: Box<dyn FnOnce() + Send>) {
        let worker = self.worker();
        worker.queue.when_flushed(then, || self.wake(&worker));
    }
}

impl Drop for BackgroundEmitter {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.existing()
            && worker.is_started.load(Relaxed)
            && worker.inline.get().is_none()
        {
            worker.queue.close(DRAIN);
        }
    }
}

/// Runs the thread: sends queued documents until the queue is closed.
fn run(queue: &Queue, sender: &Sender) {
    let (mut batch, mut spent) = (VecDeque::new(), Vec::new());
    while queue.take(&mut batch) {
        while !batch.is_empty() {
            // Nothing in here should panic. If it does, the documents are sent one by one, and one of them is lost.
            let first = catch_unwind(AssertUnwindSafe(|| sender.deliver_first(batch.make_contiguous(), queue)));
            let Delivered { admitted, sent } = first.unwrap_or(Delivered { admitted: 1, sent: 0 });
            spent.extend(batch.drain(..sent).map(Document::into_datagram));
            for document in batch.drain(..admitted - sent) {
                if catch_unwind(AssertUnwindSafe(|| sender.deliver_admitted(&document, queue))).is_err() {
                    sender.give_up(&document, "sending it panicked");
                }
                spent.push(document.into_datagram());
            }
        }
        queue.recycle(&mut spent);
        sender.check();
    }
    match queue.leave().len() {
        0 => {}
        left => sender.give_up_all(left as u64, NO_TIME),
    }
}

impl WaitPolicy for Queue {
    fn is_urgent(&self) -> bool {
        Queue::is_urgent(self)
    }

    fn lookup(&self) -> Duration {
        LOOKUP
    }

    fn give_up_reason(&self) -> Option<&'static str> {
        self.expired().then_some(NO_TIME)
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::sync::mpsc;

    use super::super::samples::{document, number, receive, receiver};
    use super::*;
    use crate::diagnostics::Stderr;
    use crate::stats::Stats;

    const SOON: Duration = Duration::from_secs(10);

    fn quiet() -> Diagnostics {
        Diagnostics::new(None, Stderr { level: None, prefix: false })
    }

    fn emitter(daemon: &UdpSocket) -> (BackgroundEmitter, Arc<Counters>) {
        let counters = Arc::new(Counters::default());
        let endpoint = daemon.local_addr().unwrap().to_string().parse().unwrap();
        (BackgroundEmitter::new(endpoint, counters.clone(), quiet()), counters)
    }

    /// Creates an emitter whose thread never runs.
    fn threadless(capacity: usize) -> (BackgroundEmitter, Arc<Counters>) {
        let counters = Arc::new(Counters::default());
        let endpoint = "127.0.0.1:9".parse().unwrap();
        let emitter = BackgroundEmitter::with_capacity(capacity, endpoint, counters.clone(), quiet());
        emitter.worker().is_started.store(true, Relaxed);
        (emitter, counters)
    }

    /// Reads up to `documents` and returns their numbers. It reads everything that has arrived, then pauses for
    /// `starved`, and repeats.
    fn read(daemon: &UdpSocket, documents: usize, starved: Duration) -> Vec<usize> {
        let (mut buffer, mut numbers) = (vec![0; 65_536], Vec::new());
        daemon.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        while numbers.len() < documents {
            // Waits for the next document, then reads all that are there.
            let Ok(length) = daemon.recv(&mut buffer) else { break };
            numbers.push(number(&buffer[..length]));
            daemon.set_nonblocking(true).unwrap();
            while let Ok(length) = daemon.recv(&mut buffer) {
                numbers.push(number(&buffer[..length]));
            }
            daemon.set_nonblocking(false).unwrap();
            thread::sleep(starved);
        }
        numbers
    }

    /// Whether all documents of a burst reach a reader in order, with or without a flush.
    fn arrives_whole(documents: usize, size: usize, flush: bool, starved: Duration) -> bool {
        let daemon = receiver();
        let (emitter, counters) = emitter(&daemon);
        let reader = thread::spawn(move || read(&daemon, documents, starved));
        for n in 0..documents {
            emitter.emit(document(n, size));
        }
        if flush {
            assert_eq!(emitter.flush(SOON), Flushed::All);
            assert_eq!(counters.snapshot().emitted, documents as u64);
        }
        reader.join().unwrap() == Vec::from_iter(0..documents)
    }

    // If a loaded machine does not schedule the reader at all, documents are lost at any pace. These tests try again.

    #[test]
    fn bursts_of_any_size_arrive_whole() {
        for (documents, size) in [(1_500, 200), (500, 1_700), (60, 65_507)] {
            for flush in [false, true] {
                let whole = (0..5).any(|_| arrives_whole(documents, size, flush, Duration::ZERO));
                assert!(whole, "{documents} of {size} bytes, flush: {flush}");
            }
        }
    }

    #[test]
    fn documents_of_any_mixture_of_lengths_arrive_whole() {
        let whole = (0..5).any(|_| {
            let daemon = receiver();
            let (emitter, counters) = emitter(&daemon);
            let reader = thread::spawn(move || read(&daemon, 600, Duration::ZERO));
            let lengths = (0..600).map(|n| [300, 340, 310, 2_000, 90, 300, 20_000][n % 7]);
            lengths.clone().enumerate().for_each(|(n, length)| emitter.emit(document(n, length)));
            assert_eq!(emitter.flush(SOON), Flushed::All);
            let stats = counters.snapshot();
            assert_eq!((stats.emitted, stats.bytes), (600, lengths.sum::<usize>() as u64));
            reader.join().unwrap() == Vec::from_iter(0..600)
        });
        assert!(whole);
    }

    #[test]
    fn a_burst_reaches_a_starved_reader_whole() {
        for (documents, size) in [(1_000, 250), (200, 1_700)] {
            let whole = (0..5).any(|_| arrives_whole(documents, size, true, Duration::from_millis(12)));
            assert!(whole, "{documents} of {size} bytes");
        }
    }

    #[test]
    fn a_full_queue_does_not_override_the_windows() {
        let whole = (0..5).any(|_| {
            let daemon = receiver();
            let counters = Arc::new(Counters::default());
            let endpoint = daemon.local_addr().unwrap().to_string().parse().unwrap();
            let emitter = BackgroundEmitter::with_capacity(300_000, endpoint, counters.clone(), quiet());
            let reader = thread::spawn(move || read(&daemon, usize::MAX, Duration::from_millis(2)));
            (0..5_000).for_each(|n| emitter.emit(document(n, 250)));
            assert_eq!(emitter.flush(SOON), Flushed::All);
            let (stats, read) = (counters.snapshot(), reader.join().unwrap());
            assert_eq!(stats.emitted + stats.dropped_queue_full, 5_000);
            assert!(stats.dropped_queue_full > 0);
            read.len() as u64 == stats.emitted
        });
        assert!(whole, "documents were sent but did not arrive");
    }

    #[test]
    fn single_documents_arrive_without_a_flush() {
        let daemon = receiver();
        let (emitter, _) = emitter(&daemon);
        for n in 0..50 {
            emitter.emit(document(n, 100));
            assert_eq!(number(&receive(&daemon)), n);
        }
    }

    #[test]
    fn delivery_begins_when_an_absent_daemon_starts() {
        let daemon = receiver();
        let (emitter, counters) = emitter(&daemon);
        let at = daemon.local_addr().unwrap();
        drop(daemon);
        for n in 0..10 {
            emitter.emit(document(n, 100));
        }
        assert_eq!(emitter.flush(SOON), Flushed::All);
        assert!(counters.snapshot().refused > 0);
        let daemon = UdpSocket::bind(at).unwrap();
        daemon.set_read_timeout(Some(SOON)).unwrap();
        for n in 10..20 {
            emitter.emit(document(n, 100));
        }
        assert_eq!(Vec::from_iter((10..20).map(|_| number(&receive(&daemon)))), Vec::from_iter(10..20));
    }

    #[test]
    fn a_full_queue_drops_the_newest_and_counts() {
        let (emitter, counters) = threadless(1_000);
        for n in 0..7 {
            emitter.emit(document(n, 300));
        }
        assert_eq!(counters.snapshot(), Stats { dropped_queue_full: 4, ..Stats::default() });
        assert_eq!(emitter.worker().queue.leave(), [0, 1, 2].map(|n| document(n, 300)));
    }

    #[test]
    fn a_flush_ends_in_time_and_returns_what_is_left() {
        let (emitter, _) = threadless(1_000);
        assert_eq!(emitter.flush(Duration::MAX), Flushed::All);
        emitter.emit(document(0, 300));
        emitter.emit(document(1, 300));
        assert_eq!(emitter.flush(Duration::from_millis(1)), Flushed::TimedOut { left: 2 });
        emitter.worker().queue.leave();
    }

    #[test]
    fn several_threads_flush_at_once() {
        let daemon = receiver();
        let (emitter, counters) = emitter(&daemon);
        thread::scope(|scope| {
            for thread in 0..4 {
                let emitter = &emitter;
                scope.spawn(move || {
                    for n in 0..100 {
                        emitter.emit(document(thread * 1_000 + n, 100));
                        if n % 10 == 0 {
                            assert_eq!(emitter.flush(SOON), Flushed::All);
                        }
                    }
                    assert_eq!(emitter.flush(Duration::MAX), Flushed::All);
                });
            }
        });
        assert_eq!(counters.snapshot().emitted, 400);
    }

    #[test]
    fn a_callback_runs_at_the_end_of_a_flush() {
        let daemon = receiver();
        let (emitter, counters) = emitter(&daemon);
        let (done, flushed) = mpsc::channel();
        for n in 0..100 {
            emitter.emit(document(n, 100));
        }
        emitter.when_flushed(Box::new(move || done.send(counters.snapshot().emitted).unwrap()));
        assert_eq!(flushed.recv_timeout(SOON), Ok(100));
    }

    #[test]
    fn dropping_the_emitter_sends_what_is_queued_and_ends_the_thread() {
        let daemon = receiver();
        let (emitter, counters) = emitter(&daemon);
        let queue = emitter.worker().queue.clone();
        for n in 0..1_000 {
            emitter.emit(document(n, 100));
        }
        drop(emitter);
        assert_eq!(counters.snapshot().emitted, 1_000);
        assert_eq!(queue.push(document(0, 100)), Pushed::Gone);
    }

    #[test]
    fn without_a_thread_documents_are_sent_by_the_caller() {
        let daemon = receiver();
        let (emitter, counters) = emitter(&daemon);
        emitter.worker().is_started.store(true, Relaxed);
        emitter.emit(document(1, 100));
        emitter.fall_back(&emitter.worker(), &io::ErrorKind::OutOfMemory.into());
        assert_eq!(number(&receive(&daemon)), 1);
        emitter.emit(document(2, 100));
        assert_eq!(counters.snapshot().emitted, 2);
        assert_eq!(emitter.flush(SOON), Flushed::All);
        assert_eq!(number(&receive(&daemon)), 2);
    }
}
