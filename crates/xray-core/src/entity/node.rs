//! The core of an entity that is recorded: an immutable head, and a body that its close takes away.

use std::backtrace::Backtrace;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::buffer;
use crate::cause::{Exception, unwinding_exception};
use crate::diagnostics::Cause;
use crate::document::json;
use crate::header::{Passthrough, Received, SamplingFlag, TraceHeader};
use crate::id::{EntityId, TraceId};
use crate::ledger::{Ledger, Outbox, SlotRef};
use crate::naming::repair_name;
use crate::pipeline::Pipeline;
use crate::sampling::Decision;
use crate::time::{Anchor, Timestamp};
use crate::user_code;

use super::body::{Annotated, Body};
use super::failure::{CauseRef, LastFailure, MAX_EXCEPTIONS, describe_once};
use super::non_recording::NonRecording;
use super::trim::{MAX_TAIL, trim};
use super::undecided::{Held, Undecided, Verdict};
use super::value::{AnnotationValue, clean_key};
use crate::flag::Flag;

/// An entity that is recorded. Clones are the same entity.
#[derive(Clone)]
pub(crate) enum Node {
    Segment(Arc<SegmentNode>),
    Subsegment(Arc<SubsegmentNode>),
}

/// A segment, and what it shares with all entities below it.
pub(crate) struct SegmentNode {
    core: Shared,
    kind: Kind,
    pipeline: Arc<Pipeline>,
    id: TraceId,
    carried: Option<Arc<Passthrough>>,
    received: Received,
    anchor: Anchor,
    ledger: Mutex<Ledger>,
    last_failure: Mutex<Option<LastFailure>>,
    /// Nothing of this trace is wanted any more.
    discarded: AtomicBool,
    /// There, when the close of the segment decides whether the trace is kept.
    undecided: Option<Box<Undecided>>,
}

/// A subsegment.
pub(crate) struct SubsegmentNode {
    core: Shared,
    trace: Arc<SegmentNode>,
    /// The headers of a request that a server layer received in an invocation of a Lambda function, where this is the
    /// subsegment of one.
    received: Option<Box<Received>>,
    /// The subsegment of such a request above it.
    request: Option<Arc<SubsegmentNode>>,
}

/// What an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Segment,
    Subsegment,
    /// A segment that another process sends: that of a Lambda function.
    Facade,
}

impl Kind {
    /// As a log line calls it.
    fn name(self) -> &'static str {
        match self {
            Kind::Segment | Kind::Facade => "segment",
            Kind::Subsegment => "subsegment",
        }
    }
}

/// What segments and subsegments have alike: an immutable head, and a body.
struct Shared {
    id: EntityId,
    /// The entity above: in this process for a subsegment, in the calling one for a segment.
    parent: Option<EntityId>,
    start: Timestamp,
    slot: SlotRef,
    /// Handles that keep it open: the last one that is dropped closes it.
    owners: AtomicUsize,
    /// It began in a destructor that a panic runs.
    begun_unwinding: bool,
    /// Until one thread closes it.
    open: AtomicBool,
    /// Taken by the close: what comes later finds nothing, so nothing can change after it was sent, and
    /// nothing can be sent twice.
    body: Mutex<Option<Body>>,
}

impl Shared {
    /// Born with one owner.
    fn new(
        id: EntityId,
        parent: Option<EntityId>,
        start: Timestamp,
        slot: SlotRef,
        begun_unwinding: bool,
        body: Option<Body>,
    ) -> Shared {
        let open = AtomicBool::new(body.is_some());
        Shared { id, parent, start, slot, owners: AtomicUsize::new(1), begun_unwinding, open, body: Mutex::new(body) }
    }
}

