//! Which traces are kept, and for how long. Has no locks, clocks or threads, so tests control the time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Restored;
use super::packed::Packed;
use super::shares::{By, Place, Shares};
use crate::id::{EntityId, TraceId};
use crate::processors::in_parts;
use crate::trace::{Document, Entity, Mark, Names, Summary, Trace};

/// When a trace is evicted, and when it counts as finished.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) memory: usize,
    pub(crate) traces: usize,
    pub(crate) settle_time: Duration,
    pub(crate) idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory: 64 << 20,
            traces: 100_000,
            // A caller closes right after the service it called: 200 ms are enough between services, and feel immediate.
            settle_time: Duration::from_millis(200),
            idle_timeout: Duration::from_secs(5),
        }
    }
}

/// A document that is ready to be put on the shelf. Parsing and packing it needs no lock.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) trace_id: TraceId,
    marks: Vec<(EntityId, Mark)>,
    packed: Packed,
    /// The summary of the trace if this is its only document, as it usually is. Making it now is much cheaper than to
    /// read the document again.
    summary: Arc<Summary>,
}

/// The traces in memory. When memory runs short, the service with the largest share of it loses the trace that has been idle
/// for the longest time.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    limits: Limits,
    traces: HashMap<TraceId, Box<Held>>,
    /// Traces by the sequence number of their last document.
    recency: BTreeMap<u64, TraceId>,
    shares: Shares,
    /// When to check whether a trace is finished.
    due: BTreeSet<(Instant, TraceId)>,
    sequence: u64,
    bytes: usize,
    evicted: u64,
    /// Whether documents that are in a store file may leave the memory.
    in_file: bool,
    /// Traces up to this sequence number have been unloaded, if they could be.
    unloaded: u64,
    /// Evicted traces that the store file does not know of.
    forgotten: Vec<TraceId>,
}

#[derive(Debug)]
struct Held {
    documents: Vec<Packed>,
    /// How many documents are not in the store file yet.
    unwritten: u32,
    /// Whether the documents are only in the store file.
    unloaded: bool,
    /// Whether the store file has, or is about to get, the current summary.
    is_summary_in_file: bool,
    /// When the last document arrived, in milliseconds since the epoch.
    arrived: u64,
    /// What is known of each entity; dropped when the trace is reported, and made again when more of it arrives.
    skeleton: Option<Box<Skeleton>>,
    summary: Option<Arc<Summary>>,
    bytes: usize,
    place: Place,
    sequence: u64,
    last: Instant,
    due: Option<Instant>,
    revision: u32,
    reported: bool,
}

/// The best version of each entity, without its content.
type Skeleton = BTreeMap<EntityId, Mark>;

/// The documents of a trace, copied from the shelf. Joining them is slow for large traces and must not hold a lock.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) id: TraceId,
    pub(crate) documents: Vec<Packed>,
    pub(crate) revision: u32,
    /// Whether the trace has been reported before.
    pub(crate) update: bool,
    /// Whether it is finished, or has waited long enough for what is missing.
    pub(crate) settled: bool,
    /// Whether the documents are only in the store file.
    pub(crate) unloaded: bool,
    /// When the last document arrived, in milliseconds since the epoch.
    pub(crate) arrived: u64,
    /// `None` if documents have arrived since it was made.
    pub(crate) summary: Option<Arc<Summary>>,
    /// Whether the store file has, or is about to get, the current summary.
    pub(crate) is_summary_in_file: bool,
}

/// A trace's place on the shelf, without its documents.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: TraceId,
    /// Increases with each document of any trace.
    pub(crate) sequence: u64,
    pub(crate) settled: bool,
    /// `None` if documents have arrived since it was made.
    pub(crate) summary: Option<Arc<Summary>>,
}

impl Arrival {
    /// Returns `None` if the text is not a valid document.
    pub(crate) fn new(text: &str, arrived: u64, port: u16, names: &Names) -> Option<Arrival> {
        let Document { trace_id, entities } = Document::parse(text)?;
        let marks = entities.iter().map(|entity| (entity.id(), entity.mark())).collect();
        let summary = Summary::new(&join(trace_id, entities, false, false), 1, names);
        Some(Arrival { trace_id, marks, packed: Packed::new(text, arrived, port), summary: Arc::new(summary) })
    }
}

