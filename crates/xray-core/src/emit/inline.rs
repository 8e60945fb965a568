//! The emitter for Lambda: sends documents on the caller's thread, so that none is left when the process is frozen.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::address::Endpoint;
use super::sender::{Sender, WaitPolicy};
use super::socket::Socket;
use super::{Emitter, Flushed};
use crate::diagnostics::Diagnostics;
use crate::document::Document;
use crate::process::{Owned, PerProcess};
use crate::stats::Counters;

/// How long the first document waits for the daemon's name. On Lambda the address is numeric, so there is no wait.
const LOOKUP: Duration = Duration::from_millis(100);

/// Sends each document before `emit` returns, which takes some 4 µs. After each window of the pace the thread waits for a
/// millisecond, because unread documents would be lost. 1,000 documents at once take some 35 ms.
#[derive(Debug)]
pub(crate) struct InlineEmitter {
    endpoint: Endpoint,
    counters: Arc<Counters>,
    diagnostics: Diagnostics,
    state: PerProcess<State>,
}

/// The state of one process.
#[derive(Debug)]
struct State {
    sender: Sender,
    waited: AtomicBool,
}

impl InlineEmitter {
    /// Creates the emitter, without opening a socket yet.
    pub(crate) fn new(endpoint: Endpoint, counters: Arc<Counters>, diagnostics: Diagnostics) -> InlineEmitter {
        let state = PerProcess::new(State::new(&endpoint, &counters, &diagnostics));
        InlineEmitter { endpoint, counters, diagnostics, state }
    }

    fn state(&self) -> impl Deref<Target = Arc<Owned<State>>> {
        self.state.get(|| State::new(&self.endpoint, &self.counters, &self.diagnostics))
    }
}

impl State {
    fn new(endpoint: &Endpoint, counters: &Arc<Counters>, diagnostics: &Diagnostics) -> State {
        let socket = Socket::new(endpoint.clone(), counters.clone(), diagnostics.clone());
        State { sender: Sender::new(socket), waited: AtomicBool::new(false) }
    }
}

/// The caller's thread waits, so only the windows delay a document, and only the first one waits for the name.
impl WaitPolicy for State {
    fn is_urgent(&self) -> bool {
        true
    }

    fn lookup(&self) -> Duration {
        if self.waited.swap(true, Relaxed) { Duration::ZERO } else { LOOKUP }
    }

    fn give_up_reason(&self) -> Option<&'static str> {
        Some("its name is still being looked up")
    }
}

impl Emitter for InlineEmitter {
    fn emit(&self, document: Document) {
        let state = self.state();
        state.sender.deliver(&document, &***state);
    }

    /// Returns [`Flushed::All`]: no document is left.
    fn flush(&self, _timeout: Duration) -> Flushed {
        self.state().sender.check();
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
