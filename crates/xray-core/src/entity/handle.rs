//! What every handle holds: a recorded entity, one that is not recorded, or none.

use std::fmt;
use std::time::SystemTime;

use serde::Serialize;

use crate::cause::Exception;
use crate::flag::Flag;
use crate::header::{Passthrough, Received, SamplingFlag, TraceHeader};
use crate::id::{EntityId, TraceId};
use crate::to_exception::ToException;
use crate::user_code;
use crate::w3c::{Propagation, TraceParent};

use super::body::Body;
use super::node::Node;
use super::non_recording::NonRecording;
use super::value::AnnotationValue;

/// What every handle holds. Clones refer to the same entity and do not keep it open.
#[derive(Clone, Default)]
pub(crate) enum Handle {
    Recorded(Node),
    NonRecording(NonRecording),
    /// No trace: the SDK is disabled, or no request is being traced.
    #[default]
    Noop,
}

impl Handle {
    /// Returns the node, unless its trace was discarded.
    pub(crate) fn recorded(&self) -> Option<&Node> {
        match self {
            Handle::Recorded(node) if !node.is_discarded() => Some(node),
            _ => None,
        }
    }

    /// Begins a subsegment of the same form below this entity.
    pub(crate) fn begin_child(&self, name: &str) -> Handle {
        match self {
            Handle::Recorded(node) if node.is_discarded() => Handle::NonRecording(node.non_recording_child()),
            Handle::Recorded(node) => Handle::Recorded(node.begin_child(name)),
            Handle::NonRecording(non_recording) => Handle::NonRecording(non_recording.child()),
            Handle::Noop => Handle::Noop,
        }
    }

    /// Begins the subsegment of a request that is part of an invocation of a Lambda function. `xray` and `traceparent`
    /// are the request's headers.
    pub(crate) fn begin_request(&self, name: &str, xray: Option<&str>, traceparent: Option<&str>) -> Handle {
        let received = self.received().with(xray, traceparent);
        match self {
            Handle::Recorded(node) if !node.is_discarded() => Handle::Recorded(node.begin_request(name, received)),
            Handle::Recorded(node) => Handle::NonRecording(node.non_recording_child().begin_request(received)),
            Handle::NonRecording(non_recording) => Handle::NonRecording(non_recording.begin_request(received)),
            Handle::Noop => Handle::Noop,
        }
    }

    /// Begins a subsegment that started at `start`.
    pub(super) fn begin_child_at(&self, name: &str, start: SystemTime) -> Handle {
        match self.recorded() {
            Some(node) => Handle::Recorded(node.begin_child_at(name, start.into())),
            None => self.begin_child(name),
        }
    }

    /// Returns a child that another SDK sends.
    pub(super) fn external_child(&self, id: EntityId) -> Handle {
        match self {
            Handle::Recorded(node) if node.is_discarded() => {
                Handle::NonRecording(node.non_recording_child().with_id(id))
            }
            Handle::Recorded(node) => Handle::Recorded(node.external_child(id)),
            Handle::NonRecording(non_recording) => Handle::NonRecording(non_recording.clone().with_id(id)),
            Handle::Noop => Handle::Noop,
        }
    }

    /// Returns a child that is not recorded, whatever this entity is.
    pub(super) fn unsampled_child(&self) -> Handle {
        match self {
            Handle::Recorded(node) => Handle::NonRecording(node.non_recording_child()),
            other => other.begin_child(""),
        }
    }

    pub(super) fn edit(&self, change: impl FnOnce(&mut Body)) {
        if let Some(node) = self.recorded() {
            node.edit(change);
        }
    }

    pub(super) fn mark(&self, flag: Flag) {
        if let Some(node) = self.recorded() {
            node.mark(flag);
        }
    }

