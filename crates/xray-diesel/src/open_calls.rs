//! The calls of a connection that have begun and not ended.
//!
//! Usually there is one. diesel-async may pipeline queries on one connection, whose ends are then reported in any order, and
//! it does not report the end of a query whose future was dropped. An end names no query, so the text and the current entity
//! decide which query it ends.

use std::time::{SystemTime, UNIX_EPOCH};

use xray_core::{Entity, SqlCall, try_current};

/// The largest number of open calls. If a connection has more, the oldest is closed.
const MAX_OPEN: usize = 256;

/// The calls of a connection that have begun and not ended, oldest first.
pub(crate) struct OpenCalls(Vec<OpenCall>);

/// A call that has begun.
pub(crate) struct OpenCall {
    pub(crate) call: SqlCall,
    /// `None` if the call is not recorded.
    recorded: Option<Recorded>,
    /// The text, if texts are collected.
    pub(crate) text: Option<String>,
    /// Whether a later call has ended. The database processes them in order.
    is_overtaken: bool,
}

/// What determines the end of a call that was cancelled.
struct Recorded {
    parent: Entity,
    /// When the next call began.
    next_start: Option<SystemTime>,
}

impl OpenCalls {
    pub(crate) fn new() -> OpenCalls {
        OpenCalls(Vec::with_capacity(1))
    }

    /// Adds a call. Calls that must have been cancelled are closed.
    pub(crate) fn begin(&mut self, call: SqlCall, parent: Entity, text: Option<String>) {
        for cancelled in self.0.extract_if(.., |open| open.is_overtaken) {
            cancelled.cancel();
        }
        if self.0.len() >= MAX_OPEN {
            self.0.remove(0).cancel();
        }
        self.0.iter_mut().for_each(OpenCall::note_next_start);
        let recorded = call.subsegment().map(|_| Recorded { parent, next_start: None });
        self.0.push(OpenCall { call, recorded, text, is_overtaken: false });
    }

    /// Returns the call that has begun last.
    pub(crate) fn newest(&self) -> Option<&OpenCall> {
        self.0.last()
    }

    /// Removes the call that an event ends. `text` formats the query of the event.
    pub(crate) fn end(&mut self, text: impl FnOnce() -> Option<String>) -> Option<OpenCall> {
        if self.0.len() < 2 {
            return self.0.pop();
        }
        let text = self.0.iter().any(|open| open.text.is_some()).then(text).flatten();
        let current = try_current().filter(Entity::is_sampled).and_then(|current| current.id());
        let likeness = |open: &OpenCall| {
            let parent = open.recorded.as_ref().and_then(|recorded| recorded.parent.id());
            u8::from(open.text == text) + u8::from(parent == current)
        };
        // The newest of those that are equally likely, since an older one may have been cancelled.
        let (at, _) = self.0.iter().enumerate().max_by_key(|(_, open)| likeness(open))?;
        self.0[..at].iter_mut().for_each(|open| open.is_overtaken = true);
        Some(self.0.remove(at))
    }
}

impl OpenCall {
    fn note_next_start(&mut self) {
        if let Some(recorded) = self.recorded.as_mut().filter(|recorded| recorded.next_start.is_none()) {
            recorded.next_start = Some(recorded.latest_end());
        }
    }

    /// Closes a call that was cancelled at an unknown time.
    fn cancel(self) {
        if let (Some(subsegment), Some(recorded)) = (self.call.subsegment(), &self.recorded) {
            subsegment.metadata_in("xray", "cancelled", &true);
            subsegment.close_at(recorded.next_start.unwrap_or_else(|| recorded.latest_end()));
        }
    }
}

impl Recorded {
    /// Returns the latest time at which a call that is cancelled now can have ended. If its parent has closed, the call
    /// ended earlier, and only its start is known: it replaces an end before it.
    fn latest_end(&self) -> SystemTime {
        if self.parent.is_recording() { self.parent.now() } else { UNIX_EPOCH }
    }
}

impl Drop for OpenCalls {
    fn drop(&mut self) {
        self.0.drain(..).for_each(OpenCall::cancel);
    }
}
