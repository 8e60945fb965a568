//! Recent traces, shared by any number of readers: the terminal, tests, other front ends.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::datagram::Refusal;
use crate::document::Document;
use crate::id::TraceId;
use crate::shelf::{Limits, Parts, Shelf};
use crate::trace::Trace;

/// Recent traces, within a memory limit. Clones are cheap and share the same traces.
///
/// Each [`Receiver`](crate::Receiver) fills a store of its own. A store without a receiver is useful for tests and
/// other transports:
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
    /// Notified when the earliest due time moves forward, a trace was shown, or the store was stopped.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    shelf: Shelf,
    stats: Stats,
    shown: usize,
    stopped: bool,
}

/// Counters of a [`Store`]: datagrams received and refused, traces kept and evicted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams received, including refused ones but not empty ones.
    pub datagrams: u64,
    /// Datagrams refused with [`Refusal::MissingHeader`].
    pub missing_header: u64,
    /// Datagrams refused with [`Refusal::InvalidHeader`].
    pub invalid_header: u64,
    /// Datagrams refused with [`Refusal::InvalidDocument`].
    pub invalid_document: u64,
    /// Traces currently in the store.
    pub traces: usize,
    /// Approximate size of these traces, in bytes.
    pub bytes: usize,
    /// Traces evicted because the memory limit was reached.
    pub evicted: u64,
}

impl Store {
    /// Creates an empty store with the default memory limit of 64 MiB.
    pub fn new() -> Store {
        Store::with_limits(Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Store {
        let state = State { shelf: Shelf::new(limits), ..State::default() };
        Store { shared: Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }) }
    }

    /// Adds the document of one datagram, which consists of the header line and the document.
    ///
    /// An empty datagram is ignored, as the daemon does.
    ///
    /// # Errors
    ///
    /// Returns an error if the daemon or the service would reject the datagram. The store counts it and is otherwise
    /// unchanged.
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
                // Waking the waiting thread for each document would cost more than the document. Usually the due time
                // only moves back, and the thread finds out when its wait ends.
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

    /// Returns snapshots of all traces, the one that has been idle for the longest time first.
    pub fn traces(&self) -> Vec<Trace> {
        let parts = self.lock().shelf.all();
        parts.into_iter().map(Parts::join).collect()
    }

    /// Returns a snapshot of one trace, if the store has it.
    pub fn get(&self, id: TraceId) -> Option<Trace> {
        let parts = self.lock().shelf.get(id);
        parts.map(Parts::join)
    }

    /// Returns the counters.
    pub fn stats(&self) -> Stats {
        let state = self.lock();
        let shelf = &state.shelf;
        Stats { traces: shelf.len(), bytes: shelf.bytes(), evicted: shelf.evicted(), ..state.stats }
    }

    /// Waits for traces to show. Returns `None` once the store was stopped and the last traces were returned.
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
