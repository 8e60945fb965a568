//! What all handles hold: a recorded entity, a passive one, or none at all.

use std::time::SystemTime;

use serde::Serialize;

use crate::header::{Passthrough, Received, SamplingFlag, TraceHeader};
use crate::id::{EntityId, TraceId};
use crate::to_exception::ToException;
use crate::user_code;
use crate::w3c::{Propagation, TraceParent};

use super::body::Body;
use super::node::Node;
use super::non_recording::NonRecording;
use super::value::AnnotationValue;
use crate::flag::Flag;

/// Clones refer to the same entity and do not keep it open.
#[derive(Clone, Default)]
pub(crate) enum Handle {
    Recorded(Node),
    NonRecording(NonRecording),
    /// There is no trace: the SDK is disabled, or no request is being traced.
    #[default]
    Noop,
}

impl Handle {
    pub(super) fn recorded(&self) -> Option<&Node> {
        match self {
            Handle::Recorded(node) if !node.is_discarded() => Some(node),
            _ => None,
        }
    }

    pub(crate) fn begin_child(&self, name: &str) -> Handle {
        match self {
            Handle::Recorded(node) if node.is_discarded() => Handle::NonRecording(node.passive_child()),
            Handle::Recorded(node) => Handle::Recorded(node.begin_child(name)),
            Handle::NonRecording(passive) => Handle::NonRecording(passive.child()),
            Handle::Noop => Handle::Noop,
        }
    }

    /// Begins the subsegment of a request with these headers, `X-Amzn-Trace-Id` and `traceparent`, that is part of an
    /// invocation of a Lambda function.
    pub(crate) fn begin_request(&self, name: &str, xray: Option<&str>, traceparent: Option<&str>) -> Handle {
        let received = self.received().with(xray, traceparent);
        match self {
            Handle::Recorded(node) if !node.is_discarded() => Handle::Recorded(node.begin_request(name, received)),
            Handle::Recorded(node) => Handle::NonRecording(node.passive_child().begin_request(received)),
            Handle::NonRecording(passive) => Handle::NonRecording(passive.begin_request(received)),
            Handle::Noop => Handle::Noop,
        }
    }

    pub(super) fn begin_child_at(&self, name: &str, start: SystemTime) -> Handle {
        match self.recorded() {
            Some(node) => Handle::Recorded(node.begin_child_at(name, start.into())),
            None => self.begin_child(name),
        }
    }

    pub(super) fn unsampled_child(&self) -> Handle {
        match self {
            Handle::Recorded(node) => Handle::NonRecording(node.passive_child()),
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
        // The conversion may be of the application's own type.
        if let Some(value) = user_code::call(|| value.into()).filter(|value| !value.is_absent()) {
            node.annotate(key, &value);
        }
    }

    pub(super) fn metadata<T: Serialize + ?Sized>(&self, namespace: &str, key: &str, value: &T) {
        if let Some(node) = self.recorded() {
            node.metadata(namespace, key, value);
        }
    }

    /// Records a failure. The error is the user's code, and is described only if it is recorded.
    pub(crate) fn fail<M>(&self, flag: Flag, error: impl ToException<M>) {
        if let Some(node) = self.recorded() {
            node.record_with(flag, || error.into_exception());
        }
    }

    /// As `fail`, for an error that is still in use.
    pub(crate) fn describe<M>(&self, flag: Flag, error: &impl ToException<M>) {
        if let Some(node) = self.recorded() {
            node.record_with(flag, || error.to_exception());
        }
    }

    /// Closes the entity as its handles go out of scope, which a panic may be the reason of.
    pub(crate) fn finish(&self) {
        if let Handle::Recorded(node) = self {
            node.finish();
        }
    }

    /// Whether a panic ends it.
    pub(crate) fn is_unwound(&self) -> bool {
        self.recorded().is_some_and(Node::is_unwound)
    }

    pub(super) fn is_recording(&self) -> bool {
        self.recorded().is_some_and(|node| node.is_recording())
    }

    pub(super) fn trace_id(&self) -> Option<TraceId> {
        match self {
            Handle::Recorded(node) => Some(node.trace_id()),
            Handle::NonRecording(passive) => Some(passive.trace_id()),
            Handle::Noop => None,
        }
    }

    pub(super) fn id(&self) -> Option<EntityId> {
        match self {
            Handle::Recorded(node) => Some(node.id()),
            Handle::NonRecording(passive) => Some(passive.id),
            Handle::Noop => None,
        }
    }

    pub(super) fn traceparent(&self) -> Option<TraceParent> {
        // It cannot say that nothing is decided.
        if matches!(self, Handle::NonRecording(passive) if passive.passes_through()) {
            return None;
        }
        // Nor that the decision is open. Where that is so, the recommendation of the W3C asks for 0 in a trace that began
        // here, and one that came with a decision is never open.
        let sampled = self.recorded().is_some_and(|node| node.sampling_flag() == SamplingFlag::Sampled);
        Some(TraceParent::new(self.trace_id()?, self.id()?, sampled))
    }

    pub(super) fn trace_header(&self) -> Option<TraceHeader<'_>> {
        match self {
            Handle::Recorded(node) => Some(node.trace_header()),
            Handle::NonRecording(passive) => Some(passive.trace_header()),
            Handle::Noop => None,
        }
    }

