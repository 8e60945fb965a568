//! Which traces are kept, and for how long. Has no locks, clocks or threads, so tests control the time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::document::Document;
use crate::entity::Entity;
use crate::id::{EntityId, TraceId};
use crate::trace::Trace;

/// When a trace is evicted, and when it counts as finished.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) memory: usize,
    pub(crate) settle_time: Duration,
    pub(crate) idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        // A caller closes right after the service it called: 200 ms are enough between services, and feel immediate.
        Limits { memory: 64 << 20, settle_time: Duration::from_millis(200), idle_timeout: Duration::from_secs(5) }
    }
}

/// The traces in memory. When memory runs short, the trace that has been idle for the longest time is evicted first.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    limits: Limits,
    traces: HashMap<TraceId, Held>,
    /// Traces by the sequence number of their last document.
    recency: BTreeMap<u64, TraceId>,
    /// When to check whether a trace is finished.
    due: BTreeSet<(Instant, TraceId)>,
    sequence: u64,
    bytes: usize,
    evicted: u64,
}

#[derive(Debug)]
struct Held {
    entities: HashMap<EntityId, Arc<Entity>>,
    bytes: usize,
    sequence: u64,
    last: Instant,
    due: Option<Instant>,
    reported: bool,
}

/// The entities of a trace, copied from the shelf. Joining them is slow for large traces and must not hold a lock.
pub(crate) struct Parts {
    id: TraceId,
    entities: Vec<Arc<Entity>>,
    update: bool,
}

impl Parts {
    pub(crate) fn join(self) -> Trace {
        Trace::new(self.id, self.entities, self.update)
    }
}

impl Shelf {
    /// Overhead of a trace in addition to its entities, mainly map entries.
    const TRACE_WEIGHT: usize = 512;
    /// Overhead of an entity in addition to its own weight.
    const ENTITY_WEIGHT: usize = 64;

    pub(crate) fn new(limits: Limits) -> Shelf {
        Shelf { limits, ..Shelf::default() }
    }

    pub(crate) fn put(&mut self, document: Document, now: Instant) {
        let id = document.trace_id;
        let held = self.traces.entry(id).or_insert_with(|| {
            self.bytes += Self::TRACE_WEIGHT;
            Held::new(Self::TRACE_WEIGHT, now)
        });
        let before = held.bytes;
        let mut changed = false;
        for entity in document.entities {
            changed |= held.put(entity);
        }
        self.bytes = self.bytes + held.bytes - before;
        // A document that was received before, such as a retry, does not cause the trace to be shown again.
        if changed {
            held.last = now;
            let due = after(now, self.limits.settle_time);
            if let Some(old) = held.due.replace(due) {
                self.due.remove(&(old, id));
            }
            self.due.insert((due, id));
        }
        self.sequence += 1;
        self.recency.remove(&held.sequence);
        held.sequence = self.sequence;
        self.recency.insert(self.sequence, id);
        self.evict();
    }

    fn evict(&mut self) {
        while self.bytes > self.limits.memory {
            let Some((_, id)) = self.recency.pop_first() else { break };
            let Some(held) = self.traces.remove(&id) else { continue };
            if let Some(due) = held.due {
                self.due.remove(&(due, id));
            }
            self.bytes -= held.bytes;
            self.evicted += 1;
        }
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
                ready.push(held.report(id));
            }
        }
        ready
    }

    /// Takes the traces whose current state has not been shown, finished or not.
    pub(crate) fn take_unreported(&mut self) -> Vec<Parts> {
        let due = std::mem::take(&mut self.due);
        due.into_iter().filter_map(|(_, id)| Some(self.traces.get_mut(&id)?.report(id))).collect()
    }

    pub(crate) fn get(&self, id: TraceId) -> Option<Parts> {
        self.traces.get(&id).map(|held| held.parts(id))
    }

    /// Returns all traces, the one that has been idle for the longest time first.
    pub(crate) fn all(&self) -> Vec<Parts> {
        self.recency.values().filter_map(|&id| self.get(id)).collect()
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
    fn new(bytes: usize, now: Instant) -> Held {
        Held { entities: HashMap::new(), bytes, sequence: 0, last: now, due: None, reported: false }
    }

    /// Stores an entity unless the stored version is better. Returns whether it was stored.
    fn put(&mut self, entity: Entity) -> bool {
        let old = self.entities.get(&entity.id());
        if old.is_some_and(|old| !entity.replaces(old)) {
            return false;
        }
        self.bytes -= old.map_or(0, |old| old.weight() + Shelf::ENTITY_WEIGHT);
        self.bytes += entity.weight() + Shelf::ENTITY_WEIGHT;
        self.entities.insert(entity.id(), Arc::new(entity));
        true
    }

    /// Whether nothing is in progress and no parent is missing.
    fn is_complete(&self) -> bool {
        let known = |id: Option<EntityId>| id.is_none_or(|id| self.entities.contains_key(&id));
        self.entities.values().all(|entity| !entity.is_in_progress() && known(entity.parent_id()))
    }

    fn report(&mut self, id: TraceId) -> Parts {
        let parts = self.parts(id);
        self.due = None;
        self.reported = true;
        parts
    }

    fn parts(&self, id: TraceId) -> Parts {
        Parts { id, entities: self.entities.values().cloned().collect(), update: self.reported }
    }
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

    fn document(trace: u32, id: u32, members: &str) -> Document {
        let text = format!(
            "{{\"format\":\"json\",\"version\":1}}\n{{\"trace_id\":\"1-{trace:08x}-000000000000000000000000\",\
             \"id\":\"{id:016x}\",\"name\":\"n\",\"start_time\":1{members}}}"
        );
        Document::from_datagram(text.as_bytes()).unwrap()
    }

    fn due(shelf: &mut Shelf, now: Instant) -> Vec<(usize, bool)> {
        shelf.take_due(now).into_iter().map(Parts::join).map(|trace| (trace.len(), trace.is_update())).collect()
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
        let mut shelf = Shelf::new(Limits { memory: one.bytes() * 3, ..Limits::default() });
        for trace in [1, 2, 3, 1, 4] {
            shelf.put(document(trace, 1, ",\"end_time\":2"), start);
            assert!(shelf.bytes() <= one.bytes() * 3);
        }
        let kept: Vec<_> = shelf.all().iter().map(|parts| parts.id.to_string()[2..10].to_owned()).collect();
        assert_eq!(kept, ["00000003", "00000001", "00000004"]);
        assert_eq!((shelf.len(), shelf.evicted(), shelf.take_unreported().len()), (3, 1, 3));
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
