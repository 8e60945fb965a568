//! What a daemon has received, and waiting for it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::document::Document;
use crate::schema;

#[derive(Debug, Default)]
pub(super) struct Inbox {
    received: Mutex<Received>,
    changed: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) documents: Vec<Document>,
    pub(super) violations: Vec<String>,
    /// The last marker that arrived.
    pub(super) marker: u64,
    /// All datagrams so far, without markers.
    pub(super) datagrams: usize,
}

impl Inbox {
    pub(super) fn lock(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Validates a datagram and keeps it.
    pub(super) fn accept(&self, datagram: &[u8]) {
        // Parsing and validating happen outside the lock: neither is fast.
        let judged = Document::parse(datagram).map(|document| {
            let violations = judge(&document);
            (document, violations)
        });
        let mut received = self.lock();
        received.datagrams += 1;
        let number = received.datagrams;
        match judged {
            Ok((document, violations)) => {
                received.documents.push(document);
                received.violations.extend(violations.into_iter().map(|text| format!("datagram {number}: {text}")));
            }
            Err(refusal) => received.violations.push(format!("datagram {number}: {refusal}")),
        }
        self.changed.notify_all();
    }

    pub(super) fn mark(&self, marker: u64) {
        let mut received = self.lock();
        received.marker = received.marker.max(marker);
        self.changed.notify_all();
    }

    /// Waits until `enough` returns true. Returns an error after `timeout`.
    pub(super) fn wait(
        &self,
        timeout: Duration,
        enough: impl Fn(&Received) -> bool,
    ) -> Result<MutexGuard<'_, Received>, MutexGuard<'_, Received>> {
        let deadline = Instant::now() + timeout;
        let mut received = self.lock();
        loop {
            if enough(&received) {
                return Ok(received);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(received);
            }
            received = self.changed.wait_timeout(received, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Returns the violations of a document.
fn judge(document: &Document) -> Vec<String> {
    let mut violations = schema::violations(document.json());
    // The daemon names a refused document in its log by the first `"id":"` of the text.
    let text = String::from_utf8_lossy(document.bytes());
    let first = text.split_once("\"id\":\"").and_then(|(_, rest)| rest.split('"').next());
    if first != document.json()["id"].as_str() {
        violations.push(format!("the first id of the text is {first:?}, not the document's own"));
    }
    violations
}
