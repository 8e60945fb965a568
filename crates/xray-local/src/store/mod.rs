//! Recent traces, shared by any number of readers: the terminal, tests, other front ends.

#[cfg(feature = "store")]
mod codec;
#[cfg_attr(not(feature = "store"), path = "no_file.rs")]
mod file;
mod packed;
mod shares;
mod shelf;

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::filter::Groups;
use crate::id::TraceId;
use crate::ingest::{Forward, Refusal, datagram};
use crate::trace::{Detailed, Names, Summary, Trace};

pub(crate) use file::File;
#[cfg(feature = "store")]
pub(crate) use file::Retention;
pub(crate) use packed::Packed;
use shelf::Shelf;
pub(crate) use shelf::{Arrival, Entry, Limits, Parts};

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
    names: Names,
    groups: Groups,
    file: Option<File>,
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
    /// Traces evicted because a limit was reached.
    pub evicted: u64,
    /// Datagrams that were dropped because parsing fell too far behind.
    pub queue_full: u64,
    /// Datagrams that the kernel dropped because the socket's buffer was full. Always 0 on systems other than Linux,
    /// which do not report it.
    pub kernel_drops: u64,
    /// Datagrams that could not be [forwarded](crate::ReceiverBuilder::forward).
    pub not_forwarded: u64,
}

impl Store {
    /// Creates an empty store with the default memory limit of 64 MiB.
    pub fn new() -> Store {
        Store::with_limits(Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Store {
        Store::with_file(limits, None)
    }

    /// Creates a store that continues with the traces of a file.
    pub(crate) fn with_file(limits: Limits, file: Option<File>) -> Store {
        let mut state = State { shelf: Shelf::new(limits), ..State::default() };
        if let Some(file) = &file {
            let traces = file.restore();
            state.shelf.keep_in_file(traces.len());
            for restored in traces {
                state.shelf.restore(restored, Instant::now());
            }
            file.push(state.shelf.take_forgotten().into_iter().map(Change::Forget));
        }
        Store {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                names: Names::default(),
                groups: Groups::default(),
                file,
                changed: Condvar::new(),
            }),
        }
    }

    /// Returns the store file, if there is one.
    pub(crate) fn file(&self) -> Option<&File> {
        self.shared.file.as_ref()
    }

    /// Writes the store file until the store is stopped, if there is one.
    pub(crate) fn write_file(&self) {
        if let Some(file) = &self.shared.file {
            file.run(|written| self.lock().shelf.written(written));
        }
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
        let arrival = self.arrival(datagram, 0, epoch_millis());
        let result = arrival.as_ref().map(|_| ()).map_err(|&refusal| refusal);
        self.put([arrival]);
        result
    }

    /// Adds a document without a header line, such as that of a call to the X-Ray API.
    pub(crate) fn accept_document(&self, text: &str) -> Result<(), Refusal> {
        self.accept_and_forward(text, &Forward::default())
    }

    /// Adds a document without a header line, and passes it to other receivers if it is valid.
    pub(crate) fn accept_and_forward(&self, text: &str, forward: &Forward) -> Result<(), Refusal> {
        let arrival = Arrival::new(text, epoch_millis(), 0, &self.shared.names).ok_or(Refusal::InvalidDocument);
        let result = arrival.as_ref().map(|_| ()).map_err(|&refusal| refusal);
        if let Ok(arrival) = &arrival
            && forward.targets().next().is_some()
        {
            forward.push(&[datagram::HEADER, text.as_bytes()].concat(), Some(arrival));
        }
        self.put([arrival]);
        result
    }

    /// Parses and packs the document of a datagram, which is to be [put](Store::put) into this store.
    pub(crate) fn arrival(&self, datagram: &[u8], port: u16, now: u64) -> Result<Arrival, Refusal> {
        let document = datagram::document(datagram)?;
        // The service sees invalid UTF-8 as replacement characters, so do the same.
        let text = match std::str::from_utf8(document) {
            Ok(text) => text.into(),
            Err(_) => String::from_utf8_lossy(document),
        };
        Arrival::new(&text, now, port, &self.shared.names).ok_or(Refusal::InvalidDocument)
    }

