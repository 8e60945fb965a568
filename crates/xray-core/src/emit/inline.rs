//! Sending on the caller's own thread: for Lambda, where nothing may be left behind when the process freezes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::address::Endpoint;
use super::socket::{Sent, Socket};
use super::{Emitter, Flushed};
use crate::diagnostics::Diagnostics;
use crate::document::Document;
use crate::stats::Counters;

/// How long the first document waits for the daemon's name. On Lambda the address is numeric, and none waits.
const LOOKUP: Duration = Duration::from_millis(100);

/// Sends each document before `emit` returns: some 4 µs, and no pacing.
#[derive(Debug)]
pub(crate) struct InlineEmitter {
    socket: Socket,
    waited: AtomicBool,
}

impl InlineEmitter {
    /// Opens no socket yet.
    pub(crate) fn new(endpoint: Endpoint, counters: Arc<Counters>, diagnostics: Diagnostics) -> InlineEmitter {
        InlineEmitter { socket: Socket::new(endpoint, counters, diagnostics), waited: AtomicBool::new(false) }
    }
}

impl Emitter for InlineEmitter {
    fn emit(&self, document: Document) {
        let patience = if self.waited.swap(true, Relaxed) { Duration::ZERO } else { LOOKUP };
        match self.socket.send_within(patience, &document) {
            Sent::Settled => {}
            Sent::Full => self.socket.give_up("the send buffer is full"),
            Sent::Unresolved => self.socket.give_up("its name is still being looked up"),
        }
    }

    /// Always [`Flushed::All`].
    fn flush(&self, _timeout: Duration) -> Flushed {
        Flushed::All
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{document, number, receive, receiver};
    use super::*;
    use crate::diagnostics::Stderr;

    #[test]
    fn a_document_is_in_the_kernel_when_emit_returns() {
        let daemon = receiver();
        daemon.set_nonblocking(true).unwrap();
        let counters = Arc::new(Counters::default());
        let endpoint = daemon.local_addr().unwrap().to_string().parse().unwrap();
        let emitter = InlineEmitter::new(endpoint, counters.clone(), Diagnostics::new(None, Stderr::default()));
        for count in 1..=3 {
            emitter.emit(document(count, 500));
            assert_eq!(number(&receive(&daemon)), count);
            assert_eq!(counters.snapshot().emitted, count as u64);
        }
        assert_eq!(emitter.flush(Duration::ZERO), Flushed::All);
    }
}
