//! A recorded entity: an immutable head, and a body that is taken out when the entity closes.
//!
//! `record.rs` adds to the body. `close.rs` closes the entity and writes it to the trace's ledger. `trace.rs` sends
//! what the ledger releases, and holds it back while tail sampling has not decided.

mod close;
mod record;
mod trace;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::header::{Passthrough, Received, SamplingFlag, TraceHeader};
use crate::id::{EntityId, TraceId};
use crate::ledger::{Head, Ledger, Outbox, SlotRef};
use crate::naming::repair_name;
use crate::pipeline::Pipeline;
use crate::sampling::Decision;
use crate::time::{Anchor, Timestamp};

use super::failure::LastFailure;
use super::lazy_body::LazyBody;
use super::non_recording::{NonRecording, Serves};
use super::undecided::Undecided;

/// A recorded entity. Clones refer to the same entity.
#[derive(Clone)]
pub(crate) enum Node {
    Segment(Arc<SegmentNode>),
    Subsegment(Arc<SubsegmentNode>),
}

/// A segment, and what all entities of its trace share.
pub(crate) struct SegmentNode {
    core: Shared,
    kind: Kind,
    pipeline: Arc<Pipeline>,
    id: TraceId,
    carried: Option<Arc<Passthrough>>,
    received: Received,
    anchor: Anchor,
    /// The central sampling rule because of which the segment is recorded.
    rule: Option<Arc<str>>,
    ledger: Mutex<Ledger>,
    last_failure: Mutex<Option<LastFailure>>,
    /// The trace is dropped, except for what was sent before.
    discarded: AtomicBool,
    /// Present under tail sampling: the close of the segment decides whether the trace is kept.
    undecided: Option<Box<Undecided>>,
}

/// A subsegment.
pub(crate) struct SubsegmentNode {
    core: Shared,
    trace: Arc<SegmentNode>,
    /// The headers of the request that this subsegment is for, if a server layer received one in an invocation of a
    /// Lambda function.
    received: Option<Box<Received>>,
    /// The subsegment above this one that is for such a request.
    request: Option<Arc<SubsegmentNode>>,
}

/// The kind of a recorded entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Segment,
    Subsegment,
    /// The segment of a Lambda function, which another process sends.
    Facade,
    /// A span that another SDK sends. It is the root of its trace here, or is within one.
    External,
}

impl Kind {
    /// Returns the word for log lines.
    fn name(self) -> &'static str {
        match self {
            Kind::Segment | Kind::Facade => "segment",
            Kind::Subsegment => "subsegment",
            Kind::External => "span",
        }
    }

    /// Whether entities of this kind are sent by something else, so that they cannot be changed here.
    pub(super) fn is_sent_elsewhere(self) -> bool {
        matches!(self, Kind::Facade | Kind::External)
    }
}

/// What segments and subsegments have in common: an immutable head, and a body.
struct Shared {
    id: EntityId,
    /// The entity above: in this process for a subsegment, in the calling one for a segment.
    parent: Option<EntityId>,
    start: Timestamp,
    slot: SlotRef,
    /// The number of handles that keep the entity open. Dropping the last one closes it.
    owners: AtomicUsize,
    /// The entity began in a destructor during a panic, so that this panic does not end it.
    begun_unwinding: bool,
    /// `true` until one thread closes the entity.
    open: AtomicBool,
    /// Closing takes the body out. Later calls find none, so nothing can change after it was sent or be sent twice.
    body: Mutex<Option<LazyBody>>,
}

impl Shared {
    /// A new entity, with one owner.
    fn new(
        id: EntityId,
        parent: Option<EntityId>,
        start: Timestamp,
        slot: SlotRef,
        begun_unwinding: bool,
        body: Option<LazyBody>,
    ) -> Shared {
        let open = AtomicBool::new(body.is_some());
        Shared { id, parent, start, slot, owners: AtomicUsize::new(1), begun_unwinding, open, body: Mutex::new(body) }
    }
}