impl Arrival {
    /// Returns the ids of the trace and of the segment or subsegment at the top, unless that is in progress.
    #[cfg(feature = "otlp")]
    pub(crate) fn finished(&self) -> Option<(TraceId, EntityId)> {
        let (id, _) = self.marks.first().filter(|(_, mark)| !mark.is_in_progress())?;
        Some((self.trace_id, *id))
    }
}

/// Bytes of a trace's documents from which they are parsed on all processors. Starting threads for fewer would take longer.
const MIN_PARTS: usize = 256 << 10;

impl Parts {
    pub(crate) fn join(&self) -> Trace {
        let parse = |documents: &[Packed]| -> Vec<Arc<Entity>> {
            documents.iter().filter_map(Packed::parse).flat_map(|document| document.entities).collect()
        };
        let length: usize = self.documents.iter().map(Packed::length).sum();
        let entities = if length < MIN_PARTS { parse(&self.documents) } else { in_parts(&self.documents, parse) };
        join(self.id, entities, self.update, self.settled)
    }
}

/// Joins the best version of each entity.
fn join(id: TraceId, entities: Vec<Arc<Entity>>, update: bool, settled: bool) -> Trace {
    // Sorting reads ids far more often than there are entities, so it has them at hand.
    let mut versions: Vec<(EntityId, Arc<Entity>)> = entities.into_iter().map(|entity| (entity.id(), entity)).collect();
    versions.sort_by(|(id, a), (other, b)| id.cmp(other).then_with(|| b.replaces(a).cmp(&a.replaces(b))));
    versions.dedup_by_key(|(id, _)| *id);
    Trace::new(id, versions.into_iter().map(|(_, entity)| entity), update, settled)
}

impl Shelf {
    /// Overhead of a trace in addition to its documents and its summary, mainly map entries.
    const TRACE_WEIGHT: usize = 304;
    /// Overhead of an entity while its trace is unsettled.
    const MARK_WEIGHT: usize = 96;

    pub(crate) fn new(limits: Limits) -> Shelf {
        Shelf { limits, ..Shelf::default() }
    }

    /// Makes the shelf the index of a store file that has this many traces: documents leave the memory first, and evicted
    /// traces are listed.
    pub(crate) fn keep_in_file(&mut self, traces: usize) {
        self.in_file = true;
        self.traces.reserve(traces.min(self.limits.traces));
    }

    /// Adds a trace of the store file.
    pub(crate) fn restore(&mut self, restored: Restored, now: Instant) {
        let Restored { id, arrived, summary, bytes: _ } = restored;
        let place = summary.as_ref().map(|summary| self.shares.place(&summary.name)).unwrap_or_default();
        let mut held = Held::new(place, now);
        (held.unloaded, held.arrived, held.reported, held.skeleton) = (true, arrived, true, None);
        match summary {
            Some(summary) => {
                held.bytes += summary.weight();
                held.revision = summary.revision;
                held.summary = Some(summary);
            }
            None => {
                held.due = Some(now);
                self.due.insert((now, id));
            }
        }
        self.bytes += held.bytes;
        self.sequence += 1;
        held.sequence = self.sequence;
        self.recency.insert(self.sequence, id);
        self.shares.moved(place, 0, self.sequence);
        self.shares.resized(place, 0, held.bytes);
        self.traces.insert(id, Box::new(held));
        self.evict();
    }