    /// How calls made here are joined, and what the caller of this service wants to be sent on.
    pub(crate) fn propagation(&self) -> (Propagation, Option<&Passthrough>) {
        match self {
            Handle::Recorded(node) => (node.pipeline().propagation, node.carried()),
            Handle::NonRecording(passive) => (passive.propagation, passive.carried()),
            Handle::Noop => (Propagation::default(), None),
        }
    }

    /// Whether the request of `segment`, which finds this handle as the current one, is served in its context: in that
    /// of an entity of its trace, or of nothing, where an [ignoring](crate::adapter::ServerRequest::ignored) layer is between.
    pub(crate) fn is_around(&self, segment: &Handle) -> bool {
        self.trace_id().is_none_or(|id| segment.trace_id() == Some(id))
    }

    /// Whether Lambda sends the segment of this entity's trace.
    pub(crate) fn is_below_facade(&self) -> bool {
        match self {
            Handle::Recorded(node) => node.is_below_facade(),
            Handle::NonRecording(passive) => passive.serves_invocation(),
            Handle::Noop => false,
        }
    }

    /// How this trace knows the headers that it came with.
    pub(crate) fn received(&self) -> Received {
        match self {
            Handle::Recorded(node) => node.received(),
            Handle::NonRecording(passive) => passive.received,
            Handle::Noop => Received::default(),
        }
    }

    /// What this service did for the request that this entity belongs to.
    pub(crate) fn root(&self) -> Handle {
        match self {
            Handle::Recorded(node) => Handle::Recorded(node.root()),
            other => other.clone(),
        }
    }
}

/// Text for `Debug`: kind and ids, never the content.
impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Handle::Recorded(node) => write!(f, "{:?} {} of {}", node.kind(), node.id(), node.trace_id()),
            Handle::NonRecording(passive) => write!(f, "not sampled, {}", passive.id),
            Handle::Noop => f.write_str("no trace"),
        }
    }
}

/// A handle that keeps its entity open: when the last one is dropped, the entity closes.
#[derive(Debug)]
pub(crate) struct Owner {
    handle: Handle,
    keeps_open: bool,
}

impl Owner {
    /// The first owner of an entity that has just begun: a node is born with one.
    pub(super) fn first(handle: Handle) -> Owner {
        Owner { handle, keeps_open: true }
    }

