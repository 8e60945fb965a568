//! The queue between the application's threads and the sender thread.
//!
//! It is optimised for the pushing side: a push is one short lock and a move. It does not wake the sender while the
//! sender polls, since a wake costs the pushing thread 3 to 12 µs, more than the send that it saves. The sender naps for
//! milliseconds while documents arrive, and sleeps until it is woken when none do.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Flushed;
use crate::buffer;
use crate::document::Document;

/// How long the sender naps after it has found documents, and after each attempt that finds none. After the last nap it
/// sleeps, and the next push pays for a wake. This happens only at fewer than some 13 documents a second.
const NAPS: [Duration; 4] =
    [Duration::from_millis(5), Duration::from_millis(10), Duration::from_millis(20), Duration::from_millis(40)];

/// The largest number of documents that the sender takes at a time. A batch no longer counts towards the capacity of the
/// queue, and the sender does not notice a flush that begins while it sends a batch. So batches are small, but large
/// enough to need few locks.
const BATCH_DOCUMENTS: usize = 32;
/// The size at which a batch is complete, in bytes.
const BATCH_BYTES: usize = 64 << 10;

/// The size of the buffers of sent documents that are kept for reuse, in bytes: enough for a burst that ends in a flush.
const SPARES: usize = 1 << 20;

/// The time that a flush without a timeout gives the sender.
const DEFAULT_TIME: Duration = Duration::from_secs(1);

/// Called when a flush is complete.
type Callback = Box<dyn FnOnce() + Send>;

/// A bounded queue of documents for one sender.
pub(super) struct Queue {
    /// In bytes of documents, without the sender's batch.
    capacity: usize,
    state: Mutex<State>,
    /// Wakes the sender.
    work: Condvar,
    /// Wakes threads that wait for the sender.
    progress: Condvar,
}

#[derive(Default)]
struct State {
    documents: VecDeque<Document>,
    bytes: usize,
    /// The number of documents in the sender's batch.
    taken: usize,
    /// The number of documents ever accepted.
    pushed: u64,
    /// The urgency that a flush has set.
    hurry: Option<Hurry>,
    /// Each waiting thread waits until documents up to this one are settled, or until the sender is gone.
    awaited: Vec<u64>,
    /// Buffers of sent documents, to be reused by pushing threads.
    spares: Vec<Vec<u8>>,
    /// The sum of the capacities of `spares`.
    spare_bytes: usize,
    callbacks: Vec<(u64, Callback)>,
    sender: Activity,
    closing: Option<Instant>,
}

/// Documents up to `target` are urgent from this moment on: after half of the time of a flush.
#[derive(Clone, Copy)]
struct Hurry {
    target: u64,
    from: Instant,
}

/// What the sender is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Activity {
    /// Asleep until woken, or not yet started.
    #[default]
    Asleep,
    /// Asleep for some milliseconds.
    Napping,
    /// Working.
    Awake,
    /// Ended.
    Gone,
}

/// The result of pushing a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It is in the queue; the sender will find it.
    Queued,
    /// It is in the queue, and the sender must be woken.
    Wake,
    /// Dropped: the queue is full.
    Full,
    /// Dropped: the sender is gone.
    Gone,
}

impl State {
    /// The number of documents that were accepted and are no longer here: sent or given up.
    fn settled(&self) -> u64 {
        self.pushed - (self.documents.len() + self.taken) as u64
    }

    /// Gives the documents up to `target` this much time.
    fn hurry(&mut self, target: u64, time: Duration) {
        let now = Instant::now();
        let from = now.checked_add(time / 2).unwrap_or_else(|| now + DEFAULT_TIME);
        let settled = self.settled();
        let before = self.hurry.filter(|hurry| hurry.target > settled);
        self.hurry = Some(Hurry { target, from: before.map_or(from, |before| before.from.min(from)) });
    }

