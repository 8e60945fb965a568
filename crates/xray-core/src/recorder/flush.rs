//! A future for flushing without blocking a thread.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// A future that is ready when the documents are sent: see [`Recorder::flushed`](crate::Recorder::flushed).
#[must_use = "futures do nothing unless polled"]
pub struct FlushedFuture {
    state: Arc<Mutex<State>>,
}

enum State {
    Waiting(Option<Waker>),
    Done,
}

impl FlushedFuture {
    /// Returns the future and the function that completes it, which the emitter calls.
    ///
    /// Dropping the function completes the future too, so that an emitter that forgets it or panics keeps no one
    /// waiting.
    pub(super) fn new() -> (FlushedFuture, Box<dyn FnOnce() + Send>) {
        let state = Arc::new(Mutex::new(State::Waiting(None)));
        let completion = Completion(state.clone());
        (FlushedFuture { state }, Box::new(move || drop(completion)))
    }
}

/// Completes the future when it is dropped.
struct Completion(Arc<Mutex<State>>);

impl Drop for Completion {
    fn drop(&mut self) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), State::Done);
        if let State::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl Future for FlushedFuture {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Done => Poll::Ready(()),
            State::Waiting(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl fmt::Debug for FlushedFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlushedFuture")
    }
}
