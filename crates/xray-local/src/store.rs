//! The traces at hand, for any number of readers: terminal, tests, later a web page.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::datagram::Refusal;
use crate::document::Document;
use crate::id::TraceId;
use crate::shelf::{Limits, Parts, Shelf};
use crate::trace::Trace;

/// Recent traces in bounded memory; a cheap clone is a view of the same ones.
///
/// A [`Receiver`](crate::Receiver) fills its own; one without a socket serves tests and other transports:
///
/// ```
/// use xray_local::{Store, Style, render};
///
/// let store = Store::new();
/// let datagram = concat!(
///     r#"{"format":"json","version":1}"#, "\n",
///     r#"{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"53995c3f42cd8ad8","#,
///     r#""name":"shop","start_time":1480615200,"end_time":1480615200.09}"#,
/// );
/// store.accept(datagram.as_bytes())?;
/// let trace = store.get("1-5759e988-bd862e3fe1be46a994272793".parse()?).expect("it was just accepted");
/// assert!(render(&trace, &Style::plain()).contains("90 ms"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// A trace became due earlier than any other, one was shown, or the end has come.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    shelf: Shelf,
    stats: Stats,
    shown: usize,
    stopped: bool,
}

/// What came in, what was refused, what is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams, the refused ones included, empty ones not.
    pub datagrams: u64,
    /// Refused: see [`Refusal::MissingHeader`].
    pub missing_header: u64,
    /// Refused: see [`Refusal::InvalidHeader`].
    pub invalid_header: u64,
    /// Refused: see [`Refusal::InvalidDocument`].
    pub invalid_document: u64,
    /// Traces at hand.
    pub traces: usize,
    /// About how many bytes they hold.
    pub bytes: usize,
    /// Traces forgotten for want of memory.
    pub evicted: u64,
}

impl Store {
    /// An empty store with the default bound of memory, 64 MiB.
    pub fn new() -> Store {
        Store::with_limits(Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Store {
        let state = State { shelf: Shelf::new(limits), ..State::default() };
        Store { shared: Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }) }
    }

    /// Takes one datagram: the header line and a document.
    ///
    /// # Errors
    ///
    /// The datagram is not one the daemon and the service would take. It is counted and leaves no trace. An empty
    /// datagram is ignored, as by the daemon.
    pub fn accept(&self, datagram: &[u8]) -> Result<(), Refusal> {
        if datagram.is_empty() {
            return Ok(());
        }
        let document = Document::from_datagram(datagram);
        let mut state = self.lock();
        state.stats.datagrams += 1;
        match document {
            Ok(document) => {
                let before = state.shelf.next_due();
                state.shelf.put(document, Instant::now());
                let after = state.shelf.next_due();
                drop(state);
                // A wake-up for each document would cost more than the document: mostly the wait gets longer, and
                // who waits finds out by itself.
                if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
                    self.shared.changed.notify_all();
                }
                Ok(())
            }
            Err(refusal) => {
                match refusal {
                    Refusal::MissingHeader => state.stats.missing_header += 1,
                    Refusal::InvalidHeader => state.stats.invalid_header += 1,
                    Refusal::InvalidDocument => state.stats.invalid_document += 1,
                }
                Err(refusal)
            }
        }
    }

    /// All traces as they are now, the one that was quiet for longest first.
    pub fn traces(&self) -> Vec<Trace> {
        let parts = self.lock().shelf.all();
        parts.into_iter().map(Parts::join).collect()
    }

    /// One trace as it is now.
    pub fn get(&self, id: TraceId) -> Option<Trace> {
        let parts = self.lock().shelf.get(id);
        parts.map(Parts::join)
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        let state = self.lock();
        let shelf = &state.shelf;
        Stats { traces: shelf.len(), bytes: shelf.bytes(), evicted: shelf.evicted(), ..state.stats }
    }

    /// Waits for traces to show; nothing once the store was stopped and the last ones were given out.
    pub(crate) fn next_shown(&self) -> Option<Vec<Trace>> {
        let mut state = self.lock();
        let ready = loop {
            let now = Instant::now();
            let ready = if state.stopped { state.shelf.take_unreported() } else { state.shelf.take_due(now) };
            if !ready.is_empty() {
                break ready;
            }
            if state.stopped {
                return None;
            }
            state = match state.shelf.next_due() {
                Some(due) => self.wait(state, due.saturating_duration_since(now)),
                None => self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        };
        drop(state);
        Some(ready.into_iter().map(Parts::join).collect())
    }

    /// Counts a trace as shown for the first time.
    pub(crate) fn count_shown(&self) {
        self.lock().shown += 1;
        self.shared.changed.notify_all();
    }

    pub(crate) fn wait_for(&self, traces: usize, timeout: Duration) -> bool {
        let start = Instant::now();
        let mut state = self.lock();
        while state.shown < traces {
            let Some(left) = timeout.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) else { return false };
            state = self.wait(state, left);
        }
        true
    }

    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.shared.changed.notify_all();
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, timeout: Duration) -> MutexGuard<'a, State> {
        self.shared.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Store {
    fn default() -> Store {
        Store::new()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
