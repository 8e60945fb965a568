//! Sending on the caller's own thread: for Lambda, where nothing may be left behind when the process freezes.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::address::Endpoint;
use super::sender::{Patience, Sender};
use super::socket::Socket;
use super::{Emitter, Flushed};
use crate::diagnostics::Diagnostics;
use crate::document::Document;
use crate::process::{Owned, PerProcess};
use crate::stats::Counters;

/// How long the first document waits for the daemon's name. On Lambda the address is numeric, and none waits.
const LOOKUP: Duration = Duration::from_millis(100);

/// Sends each document before `emit` returns, which takes some 4 µs. After each window of the pace the thread waits
/// for a millisecond, since what is not read is lost: 1,000 documents at once take some 35 ms.
#[derive(Debug)]
pub(crate) struct InlineEmitter {
    endpoint: Endpoint,
    counters: Arc<Counters>,
    diagnostics: Diagnostics,
    own: PerProcess<Own>,
}

/// What belongs to a process.
#[derive(Debug)]
struct Own {
    sender: Sender,
    waited: AtomicBool,
}

impl InlineEmitter {
    /// Opens no socket yet.
    pub(crate) fn new(endpoint: Endpoint, counters: Arc<Counters>, diagnostics: Diagnostics) -> InlineEmitter {
        let own = PerProcess::new(Own::new(&endpoint, &counters, &diagnostics));
        InlineEmitter { endpoint, counters, diagnostics, own }
    }

    fn own(&self) -> impl Deref<Target = Arc<Owned<Own>>> {
        self.own.get(|| Own::new(&self.endpoint, &self.counters, &self.diagnostics))
    }
}

impl Own {
    fn new(endpoint: &Endpoint, counters: &Arc<Counters>, diagnostics: &Diagnostics) -> Own {
        let socket = Socket::new(endpoint.clone(), counters.clone(), diagnostics.clone());
        Own { sender: Sender::new(socket), waited: AtomicBool::new(false) }
    }
}

/// The caller waits: nothing but the windows may hold it up, and only the first document waits for a name.
impl Patience for Own {
    fn is_urgent(&self) -> bool {
        true
    }

    fn lookup(&self) -> Duration {
        if self.waited.swap(true, Relaxed) { Duration::ZERO } else { LOOKUP }
    }

    fn is_over(&self) -> Option<&'static str> {
        Some("its name is still being looked up")
    }
}

impl Emitter for InlineEmitter {
    fn emit(&self, document: Document) {
        let own = self.own();
        own.sender.deliver(&document, &***own);
    }

    /// Always [`Flushed::All`].
    fn flush(&self, _timeout: Duration) -> Flushed {
        self.own().sender.check();
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
