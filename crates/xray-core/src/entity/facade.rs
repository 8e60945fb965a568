//! The segment of a Lambda function, which Lambda itself sends.

use super::either::Entity;
use super::handle::Handle;
use super::subsegment::Subsegment;
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

    /// Whether the trace is sampled: what is begun below it will be recorded.
    pub fn is_sampled(&self) -> bool {
        self.handle.recorded().is_some()
    }

    /// Sends all subsegments that are open in this process, in progress: name, start and place, and nothing that
    /// was added to them. What is sent at the close of one takes the place of that.
    ///
    /// For the moment before Lambda kills a function that takes too long.
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
