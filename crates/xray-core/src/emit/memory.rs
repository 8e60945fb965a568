//! An emitter that keeps documents in memory, for tests.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Emitter, Flushed};
use crate::document::Document;

/// Keeps documents in memory instead of sending them, for tests. Clones share the documents.
///
/// It keeps at most 64 MiB of documents. Further ones are dropped and counted in [`dropped`](Self::dropped), so a
/// `MemoryEmitter` that is left in a running service does no harm.
///
/// Use it to check the exact JSON, or with samplers and other options of your own. To check the structure of traces,
/// [`Recorder::in_memory`](crate::Recorder::in_memory) is more convenient.
///
/// ```
/// use xray_core::Recorder;
/// use xray_core::emit::MemoryEmitter;
/// use xray_core::sampling::Always;
///
/// # fn main() -> Result<(), xray_core::ConfigError> {
/// let documents = MemoryEmitter::new();
/// let recorder = Recorder::builder().sampling(Always).emitter(documents.clone()).build()?;
/// recorder.begin("shop").close();
///
/// let sent = documents.take();
/// assert!(sent[0].json().contains(r#""name":"shop""#));
/// assert!(documents.take().is_empty());
/// assert_eq!(documents.dropped(), 0);
/// # Ok(())
/// # }
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

    /// Creates an empty emitter.
    pub fn new() -> MemoryEmitter {
        MemoryEmitter::default()
    }

    /// Returns copies of the documents emitted since the last [`take`](Self::take), in order.
    pub fn documents(&self) -> Vec<Document> {
        self.lock().documents.clone()
    }

    /// Removes and returns the documents emitted since the last call, in order.
    pub fn take(&self) -> Vec<Document> {
        let mut kept = self.lock();
        kept.bytes = 0;
        std::mem::take(&mut kept.documents)
    }

    /// Returns the number of documents that were dropped because they did not fit.
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

    /// Returns [`Flushed::All`] immediately.
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
    fn documents_are_kept_until_they_are_taken() {
        let emitter = MemoryEmitter::new();
        emitter.clone().emit(document(1, 100));
        emitter.emit(document(2, 100));
        assert_eq!(emitter.documents(), [document(1, 100), document(2, 100)]);
        assert_eq!(emitter.take(), [document(1, 100), document(2, 100)]);
        assert_eq!(emitter.take(), []);
        assert_eq!(emitter.flush(Duration::ZERO), Flushed::All);
    }

    #[test]
    fn documents_beyond_the_capacity_are_dropped_and_counted() {
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
