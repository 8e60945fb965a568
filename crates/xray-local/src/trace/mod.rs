//! A trace: entities joined into one tree by their ids.

mod cause;
mod critical_path;
mod cut;
mod detailed;
mod document;
mod entity;
mod loose;
mod names;
mod service;
mod summary;

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::id::{EntityId, TraceId};

pub(crate) use cause::{Cause, causes, response_time_cause};
pub(crate) use critical_path::{Stretch, critical_path, waited_for};
pub(crate) use detailed::{Detailed, hash};
pub(crate) use document::Document;
pub(crate) use entity::{AnnotationValue, Flags, Mark};
pub use entity::{Entity, Exception, Http, Outcome, Sql};
pub(crate) use names::{Name, Names};
pub(crate) use service::Service;
pub(crate) use summary::{
    Beyond, Call, Label, LabelKind, Passed, Slice, Summary, SummaryAnnotation, SummaryValue, signature,
};

/// A snapshot of everything known about one trace, as a tree.
///
/// ```
/// use xray_local::Store;
///
/// let store = Store::new();
/// # let datagram = concat!(r#"{"format":"json","version":1}"#, "\n", r#"{"trace_id":"1-5759e988-bd862e3fe1be46a994272793",
/// #   "id":"00000000000000aa","name":"shop","start_time":1,"end_time":2,
/// #   "subsegments":[{"id":"00000000000000bb","name":"load-cart","start_time":1.25,"end_time":1.75}]}"#);
/// store.accept(datagram.as_bytes())?;
/// for trace in store.traces() {
///     for node in trace.nodes() {
///         println!("{}{} +{:?}", "  ".repeat(node.depth()), node.name(), node.offset());
///     }
/// }
/// # assert_eq!(store.traces()[0].nodes().map(|node| node.offset().as_millis()).collect::<Vec<_>>(), [0, 250]);
/// # Ok::<(), xray_local::Refusal>(())
/// ```
pub struct Trace {
    id: TraceId,
    /// In pre-order. There are no links, so building, walking and dropping the tree needs no recursion.
    places: Vec<Place>,
    duration: Duration,
    update: bool,
    /// Whether what is missing does not count as on its way any more.
    settled: bool,
}

/// An entity and its position in the tree.
struct Place {
    entity: Arc<Entity>,
    depth: usize,
    /// The index after the last descendant.
    end: usize,
    orphan: bool,
    offset: Duration,
    skew: Option<Duration>,
}

/// An entity at its position in a trace. Dereferences to [`Entity`].
#[derive(Clone, Copy)]
pub struct Node<'a> {
    trace: &'a Trace,
    index: usize,
}

impl Trace {
    /// Joins entities into a tree, which does not depend on their order.
    pub(crate) fn new(
        id: TraceId,
        entities: impl IntoIterator<Item = Arc<Entity>>,
        update: bool,
        settled: bool,
    ) -> Trace {
        let mut members: Vec<Member> = entities.into_iter().map(Member::new).collect();
        members.sort_unstable_by_key(|member| member.order);
        let family = Family::of(&members);
        let mut places: Vec<Place> = Vec::with_capacity(members.len());
        // The correction of the clock at each place, in microseconds.
        let mut shifts: Vec<i128> = Vec::with_capacity(members.len());
        // The ancestors of the current place.
        let mut above: Vec<usize> = Vec::new();
        for (index, depth) in family.walk() {
            let entity = Arc::clone(&members[index].entity);
            for closed in above.drain(depth..) {
                places[closed].end = places.len();
            }
            let parent = above.last().copied();
            let skew = parent.and_then(|parent| skew(&entity, &places[parent].entity));
            let orphan = depth == 0 && entity.parent_id().is_some();
            above.push(places.len());
            shifts.push(parent.map_or(0, |parent| shifts[parent]) + skew.map_or(0, signed));
            places.push(Place { entity, depth, end: 0, orphan, offset: Duration::ZERO, skew });
        }
        for closed in above {
            places[closed].end = places.len();
        }
        let starts = || places.iter().zip(&shifts).map(|(place, shift)| signed(place.entity.start()) + shift);
        let first = starts().min().unwrap_or_default();
        let offsets: Vec<Duration> = starts().map(|start| unsigned(start - first)).collect();
        let mut duration = Duration::ZERO;
        for (place, offset) in places.iter_mut().zip(offsets) {
            place.offset = offset;
            duration = duration.max(offset.saturating_add(place.entity.duration().unwrap_or_default()));
        }
        Trace { id, places, duration, update, settled }
    }

    /// Returns the trace id.
    pub fn id(&self) -> TraceId {
        self.id
    }

    /// Returns the time from the first start to the last known end.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Returns the number of segments and subsegments.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether the trace has no entities. A store never returns such a trace.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns the roots of the tree: one for a complete trace. Entities whose parent is missing come last.
    pub fn roots(&self) -> impl Iterator<Item = Node<'_>> {
        self.siblings(0, self.places.len())
    }

    /// Returns every entity, each before its children, and siblings in the order in which they began.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = Node<'_>> {
        (0..self.places.len()).map(|index| Node { trace: self, index })
    }

    /// Whether nothing is in progress and no parent is missing.
    pub fn is_complete(&self) -> bool {
        self.places.iter().all(|place| !place.orphan && !place.entity.is_in_progress())
    }

    /// Returns the outcome of the first root, which is what the first caller saw.
    pub fn outcome(&self) -> Outcome {
        self.places.first().map_or(Outcome::Ok, |root| root.entity.outcome())
    }

    /// Whether an earlier state of this trace has already been passed to `on_trace`.
    pub fn is_update(&self) -> bool {
        self.update
    }

    fn siblings(&self, first: usize, end: usize) -> impl Iterator<Item = Node<'_>> {
        let index = move |index| (index < end).then_some(index);
        let indices = std::iter::successors(index(first), move |&last| index(self.places[last].end));
        indices.map(|index| Node { trace: self, index })
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trace { id, places, duration, update, settled: _ } = self;
        let mut out = f.debug_struct("Trace");
        out.field("id", id)
            .field("entities", &places.len())
            .field("duration", duration)
            .field("update", update)
            .finish()
    }
}