/// Locks a mutex, also after a panic elsewhere, which must not make the trace unusable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The start of a trace.
pub(crate) struct SegmentStart<'a> {
    pub(crate) kind: Kind,
    pub(crate) name: &'a str,
    pub(crate) trace_id: TraceId,
    pub(crate) parent: Option<EntityId>,
    pub(crate) carried: Option<Arc<Passthrough>>,
    pub(crate) received: Received,
    pub(crate) anchor: Anchor,
    pub(crate) decision: &'a Decision,
}

impl Node {
    /// Begins the segment of a trace. `start.name` is clean.
    pub(crate) fn begin(pipeline: &Arc<Pipeline>, start: SegmentStart<'_>) -> Node {
        let SegmentStart { kind, name, trace_id, parent, carried, received, anchor, decision } = start;
        // What is sent elsewhere represents the entity that the header names.
        let id = match parent {
            Some(parent) if kind.is_sent_elsewhere() => parent,
            _ => pipeline.ids.entity_id(),
        };
        let threshold = if kind.is_sent_elsewhere() { 0 } else { pipeline.streaming_threshold };
        let (ledger, slot) = Ledger::new(trace_id, threshold, Head { id, name, start: anchor.start() });
        let begun_unwinding = std::thread::panicking();
        let body = (!kind.is_sent_elsewhere()).then(LazyBody::default);
        Node::Segment(Arc::new(SegmentNode {
            core: Shared::new(id, parent, anchor.start(), slot, begun_unwinding, body),
            kind,
            pipeline: pipeline.clone(),
            id: trace_id,
            carried,
            received,
            anchor,
            rule: decision.rule().cloned(),
            ledger: Mutex::new(ledger),
            last_failure: Mutex::new(None),
            discarded: AtomicBool::new(false),
            undecided: decision.slower_than().map(|bound| Box::new(Undecided::new(bound))),
        }))
    }

    fn core(&self) -> &Shared {
        match self {
            Node::Segment(trace) => &trace.core,
            Node::Subsegment(node) => &node.core,
        }
    }

    fn trace(&self) -> &Arc<SegmentNode> {
        match self {
            Node::Segment(trace) => trace,
            Node::Subsegment(node) => &node.trace,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Node::Segment(trace) => trace.kind,
            Node::Subsegment(node) if node.core.slot.is_none() => Kind::External,
            Node::Subsegment(_) => Kind::Subsegment,
        }
    }

    /// The time by the clock of its trace.
    pub(super) fn now(&self) -> Timestamp {
        self.trace().now()
    }

    pub(super) fn id(&self) -> EntityId {
        self.core().id
    }

    pub(super) fn trace_id(&self) -> TraceId {
        self.trace().id
    }

    pub(super) fn pipeline(&self) -> &Arc<Pipeline> {
        &self.trace().pipeline
    }

    /// Returns the segment of this entity's trace.
    fn segment(&self) -> Node {
        Node::Segment(self.trace().clone())
    }

    /// Returns the subsegment of a request within an invocation, if this entity is one or is below one.
    fn request(&self) -> Option<&Arc<SubsegmentNode>> {
        match self {
            Node::Subsegment(node) if node.received.is_some() => Some(node),
            Node::Subsegment(node) => node.request.as_ref(),
            Node::Segment(_) => None,
        }
    }

    /// Returns the entity that records the request to which this entity belongs.
    ///
    /// This is the segment. On Lambda, which sends the segment itself, it is the subsegment of the request, if a server
    /// layer received it.
    pub(super) fn root(&self) -> Node {
        self.request().map_or_else(|| self.segment(), |node| Node::Subsegment(node.clone()))
    }

    /// Counts another handle that keeps the entity open.
    pub(super) fn add_owner(&self) {
        self.core().owners.fetch_add(1, Ordering::Relaxed);
    }

