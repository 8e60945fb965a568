//! A trace that is recorded before it is known whether it is worth it.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::document::Document;

/// Bytes of documents that wait for the verdict. A trace that holds more is kept: memory is bounded, and it is
/// not a usual one.
const MAX_WAITING: usize = 256 * 1024;

/// What is known of the trace until its segment closes. The verdict is given once.
pub(super) struct Undecided {
    /// A segment that takes at least this long is worth it.
    slower_than: Duration,
    /// So is one in whose trace something failed.
    failed: AtomicBool,
    state: Mutex<State>,
}

/// The verdict and what depends on it, behind one lock: no document is sent or dropped against it.
enum State {
    /// Documents that would have been sent, and their bytes.
    Waiting(Vec<Document>, usize),
    Kept,
    Dropped,
}

/// How a trace was decided.
pub(super) enum Verdict {
    /// Sends these, which have waited for it.
    Kept(Vec<Document>),
    Dropped,
}

/// What happens to a document of a trace that was undecided.
pub(super) enum Held {
    /// It waits for the verdict.
    Waiting,
    /// The verdict was against the trace.
    Dropped,
    /// These are to be sent now.
    Released(Vec<Document>),
}

impl Undecided {
    pub(super) fn new(slower_than: Duration) -> Undecided {
        let state = Mutex::new(State::Waiting(Vec::new(), 0));
        Undecided { slower_than, failed: AtomicBool::new(false), state }
    }

    /// Something has failed in the trace.
    pub(super) fn fail(&self) {
        self.failed.store(true, Relaxed);
    }

    /// Whether calls to other services leave the decision to them.
    pub(super) fn is_pending(&self) -> bool {
        !matches!(*self.lock(), State::Kept)
    }

    /// Keeps a document until the verdict. Releases the document after the verdict, or all that wait when they exceed
    /// [`MAX_WAITING`], which is a verdict as well.
    pub(super) fn hold(&self, document: Document) -> Held {
        let mut state = self.lock();
        match &mut *state {
            State::Kept => Held::Released(vec![document]),
            State::Dropped => Held::Dropped,
            State::Waiting(documents, bytes) => {
                *bytes += document.datagram().len();
                documents.push(document);
                if *bytes <= MAX_WAITING {
                    return Held::Waiting;
                }
                let all = std::mem::take(documents);
                *state = State::Kept;
                Held::Released(all)
            }
        }
    }

    /// Decides on the trace of a segment that took this long. `None`: the verdict was given before.
    pub(super) fn decide(&self, took: Duration) -> Option<Verdict> {
        let mut state = self.lock();
        let State::Waiting(documents, _) = &mut *state else { return None };
        let documents = std::mem::take(documents);
        let should_keep = self.failed.load(Relaxed) || took >= self.slower_than;
        *state = if should_keep { State::Kept } else { State::Dropped };
        Some(if should_keep { Verdict::Kept(documents) } else { Verdict::Dropped })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
