//! Waiting for a flush without blocking a thread.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::emit::Emitter;

/// Ready when the documents have left: see [`Recorder::flushed`](crate::Recorder::flushed).
#[must_use = "futures do nothing unless polled"]
pub struct FlushedFuture {
    state: Arc<Mutex<State>>,
}

enum State {
    Waiting(Option<Waker>),
    Done,
}

impl FlushedFuture {
    pub(super) fn new(emitter: &dyn Emitter) -> FlushedFuture {
        let state = Arc::new(Mutex::new(State::Waiting(None)));
        let of_emitter = state.clone();
        emitter.when_flushed(Box::new(move || {
            let before =
                std::mem::replace(&mut *of_emitter.lock().unwrap_or_else(PoisonError::into_inner), State::Done);
            if let State::Waiting(Some(waker)) = before {
                waker.wake();
            }
        }));
        FlushedFuture { state }
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
