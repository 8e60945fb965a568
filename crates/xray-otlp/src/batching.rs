//! When documents are sent, and how many may wait.

use std::time::Duration;

/// When documents are sent, and how many may wait.
///
/// A batch is sent when it has enough documents or bytes, or when its first document has waited for `delay`. A batch
/// that cannot be sent is tried again; meanwhile new documents wait, and the newest are dropped while the queue is
/// full.
///
/// ```
/// use std::time::Duration;
/// use xray_otlp::Batching;
///
/// let batching = Batching::default().delay(Duration::from_millis(200)).queue_bytes(1 << 20);
/// # let _ = batching;
/// ```
#[derive(Clone, Debug)]
pub struct Batching {
    pub(crate) documents: usize,
    pub(crate) bytes: usize,
    pub(crate) delay: Duration,
    pub(crate) queue_bytes: usize,
    pub(crate) retry_for: Duration,
}

impl Default for Batching {
    fn default() -> Batching {
        Batching {
            documents: 512,
            bytes: 512 << 10,
            delay: Duration::from_secs(1),
            queue_bytes: 8 << 20,
            retry_for: Duration::from_secs(60),
        }
    }
}

impl Batching {
    /// The most documents of a batch (default: 512; at least 1).
    pub fn documents(mut self, documents: usize) -> Batching {
        self.documents = documents.max(1);
        self
    }

    /// The most bytes of a batch's documents (default: 512 KiB). A larger document is a batch of its own.
    pub fn bytes(mut self, bytes: usize) -> Batching {
        self.bytes = bytes;
        self
    }

    /// How long a document waits for others at most (default: one second).
    pub fn delay(mut self, delay: Duration) -> Batching {
        self.delay = delay;
        self
    }

    /// The most bytes of documents that wait or are being sent (default: 8 MiB). Requests take as much again.
    pub fn queue_bytes(mut self, bytes: usize) -> Batching {
        self.queue_bytes = bytes;
        self
    }

    /// How long a batch is tried again before its documents are dropped (default: one minute).
    pub fn retry_for(mut self, time: Duration) -> Batching {
        self.retry_for = time;
        self
    }
}
