//! Keeping documents in memory, for tests.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Emitter, Flushed};
use crate::document::Document;

/// Keeps documents instead of sending them, for tests to look at. Clones share what is kept.
///
/// It keeps 64 MiB of documents; what comes later is dropped and counted in [`dropped`](Self::dropped), so
/// that a forgotten one in a running service does no harm.
///
/// ```
/// use xray_core::emit::MemoryEmitter;
///
/// let documents = MemoryEmitter::new();
/// // … give a clone to the recorder, run what is to be traced …
/// for document in documents.take() {
///     println!("{}", document.json());
/// }
/// assert_eq!(documents.dropped(), 0);
/// ```
#[derive(Clone, Default)]
pub struct MemoryEmitter {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    documents: Vec<Document>,
    bytes: usize,
    dropped: usize,
}

impl MemoryEmitter {
    const CAPACITY: usize = 64 << 20;

    /// An emitter that has kept nothing yet.
    pub fn new() -> MemoryEmitter {
        MemoryEmitter::default()
    }

    /// Copies of the documents emitted since the last [`take`](Self::take), in order.
    pub fn documents(&self) -> Vec<Document> {
        self.lock().documents.clone()
    }

    /// Removes and returns the documents emitted since the last call, in order.
    pub fn take(&self) -> Vec<Document> {
        let mut kept = self.lock();
        kept.bytes = 0;
        std::mem::take(&mut kept.documents)
    }

    /// How many documents did not fit.
    pub fn dropped(&self) -> usize {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Emitter for MemoryEmitter {
    fn emit(&self, document: Document) {
        let mut kept = self.lock();
        let bytes = kept.bytes + document.datagram().len();
        if bytes > MemoryEmitter::CAPACITY {
            kept.dropped += 1;
        } else {
            kept.bytes = bytes;
            kept.documents.push(document);
        }
    }

    /// Always [`Flushed::All`].
    fn flush(&self, _timeout: Duration) -> Flushed {
        Flushed::All
    }
}

impl fmt::Debug for MemoryEmitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.lock();
        f.debug_struct("MemoryEmitter")
            .field("documents", &kept.documents.len())
            .field("bytes", &kept.bytes)
            .field("dropped", &kept.dropped)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::document;
    use super::*;

    #[test]
    fn documents_stay_until_they_are_taken() {
        let emitter = MemoryEmitter::new();
        emitter.clone().emit(document(1, 100));
        emitter.emit(document(2, 100));
        assert_eq!(emitter.documents(), [document(1, 100), document(2, 100)]);
        assert_eq!(emitter.take(), [document(1, 100), document(2, 100)]);
        assert_eq!(emitter.take(), []);
        assert_eq!(emitter.flush(Duration::ZERO), Flushed::All);
    }

    #[test]
    fn what_exceeds_the_capacity_is_dropped_and_counted() {
        let emitter = MemoryEmitter::new();
        let size = 1 << 20;
        for number in 0..70 {
            emitter.emit(document(number, size));
        }
        assert_eq!((emitter.take().len(), emitter.dropped()), (64, 6));
        emitter.emit(document(0, size));
        assert_eq!(emitter.take().len(), 1);
    }
}
