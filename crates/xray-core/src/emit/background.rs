//! Sending on a thread of the SDK's own: the default.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use super::address::Endpoint;
use super::inline::InlineEmitter;
use super::pace::Pace;
use super::queue::{Pushed, Queue};
use super::socket::{Sent, Socket};
use super::{Emitter, Flushed};
use crate::diagnostics::{Cause, Diagnostics};
use crate::document::Document;
use crate::stats::Counters;

/// Bytes of documents that may wait: some 8,000 traces, more than a second of a busy service.
const CAPACITY: usize = 8 << 20;

/// How long the thread may go on sending after the emitter is dropped: time for most of a full queue.
const DRAIN: Duration = Duration::from_millis(300);

/// How often a document is tried again, a millisecond apart, while the kernel's send buffer is full.
const PATIENCE: usize = 50;

/// How long the thread waits for the daemon's name before it looks whether it should end.
const LOOKUP: Duration = Duration::from_millis(20);

/// Hands documents to the thread `xray-emitter`, which sends them at a pace that the daemon can follow.
///
/// The thread starts with the first document. If it cannot be started, documents are sent by the callers'
/// threads. Dropping the emitter stops it, after it has sent what is queued, within 0.3 seconds.
///
/// A forked child has the queue but not the thread: it starts its own as soon as a push finds the thread
/// asleep or the queue full, or at a flush. What was queued at the fork is then sent by both, under the same
/// ids, which X-Ray takes for one document.
#[derive(Debug)]
pub(crate) struct BackgroundEmitter {
    endpoint: Endpoint,
    counters: Arc<Counters>,
    diagnostics: Diagnostics,
    queue: Arc<Queue>,
    /// The process that has the thread; 0, which no process has, before it is started.
    home: AtomicU32,
    /// Set when the thread could not be started.
    inline: OnceLock<InlineEmitter>,
}

impl BackgroundEmitter {
    /// Starts no thread and opens no socket yet.
    pub(crate) fn new(endpoint: Endpoint, counters: Arc<Counters>, diagnostics: Diagnostics) -> BackgroundEmitter {
        BackgroundEmitter::with_capacity(CAPACITY, endpoint, counters, diagnostics)
    }

    /// With a bound for the queue, in bytes of documents.
    pub(crate) fn with_capacity(
        capacity: usize,
        endpoint: Endpoint,
        counters: Arc<Counters>,
        diagnostics: Diagnostics,
    ) -> BackgroundEmitter {
        let queue = Arc::new(Queue::new(capacity));
        BackgroundEmitter { endpoint, counters, diagnostics, queue, home: AtomicU32::new(0), inline: OnceLock::new() }
    }

    /// Wakes the thread, or starts it.
    fn wake(&self) {
        self.start();
        self.queue.wake();
    }

    /// Starts the thread unless this process has it.
    fn start(&self) {
        let (home, here) = (self.home.load(Relaxed), process::id());
        if home == here || self.home.compare_exchange(home, here, Relaxed, Relaxed).is_err() {
            return;
        }
        let sender = Sender {
            queue: self.queue.clone(),
            socket: Socket::new(self.endpoint.clone(), self.counters.clone(), self.diagnostics.clone()),
            pace: Pace::new(Instant::now()),
        };
        if let Err(error) = thread::Builder::new().name("xray-emitter".to_owned()).spawn(move || sender.run()) {
            self.fall_back(&error);
        }
    }

    fn fall_back(&self, error: &io::Error) {
        let why = format_args!("documents are sent by the threads that finish them: no thread to send them: {error}");
        self.diagnostics.warn(Cause::NoEmitterThread, why);
        let inline = self
            .inline
            .get_or_init(|| InlineEmitter::new(self.endpoint.clone(), self.counters.clone(), self.diagnostics.clone()));
        self.queue.leave().into_iter().for_each(|document| inline.emit(document));
    }
}

impl Emitter for BackgroundEmitter {
    /// Costs a lock and a move; the first document after a pause costs a wake as well, 3 to 12 µs.
    fn emit(&self, document: Document) {
        if let Some(inline) = self.inline.get() {
            return inline.emit(document);
        }
        match self.queue.push(document) {
            Pushed::Queued => {}
            Pushed::Wake => self.wake(),
            Pushed::Full => {
                self.counters.dropped_queue_full.add(1);
                self.diagnostics.warn(Cause::QueueFull, format_args!("a document was dropped: the queue is full"));
                self.start();
            }
        }
    }

    fn flush(&self, timeout: Duration) -> Flushed {
        self.queue.flush(timeout, || self.wake())
    }

    /// `then` runs on the sending thread.
    fn when_flushed(&self, then: Box<dyn FnOnce() + Send>) {
        self.queue.when_flushed(then, || self.wake());
    }
}

impl Drop for BackgroundEmitter {
    fn drop(&mut self) {
        if *self.home.get_mut() == process::id() && self.inline.get().is_none() {
            self.queue.close(DRAIN);
        }
    }
}

/// What runs on the thread.
struct Sender {
    queue: Arc<Queue>,
    socket: Socket,
    pace: Pace,
}

impl Sender {
    fn run(mut self) {
        let (mut batch, mut spent) = (VecDeque::new(), Vec::new());
        while self.queue.take(&mut batch) {
            for document in batch.drain(..) {
                // Nothing in here should panic; should it, then at the cost of a document, not of all to come.
                if catch_unwind(AssertUnwindSafe(|| self.deliver(&document))).is_err() {
                    self.socket.give_up("sending it panicked");
                }
                spent.push(document.into_datagram());
            }
            self.queue.recycle(&mut spent);
        }
        for _ in self.queue.leave() {
            self.socket.give_up("no time was left");
        }
    }