/// A panic elsewhere must not make the trace unusable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a trace begins.
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
    /// The segment of a new trace. `name` is clean.
    pub(crate) fn begin(pipeline: &Arc<Pipeline>, start: SegmentStart<'_>) -> Node {
        let SegmentStart { kind, name, trace_id, parent, carried, received, anchor, decision } = start;
        // A facade stands for the entity that the header names.
        let id = match (kind, parent) {
            (Kind::Facade, Some(parent)) => parent,
            _ => pipeline.ids.entity_id(),
        };
        let threshold = if kind == Kind::Facade { 0 } else { pipeline.streaming_threshold };
        let (ledger, slot) = buffer::with(|head| {
            write_head(head, name, id, anchor.start());
            Ledger::new(trace_id, threshold, id, head)
        });
        let begun_unwinding = std::thread::panicking();
        let body = (kind != Kind::Facade).then(|| Body::with_rule(decision.rule().cloned()));
        Node::Segment(Arc::new(SegmentNode {
            core: Shared::new(id, parent, anchor.start(), slot, begun_unwinding, body),
            kind,
            pipeline: pipeline.clone(),
            id: trace_id,
            carried,
            received,
            anchor,
            ledger: Mutex::new(ledger),
            last_failure: Mutex::new(None),
            discarded: AtomicBool::new(false),
            undecided: decision.slower_than().map(|bound| Box::new(Undecided::new(bound))),
        }))
    }

    fn core(&self) -> &Shared {
        match self {
            Node::Segment(trace) => &trace.core,
            Node::Subsegment(part) => &part.core,
        }
    }

    fn trace(&self) -> &Arc<SegmentNode> {
        match self {
            Node::Segment(trace) => trace,
            Node::Subsegment(part) => &part.trace,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Node::Segment(trace) => trace.kind,
            Node::Subsegment(_) => Kind::Subsegment,
        }
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

    /// The segment of this entity's trace.
    fn segment(&self) -> Node {
        Node::Segment(self.trace().clone())
    }

    /// The subsegment of a request that is part of an invocation, if this is one or is below one.
    fn request(&self) -> Option<&Arc<SubsegmentNode>> {
        match self {
            Node::Subsegment(part) if part.received.is_some() => Some(part),
            Node::Subsegment(part) => part.request.as_ref(),
            Node::Segment(_) => None,
        }
    }

    /// What this service did for the request that this entity belongs to: the segment, or on Lambda, which sends the
    /// segment, the subsegment of the request if a server layer received it.
    pub(super) fn root(&self) -> Node {
        self.request().map_or_else(|| self.segment(), |part| Node::Subsegment(part.clone()))
    }

    /// Another handle keeps it open.
    pub(super) fn add_owner(&self) {
        self.core().owners.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether that was the last handle that kept it open.
    pub(super) fn remove_owner(&self) -> bool {
        self.core().owners.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// A subsegment under this entity, open or not.
    pub(crate) fn begin_child(&self, name: &str) -> Node {
        self.begin_child_at(name, self.trace().now())
    }

    /// A subsegment for work that began earlier.
    pub(super) fn begin_child_at(&self, name: &str, start: Timestamp) -> Node {
        self.begin_part(name, start, None)
    }

    /// A subsegment for a request that is part of an invocation: code below finds it as the request's segment.
    pub(super) fn begin_request(&self, name: &str, received: Received) -> Node {
        self.begin_part(name, self.trace().now(), Some(Box::new(received)))
    }

    fn begin_part(&self, name: &str, start: Timestamp, received: Option<Box<Received>>) -> Node {
        let (trace, parent) = (self.trace(), self.core());
        let ids = &trace.pipeline.ids;
        // Not only where the trace begins: the work may have come to another thread.
        ids.reseed(start.as_micros());
        let id = ids.entity_id();
        let mut out = Outbox::default();
        let slot = buffer::with(|head| {
            write_head(head, &self.clean(name), id, start);
            lock(&trace.ledger).begin(parent.slot, parent.id, id, head, &mut out)
        });
        trace.emit(out);
        let (begun_unwinding, trace) = (std::thread::panicking(), trace.clone());
        let core = Shared::new(id, Some(parent.id), start, slot, begun_unwinding, Some(Body::default()));
        Node::Subsegment(Arc::new(SubsegmentNode { core, trace, received, request: self.request().cloned() }))
    }

    fn clean<'a>(&self, name: &'a str) -> std::borrow::Cow<'a, str> {
        repair_name(name, &self.pipeline().counters, &self.pipeline().diagnostics)
    }

    /// An entity that is not recorded, under this one.
    pub(super) fn passive_child(&self) -> NonRecording {
        let passive =
            NonRecording::new(self.pipeline(), self.trace().id, self.trace().carried.clone(), self.received());
        if self.is_below_facade() { passive.serving_invocation() } else { passive }
    }

    /// Whether Lambda sends the segment of the trace.
    pub(super) fn is_below_facade(&self) -> bool {
        self.trace().kind == Kind::Facade
    }

    pub(super) fn is_discarded(&self) -> bool {
        self.trace().discarded.load(Ordering::Relaxed)
    }

    pub(super) fn is_open(&self) -> bool {
        self.core().open.load(Ordering::Relaxed)
    }

    /// Whether a panic ends it. What a destructor does during a panic may end as it should.
    pub(super) fn is_unwound(&self) -> bool {
        std::thread::panicking() && !self.core().begun_unwinding
    }

    pub(super) fn is_recording(&self) -> bool {
        !self.is_discarded() && self.is_open()
    }

    /// Changes the body if the entity is still open; else the attempt is counted.
    pub(super) fn edit<T>(&self, change: impl FnOnce(&mut Body) -> T) -> Option<T> {
        let changed = lock(&self.core().body).as_mut().map(change);
        if changed.is_none() {
            self.refuse();
        }
        changed
    }

    #[cold]
    fn refuse(&self) {
        let pipeline = self.pipeline();
        match self.kind() {
            Kind::Facade => pipeline.diagnostics.warn(
                Cause::Facade,
                format_args!(
                    "ignored a change to the segment of a Lambda function, which Lambda sends: use a subsegment"
                ),
            ),
            kind => {
                pipeline.counters.late_writes.add(1);
                let kind = kind.name();
                let (id, trace_id) = (self.id(), self.trace_id());
                let message = format_args!("ignored a write to {kind} {id} of trace {trace_id}: it is closed");
                pipeline.diagnostics.debug(Cause::LateWrite, message);
            }
        }
    }

    /// Sets a flag.
    pub(super) fn mark(&self, flag: Flag) {
        if self.edit(|body| body.mark(flag)).is_some() {
            self.trace().failed();
        }
    }

    pub(super) fn annotate(&self, key: &str, value: &AnnotationValue<'_>) {
        let pipeline = self.pipeline();
        match self.edit(|body| body.annotate(key, value)) {
            None | Some(Annotated::AsGiven) => {}
            Some(Annotated::Renamed) => pipeline.diagnostics.warn_once(
                Cause::AnnotationKey,
                key,
                format_args!(
                    "annotation key {key:?} recorded as {:?}: only letters a to z, digits and _ are allowed",
                    clean_key(key)
                ),
            ),
            Some(Annotated::Dropped) => {
                pipeline.counters.annotations_dropped.add(1);
                pipeline.diagnostics.warn(
                    Cause::AnnotationDropped,
                    format_args!(
                        "dropped annotation {key:?}: an entity has room for 50, and for 52 KiB of them. Use metadata"
                    ),
                );
            }
        }
    }

    pub(super) fn metadata<T: Serialize + ?Sized>(&self, namespace: &str, key: &str, value: &T) {
        let diagnostics = &self.pipeline().diagnostics;
        if namespace.starts_with("AWS.") {
            return diagnostics.warn(
                Cause::Metadata,
                format_args!("metadata {key:?} was dropped: X-Ray reserves the namespace {namespace:?}"),
            );
        }
        // The value's own code runs here, before any lock.
        buffer::with(|encoded| {
            if let Err(error) = json::value(encoded, value) {
                return diagnostics.warn(Cause::Metadata, format_args!("metadata {key:?} was dropped: {error}"));
            }
            if encoded == b"null" {
                // As the other X-Ray SDKs write it.
                encoded.clear();
                json::string(encoded, "");
            }
            if self.edit(|body| body.metadata(namespace, key, encoded)) == Some(false) {
                self.pipeline().counters.metadata_dropped.add(1);
                let (kind, id) = (self.kind().name(), self.id());
                let message = format_args!(
                    "metadata {key:?} of {} bytes was dropped: {kind} {id} has 1,000 values or 256 KiB of them",
                    encoded.len()
                );
                diagnostics.warn(Cause::Metadata, message);
            }
        });
    }

    /// As [`record`](Node::record). `exception` runs the code of a user's error, which must not fail the request.
    pub(super) fn record_with(&self, flag: Flag, exception: impl FnOnce() -> Exception) {
        match user_code::call(exception) {
            Some(exception) => self.record(flag, exception),
            None => {
                self.mark(flag);
                let message =
                    format_args!("dropped an exception: the code that makes its text panicked. The flag is set");
                self.pipeline().diagnostics.warn(Cause::Exception, message);
            }
        }
    }

    pub(super) fn record(&self, flag: Flag, exception: Exception) {
        let pipeline = self.pipeline();
        let exception = match pipeline.captures_backtraces && !exception.has_stack() {
            true => exception.backtrace(&Backtrace::force_capture()),
            false => exception,
        };
        let exception = if pipeline.collects_sql { exception } else { exception.without_values() };
        let above = if self.kind() == Kind::Segment { None } else { self.core().parent };
        let cause = describe_once(&mut lock(&self.trace().last_failure), exception, (self.id(), above), &pipeline.ids);
        let described = self.edit(|body| {
            body.mark(flag);
            match cause {
                CauseRef::Describe(exceptions) => return body.cause().add(exceptions, self.kind() == Kind::Subsegment),
                CauseRef::Refer(id) => body.cause().refer(id),
                CauseRef::Nothing => {}
            }
            true
        });
        if described.is_some() {
            self.trace().failed();
        }
        if described == Some(false) {
            pipeline.counters.exceptions_dropped.add(1);
            let (kind, id) = (self.kind().name(), self.id());
            let message = format_args!("an exception was dropped: {kind} {id} has {MAX_EXCEPTIONS} of them");
            pipeline.diagnostics.warn(Cause::Exception, message);
        }
        if described != Some(true) {
            // No document describes it, so no other entity may refer to it.
            *lock(&self.trace().last_failure) = None;
        }
    }

    /// Closes the entity as its handles go out of scope, which a panic may be the reason of.
    pub(super) fn finish(&self) {
        if self.is_open() {
            if self.is_unwound() {
                self.record(Flag::Fault, unwinding_exception("the thread panicked"));
            }
            self.close(None);
        }
    }

    /// Closes the entity. What is closed already stays as it is: of several threads one closes, and decides.
    pub(super) fn close(&self, end: Option<Timestamp>) {
        if !self.is_open() || !self.core().open.swap(false, Ordering::AcqRel) {
            return;
        }
        let trace = self.trace();
        let end = end.unwrap_or_else(|| trace.now()).max(self.core().start);
        if self.kind() == Kind::Segment {
            trace.decide(end);
        }
        let mut out = Outbox::default();
        buffer::with(|tail| {
            let trimmed = {
                let mut open = lock(&self.core().body);
                let trimmed = match open.as_mut() {
                    Some(body) if !self.is_discarded() => self.write_tail(tail, body, Some(end)),
                    _ => None,
                };
                *open = None;
                trimmed
            };
            self.report(trimmed);
            if self.is_discarded() {
                return;
            }
            let mut ledger = lock(&trace.ledger);
            match self.kind() {
                Kind::Subsegment => ledger.close(self.core().slot, tail, &mut out),
                Kind::Segment | Kind::Facade => ledger.close_root(self.core().slot, tail, &mut out),
            }
        });
        trace.emit(out);
    }

    /// Sends the entity as it stands, in progress.
    pub(super) fn announce(&self) {
        if self.is_discarded() || self.trace().is_undecided() {
            return;
        }
        let snapshot = buffer::with(|tail| {
            let trimmed = self.edit(|body| self.write_tail(tail, body, None))?;
            self.report(trimmed);
            lock(&self.trace().ledger).snapshot(self.core().slot, tail, self.kind() == Kind::Segment)
        });
        if let Some(document) = snapshot {
            self.pipeline().emit(document);
        }
    }

    /// Sends all subsegments of the trace that are open, in progress, without what was added to them: only they
    /// themselves know that.
    pub(super) fn announce_open(&self) {
        let mut out = Outbox::default();
        lock(&self.trace().ledger).announce_open(&mut out);
        self.trace().emit(out);
    }

    /// Returns what had to be left out.
    fn write_tail(&self, tail: &mut Vec<u8>, body: &mut Body, end: Option<Timestamp>) -> Option<String> {
        let service = &self.pipeline().service_info;
        let write = |tail: &mut Vec<u8>, body: &Body| match self.kind() {
            Kind::Subsegment => body.write_subsegment(tail, end, service),
            Kind::Segment | Kind::Facade => body.write_segment(tail, end, self.trace().id, self.core().parent, service),
        };
        write(tail, body);
        (tail.len() > MAX_TAIL).then(|| trim(tail, body, write))
    }

    fn report(&self, trimmed: Option<String>) {
        if let Some(trimmed) = trimmed {
            let pipeline = self.pipeline();
            pipeline.counters.trimmed.add(1);
            let message = format_args!("entity {} was too large for a datagram and lost: {trimmed}", self.id());
            pipeline.diagnostics.warn(Cause::Trimmed, message);
        }
    }

    /// Forgets the whole trace, as far as it was not sent.
    pub(super) fn discard(&self) {
        let message = format_args!("dropping trace {}: `discard()` was called", self.trace_id());
        self.pipeline().diagnostics.debug(Cause::Document, message);
        self.trace().discard();
    }

    /// What calls to other services carry.
    pub(super) fn trace_header(&self) -> TraceHeader<'_> {
        TraceHeader::new(self.trace().id)
            .with_parent(self.id())
            .with_sampled(self.sampling_flag())
            .with_carried(self.carried())
    }

    /// Others are told to decide for themselves as long as it is open here.
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
        let request = self.request().and_then(|part| part.received.as_deref());
        *request.unwrap_or(&self.trace().received)
    }
}