    /// Adds a document. Returns it for the store file, unless a copy of it was there before: with the summary of its trace
    /// if it is the first one.
    pub(crate) fn put(&mut self, arrival: Arrival, now: Instant) -> Option<(Packed, Option<Arc<Summary>>)> {
        let Arrival { trace_id: id, marks, packed, summary } = arrival;
        let added = self.in_file.then(|| packed.clone());
        let (mut before, shares) = (None, &mut self.shares);
        let held = self.traces.entry(id).or_insert_with(|| {
            before = Some(0);
            Box::new(Held::new(shares.place(&summary.name), now))
        });
        let (before, revision) = (before.unwrap_or(held.bytes), held.revision);
        // A document that was received before, such as a retry, does not cause the trace to be shown again.
        if held.put(marks, packed) {
            held.last = now;
            let due = after(now, self.limits.settle_time);
            if let Some(old) = held.due.replace(due) {
                self.due.remove(&(old, id));
            }
            self.due.insert((due, id));
        }
        let first = revision == 0 && held.documents.len() == 1;
        if first {
            held.bytes += summary.weight();
            held.summary = Some(Arc::clone(&summary));
        }
        held.is_summary_in_file = first;
        let added = added.filter(|_| held.revision > revision).map(|packed| (packed, first.then_some(summary)));
        held.unwritten += u32::from(added.is_some());
        self.bytes = self.bytes + held.bytes - before;
        shares.resized(held.place, before, held.bytes);
        self.sequence += 1;
        self.recency.remove(&held.sequence);
        shares.moved(held.place, held.sequence, self.sequence);
        held.sequence = self.sequence;
        self.recency.insert(self.sequence, id);
        self.evict();
        added
    }

    fn evict(&mut self) {
        while self.traces.len() > self.limits.traces || self.bytes > self.limits.memory {
            let by = if self.traces.len() > self.limits.traces { By::Traces } else { By::Bytes };
            if by == By::Bytes && self.in_file && self.unload() {
                continue;
            }
            if !self.forget_first(by) {
                break;
            }
        }
    }

    /// Drops the documents of the trace that has been idle for the longest time, if they are in the store file. Returns
    /// false if no document can leave the memory.
    fn unload(&mut self) -> bool {
        let mut next = None;
        for (sequence, id) in self.recency.range(self.unloaded + 1..) {
            let Some(held) = self.traces.get(id) else { continue };
            if held.unwritten > 0 {
                return false;
            }
            self.unloaded = *sequence;
            if !held.documents.is_empty() {
                next = Some(*id);
                break;
            }
        }
        let Some(held) = next.and_then(|id| self.traces.get_mut(&id)) else { return false };
        let documents = std::mem::take(&mut held.documents);
        let weight: usize = documents.iter().map(Packed::weight).sum();
        held.unloaded = true;
        self.shares.resized(held.place, weight, 0);
        held.bytes -= weight;
        self.bytes -= weight;
        true
    }

    /// Forgets the trace that has been idle for the longest time, of the service with the largest share. Returns false if
    /// there is none.
    fn forget_first(&mut self, by: By) -> bool {
        let Some(sequence) = self.shares.first(by) else { return false };
        self.forget(sequence);
        true
    }

    /// Forgets the trace whose last document has this number.
    fn forget(&mut self, sequence: u64) {
        let Some(id) = self.recency.remove(&sequence) else { return };
        let Some(held) = self.traces.remove(&id) else { return };
        self.shares.remove(held.place, sequence, held.bytes);
        if let Some(due) = held.due {
            self.due.remove(&(due, id));
        }
        self.bytes -= held.bytes;
        self.evicted += 1;
        if self.in_file {
            self.forgotten.push(id);
        }
    }

    /// Forgets traces as if a limit was reached, at most as many as given.
    pub(crate) fn forget_some(&mut self, traces: usize) {
        for _ in 0..traces {
            self.forget_first(By::Traces);
        }
    }

    /// Forgets the traces whose last document arrived before this time.
    pub(crate) fn forget_before(&mut self, arrived: u64) {
        while let Some((&sequence, id)) = self.recency.first_key_value()
            && self.traces.get(id).is_some_and(|held| held.arrived < arrived)
        {
            self.forget(sequence);
        }
    }

    /// Takes the traces that must be removed from the store file.
    pub(crate) fn take_forgotten(&mut self) -> Vec<TraceId> {
        std::mem::take(&mut self.forgotten)
    }

    /// Whether the documents of a trace are only in the store file.
    pub(crate) fn is_unloaded(&self, id: TraceId) -> bool {
        self.traces.get(&id).is_some_and(|held| held.unloaded)
    }

    /// Returns documents from the store file to the memory.
    pub(crate) fn load(&mut self, id: TraceId, documents: Vec<Packed>) {
        let Some(held) = self.traces.get_mut(&id) else { return };
        let weight: usize = documents.iter().map(Packed::weight).sum();
        held.revision = u32::try_from(documents.len()).unwrap_or(u32::MAX);
        held.documents = documents;
        held.unloaded = false;
        self.shares.resized(held.place, 0, weight);
        held.bytes += weight;
        self.bytes += weight;
    }