    fn deliver(&mut self, document: &Document) {
        let size = document.datagram().len();
        while let Err(pause) = self.pace.admit(size, Instant::now(), || self.queue.pressure()) {
            thread::sleep(pause);
        }
        let mut patience = PATIENCE;
        loop {
            match self.socket.send_within(LOOKUP, document) {
                Sent::Settled => return,
                Sent::Full if patience > 0 => {
                    patience -= 1;
                    thread::sleep(Duration::from_millis(1));
                }
                Sent::Full => return self.socket.give_up("the send buffer is full"),
                Sent::Unresolved if self.queue.expired() => return self.socket.give_up("no time was left"),
                Sent::Unresolved => {}
            }
        }
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

    /// An emitter whose thread never runs, as in a child forked while it napped.
    fn threadless(capacity: usize) -> (BackgroundEmitter, Arc<Counters>) {
        let counters = Arc::new(Counters::default());
        let endpoint = "127.0.0.1:9".parse().unwrap();
        let emitter = BackgroundEmitter::with_capacity(capacity, endpoint, counters.clone(), quiet());
        emitter.home.store(process::id(), Relaxed);
        (emitter, counters)
    }

    /// Whether all documents of a burst, flushed or not, reach a plain reader, in order.
    fn arrives_whole(documents: usize, size: usize, flush: bool) -> bool {
        let daemon = receiver();
        daemon.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let (emitter, counters) = emitter(&daemon);
        let reader = thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            let next = |_| daemon.recv(&mut buffer).ok().map(|length| number(&buffer[..length]));
            (0..documents).map_while(next).collect::<Vec<_>>()
        });
        for n in 0..documents {
            emitter.emit(document(n, size));
        }
        if flush {
            assert_eq!(emitter.flush(SOON), Flushed::All);
            assert_eq!(counters.snapshot().emitted, documents as u64);
        }
        reader.join().unwrap() == Vec::from_iter(0..documents)
    }

    #[test]
    fn bursts_of_any_size_arrive_whole() {
        for (documents, size) in [(1_500, 200), (1_500, 1_700), (60, 65_507)] {
            for flush in [false, true] {
                // A reader that a loaded machine does not schedule loses documents at any pace: try again.
                let whole = (0..5).any(|_| arrives_whole(documents, size, flush));
                assert!(whole, "{documents} of {size} bytes, flush: {flush}");
            }
        }
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
        assert_eq!(emitter.queue.leave(), [0, 1, 2].map(|n| document(n, 300)));
    }

    #[test]
    fn a_flush_ends_in_time_and_tells_what_is_left() {
        let (emitter, _) = threadless(1_000);
        assert_eq!(emitter.flush(Duration::MAX), Flushed::All);
        emitter.emit(document(0, 300));
        emitter.emit(document(1, 300));
        assert_eq!(emitter.flush(Duration::from_millis(1)), Flushed::TimedOut { left: 2 });
        emitter.queue.leave();
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
    fn a_callback_tells_the_end_of_a_flush() {
        let daemon = receiver();
        let (emitter, counters) = emitter(&daemon);
        let (tell, told) = mpsc::channel();
        for n in 0..100 {
            emitter.emit(document(n, 100));
        }
        emitter.when_flushed(Box::new(move || tell.send(counters.snapshot().emitted).unwrap()));
        assert_eq!(told.recv_timeout(SOON), Ok(100));
    }

    #[test]
    fn dropping_the_emitter_sends_what_is_queued_and_ends_the_thread() {
        let daemon = receiver();
        let (emitter, counters) = emitter(&daemon);
        let queue = emitter.queue.clone();
        for n in 0..1_000 {
            emitter.emit(document(n, 100));
        }
        drop(emitter);
        assert_eq!(counters.snapshot().emitted, 1_000);
        assert_eq!(queue.push(document(0, 100)), Pushed::Full, "nobody would send it");
    }

    #[test]
    fn a_forked_child_starts_its_own_thread() {
        for inherited in [0, 1] {
            let daemon = receiver();
            let (emitter, _) = emitter(&daemon);
            for n in 0..inherited {
                // The parent's thread had been woken for this one, so no push will wake it again.
                assert_eq!(emitter.queue.push(document(n, 100)), Pushed::Wake);
            }
            emitter.home.store(u32::MAX, Relaxed);
            emitter.emit(document(inherited, 100));
            assert_eq!(emitter.flush(SOON), Flushed::All);
            for n in 0..=inherited {
                assert_eq!(number(&receive(&daemon)), n);
            }
        }
    }

    #[test]
    fn without_a_thread_documents_are_sent_by_the_caller() {
        let daemon = receiver();
        let (emitter, counters) = emitter(&daemon);
        emitter.home.store(process::id(), Relaxed);
        emitter.emit(document(1, 100));
        emitter.fall_back(&io::ErrorKind::OutOfMemory.into());
        assert_eq!(number(&receive(&daemon)), 1);
        emitter.emit(document(2, 100));
        assert_eq!(counters.snapshot().emitted, 2);
        assert_eq!(emitter.flush(SOON), Flushed::All);
        assert_eq!(number(&receive(&daemon)), 2);
    }
}