    /// A handle of the same form that has no share in keeping the entity open.
    pub(super) fn borrowed(handle: Handle) -> Owner {
        Owner { handle, keeps_open: false }
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Another owner for a guard or a future, if there is anything to keep open.
    #[inline]
    pub(super) fn share(&self) -> Option<Share> {
        match &self.handle {
            Handle::Recorded(node) if self.keeps_open => {
                node.add_owner();
                Some(Share(node.clone()))
            }
            _ => None,
        }
    }
}

impl Clone for Owner {
    fn clone(&self) -> Owner {
        if let Handle::Recorded(node) = &self.handle
            && self.keeps_open
        {
            node.add_owner();
        }
        Owner { handle: self.handle.clone(), keeps_open: self.keeps_open }
    }
}

impl Drop for Owner {
    #[inline]
    fn drop(&mut self) {
        if let Handle::Recorded(node) = &self.handle
            && self.keeps_open
        {
            release(node);
        }
    }
}

/// What keeps an entity open besides handles: a guard or a future that was made by one.
pub(crate) struct Share(Node);

impl Drop for Share {
    fn drop(&mut self) {
        release(&self.0);
    }
}

/// One that kept it open is gone.
fn release(node: &Node) {
    if node.is_open() && node.remove_owner() {
        node.finish();
    }
}

/// The methods that segments, subsegments and the current entity share. The type has a method `handle`.
macro_rules! shared_methods {
    ($name:ident) => {
        impl $name {
            /// Adds an annotation, which X-Ray indexes for search: a text, a boolean or a number, or a reference
            /// to one; `None` adds nothing. The same key again replaces the value. Characters of the key other than letters, digits and `_` become `_`;
            /// from the 51st key on annotations are dropped and counted.
            pub fn annotate<'v>(&self, key: &str, value: impl Into<crate::AnnotationValue<'v>>) -> &Self {
                self.handle().annotate(key, value);
                self
            }

            /// Adds metadata, which X-Ray shows but does not index, in the namespace `default`. The value is
            /// serialised now, at once; one that does not serialise is dropped with a warning.
            ///
            /// An entity keeps 1,000 values and 256 KiB of them, more than a document has room for. A value that exceeds
            /// the bytes is replaced by a marker with its size. Of keys and namespaces 250 characters are kept.
            pub fn metadata<T: serde::Serialize + ?Sized>(&self, key: &str, value: &T) -> &Self {
                self.metadata_in("default", key, value)
            }

            /// Adds metadata in a namespace of its own. Namespaces that begin with `AWS.` are reserved.
            pub fn metadata_in<T: serde::Serialize + ?Sized>(&self, namespace: &str, key: &str, value: &T) -> &Self {
                self.handle().metadata(namespace, key, value);
                self
            }

            /// Adds metadata that costs something to make: `value` is called only if it will be recorded.
            pub fn metadata_with<T: serde::Serialize>(&self, key: &str, value: impl FnOnce() -> T) -> &Self {
                if self.is_recording()
                    && let Some(value) = crate::user_code::call(value)
                {
                    self.metadata(key, &value);
                }
                self
            }

            /// Records a failure of this side, as a 5xx: sets the fault flag and describes the exception with
            /// its `source()` chain. The same error recorded again on the way up is referred to by id.
            ///
            /// Takes errors, references to them, `Box<dyn Error>`, reports of `anyhow` and `eyre`, and text.
            pub fn fault<M>(&self, error: impl crate::ToException<M>) -> &Self {
                self.handle().fail(crate::Flag::Fault, error);
                self
            }

            /// Records a failure that the caller has to answer for, as a 4xx: sets the error flag and describes
            /// the exception. Takes what [`fault`](Self::fault) takes.
            pub fn error<M>(&self, error: impl crate::ToException<M>) -> &Self {
                self.handle().fail(crate::Flag::Error, error);
                self
            }

            /// Says that the caller was told to slow down, as by 429: sets the throttle and the error flag.
            pub fn throttle(&self) -> &Self {
                self.mark(crate::Flag::Throttle).mark(crate::Flag::Error)
            }

            /// Sets one flag and nothing else. Nothing unsets a flag.
            pub fn mark(&self, flag: crate::Flag) -> &Self {
                self.handle().mark(flag);
                self
            }

            /// Begins a subsegment below this entity. It is not current until it is entered.
            #[must_use = "a subsegment closes when its last handle is dropped"]
            pub fn subsegment(&self, name: impl AsRef<str>) -> crate::Subsegment {
                crate::Subsegment::begun(self.handle().begin_child(name.as_ref()))
            }

            /// Begins a subsegment as of `start`, for work that is known to have begun earlier.
            #[must_use = "a subsegment closes when its last handle is dropped"]
            pub fn subsegment_at(&self, name: impl AsRef<str>, start: std::time::SystemTime) -> crate::Subsegment {
                crate::Subsegment::begun(self.handle().begin_child_at(name.as_ref(), start))
            }

            /// A subsegment that is not recorded, nor anything below it: calls made in it carry `Sampled=0`.
            #[must_use = "a subsegment closes when its last handle is dropped"]
            pub fn unsampled_subsegment(&self) -> crate::Subsegment {
                crate::Subsegment::begun(self.handle().unsampled_child())
            }

            /// Sends the entity as it stands, in progress, so that X-Ray shows it before it is closed. What is
            /// sent at its close takes the place of this.
            pub fn announce(&self) -> &Self {
                if let Some(node) = self.handle().recorded() {
                    node.announce();
                }
                self
            }

            /// Whether what is added now will reach X-Ray: sampled, and not yet closed.
            pub fn is_recording(&self) -> bool {
                self.handle().is_recording()
            }

            /// Whether the trace is sampled; calls to other services tell them so.
            pub fn is_sampled(&self) -> bool {
                self.handle().recorded().is_some()
            }

            /// The trace this belongs to. `None` when the SDK is disabled or there is no current entity.
            pub fn trace_id(&self) -> Option<crate::TraceId> {
                self.handle().trace_id()
            }

            /// The id of this entity. `None` as for [`trace_id`](Self::trace_id).
            pub fn id(&self) -> Option<crate::EntityId> {
                self.handle().id()
            }

            /// What a call made here sends as `X-Amzn-Trace-Id`. `None` as for [`trace_id`](Self::trace_id).
            pub fn trace_header(&self) -> Option<crate::TraceHeader<'_>> {
                self.handle().trace_header()
            }

            /// What a call made here sends as `traceparent`, to services on OpenTelemetry. `None` as for
            /// [`trace_id`](Self::trace_id).
            pub fn traceparent(&self) -> Option<crate::TraceParent> {
                self.handle().traceparent()
            }
        }
    };
}
pub(super) use shared_methods;