    /// Notes that documents of these traces are in the store file, once for each document.
    pub(crate) fn written(&mut self, traces: &[TraceId]) {
        for id in traces {
            if let Some(held) = self.traces.get_mut(id) {
                held.unwritten = held.unwritten.saturating_sub(1);
            }
        }
        self.evict();
    }

    /// Forgets all traces. Returns how many there were.
    pub(crate) fn clear(&mut self) -> usize {
        let traces = self.traces.len();
        (self.traces, self.recency, self.shares, self.due, self.bytes) = Default::default();
        traces
    }

    /// Returns the earliest time at which a trace may be finished.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|&(due, _)| due)
    }

    /// Takes the traces to show: those that are finished, and those that have reached the idle timeout.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<Parts> {
        let mut ready = Vec::new();
        while let Some(&(due, id)) = self.due.first().filter(|(due, _)| *due <= now) {
            self.due.remove(&(due, id));
            let Some(held) = self.traces.get_mut(&id) else { continue };
            let timeout = after(held.last, self.limits.idle_timeout);
            if timeout > now && !held.is_complete() {
                held.due = Some(timeout);
                self.due.insert((timeout, id));
            } else {
                let before = held.bytes;
                ready.push(held.report(id));
                self.bytes = self.bytes + held.bytes - before;
                self.shares.resized(held.place, before, held.bytes);
            }
        }
        ready
    }

    /// Takes the traces whose current state has not been shown, finished or not.
    pub(crate) fn take_unreported(&mut self) -> Vec<Parts> {
        let mut ready = Vec::new();
        for (_, id) in std::mem::take(&mut self.due) {
            let Some(held) = self.traces.get_mut(&id) else { continue };
            let before = held.bytes;
            ready.push(held.report(id));
            self.bytes = self.bytes + held.bytes - before;
            self.shares.resized(held.place, before, held.bytes);
        }
        ready
    }

    pub(crate) fn get(&self, id: TraceId) -> Option<Parts> {
        self.traces.get(&id).map(|held| held.parts(id))
    }

    /// Returns the entries of the traces that changed after the given sequence number, in the order of change.
    pub(crate) fn entries(&self, after: u64) -> Vec<Entry> {
        let changed = self.recency.range(after.saturating_add(1)..);
        changed.filter_map(|(_, id)| Some(self.traces.get(id)?.entry(*id))).collect()
    }

    /// Returns the entry of one trace.
    pub(crate) fn entry(&self, id: TraceId) -> Option<Entry> {
        self.traces.get(&id).map(|held| held.entry(id))
    }

    /// Keeps the summary of a trace, unless documents have arrived since it was made. Returns whether it was kept.
    pub(crate) fn set_summary(&mut self, id: TraceId, summary: Arc<Summary>) -> bool {
        let held = self.traces.get_mut(&id).filter(|held| held.revision == summary.revision);
        let Some(held) = held else { return false };
        if held.summary.as_ref().is_some_and(|known| Arc::ptr_eq(known, &summary)) {
            return true;
        }
        let before = held.bytes;
        held.bytes -= held.summary.take().map_or(0, |old| old.weight());
        held.bytes += summary.weight();
        held.summary = Some(summary);
        self.bytes = self.bytes + held.bytes - before;
        self.shares.resized(held.place, before, held.bytes);
        self.evict();
        true
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns the number of the last change.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(crate) fn len(&self) -> usize {
        self.traces.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }
}

impl Held {
    fn new(place: Place, now: Instant) -> Held {
        Held {
            documents: Vec::new(),
            unwritten: 0,
            unloaded: false,
            is_summary_in_file: false,
            arrived: 0,
            skeleton: Some(Box::default()),
            summary: None,
            bytes: Shelf::TRACE_WEIGHT,
            place,
            sequence: 0,
            last: now,
            due: None,
            revision: 0,
            reported: false,
        }
    }

