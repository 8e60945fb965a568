//! The limits of batches and of the queue.

use std::time::Duration;

/// The limits of batches and of the queue.
///
/// A batch is sent as soon as it has enough documents or bytes, or its first document has waited for `delay`. While a
/// batch is retried, new documents wait in the queue; a full queue drops the newest.
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
    /// Sets the maximum number of documents in a batch (default: 512). Zero counts as 1. Calling this again replaces the
    /// value.
    pub fn documents(mut self, documents: usize) -> Batching {
        self.documents = documents.max(1);
        self
    }

    /// Sets the maximum size of the documents in a batch, in bytes (default: 512 KiB). A larger document is a batch by
    /// itself. Calling this again replaces the value.
    pub fn bytes(mut self, bytes: usize) -> Batching {
        self.bytes = bytes;
        self
    }

    /// Sets how long a document waits for others (default: one second). Calling this again replaces the value.
    pub fn delay(mut self, delay: Duration) -> Batching {
        self.delay = delay;
        self
    }

    /// Sets the maximum size of the documents that are queued or being sent, in bytes (default: 8 MiB). The encoded
    /// request that is being sent is not included. Calling this again replaces the value.
    pub fn queue_bytes(mut self, bytes: usize) -> Batching {
        self.queue_bytes = bytes;
        self
    }

    /// Sets how long a batch is retried before its documents are dropped (default: one minute). Calling this again
    /// replaces the value.
    pub fn retry_for(mut self, time: Duration) -> Batching {
        self.retry_for = time;
        self
    }
}
