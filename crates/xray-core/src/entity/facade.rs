//! The segment of a Lambda function, which Lambda itself sends.

use super::either::Entity;
use super::handle::Handle;
use super::subsegment::Subsegment;
use crate::context::{Entered, InEntity};
use crate::header::TraceHeader;
use crate::id::TraceId;

/// Stands for a segment that another process records: subsegments can be begun below it, and that is all.
///
/// It has no setters; through [`current`](crate::current) they are refused with a warning. It closes with
/// nothing, and its subsegments leave at their own close.
#[derive(Clone, Debug)]
pub struct Facade {
    handle: Handle,
}

impl Facade {
    pub(crate) fn new(handle: Handle) -> Facade {
        Facade { handle }
    }

    /// The facade as an entity, to pass where either kind is taken.
    pub fn entity(&self) -> Entity {
        Entity::new(self.handle.clone())
    }

    /// Begins a subsegment below it.
    #[must_use = "a subsegment closes when its last handle is dropped"]
    pub fn subsegment(&self, name: impl AsRef<str>) -> Subsegment {
        self.entity().subsegment(name)
    }

    /// The trace of the invocation. `None` when nothing is to be traced or sent on.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.handle.trace_id()
    }

    /// What a call made here sends as `X-Amzn-Trace-Id`, if anything.
    pub fn trace_header(&self) -> Option<TraceHeader<'_>> {
        self.handle.trace_header()
    }

    /// Makes it current until the guard is dropped: see [`Entity::enter`].
    pub fn enter(&self) -> Entered {
        self.entity().enter()
    }

    /// Runs `future` with it as the current entity: see [`Entity::scope`].
    pub fn scope<F: Future>(&self, future: F) -> InEntity<F> {
        self.entity().scope(future)
    }
}