    /// Adds a document. Returns whether it changed an entity.
    fn put(&mut self, marks: Vec<(EntityId, Mark)>, packed: Packed) -> bool {
        if let Some(known) = self.documents.iter_mut().rev().find(|known| packed.is_copy_of(known)) {
            known.repeated = known.repeated.saturating_add(1);
            return false;
        }
        let skeleton = self.skeleton.get_or_insert_with(|| {
            let skeleton = skeleton(&self.documents);
            self.bytes += skeleton.len() * Shelf::MARK_WEIGHT;
            skeleton
        });
        let before = skeleton.len();
        let mut changed = false;
        for (id, mark) in marks {
            changed |= place(skeleton, id, mark);
        }
        self.bytes += (skeleton.len() - before) * Shelf::MARK_WEIGHT + packed.weight();
        self.arrived = packed.arrived;
        if self.documents.is_empty() {
            // Most traces have one document.
            self.documents.reserve_exact(1);
        }
        self.documents.push(packed);
        self.revision = self.revision.saturating_add(1);
        self.bytes -= self.summary.take().map_or(0, |summary| summary.weight());
        changed
    }

    /// Whether nothing is in progress, no parent is missing, and no called service still has to send its segment.
    fn is_complete(&self) -> bool {
        let Some(skeleton) = &self.skeleton else { return true };
        let known = |id: Option<EntityId>| id.is_none_or(|id| skeleton.contains_key(&id));
        if !skeleton.values().all(|mark| !mark.is_in_progress() && known(mark.parent_id)) {
            return false;
        }
        let mut traced = skeleton.iter().filter(|(_, mark)| mark.is_traced).map(|(id, _)| id).peekable();
        if traced.peek().is_none() {
            return true;
        }
        let segments = skeleton.values().filter(|mark| mark.is_segment);
        let answered: BTreeSet<EntityId> = segments.filter_map(|mark| mark.parent_id).collect();
        traced.all(|call| answered.contains(call))
    }

    fn report(&mut self, id: TraceId) -> Parts {
        self.due = None;
        let parts = self.parts(id);
        self.reported = true;
        self.bytes -= self.skeleton.take().map_or(0, |skeleton| skeleton.len() * Shelf::MARK_WEIGHT);
        self.documents.shrink_to_fit();
        parts
    }

    fn parts(&self, id: TraceId) -> Parts {
        Parts {
            id,
            documents: self.documents.clone(),
            revision: self.revision,
            update: self.reported,
            settled: self.due.is_none(),
            unloaded: self.unloaded,
            arrived: self.arrived,
            summary: self.summary.clone(),
            is_summary_in_file: self.is_summary_in_file,
        }
    }

    fn entry(&self, id: TraceId) -> Entry {
        Entry { id, sequence: self.sequence, settled: self.due.is_none(), summary: self.summary.clone() }
    }
}

fn skeleton(documents: &[Packed]) -> Box<Skeleton> {
    let mut skeleton = Box::default();
    for entity in documents.iter().filter_map(Packed::parse).flat_map(|document| document.entities) {
        place(&mut skeleton, entity.id(), entity.mark());
    }
    skeleton
}

/// Keeps the better of two versions. Returns whether the new one was kept.
fn place(skeleton: &mut Skeleton, id: EntityId, mark: Mark) -> bool {
    let better = skeleton.get(&id).is_none_or(|known| mark.replaces(known));
    if better {
        skeleton.insert(id, mark);
    }
    better
}