    pub(super) fn annotate<'v>(&self, key: &str, value: impl Into<AnnotationValue<'v>>) {
        let Some(node) = self.recorded() else { return };
        // The application may have defined the conversion.
        if let Some(value) = user_code::call(|| value.into()).filter(|value| !value.is_absent()) {
            node.annotate(key, &value);
        }
    }

    pub(super) fn metadata<T: Serialize + ?Sized>(&self, namespace: &str, key: &str, value: &T) {
        if let Some(node) = self.recorded() {
            node.metadata(namespace, key, value);
        }
    }

    /// Records a failure. The conversion runs code of the application, and only if the entity is recorded.
    pub(crate) fn fail<M>(&self, flag: Flag, error: impl ToException<M>) {
        if let Some(node) = self.recorded() {
            node.record_with(flag, || error.into_exception());
        }
    }

    /// Sets flags, and describes the exception with the first of them unless the entity has an exception already.
    pub(crate) fn fail_unless_described(&self, flags: &[Flag], exception: impl FnOnce() -> Option<Exception>) {
        let Some(node) = self.recorded() else { return };
        for flag in flags {
            node.mark(*flag);
        }
        if let [flag, ..] = flags
            && !node.is_described()
            && let Some(exception) = exception()
        {
            node.record_with(*flag, || exception);
        }
    }

    /// Like `fail`, for an error that the caller still needs.
    pub(crate) fn describe<M>(&self, flag: Flag, error: &impl ToException<M>) {
        if let Some(node) = self.recorded() {
            node.record_with(flag, || error.to_exception());
        }
    }

    /// Records a failure that `exception` describes, which runs code of the application.
    pub(crate) fn describe_with(&self, flag: Flag, exception: impl FnOnce() -> Exception) {
        if let Some(node) = self.recorded() {
            node.record_with(flag, exception);
        }
    }

    /// Closes the entity when its handles go out of scope, and records a fault if a panic is the reason.
    pub(crate) fn finish(&self) {
        if let Handle::Recorded(node) = self {
            node.finish();
        }
    }

    /// Whether a panic is ending the entity.
    pub(crate) fn is_unwound(&self) -> bool {
        self.recorded().is_some_and(Node::is_unwound)
    }

    pub(super) fn is_recording(&self) -> bool {
        self.recorded().is_some_and(|node| node.is_recording())
    }

    pub(super) fn now(&self) -> SystemTime {
        self.recorded().map_or_else(SystemTime::now, |node| node.now().into())
    }

    pub(crate) fn trace_id(&self) -> Option<TraceId> {
        match self {
            Handle::Recorded(node) => Some(node.trace_id()),
            Handle::NonRecording(non_recording) => Some(non_recording.trace_id()),
            Handle::Noop => None,
        }
    }

    pub(crate) fn id(&self) -> Option<EntityId> {
        match self {
            Handle::Recorded(node) => Some(node.id()),
            Handle::NonRecording(non_recording) => Some(non_recording.id),
            Handle::Noop => None,
        }
    }

    pub(super) fn traceparent(&self) -> Option<TraceParent> {
        // `traceparent` cannot express that no decision was made.
        if matches!(self, Handle::NonRecording(non_recording) if non_recording.passes_through()) {
            return None;
        }
        // Nor can it express a pending decision. The W3C recommendation asks for 0 then, if the trace began here; a
        // trace that came with a decision is never pending.
        let sampled = self.recorded().is_some_and(|node| node.sampling_flag() == SamplingFlag::Sampled);
        Some(TraceParent::new(self.trace_id()?, self.id()?, sampled))
    }

    pub(super) fn trace_header(&self) -> Option<TraceHeader<'_>> {
        match self {
            Handle::Recorded(node) => Some(node.trace_header()),
            Handle::NonRecording(non_recording) => Some(non_recording.trace_header()),
            Handle::Noop => None,
        }
    }

    /// Returns which headers calls made here carry, and the fields of the incoming header that they pass through.
    pub(crate) fn propagation(&self) -> (Propagation, Option<&Passthrough>) {
        match self {
            Handle::Recorded(node) => (node.pipeline().propagation, node.carried()),
            Handle::NonRecording(non_recording) => (non_recording.propagation, non_recording.carried()),
            Handle::Noop => (Propagation::default(), None),
        }
    }

    /// Whether the request of `segment` is served in the context of this handle, which is the current one.
    ///
    /// It is, if both belong to one trace. It also is, if this handle has no trace: an
    /// [ignoring](crate::adapter::ServerRequest::ignored) layer lies between.
    pub(crate) fn is_around(&self, segment: &Handle) -> bool {
        self.trace_id().is_none_or(|id| segment.trace_id() == Some(id))
    }

    /// Whether Lambda or another SDK sends the root of this entity's trace.
    pub(crate) fn is_below_facade(&self) -> bool {
        match self {
            Handle::Recorded(node) => node.is_below_facade(),
            Handle::NonRecording(non_recording) => non_recording.serves_invocation(),
            Handle::Noop => false,
        }
    }

    /// Whether this entity is not recorded and serves a request with this trace header: see [`NonRecording::serves`].
    pub(crate) fn serves(&self, header: &TraceHeader<'_>) -> bool {
        matches!(self, Handle::NonRecording(non_recording) if non_recording.serves(header))
    }

    /// Returns what identifies the headers with which this trace arrived.
    pub(crate) fn received(&self) -> Received {
        match self {
            Handle::Recorded(node) => node.received(),
            Handle::NonRecording(non_recording) => non_recording.received,
            Handle::Noop => Received::default(),
        }
    }

    /// Returns the entity of the request that this one belongs to: see [`Node::root`].
    pub(crate) fn root(&self) -> Handle {
        match self {
            Handle::Recorded(node) => Handle::Recorded(node.root()),
            other => other.clone(),
        }
    }
}

impl Handle {
    /// Prints a public handle: ids and state, never the content.
    pub(super) fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct(name);
        if let (Some(trace_id), Some(id)) = (self.trace_id(), self.id()) {
            out.field("trace_id", &trace_id).field("id", &id);
        }
        out.field("sampled", &self.recorded().is_some());
        if let Some(node) = self.recorded().filter(|node| !node.kind().is_sent_elsewhere()) {
            out.field("open", &node.is_open());
        }
        out.finish()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.debug("Entity", f)
    }
}
