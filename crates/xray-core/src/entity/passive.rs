//! An entity that is not recorded: it carries the trace on, and nothing else.

use std::sync::Arc;

use crate::header::TraceHeader;
use crate::id::{EntityId, TraceId};
use crate::recorder::Recorder;

/// Made without an allocation, unless the incoming header had fields to send on.
#[derive(Clone, Debug)]
pub(crate) struct Passive {
    pub(super) trace_id: TraceId,
    pub(super) id: EntityId,
    fields: Option<Arc<str>>,
}

impl Passive {
    pub(crate) fn new(recorder: &Recorder, trace_id: TraceId, fields: Option<Arc<str>>) -> Passive {
        Passive { trace_id, id: recorder.ids().entity_id(), fields }
    }

    /// The passive entity of a call: it has an id of its own, as every call.
    pub(super) fn child(&self) -> Passive {
        Passive { id: crate::id::IdSource::Thread.entity_id(), ..self.clone() }
    }

    pub(super) fn trace_header(&self) -> TraceHeader<'_> {
        TraceHeader::new(self.trace_id)
            .with_parent(self.id)
            .with_sampled(false)
            .with_fields(self.fields.as_deref().unwrap_or_default())
    }
}
