//! What is kept of the traces, and for how long: without locks, clocks or threads, so that tests can say what time
//! it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::document::Document;
use crate::entity::Entity;
use crate::id::{EntityId, TraceId};
use crate::trace::Trace;

/// When to forget, and when to call a trace finished.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) memory: usize,
    pub(crate) quiet: Duration,
    pub(crate) patience: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        // A caller closes right after what it called: 200 ms suffice between services, and still feel immediate.
        Limits { memory: 64 << 20, quiet: Duration::from_millis(200), patience: Duration::from_secs(5) }
    }
}

/// The traces at hand. The one that was quiet for longest goes first when memory is short.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    limits: Limits,
    traces: HashMap<TraceId, Held>,
    /// By the turn of the last document.
    recency: BTreeMap<u64, TraceId>,
    /// When to look whether a trace is finished.
    due: BTreeSet<(Instant, TraceId)>,
    turn: u64,
    bytes: usize,
    evicted: u64,
}

#[derive(Debug)]
struct Held {
    entities: HashMap<EntityId, Arc<Entity>>,
    bytes: usize,
    turn: u64,
    last: Instant,
    due: Option<Instant>,
    reported: bool,
}

/// A trace's entities taken from the shelf. Joining them takes a while for large traces: not under a lock.
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
    /// What a trace costs besides its entities: map entries, mostly.
    const TRACE_WEIGHT: usize = 512;
    /// What an entity costs besides itself.
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
        let mut news = false;
        for entity in document.entities {
            news |= held.put(entity);
        }
        self.bytes = self.bytes + held.bytes - before;
        // A document that was seen before, as a daemon's retry would be, does not show the trace again.
        if news {
            held.last = now;
            let due = after(now, self.limits.quiet);
            if let Some(old) = held.due.replace(due) {
                self.due.remove(&(old, id));
            }
            self.due.insert((due, id));
        }
        self.turn += 1;
        self.recency.remove(&held.turn);
        held.turn = self.turn;
        self.recency.insert(self.turn, id);
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

    /// The next moment at which a trace may be finished.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|&(due, _)| due)
    }

    /// The traces to show: quiet and settled, or waited for long enough.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<Parts> {
        let mut ready = Vec::new();
        while let Some(&(due, id)) = self.due.first().filter(|(due, _)| *due <= now) {
            self.due.remove(&(due, id));
            let Some(held) = self.traces.get_mut(&id) else { continue };
            let give_up = after(held.last, self.limits.patience);
            if give_up > now && !held.is_settled() {
                held.due = Some(give_up);
                self.due.insert((give_up, id));
            } else {
                ready.push(held.report(id));
            }
        }
        ready
    }

    /// What was never shown in its present state, finished or not.
    pub(crate) fn take_unreported(&mut self) -> Vec<Parts> {
        let due = std::mem::take(&mut self.due);
        due.into_iter().filter_map(|(_, id)| Some(self.traces.get_mut(&id)?.report(id))).collect()
    }

    pub(crate) fn get(&self, id: TraceId) -> Option<Parts> {
        self.traces.get(&id).map(|held| held.parts(id))
    }

    /// All traces, the one that was quiet for longest first.
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
        Held { entities: HashMap::new(), bytes, turn: 0, last: now, due: None, reported: false }
    }

    /// Keeps an entity, unless the version at hand is better; says whether it did.
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

    fn is_settled(&self) -> bool {
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

/// A moment so late that it means never is an hour away: looking once an hour costs nothing.
fn after(moment: Instant, wait: Duration) -> Instant {
    moment.checked_add(wait).unwrap_or(moment + Duration::from_secs(3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_millis(200);
    const PATIENCE: Duration = Duration::from_secs(5);

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
    fn a_complete_trace_is_due_once_it_is_quiet() {
        let (mut shelf, start) = (Shelf::default(), Instant::now());
        shelf.put(document(1, 1, ",\"end_time\":2"), start);
        assert_eq!(due(&mut shelf, start + QUIET / 2), []);
        shelf.put(document(1, 2, ",\"end_time\":2,\"parent_id\":\"0000000000000001\""), start + QUIET / 2);
        assert_eq!(due(&mut shelf, start + QUIET), []);
        assert_eq!(shelf.next_due(), Some(start + QUIET / 2 + QUIET));
        assert_eq!(due(&mut shelf, start + QUIET * 2), [(2, false)]);
        assert_eq!(shelf.next_due(), None);
    }

    #[test]
    fn an_open_or_orphaned_trace_is_due_after_patience() {
        for members in ["", ",\"in_progress\":true", ",\"end_time\":2,\"parent_id\":\"00000000000000ff\""] {
            let (mut shelf, start) = (Shelf::default(), Instant::now());
            shelf.put(document(1, 1, members), start);
            assert_eq!(due(&mut shelf, start + QUIET), [], "{members}");
            assert_eq!(shelf.next_due(), Some(start + PATIENCE));
            assert_eq!(due(&mut shelf, start + PATIENCE), [(1, false)], "{members}");
        }
    }

    #[test]
    fn what_comes_later_shows_the_trace_again_unless_it_is_known() {
        let (mut shelf, start) = (Shelf::default(), Instant::now());
        shelf.put(document(1, 1, ",\"end_time\":2"), start);
        assert_eq!(due(&mut shelf, start + QUIET), [(1, false)]);
        shelf.put(document(1, 1, ",\"end_time\":2"), start + QUIET);
        shelf.put(document(1, 1, ",\"in_progress\":true"), start + QUIET);
        assert_eq!(shelf.next_due(), None);
        shelf.put(document(1, 2, ",\"end_time\":2,\"parent_id\":\"0000000000000001\""), start + QUIET);
        assert_eq!(due(&mut shelf, start + QUIET * 2), [(2, true)]);
    }

    #[test]
    fn memory_is_bounded_and_the_quietest_trace_goes_first() {
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
    fn a_trace_beyond_the_bound_goes_as_a_whole() {
        let mut shelf = Shelf::new(Limits { memory: 10_000, ..Limits::default() });
        for id in 0..1_000 {
            shelf.put(document(1, id, ",\"end_time\":2"), Instant::now());
            assert!(shelf.bytes() <= 10_000 && shelf.due.len() <= 1 && shelf.recency.len() <= 1);
        }
        let held: usize = shelf.traces.values().map(|held| held.bytes).sum();
        assert_eq!(held, shelf.bytes());
    }

    #[test]
    fn an_endless_wait_is_no_overflow() {
        let limits = Limits { quiet: Duration::MAX, patience: Duration::MAX, ..Limits::default() };
        let (mut shelf, start) = (Shelf::new(limits), Instant::now());
        shelf.put(document(1, 1, ",\"end_time\":2"), start);
        assert!(shelf.next_due() > Some(start));
    }
}