    /// Marks the sender as awake. Returns whether it must be woken.
    fn rouse(&mut self) -> bool {
        let asleep = matches!(self.sender, Activity::Asleep | Activity::Napping);
        if asleep {
            self.sender = Activity::Awake;
        }
        asleep
    }
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Queue {
        Queue { capacity, state: Mutex::default(), work: Condvar::new(), progress: Condvar::new() }
    }

    /// Appends a document, unless the queue is full.
    pub(super) fn push(&self, document: Document) -> Pushed {
        let bytes = document.datagram().len();
        let mut state = self.lock();
        if state.sender == Activity::Gone {
            return Pushed::Gone;
        }
        if state.bytes + bytes > self.capacity {
            return Pushed::Full;
        }
        state.bytes += bytes;
        state.pushed += 1;
        state.documents.push_back(document);
        let spare = state.spares.pop();
        state.spare_bytes -= spare.as_ref().map_or(0, Vec::capacity);
        // A napping sender wakes by itself in time, unless the queue fills up during its nap.
        let wake = match state.sender {
            Activity::Asleep => true,
            Activity::Napping => state.bytes >= self.capacity / 2,
            Activity::Awake | Activity::Gone => false,
        };
        let pushed = if wake && state.rouse() { Pushed::Wake } else { Pushed::Queued };
        drop(state);
        // Buffers that one thread allocates and another frees would take the allocator's slow path in both.
        spare.into_iter().for_each(buffer::give);
        pushed
    }

    /// Takes back the buffers of sent documents.
    pub(super) fn recycle(&self, spent: &mut Vec<Vec<u8>>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        while state.spare_bytes < SPARES {
            let Some(buffer) = spent.pop() else { break };
            state.spare_bytes += buffer.capacity();
            state.spares.push(buffer);
        }
        drop(guard);
        spent.clear();
    }

    /// Wakes the sender, after [`Pushed::Wake`].
    pub(super) fn wake(&self) {
        self.work.notify_one();
    }

    /// Waits for documents and moves the next ones into the sender's empty batch. The documents of the last batch count
    /// as settled. Returns `false` once the queue is closed, and is empty or out of time.
    pub(super) fn take(&self, batch: &mut VecDeque<Document>) -> bool {
        let mut state = self.settle();
        let mut naps = NAPS.into_iter();
        loop {
            match state.closing {
                Some(deadline) if state.documents.is_empty() || Instant::now() >= deadline => return false,
                _ if !state.documents.is_empty() => break,
                _ => state = self.sleep(state, naps.next()),
            }
        }
        let mut bytes = 0;
        while batch.len() < BATCH_DOCUMENTS && bytes < BATCH_BYTES {
            let Some(document) = state.documents.pop_front() else { break };
            bytes += document.datagram().len();
            batch.push_back(document);
        }
        state.bytes -= bytes;
        state.taken = batch.len();
        true
    }

    /// Whether waiting documents are more likely to be lost here than in the daemon's buffer: the queue fills up, or a
    /// flush runs out of time.
    pub(super) fn is_urgent(&self) -> bool {
        let state = self.lock();
        let is_late = |hurry: Hurry| state.settled() < hurry.target && Instant::now() >= hurry.from;
        state.bytes > self.capacity / 4 || state.hurry.is_some_and(is_late)
    }