    /// Adds documents, and counts those that were refused. Takes the lock once for all of them.
    pub(crate) fn put(&self, arrivals: impl IntoIterator<Item = Result<Arrival, Refusal>>) {
        let now = Instant::now();
        let mut state = self.lock();
        let before = state.shelf.next_due();
        for arrival in arrivals {
            state.stats.datagrams += 1;
            match arrival {
                Ok(arrival) => self.shelve(&mut state, arrival, now),
                Err(Refusal::MissingHeader) => state.stats.missing_header += 1,
                Err(Refusal::InvalidHeader) => state.stats.invalid_header += 1,
                Err(Refusal::InvalidDocument) => state.stats.invalid_document += 1,
            }
        }
        let after = state.shelf.next_due();
        drop(state);
        // Waking the waiting thread for each document would cost more than the document. Usually the due time only
        // moves back, and the thread finds out when its wait ends.
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.shared.changed.notify_all();
        }
    }

    fn shelve(&self, state: &mut State, arrival: Arrival, now: Instant) {
        let Some(file) = &self.shared.file else {
            state.shelf.put(arrival, now);
            return;
        };
        let id = arrival.trace_id;
        if state.shelf.is_unloaded(id) {
            state.shelf.load(id, file.documents(id));
        }
        let added = state.shelf.put(arrival, now);
        let forgotten = state.shelf.take_forgotten().into_iter().map(Change::Forget);
        let added = added.map(|(packed, summary)| Change::Document(id, packed, summary));
        file.push(added.into_iter().chain(forgotten));
    }

    /// Forgets the traces that a store file keeps for too long.
    pub(crate) fn retain(&self) {
        let Some(file) = &self.shared.file else { return };
        let mut state = self.lock();
        if let Some(age) = file.max_age() {
            let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            state.shelf.forget_before(epoch_millis().saturating_sub(age));
        }
        if file.excess() {
            state.shelf.forget_some(1_000);
        }
        file.push(state.shelf.take_forgotten().into_iter().map(Change::Forget));
    }

    /// Returns snapshots of all traces, the one that has been idle for the longest time first.
    pub fn traces(&self) -> Vec<Trace> {
        let entries = self.lock().shelf.entries(0);
        entries.into_iter().filter_map(|entry| self.get(entry.id)).collect()
    }

    /// Returns a snapshot of one trace, if the store has it.
    pub fn get(&self, id: TraceId) -> Option<Trace> {
        self.parts(id).map(|parts| parts.join())
    }

    /// Returns one trace with everything that is derived from it, if the store has it.
    pub(crate) fn detailed(&self, id: TraceId) -> Option<Detailed> {
        let parts = self.parts(id)?;
        Some(Detailed::new(parts.join(), parts.revision))
    }

    /// Returns the groups of traces.
    pub(crate) fn groups(&self) -> &Groups {
        &self.shared.groups
    }

    /// Returns the documents of one trace, if the store has it.
    pub(crate) fn parts(&self, id: TraceId) -> Option<Parts> {
        let parts = self.lock().shelf.get(id)?;
        Some(self.complete(parts)).filter(|parts| !parts.documents.is_empty())
    }

    /// Reads the documents that are only in the store file.
    fn complete(&self, mut parts: Parts) -> Parts {
        if let Some(file) = self.shared.file.as_ref().filter(|_| parts.unloaded) {
            parts.documents = file.documents(parts.id);
        }
        parts
    }

    /// Returns the traces that changed after the given sequence number, in the order of change, each with its summary.
    pub(crate) fn summaries(&self, after: u64) -> Vec<Summarized> {
        let entries = self.lock().shelf.entries(after);
        entries.into_iter().filter_map(|entry| self.summarized(entry)).collect()
    }

    /// Returns the latest changes after the given sequence number: the number of the last one, how many there are beyond
    /// `max`, and the traces.
    pub(crate) fn latest(&self, after: u64, max: usize) -> (u64, usize, Vec<Summarized>) {
        let (sequence, mut entries) = {
            let state = self.lock();
            (state.shelf.sequence(), state.shelf.entries(after))
        };
        let more = entries.len().saturating_sub(max);
        let latest = entries.split_off(more);
        (sequence, more, latest.into_iter().filter_map(|entry| self.summarized(entry)).collect())
    }

    /// Returns one trace with its summary.
    pub(crate) fn summary(&self, id: TraceId) -> Option<Summarized> {
        let entry = self.lock().shelf.entry(id)?;
        self.summarized(entry)
    }

    fn summarized(&self, Entry { id, sequence, settled, summary }: Entry) -> Option<Summarized> {
        let summary = match summary {
            Some(summary) => summary,
            None => self.summarize(&self.parts(id)?),
        };
        Some(Summarized { id, sequence, settled, summary })
    }

    /// Waits until everything accepted so far is in the store file, if there is one.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the file.
    pub(crate) fn persist(&self) -> Result<(), String> {
        self.shared.file.as_ref().map_or(Ok(()), File::persist)
    }

    /// Writes a value that is not part of a trace to the store file, if there is one.
    #[cfg(feature = "web")]
    pub(crate) fn save(&self, key: &'static str, value: String) {
        if let Some(file) = &self.shared.file {
            file.push([Change::State(key, value)]);
        }
    }

    /// Reads what [`save`](Store::save) has written.
    #[cfg(feature = "web")]
    pub(crate) fn saved(&self, key: &str) -> Option<String> {
        self.shared.file.as_ref()?.saved(key)
    }

    /// Returns the limits.
    pub(crate) fn limits(&self) -> Limits {
        self.lock().shelf.limits().clone()
    }

    /// Makes and keeps the summary of a trace.
    fn summarize(&self, parts: &Parts) -> Arc<Summary> {
        let summary = Arc::new(Summary::new(&parts.join(), parts.revision, &self.shared.names));
        self.lock().shelf.set_summary(parts.id, Arc::clone(&summary));
        summary
    }

    /// Returns the number of the last change.
    pub(crate) fn sequence(&self) -> u64 {
        self.lock().shelf.sequence()
    }

    /// Forgets all traces. Returns how many there were.
    pub(crate) fn clear(&self) -> usize {
        let mut state = self.lock();
        if let Some(file) = &self.shared.file {
            file.push([Change::Clear]);
        }
        state.shelf.clear()
    }

    /// Sets the counters of datagrams that were lost before they were parsed.
    pub(crate) fn set_losses(&self, queue_full: u64, kernel_drops: u64) {
        let mut state = self.lock();
        (state.stats.queue_full, state.stats.kernel_drops) = (queue_full, kernel_drops);
    }

    /// Sets the counter of documents that could not be forwarded.
    pub(crate) fn set_not_forwarded(&self, documents: u64) {
        self.lock().stats.not_forwarded = documents;
    }

    /// Returns the counters.
    pub fn stats(&self) -> Stats {
        let state = self.lock();
        let shelf = &state.shelf;
        Stats { traces: shelf.len(), bytes: shelf.bytes(), evicted: shelf.evicted(), ..state.stats }
    }

    /// Waits for traces to show. Returns `None` once the store was stopped and the last traces were returned.
    pub(crate) fn next_due(&self) -> Option<Vec<Parts>> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let ready = if state.stopped { state.shelf.take_unreported() } else { state.shelf.take_due(now) };
            if !ready.is_empty() {
                return Some(ready);
            }
            if state.stopped {
                return None;
            }
            state = match state.shelf.next_due() {
                Some(due) => self.wait(state, due.saturating_duration_since(now)),
                None => self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Keeps the summary of a settled trace, also in the store file. Returns the trace if it is wanted for viewers.
    pub(crate) fn settle(&self, parts: Parts, wanted: bool) -> Option<Trace> {
        // What the summary waited for does not count as on its way any more.
        let known = parts.summary.clone().filter(|summary| !summary.awaits_segment);
        let trace = if wanted || known.is_none() { Some(self.complete(parts.clone()).join()) } else { None };
        let made = || Some(Arc::new(Summary::new(trace.as_ref()?, parts.revision, &self.shared.names)));
        let is_known = known.is_some();
        if let Some(summary) = known.or_else(made) {
            let mut state = self.lock();
            // The lock ensures that the file gets the summary before later documents.
            if state.shelf.set_summary(parts.id, Arc::clone(&summary))
                && !(parts.is_summary_in_file && is_known)
                && let Some(file) = &self.shared.file
            {
                let forgotten = state.shelf.take_forgotten().into_iter().map(Change::Forget);
                file.push(forgotten.chain([Change::Summary(parts.id, parts.arrived, summary)]));
            }
        }
        // Empty if the documents were lost with the store file.
        trace.filter(|trace| wanted && !trace.is_empty())
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

/// A change for the store file.
#[derive(Debug)]
pub(crate) enum Change {
    /// A document, with the summary of its trace if it is the first one.
    Document(TraceId, Packed, Option<Arc<Summary>>),
    /// A settled trace, with the time of its last document in milliseconds.
    Summary(TraceId, u64, Arc<Summary>),
    Forget(TraceId),
    Clear,
    /// A value that is not part of a trace.
    #[cfg(feature = "web")]
    State(&'static str, String),
}

impl Change {
    /// Returns its approximate size in bytes.
    fn weight(&self) -> usize {
        size_of::<Change>()
            + match self {
                Change::Document(_, packed, summary) => {
                    packed.weight() + summary.as_ref().map_or(0, |summary| summary.weight())
                }
                Change::Summary(_, _, summary) => summary.weight(),
                Change::Forget(_) | Change::Clear => 0,
                #[cfg(feature = "web")]
                Change::State(_, value) => value.len(),
            }
    }
}

/// A trace in a store file.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) id: TraceId,
    /// When its last document arrived, in milliseconds since the epoch.
    pub(crate) arrived: u64,
    /// Bytes in the file.
    pub(crate) bytes: u64,
    /// `None` if it must be made again.
    pub(crate) summary: Option<Arc<Summary>>,
}

/// A trace in a list.
#[derive(Debug, Clone)]
pub(crate) struct Summarized {
    pub(crate) id: TraceId,
    /// Increases with each document of any trace.
    pub(crate) sequence: u64,
    /// Whether it is finished, or has waited long enough for what is missing.
    pub(crate) settled: bool,
    pub(crate) summary: Arc<Summary>,
}

/// Returns the milliseconds since the epoch.
pub(crate) fn epoch_millis() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
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
