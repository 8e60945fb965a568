//! The ids of the current entity, for log lines.

use std::fmt;

use super::peek;
use crate::id::{EntityId, TraceId};

/// The current trace and entity as log lines name them: `1-5759e988-bd862e3fe1be46a994272793@53995c3f42cd8ad8`. Empty
/// outside any trace.
///
/// Made by [`log_id`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LogId(Option<(TraceId, EntityId)>);

/// Returns the ids of the current trace and entity, for log lines. Nothing is allocated, no strategy for a missing context
/// applies, and requests that are not sampled have ids as well.
///
/// X-Ray's console finds log lines by the trace id in the log groups of a segment. Java's SDK writes the same text.
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// let segment = recorder.begin("shop");
/// let _in = segment.enter();
/// println!("[{}] order accepted", xray_core::log_id());
/// # assert_eq!(
/// #     xray_core::log_id().to_string(),
/// #     format!("{}@{}", segment.trace_id().unwrap(), segment.id().unwrap())
/// # );
/// ```
pub fn log_id() -> LogId {
    LogId(peek().and_then(|handle| Some((handle.trace_id()?, handle.id()?))))
}

impl LogId {
    /// Whether there is no current trace.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the current trace.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.0.map(|(trace_id, _)| trace_id)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((trace_id, id)) => write!(f, "{trace_id}@{id}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId({self})")
    }
}