impl<'a> Node<'a> {
    /// Returns the entity, with the lifetime of the trace.
    pub fn entity(self) -> &'a Entity {
        &self.place().entity
    }

    /// Returns the number of its ancestors in this trace.
    pub fn depth(self) -> usize {
        self.place().depth
    }

    /// Returns its children in the order in which they began.
    pub fn children(self) -> impl Iterator<Item = Node<'a>> {
        self.trace.siblings(self.index + 1, self.place().end)
    }

    /// Returns the number of entities below it.
    pub fn descendants(self) -> usize {
        self.place().end - self.index - 1
    }

    /// Whether its parent has not arrived, so that it is shown as a root.
    pub fn is_orphan(self) -> bool {
        self.place().orphan
    }

    /// Returns the time from the start of the trace to its own start, corrected for clock differences.
    pub fn offset(self) -> Duration {
        self.place().offset
    }

    /// Returns how far this segment and everything below it was moved, if by its own clock it began before its caller.
    pub fn clock_skew(self) -> Option<Duration> {
        self.place().skew
    }

    /// Whether it is a call to a service whose segment may still arrive.
    pub(crate) fn awaits_segment(self) -> bool {
        !self.trace.settled && self.is_traced_call() && !self.children().any(|child| child.is_segment())
    }

    /// Returns it and everything below it, in the order of [`Trace::nodes`].
    pub(crate) fn subtree(self) -> impl Iterator<Item = Node<'a>> {
        (self.index..self.place().end).map(move |index| Node { trace: self.trace, index })
    }

    /// Returns its index in [`Trace::nodes`].
    pub(crate) fn index(self) -> usize {
        self.index
    }

    fn place(self) -> &'a Place {
        &self.trace.places[self.index]
    }
}

impl Deref for Node<'_> {
    type Target = Entity;

    fn deref(&self) -> &Entity {
        self.entity()
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// An entity with what its position depends on, next to each other: reading it from 100,000 entities takes long.
struct Member {
    order: (Duration, u32, EntityId),
    parent_id: Option<EntityId>,
    entity: Arc<Entity>,
}

impl Member {
    fn new(entity: Arc<Entity>) -> Member {
        Member { order: entity.begin_order(), parent_id: entity.parent_id(), entity }
    }
}

/// Roots and children, as indices into the sorted members.
struct Family {
    roots: Vec<usize>,
    children: Vec<Vec<usize>>,
}

impl Family {
    fn of(members: &[Member]) -> Family {
        let index: HashMap<EntityId, usize> =
            members.iter().enumerate().map(|(i, Member { order: (_, _, id), .. })| (*id, i)).collect();
        let mut family = Family { roots: Vec::new(), children: vec![Vec::new(); members.len()] };
        let mut orphans = Vec::new();
        for (i, member) in members.iter().enumerate() {
            match member.parent_id.map(|parent| index.get(&parent)) {
                Some(Some(&parent)) => family.children[parent].push(i),
                Some(None) => orphans.push(i),
                None => family.roots.push(i),
            }
        }
        family.roots.append(&mut orphans);
        family
    }

    /// Returns indices and depths in pre-order. Each entity occurs once, even if hostile ids form a cycle of parents:
    /// then the first entity that no root reaches is used as a root.
    fn walk(&self) -> Vec<(usize, usize)> {
        let mut order = Vec::with_capacity(self.children.len());
        let mut seen = vec![false; self.children.len()];
        let mut next = Vec::new();
        for top in self.roots.iter().copied().chain(0..self.children.len()) {
            next.push((top, 0));
            while let Some((index, depth)) = next.pop() {
                if !std::mem::replace(&mut seen[index], true) {
                    order.push((index, depth));
                    next.extend(self.children[index].iter().rev().map(|&child| (child, depth + 1)));
                }
            }
        }
        order
    }
}

/// Returns how far a segment's clock is behind its caller's, if the segment seems to begin before it was called.
///
/// An effect cannot precede its cause, so in this case the clocks differ. The best estimate is that request and
/// response took equally long. A late start proves nothing, because the segment may be the consumer of a message.
fn skew(entity: &Entity, parent: &Entity) -> Option<Duration> {
    let behind =
        parent.start().checked_sub(entity.start()).filter(|behind| entity.is_segment() && !behind.is_zero())?;
    let travel = parent.duration().zip(entity.duration()).map(|(parent, own)| parent.saturating_sub(own));
    Some(behind.saturating_add(travel.unwrap_or_default() / 2))
}

fn signed(time: Duration) -> i128 {
    // Times are whole microseconds in 64 bits, far from the limits of the type.
    time.as_micros() as i128
}

fn unsigned(micros: i128) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}