    /// Removes a handle that kept the entity open. Returns whether it was the last one.
    pub(super) fn remove_owner(&self) -> bool {
        self.core().owners.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Begins a subsegment below this entity, which may be open or closed.
    pub(crate) fn begin_child(&self, name: &str) -> Node {
        self.begin_child_at(name, self.trace().now())
    }

    /// Begins a subsegment for work that started earlier.
    pub(super) fn begin_child_at(&self, name: &str, start: Timestamp) -> Node {
        self.begin_subsegment(name, start, None)
    }

    /// Begins the subsegment of a request within an invocation. Code below finds it as the segment of the request.
    pub(super) fn begin_request(&self, name: &str, received: Received) -> Node {
        self.begin_subsegment(name, self.trace().now(), Some(Box::new(received)))
    }

    fn begin_subsegment(&self, name: &str, start: Timestamp, received: Option<Box<Received>>) -> Node {
        let (trace, parent) = (self.trace(), self.core());
        // Reseeded, as for the segment: the work may have moved to another thread.
        let id = trace.pipeline.ids.reseeded_entity_id(start.as_micros());
        let mut out = Outbox::default();
        let name = self.clean(name);
        let head = Head { id, name: &name, start };
        let slot = lock(&trace.ledger).begin(parent.slot, parent.id, head, &mut out);
        trace.emit(out);
        let (begun_unwinding, trace) = (std::thread::panicking(), trace.clone());
        let core = Shared::new(id, Some(parent.id), start, slot, begun_unwinding, Some(LazyBody::default()));
        Node::Subsegment(Arc::new(SubsegmentNode { core, trace, received, request: self.request().cloned() }))
    }

    /// Returns a span with this id that another SDK sends. It has no slot, so subsegments below it are detached.
    pub(super) fn external_child(&self, id: EntityId) -> Node {
        let (trace, parent) = (self.trace().clone(), self.core());
        let core = Shared::new(id, Some(parent.id), trace.now(), SlotRef::NONE, false, None);
        Node::Subsegment(Arc::new(SubsegmentNode { core, trace, received: None, request: self.request().cloned() }))
    }

    fn clean<'a>(&self, name: &'a str) -> std::borrow::Cow<'a, str> {
        repair_name(name, &self.pipeline().counters, &self.pipeline().diagnostics)
    }

    /// Returns a child that is not recorded.
    pub(super) fn non_recording_child(&self) -> NonRecording {
        let trace = self.trace();
        let serves = if self.is_below_facade() { Serves::Invocation } else { Serves::Other };
        NonRecording::new(&trace.pipeline, Some(trace.id), trace.carried.clone(), self.received(), serves)
    }

    /// Whether Lambda or another SDK sends the root of the trace.
    pub(super) fn is_below_facade(&self) -> bool {
        self.trace().kind.is_sent_elsewhere()
    }

    pub(super) fn is_discarded(&self) -> bool {
        self.trace().discarded.load(Ordering::Relaxed)
    }

    pub(super) fn is_open(&self) -> bool {
        self.core().open.load(Ordering::Relaxed)
    }

    /// Whether a panic is ending the entity. One that a destructor began during the panic may end normally.
    pub(super) fn is_unwound(&self) -> bool {
        std::thread::panicking() && !self.core().begun_unwinding
    }

    pub(super) fn is_recording(&self) -> bool {
        !self.is_discarded() && self.is_open()
    }

    /// Returns the header that calls to other services carry.
    pub(super) fn trace_header(&self) -> TraceHeader<'_> {
        TraceHeader::new(self.trace().id)
            .with_parent(self.id())
            .with_sampled(self.sampling_flag())
            .with_carried(self.carried())
    }

    /// Returns the decision that calls carry. While tail sampling is undecided, called services decide for themselves.
    pub(super) fn sampling_flag(&self) -> SamplingFlag {
        match self.is_discarded() {
            true => SamplingFlag::NotSampled,
            false if self.trace().is_undecided() => SamplingFlag::Requested,
            false => SamplingFlag::Sampled,
        }
    }

    pub(super) fn carried(&self) -> Option<&Passthrough> {
        self.trace().carried.as_deref()
    }

    pub(super) fn received(&self) -> Received {
        let request = self.request().and_then(|node| node.received.as_deref());
        *request.unwrap_or(&self.trace().received)
    }
}
