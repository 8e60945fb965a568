//! A trace that is recorded before it is known whether it is worth it.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::document::Document;

/// Bytes of documents that wait for the verdict. A trace that holds more is kept: memory is bounded, and it is
/// not a usual one.
const MOST_WAITING: usize = 256 * 1024;

/// What is known of the trace until its segment closes. The verdict is given once.
pub(super) struct Undecided {
    /// A segment that takes so long is worth it.
    slower_than: Duration,
    /// So is one in whose trace something failed.
    failed: AtomicBool,
    /// Documents that would have left. `None` after the verdict.
    waiting: Mutex<Option<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    documents: Vec<Document>,
    bytes: usize,
}

impl Undecided {
    pub(super) fn new(slower_than: Duration) -> Undecided {
        Undecided { slower_than, failed: AtomicBool::new(false), waiting: Mutex::new(Some(Waiting::default())) }
    }

    /// Something has failed in the trace.
    pub(super) fn fail(&self) {
        self.failed.store(true, Relaxed);
    }

    pub(super) fn is_pending(&self) -> bool {
        self.lock().is_some()
    }

    /// Whether a trace is worth keeping whose segment took so long.
    pub(super) fn is_worth_it(&self, took: Duration) -> bool {
        self.failed.load(Relaxed) || took >= self.slower_than
    }

    /// Keeps a document until the verdict. What comes back leaves now: after the verdict, or since all together
    /// became too much, which is a verdict as well.
    pub(super) fn hold(&self, document: Document) -> Vec<Document> {
        let mut guard = self.lock();
        let Some(waiting) = guard.as_mut() else { return vec![document] };
        waiting.bytes += document.datagram().len();
        waiting.documents.push(document);
        match waiting.bytes > MOST_WAITING {
            true => guard.take().unwrap_or_default().documents,
            false => vec![],
        }
    }

    /// The trace is kept, or forgotten: what waited for the verdict.
    pub(super) fn decide(&self) -> Vec<Document> {
        self.lock().take().unwrap_or_default().documents
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