/// Adds a wait to a moment. If the sum overflows, the wait is an hour: one check an hour costs nothing.
fn after(moment: Instant, wait: Duration) -> Instant {
    moment.checked_add(wait).unwrap_or(moment + Duration::from_secs(3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE_TIME: Duration = Duration::from_millis(200);
    const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

    fn document(trace: u32, id: u32, members: &str) -> Arrival {
        let text = format!(
            "{{\"trace_id\":\"1-{trace:08x}-000000000000000000000000\",\
             \"id\":\"{id:016x}\",\"name\":\"n\",\"start_time\":1{members}}}"
        );
        Arrival::new(&text, 0, 0, &Names::default()).unwrap()
    }

    fn due(shelf: &mut Shelf, now: Instant) -> Vec<(usize, bool)> {
        shelf
            .take_due(now)
            .into_iter()
            .map(|parts| parts.join())
            .map(|trace| (trace.len(), trace.is_update()))
            .collect()
    }

    #[test]
    fn a_complete_trace_is_due_after_the_settle_time() {
        let (mut shelf, start) = (Shelf::default(), Instant::now());
        shelf.put(document(1, 1, ",\"end_time\":2"), start);
        assert_eq!(due(&mut shelf, start + SETTLE_TIME / 2), []);
        shelf.put(document(1, 2, ",\"end_time\":2,\"parent_id\":\"0000000000000001\""), start + SETTLE_TIME / 2);
        assert_eq!(due(&mut shelf, start + SETTLE_TIME), []);
        assert_eq!(shelf.next_due(), Some(start + SETTLE_TIME / 2 + SETTLE_TIME));
        assert_eq!(due(&mut shelf, start + SETTLE_TIME * 2), [(2, false)]);
        assert_eq!(shelf.next_due(), None);
    }

    #[test]
    fn an_open_or_orphaned_trace_is_due_after_the_idle_timeout() {
        for members in ["", ",\"in_progress\":true", ",\"end_time\":2,\"parent_id\":\"00000000000000ff\""] {
            let (mut shelf, start) = (Shelf::default(), Instant::now());
            shelf.put(document(1, 1, members), start);
            assert_eq!(due(&mut shelf, start + SETTLE_TIME), [], "{members}");
            assert_eq!(shelf.next_due(), Some(start + IDLE_TIMEOUT));
            assert_eq!(due(&mut shelf, start + IDLE_TIMEOUT), [(1, false)], "{members}");
        }
    }

    #[test]
    fn a_trace_waits_for_the_segment_of_a_called_service() {
        let call = r#","end_time":3,"subsegments":[{"id":"00000000000000cc","name":"b","namespace":"remote","start_time":1,
            "end_time":2,"http":{"request":{"traced":true}}}]"#;
        let of = |parts: &Parts| {
            let summary = Summary::new(&parts.join(), 1, &Names::default());
            (summary.in_progress, summary.services.len())
        };
        let (mut shelf, start) = (Shelf::default(), Instant::now());
        shelf.put(document(1, 1, call), start);
        let id = shelf.entries(0)[0].id;
        assert_eq!(of(&shelf.get(id).unwrap()), (true, 1));
        assert!(shelf.entries(0)[0].summary.as_ref().unwrap().awaits_segment);
        assert_eq!(due(&mut shelf, start + SETTLE_TIME), []);
        // It does not arrive, so the called service is inferred.
        let parts = shelf.take_due(start + IDLE_TIMEOUT);
        assert_eq!((parts.len(), of(&parts[0])), (1, (false, 2)));

        shelf.put(document(2, 1, call), start);
        shelf.put(document(2, 2, r#","end_time":2,"parent_id":"00000000000000cc""#), start);
        let parts = shelf.take_due(start + SETTLE_TIME);
        assert_eq!((parts.len(), of(&parts[0])), (1, (false, 2)));
    }

    #[test]
    fn a_late_document_shows_the_trace_again_unless_it_is_known() {
        let (mut shelf, start) = (Shelf::default(), Instant::now());
        shelf.put(document(1, 1, ",\"end_time\":2"), start);
        assert_eq!(due(&mut shelf, start + SETTLE_TIME), [(1, false)]);
        shelf.put(document(1, 1, ",\"end_time\":2"), start + SETTLE_TIME);
        shelf.put(document(1, 1, ",\"in_progress\":true"), start + SETTLE_TIME);
        assert_eq!(shelf.next_due(), None);
        shelf.put(document(1, 2, ",\"end_time\":2,\"parent_id\":\"0000000000000001\""), start + SETTLE_TIME);
        assert_eq!(due(&mut shelf, start + SETTLE_TIME * 2), [(2, true)]);
    }

    #[test]
    fn memory_is_bounded_and_the_longest_idle_trace_is_evicted_first() {
        let start = Instant::now();
        let mut one = Shelf::default();
        one.put(document(1, 1, ",\"end_time\":2"), start);
        // Compressed documents of equal length may differ by a few bytes.
        let memory = one.bytes() * 3 + 50;
        let mut shelf = Shelf::new(Limits { memory, ..Limits::default() });
        for trace in [1, 2, 3, 1, 4] {
            shelf.put(document(trace, 1, ",\"end_time\":2"), start);
            assert!(shelf.bytes() <= memory);
        }
        let kept: Vec<_> = shelf.entries(0).iter().map(|entry| entry.id.to_string()[2..10].to_owned()).collect();
        assert_eq!(kept, ["00000003", "00000001", "00000004"]);
        assert_eq!((shelf.len(), shelf.evicted(), shelf.take_unreported().len()), (3, 1, 3));
    }

    /// Returns how many traces of each service are left after these were put on a shelf, with their numbers of bytes.
    fn left(limits: Limits, traces: &[(&str, usize)]) -> Vec<(String, usize)> {
        let mut shelf = Shelf::new(limits);
        let names = Names::default();
        for (number, (service, bytes)) in traces.iter().enumerate() {
            let noise: String =
                (0..*bytes).map(|i| char::from(b'a' + ((i * i * 7_919 + i * 31 + number) % 26) as u8)).collect();
            let text = format!(
                r#"{{"trace_id":"1-{number:08x}-000000000000000000000000","id":"00000000000000aa","name":"{service}",
                "start_time":1,"end_time":2,"user":"{noise}"}}"#
            );
            shelf.put(Arrival::new(&text, 0, 0, &names).unwrap(), Instant::now());
        }
        let mut counts = BTreeMap::new();
        for held in shelf.traces.values() {
            *counts.entry(held.summary.as_ref().unwrap().name.to_string()).or_insert(0) += 1;
        }
        let held: usize = shelf.traces.values().map(|held| held.bytes).sum();
        assert_eq!((held, shelf.recency.len()), (shelf.bytes(), shelf.len()));
        counts.into_iter().collect()
    }

    #[test]
    fn a_busy_service_does_not_displace_the_others() {
        let counts = |counts: &[(&str, usize)]| -> Vec<(String, usize)> {
            counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
        };
        let quiet = [("a", 0), ("a", 0), ("b", 0)];
        let busy = std::iter::repeat_n(("busy", 0), 100);
        let few = Limits { traces: 10, ..Limits::default() };
        let traces: Vec<_> = quiet.into_iter().chain(busy).collect();
        assert_eq!(left(few.clone(), &traces), counts(&[("a", 2), ("b", 1), ("busy", 7)]));
        // Shares become equal if all are busy.
        let traces: Vec<_> = (0..99).map(|number| (["a", "a", "b"][number % 3], 0)).collect();
        assert_eq!(left(few.clone(), &traces), counts(&[("a", 5), ("b", 5)]));
        // Many services share one place, and names that do not occur any more lose theirs.
        let names: Vec<String> = (0..500).map(|number| format!("s{number}")).collect();
        let traces: Vec<_> = names.iter().map(|name| (&**name, 0)).collect();
        let kept = left(Limits { traces: 100, ..Limits::default() }, &traces);
        assert!(kept.len() == 100 && kept.contains(&("s499".to_owned(), 1)));
        // Few large traces against many small ones.
        let memory = Limits { memory: 100_000, ..Limits::default() };
        let traces: Vec<_> =
            std::iter::repeat_n(("small", 0), 20).chain(std::iter::repeat_n(("large", 15_000), 50)).collect();
        let kept = left(memory, &traces);
        assert!(kept.contains(&("small".to_owned(), 20)) && kept[0].1 > 2, "{kept:?}");
    }

    #[test]
    fn a_trace_larger_than_the_limit_is_evicted_as_a_whole() {
        let mut shelf = Shelf::new(Limits { memory: 10_000, ..Limits::default() });
        for id in 0..1_000 {
            shelf.put(document(1, id, ",\"end_time\":2"), Instant::now());
            assert!(shelf.bytes() <= 10_000 && shelf.due.len() <= 1 && shelf.recency.len() <= 1);
        }
        let held: usize = shelf.traces.values().map(|held| held.bytes).sum();
        assert_eq!(held, shelf.bytes());
    }

    #[test]
    fn an_endless_wait_does_not_overflow() {
        let limits = Limits { settle_time: Duration::MAX, idle_timeout: Duration::MAX, ..Limits::default() };
        let (mut shelf, start) = (Shelf::new(limits), Instant::now());
        shelf.put(document(1, 1, ",\"end_time\":2"), start);
        assert!(shelf.next_due() > Some(start));
    }
}
