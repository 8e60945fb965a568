//! An entity that is not recorded: it only propagates the trace.

use std::sync::Arc;

use crate::header::{Passthrough, Received, TraceHeader};
use crate::id::{EntityId, TraceId};
use crate::pipeline::Pipeline;
use crate::time::Clock;
use crate::w3c::Propagation;

/// An entity that is not recorded. Creating one allocates nothing, unless the incoming header has fields to pass
/// through.
#[derive(Clone, Debug)]
pub(crate) struct NonRecording {
    trace_id: TraceId,
    /// The trace began here, and its id does not have the time yet.
    without_timestamp: bool,
    pub(super) id: EntityId,
    carried: Option<Arc<Passthrough>>,
    pub(super) received: Received,
    pub(super) propagation: Propagation,
    /// Lambda only passes the trace through: calls carry what the invocation received, without a decision.
    passes_through: bool,
    serves: Serves,
}

/// What an entity that is not recorded, or one above it, serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serves {
    Other,
    /// A request that a server layer received.
    Request,
    /// An invocation of a Lambda function, or a span of another SDK.
    Invocation,
}

impl NonRecording {
    /// An entity of a trace that is not sampled. Without a trace id, the trace begins here. Its id is rarely needed, so the
    /// clock is read only when it is.
    pub(crate) fn new(
        pipeline: &Pipeline,
        trace_id: Option<TraceId>,
        carried: Option<Arc<Passthrough>>,
        received: Received,
        serves: Serves,
    ) -> NonRecording {
        NonRecording {
            trace_id: trace_id.unwrap_or_else(|| pipeline.ids.unrecorded_trace_id()),
            without_timestamp: trace_id.is_none(),
            id: pipeline.ids.entity_id(),
            carried,
            received,
            propagation: pipeline.propagation,
            passes_through: false,
            serves,
        }
    }

    /// The facade of an invocation whose trace Lambda passes through without a decision.
    pub(crate) fn passing_through(
        pipeline: &Pipeline,
        trace_id: TraceId,
        carried: Option<Arc<Passthrough>>,
        received: Received,
    ) -> NonRecording {
        let facade = NonRecording::new(pipeline, Some(trace_id), carried, received, Serves::Invocation);
        NonRecording { passes_through: true, ..facade }
    }

    pub(super) fn serves_invocation(&self) -> bool {
        self.serves == Serves::Invocation
    }

    /// Whether this entity serves a request with this trace header, so that an inner server layer adds nothing.
    ///
    /// Another header means another request, which code of this request makes in the same process.
    pub(crate) fn serves(&self, header: &TraceHeader<'_>) -> bool {
        let is_received = |id| id == self.trace_id() && header.received() == self.received;
        self.serves == Serves::Request && header.trace_id().is_none_or(is_received)
    }

    pub(super) fn trace_id(&self) -> TraceId {
        match self.without_timestamp {
            true => self.trace_id.with_epoch_seconds(Clock::system().now().as_secs() as u32),
            false => self.trace_id,
        }
    }

    /// Returns the entity of a call made here, which has an id of its own, as every call does.
    pub(super) fn child(&self) -> NonRecording {
        NonRecording { id: crate::id::IdSource::Thread.entity_id(), ..self.clone() }
    }

    /// Returns the same with the id of a span that another SDK sends.
    pub(crate) fn with_id(self, id: EntityId) -> NonRecording {
        NonRecording { id, ..self }
    }

    /// Returns the entity of a request that has its own headers.
    pub(super) fn begin_request(&self, received: Received) -> NonRecording {
        NonRecording { received, ..self.child() }
    }

    /// Returns the header that calls to other services carry.
    pub(super) fn trace_header(&self) -> TraceHeader<'_> {
        let header = TraceHeader::new(self.trace_id()).with_carried(self.carried.as_deref());
        if self.passes_through { header } else { header.with_parent(self.id).with_sampled(false) }
    }

    pub(super) fn passes_through(&self) -> bool {
        self.passes_through
    }

    pub(super) fn carried(&self) -> Option<&Passthrough> {
        self.carried.as_deref()
    }
}