    /// Whether the queue is closed and its time is over.
    pub(super) fn expired(&self) -> bool {
        self.lock().closing.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Waits until all documents pushed before are settled. Calls `wake` first, unless nothing is left.
    pub(super) fn flush(&self, timeout: Duration, wake: impl FnOnce()) -> Flushed {
        let mut state = self.lock();
        let target = state.pushed;
        if state.settled() == target {
            return Flushed::All;
        }
        state.hurry(target, timeout);
        state.rouse();
        drop(state);
        wake();
        let state = self.wait(timeout, target, |state| state.settled() < target);
        match target.saturating_sub(state.settled()) {
            0 => Flushed::All,
            left => Flushed::TimedOut { left: left as usize },
        }
    }

    /// Calls `then` when all documents pushed before are settled. Calls `wake` first, unless nothing is left.
    pub(super) fn when_flushed(&self, then: Callback, wake: impl FnOnce()) {
        let mut state = self.lock();
        let target = state.pushed;
        if state.settled() == target {
            drop(state);
            return then();
        }
        state.hurry(target, DEFAULT_TIME);
        state.callbacks.push((target, then));
        state.rouse();
        drop(state);
        wake();
    }

    /// Ends the sender, which has `timeout` to send what is queued. Waits for it for at most twice this time.
    pub(super) fn close(&self, timeout: Duration) {
        let mut state = self.lock();
        state.closing = Some(Instant::now() + timeout);
        state.hurry(u64::MAX, Duration::ZERO);
        state.rouse();
        drop(state);
        self.wake();
        drop(self.wait(timeout * 2, u64::MAX, |state| state.sender != Activity::Gone));
    }

    /// Marks the sender as gone, so that no further document is accepted. Returns the documents that are left.
    pub(super) fn leave(&self) -> VecDeque<Document> {
        let mut state = self.settle();
        state.sender = Activity::Gone;
        let left = std::mem::take(&mut state.documents);
        state.bytes = 0;
        drop(state);
        self.progress.notify_all();
        drop(self.settle());
        left
    }

    /// Counts the last batch as settled, and notifies threads that wait for it.
    fn settle(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.taken = 0;
        let settled = state.settled();
        let done: Vec<_> = state.callbacks.extract_if(.., |(target, _)| *target <= settled).collect();
        // Waking a thread for every batch of a long flush would cost more than the sends.
        if state.awaited.iter().any(|target| *target <= settled) {
            self.progress.notify_all();
        }
        if done.is_empty() {
            return state;
        }
        drop(state);
        for (_, then) in done {
            let _ = catch_unwind(AssertUnwindSafe(then));
        }
        self.lock()
    }

    /// Releases the lock until the sender is woken or its nap ends. Without a nap, it waits until it is woken.
    fn sleep<'a>(&self, mut state: MutexGuard<'a, State>, nap: Option<Duration>) -> MutexGuard<'a, State> {
        let mut state = match nap {
            Some(nap) => {
                state.sender = Activity::Napping;
                self.work.wait_timeout(state, nap).unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                state.sender = Activity::Asleep;
                self.work.wait(state).unwrap_or_else(PoisonError::into_inner)
            }
        };
        state.sender = Activity::Awake;
        state
    }

    /// Waits while `unfinished` holds, which it does until `target` is settled.
    fn wait(&self, timeout: Duration, target: u64, unfinished: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.awaited.push(target);
        let waited = self.progress.wait_timeout_while(state, timeout, |state| unfinished(state));
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if let Some(index) = state.awaited.iter().position(|awaited| *awaited == target) {
            state.awaited.swap_remove(index);
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Queue")
            .field("capacity", &self.capacity)
            .field("documents", &state.documents.len())
            .field("bytes", &state.bytes)
            .field("sender", &state.sender)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;

    use super::super::samples::{document, number};
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn numbers(batch: &mut VecDeque<Document>) -> Vec<usize> {
        batch.drain(..).map(|document| number(document.datagram())).collect()
    }

    #[test]
    fn a_full_queue_drops_the_newest() {
        let (queue, mut batch) = (Queue::new(1_000), VecDeque::new());
        let pushed: Vec<_> = (0..5).map(|n| queue.push(document(n, 300))).collect();
        assert_eq!(pushed, [Pushed::Wake, Pushed::Queued, Pushed::Queued, Pushed::Full, Pushed::Full]);
        assert!(queue.take(&mut batch));
        assert_eq!(numbers(&mut batch), [0, 1, 2]);
        assert_eq!(queue.push(document(5, 1_000)), Pushed::Queued, "the bytes are free again");
        assert_eq!(queue.push(document(6, 100)), Pushed::Full);
    }

    #[test]
    fn only_the_first_push_wakes_the_sender_or_the_one_that_half_fills_the_queue_in_a_nap() {
        let queue = Queue::new(1_000);
        assert_eq!(queue.push(document(0, 100)), Pushed::Wake);
        assert_eq!(queue.push(document(1, 100)), Pushed::Queued);
        queue.lock().sender = Activity::Napping;
        let pushed: Vec<_> = (2..8).map(|n| queue.push(document(n, 100))).collect();
        let mut want = [Pushed::Queued; 6];
        want[2] = Pushed::Wake;
        assert_eq!(pushed, want);
    }

    #[test]
    fn batches_are_small_and_in_order() {
        let (queue, mut batch) = (Queue::new(1 << 20), VecDeque::new());
        for n in 0..40 {
            queue.push(document(n, 100));
        }
        for n in 40..43 {
            queue.push(document(n, 60_000));
        }
        for want in [(0..32).collect::<Vec<_>>(), (32..=41).collect(), vec![42]] {
            assert!(queue.take(&mut batch));
            assert_eq!(numbers(&mut batch), want);
        }
    }

    #[test]
    fn a_flush_waits_for_the_senders_batch() {
        let (queue, mut batch) = (Queue::new(1_000), VecDeque::new());
        assert_eq!(queue.flush(SOON, || unreachable!()), Flushed::All);
        for n in 0..3 {
            queue.push(document(n, 100));
        }
        queue.take(&mut batch);
        queue.push(document(3, 100));
        let mut woken = false;
        assert_eq!(queue.flush(Duration::ZERO, || woken = true), Flushed::TimedOut { left: 4 });
        assert!(woken);
        assert!(queue.is_urgent(), "the flush has no time");
        batch.clear();
        queue.take(&mut batch);
        assert_eq!(queue.flush(Duration::ZERO, || {}), Flushed::TimedOut { left: 1 });
        drop(queue.settle());
        assert_eq!(queue.flush(Duration::ZERO, || unreachable!()), Flushed::All);
        assert!(!queue.is_urgent());
    }

    #[test]
    fn each_flush_ends_with_its_own_documents() {
        let (queue, mut batch) = (Arc::new(Queue::new(1 << 20)), VecDeque::new());
        let flush = |awaited: usize| {
            let flushed = queue.clone();
            let flush = thread::spawn(move || flushed.flush(SOON, || {}));
            while queue.lock().awaited.len() < awaited {
                thread::yield_now();
            }
            flush
        };
        queue.push(document(0, BATCH_BYTES));
        let first = flush(1);
        queue.push(document(1, BATCH_BYTES));
        let second = flush(2);
        queue.take(&mut batch);
        batch.clear();
        queue.take(&mut batch);
        assert_eq!(first.join().unwrap(), Flushed::All);
        assert_eq!(queue.lock().awaited, [2]);
        drop(queue.settle());
        assert_eq!(second.join().unwrap(), Flushed::All);
    }

    #[test]
    fn spare_buffers_are_bounded() {
        let queue = Queue::new(1 << 20);
        let mut spent: Vec<_> = (0..3).map(|_| Vec::with_capacity(SPARES)).collect();
        queue.recycle(&mut spent);
        assert!(spent.is_empty());
        assert_eq!(queue.lock().spares.len(), 1);
        queue.push(document(0, 100));
        assert_eq!(queue.lock().spare_bytes, 0);
    }

    #[test]
    fn a_queue_that_fills_up_is_urgent() {
        let queue = Queue::new(1_000);
        for (size, urgent) in [(250, false), (100, true), (600, true)] {
            queue.push(document(0, size));
            assert_eq!(queue.is_urgent(), urgent);
        }
    }

    #[test]
    fn a_flush_is_urgent_in_the_second_half_of_its_time() {
        for (time, urgent) in [(Duration::from_secs(3600), false), (Duration::MAX, false), (Duration::ZERO, true)] {
            let queue = Queue::new(1_000);
            queue.push(document(0, 100));
            queue.lock().hurry(1, time);
            assert_eq!(queue.is_urgent(), urgent, "{time:?}");
            // A flush with more time does not slow down one with less.
            queue.lock().hurry(1, Duration::from_secs(7200));
            assert_eq!(queue.is_urgent(), urgent, "{time:?}");
        }
    }

    #[test]
    fn callbacks_run_once_unlocked_and_may_panic() {
        let (queue, mut batch) = (Arc::new(Queue::new(1_000)), VecDeque::new());
        let calls = Arc::new(AtomicUsize::new(0));
        let then = |panics: bool| -> Callback {
            let (calls, queue) = (calls.clone(), queue.clone());
            Box::new(move || {
                calls.fetch_add(1, SeqCst);
                queue.push(document(9, 100));
                assert!(!panics, "a callback's bug");
            })
        };
        queue.when_flushed(then(false), || unreachable!());
        assert_eq!(calls.load(SeqCst), 1, "nothing was left, so it ran at once");
        queue.when_flushed(then(true), || {});
        queue.take(&mut batch);
        queue.push(document(1, 100));
        queue.when_flushed(then(false), || {});
        assert_eq!(calls.load(SeqCst), 1);
        batch.clear();
        queue.take(&mut batch);
        assert_eq!(calls.load(SeqCst), 2);
        assert_eq!(queue.leave(), [document(9, 100)], "pushed by the last callback");
        assert_eq!(calls.load(SeqCst), 3);
    }

    #[test]
    fn the_sender_leaves_a_closed_queue_once_it_is_empty_or_out_of_time() {
        let (queue, mut batch) = (Queue::new(1_000), VecDeque::new());
        queue.push(document(0, 100));
        queue.lock().closing = Some(Instant::now() + SOON);
        assert!(queue.take(&mut batch) && !queue.expired());
        batch.clear();
        assert!(!queue.take(&mut batch));

        queue.push(document(1, 100));
        queue.lock().closing = Some(Instant::now());
        assert!(!queue.take(&mut batch) && queue.expired());
        assert_eq!(queue.leave(), [document(1, 100)]);
        assert_eq!(queue.push(document(2, 100)), Pushed::Gone);
        assert_eq!(queue.flush(SOON, || unreachable!()), Flushed::All);
    }

    #[test]
    fn documents_of_many_threads_are_taken_once_and_in_the_order_of_their_thread() {
        const THREADS: usize = 4;
        const EACH: usize = 5_000;
        let queue = Queue::new(usize::MAX);
        let taken = thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let (mut batch, mut taken) = (VecDeque::new(), Vec::new());
                while queue.take(&mut batch) {
                    taken.append(&mut numbers(&mut batch));
                }
                queue.leave();
                taken
            });
            let pushers = [(); THREADS].map({
                let (mut thread, queue) = (0, &queue);
                move |()| {
                    let first = thread * EACH;
                    thread += 1;
                    scope.spawn(move || {
                        for n in first..first + EACH {
                            if queue.push(document(n, 64)) == Pushed::Wake {
                                queue.wake();
                            }
                            if n % 1_000 == 0 {
                                assert_eq!(queue.flush(SOON, || queue.wake()), Flushed::All);
                            }
                        }
                    })
                }
            });
            for pusher in pushers {
                pusher.join().unwrap();
            }
            queue.close(SOON);
            sender.join().unwrap()
        });
        assert_eq!(taken.len(), THREADS * EACH);
        for thread in 0..THREADS {
            let own: Vec<_> = taken.iter().copied().filter(|n| n / EACH == thread).collect();
            assert_eq!(own, (thread * EACH..(thread + 1) * EACH).collect::<Vec<_>>());
        }
    }
}
