//! The bounded queue between the application's threads and the sending thread, which takes batches.
//!
//! A push takes one short lock and moves the document. It wakes the sender for the first document of a batch and for
//! the one that fills it; between them the sender sleeps until the batch is due.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use xray_core::document::Document;
use xray_core::emit::Flushed;

use crate::batching::Batching;

/// Called when a flush is complete.
type Callback = Box<dyn FnOnce() + Send>;

/// A bounded queue of documents for one sender.
pub(crate) struct Queue {
    batching: Batching,
    state: Mutex<State>,
    /// Wakes the sender.
    work: Condvar,
    /// Wakes threads that wait for the sender.
    progress: Condvar,
}

#[derive(Default)]
struct State {
    documents: VecDeque<Document>,
    /// The size of `documents`.
    bytes: usize,
    /// The number and size of the documents that are being sent. They count against the bound.
    taken: usize,
    taken_bytes: usize,
    /// The number of documents accepted so far.
    pushed: u64,
    /// When the next batch is due.
    due: Option<Instant>,
    /// The documents up to this one are due at once.
    urgent: u64,
    callbacks: Vec<(u64, Callback)>,
    /// The time until which the sender may send, once the queue is closed.
    closing: Option<Instant>,
    /// Whether the sender has ended.
    is_ended: bool,
}

/// Why the queue did not accept a document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PushError {
    Full(Document),
    Ended(Document),
}

impl State {
    /// Returns the number of documents that were sent or given up.
    fn settled(&self) -> u64 {
        self.pushed - (self.documents.len() + self.taken) as u64
    }

    /// Returns the number and size of the documents in the next batch.
    fn batch(&self, batching: &Batching) -> (usize, usize) {
        let (mut count, mut bytes) = (0, 0);
        for document in self.documents.iter().take(batching.documents) {
            let size = document.datagram().len();
            if count > 0 && bytes + size > batching.bytes {
                break;
            }
            (count, bytes) = (count + 1, bytes + size);
        }
        (count, bytes)
    }
}

impl Queue {
    pub(crate) fn new(batching: Batching) -> Queue {
        Queue { batching, state: Mutex::default(), work: Condvar::new(), progress: Condvar::new() }
    }

    /// Appends a document, unless the queue is full. Returns whether the sender must be woken.
    pub(crate) fn push(&self, document: Document) -> Result<bool, PushError> {
        let size = document.datagram().len();
        let mut state = self.lock();
        if state.is_ended {
            return Err(PushError::Ended(document));
        }
        if state.bytes + state.taken_bytes + size > self.batching.queue_bytes {
            return Err(PushError::Full(document));
        }
        let was_full = self.is_full(&state);
        state.bytes += size;
        state.pushed += 1;
        state.documents.push_back(document);
        let is_first = state.due.is_none();
        if is_first {
            state.due = Some(Instant::now() + self.batching.delay);
        }
        Ok(is_first || (!was_full && self.is_full(&state)))
    }

    fn is_full(&self, state: &State) -> bool {
        state.documents.len() >= self.batching.documents || state.bytes >= self.batching.bytes
    }

    /// Wakes the sender.
    pub(crate) fn wake(&self) {
        self.work.notify_one();
    }

    /// Settles the last batch, waits until the next one is full or due, and moves it into `batch`. Returns `false` once
    /// the queue is closed, and empty or out of time.
    pub(crate) fn take(&self, batch: &mut Vec<Document>) -> bool {
        batch.clear();
        let mut state = self.settle();
        loop {
            let is_empty = state.documents.is_empty();
            let now = Instant::now();
            match state.closing {
                Some(deadline) if is_empty || now >= deadline => return false,
                Some(_) => break,
                None if is_empty => {
                    state.due = None;
                    state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                None => {
                    let left = state.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
                    if left.is_zero() || self.is_full(&state) || state.settled() < state.urgent {
                        break;
                    }
                    state = self.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        let (count, bytes) = state.batch(&self.batching);
        batch.extend(state.documents.drain(..count));
        state.bytes -= bytes;
        (state.taken, state.taken_bytes) = (count, bytes);
        state.due = (!state.documents.is_empty()).then(|| Instant::now() + self.batching.delay);
        true
    }

    /// Waits until `moment`. Returns `false` if the queue is closed and its time ends before.
    pub(crate) fn sleep_until(&self, moment: Instant) -> bool {
        let mut state = self.lock();
        loop {
            if state.closing.is_some_and(|deadline| moment > deadline) {
                return false;
            }
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until all documents pushed so far are settled. Calls `wake` first if there are any.
    pub(crate) fn flush(&self, timeout: Duration, wake: impl FnOnce()) -> Flushed {
        let mut state = self.lock();
        let target = state.pushed;
        if state.settled() >= target {
            return Flushed::All;
        }
        state.urgent = target;
        drop(state);
        wake();
        let waited = self.progress.wait_timeout_while(self.lock(), timeout, |state| state.settled() < target);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        match target.saturating_sub(state.settled()) {
            0 => Flushed::All,
            left => Flushed::TimedOut { left: usize::try_from(left).unwrap_or(usize::MAX) },
        }
    }

    /// Calls `then` when all documents pushed so far are settled. Calls `wake` first if there are any.
    pub(crate) fn when_flushed(&self, then: Callback, wake: impl FnOnce()) {
        let mut state = self.lock();
        let target = state.pushed;
        if state.settled() >= target {
            drop(state);
            return then();
        }
        state.urgent = target;
        state.callbacks.push((target, then));
        drop(state);
        wake();
    }

    /// Closes the queue and waits for the sender, which has `timeout` to send the rest.
    pub(crate) fn close(&self, timeout: Duration) {
        self.lock().closing = Some(Instant::now() + timeout);
        self.wake();
        drop(self.progress.wait_timeout_while(self.lock(), timeout, |state| !state.is_ended));
    }

    /// Ends the queue: it accepts nothing more, and passes the remaining documents to `give_up`.
    pub(crate) fn end(&self, give_up: impl FnMut(Document)) {
        let mut state = self.settle();
        state.is_ended = true;
        let left = std::mem::take(&mut state.documents);
        (state.taken, state.taken_bytes, state.bytes) = (left.len(), state.bytes, 0);
        drop(state);
        left.into_iter().for_each(give_up);
        drop(self.settle());
    }

    /// Settles the last batch, wakes waiting flushes and runs their callbacks.
    fn settle(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        (state.taken, state.taken_bytes) = (0, 0);
        let settled = state.settled();
        let done: Vec<_> = state.callbacks.extract_if(.., |(target, _)| *target <= settled).collect();
        self.progress.notify_all();
        if done.is_empty() {
            return state;
        }
        drop(state);
        for (_, then) in done {
            let _ = catch_unwind(AssertUnwindSafe(then));
        }
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Queue")
            .field("documents", &state.documents.len())
            .field("bytes", &state.bytes)
            .finish_non_exhaustive()
    }
}
