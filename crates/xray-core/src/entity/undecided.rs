//! Tail sampling: the state of a trace that is recorded before the decision to keep it.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::document::Document;

/// The bytes of documents that may wait for the verdict. A trace that exceeds them is kept: memory is bounded, and such
/// a trace is unusual enough.
const MAX_WAITING: usize = 256 * 1024;

/// The state of a trace until its segment closes. The verdict is given once.
pub(super) struct Undecided {
    /// A trace whose segment takes at least this long is kept.
    slower_than: Duration,
    /// Something failed in the trace, which is kept therefore.
    failed: AtomicBool,
    state: Mutex<State>,
}

/// The verdict and what depends on it, behind one lock, so that every document is sent or dropped by it.
enum State {
    /// Documents that would have been sent, and the sum of their bytes.
    Waiting(Vec<Document>, usize),
    Kept,
    Dropped,
}

/// The decision on a trace.
pub(super) enum Verdict {
    /// The trace is kept. These documents waited, and must be sent now.
    Kept(Vec<Document>),
    Dropped,
}

/// What happens to a document of a trace under tail sampling.
pub(super) enum Held {
    /// The document waits for the verdict.
    Waiting,
    /// The trace is not kept.
    Dropped,
    /// These documents must be sent now.
    Released(Vec<Document>),
}

impl Undecided {
    pub(super) fn new(slower_than: Duration) -> Undecided {
        let state = Mutex::new(State::Waiting(Vec::new(), 0));
        Undecided { slower_than, failed: AtomicBool::new(false), state }
    }

    /// Notes that something failed in the trace.
    pub(super) fn fail(&self) {
        self.failed.store(true, Relaxed);
    }

    /// Whether the trace is not known to be kept, so that called services decide for themselves.
    pub(super) fn is_pending(&self) -> bool {
        !matches!(*self.lock(), State::Kept)
    }

    /// Holds a document until the verdict.
    ///
    /// After the verdict the document is released or dropped. If the waiting documents exceed [`MAX_WAITING`], the
    /// trace is kept, and all of them are released.
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

    /// Decides on a trace whose segment took this long. `None` if the verdict was given before.
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