impl SegmentNode {
    fn now(&self) -> Timestamp {
        self.anchor.now(&self.pipeline.clock)
    }

    fn emit(&self, departures: Outbox) {
        if departures.is_empty() {
            return;
        }
        for document in departures {
            let Some(undecided) = &self.undecided else {
                self.pipeline.emit(document);
                continue;
            };
            let content = document.content();
            let diagnostics = &self.pipeline.diagnostics;
            match undecided.hold(document) {
                Held::Released(documents) => documents.into_iter().for_each(|document| self.pipeline.emit(document)),
                Held::Waiting => {
                    let message = format_args!("holding back {content}: until its segment closes");
                    diagnostics.debug(Cause::Document, message);
                }
                Held::Dropped => content.dropped(diagnostics, format_args!("its trace is not kept")),
            }
        }
    }

    fn is_undecided(&self) -> bool {
        self.undecided.as_ref().is_some_and(|undecided| undecided.is_pending())
    }

    /// Something in it has failed.
    fn failed(&self) {
        if let Some(undecided) = &self.undecided {
            undecided.fail();
        }
    }

    /// Decides whether the trace is kept, if that is open. Its segment ends at `end`.
    fn decide(&self, end: Timestamp) {
        let Some(undecided) = self.undecided.as_ref().filter(|_| !self.discarded.load(Ordering::Relaxed)) else {
            return;
        };
        let took = Duration::from_micros(end.as_micros() - self.core.start.as_micros());
        match undecided.decide(took) {
            None => {}
            Some(Verdict::Kept(documents)) => documents.into_iter().for_each(|document| self.pipeline.emit(document)),
            Some(Verdict::Dropped) => {
                self.pipeline.counters.traces_discarded.add(1);
                let message = format_args!("dropping trace {}: nothing in it failed, and it was not slow", self.id);
                self.pipeline.diagnostics.debug(Cause::Document, message);
                self.discard();
            }
        }
    }

    /// Forgets everything that was not sent.
    fn discard(&self) {
        self.discarded.store(true, Ordering::Release);
        lock(&self.ledger).discard();
    }
}

fn write_head(out: &mut Vec<u8>, name: &str, id: EntityId, start: Timestamp) {
    // A clean name has nothing to escape.
    json::raw(out, "\"name\":\"");
    json::raw(out, name);
    json::raw(out, "\",\"id\":");
    json::id(out, id);
    json::raw(out, ",\"start_time\":");
    json::time(out, start);
}
