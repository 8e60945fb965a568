//! The segment of a Lambda function, which Lambda itself sends.

use std::fmt;

use super::either::Entity;
use super::handle::Handle;
use super::subsegment::Subsegment;
use crate::header::TraceHeader;
use crate::id::TraceId;

/// A segment that another process sends: that of a Lambda function.
///
/// [`Recorder::facade`](crate::Recorder::facade) returns one for an invocation. Subsegments can be begun below it, and
/// each is sent when it closes. The facade itself cannot be changed: it has no setters, and the SDK ignores writes
/// through [`current`](crate::current) and logs a warning.
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// use xray_core::TraceHeader;
///
/// # let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
/// let facade = recorder.facade(&TraceHeader::parse(header)); // the header of the invocation
/// let guard = facade.enter();
/// xray_core::capture("load order", |_| ());
/// # drop(guard);
/// # assert_eq!(traces.take().single().tree(), "load order\n");
/// ```
#[derive(Clone)]
pub struct Facade {
    handle: Handle,
}

impl Facade {
    pub(crate) fn new(handle: Handle) -> Facade {
        Facade { handle }
    }

    /// Returns the facade as an [`Entity`], for functions that take one.
    pub fn entity(&self) -> Entity {
        Entity::new(self.handle.clone())
    }

    /// Begins a subsegment below the segment of the function: see [`Entity::subsegment`].
    #[must_use = "a subsegment closes when its last handle is dropped"]
    pub fn subsegment(&self, name: impl AsRef<str>) -> Subsegment {
        self.entity().subsegment(name)
    }

    /// Returns the id of the invocation's trace. `None` if the invocation has no usable trace header or the SDK is
    /// disabled.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.handle.trace_id()
    }

    /// Returns the `X-Amzn-Trace-Id` of a call made here. `None` when [`trace_id`](Self::trace_id) is.
    pub fn trace_header(&self) -> Option<TraceHeader<'_>> {
        self.handle.trace_header()
    }

    /// Returns whether the trace is sampled, so that subsegments below are recorded.
    pub fn is_sampled(&self) -> bool {
        self.handle.recorded().is_some()
    }

    /// Sends all open subsegments of the trace, in progress.
    ///
    /// Call it shortly before Lambda ends a function that takes too long, so that X-Ray shows what it was doing. The
    /// documents have name, start and parent of each subsegment, and none of its annotations or other members. The
    /// document that is sent when a subsegment closes replaces this one.
    ///
    /// ```
    /// # let (recorder, traces) = xray_core::Recorder::in_memory();
    /// # let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    /// let facade = recorder.facade(&xray_core::TraceHeader::parse(header));
    /// let slow = facade.subsegment("slow");
    /// facade.announce_open();
    /// assert_eq!(traces.take().single().tree(), "slow in_progress\n");
    /// ```
    pub fn announce_open(&self) {
        if let Some(node) = self.handle.recorded() {
            node.announce_open();
        }
    }
}

/// Shows trace id, id and whether the trace is sampled. One outside any trace has no ids.
impl fmt::Debug for Facade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.debug("Facade", f)
    }
}
