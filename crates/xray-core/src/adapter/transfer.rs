//! The progress of one request and its response, and its code that runs in its context. Shared by servers and clients.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::cause::{Exception, unwinding_exception};
use crate::context::ContextSwap;
use crate::entity::{Entity, Handle};

/// Runs code of a request in its context. Returns the payload of a panic, which the caller records and resumes.
///
/// `context` has the context of the request while none of its code runs, and that of the thread while it does.
pub(super) fn run_in<T>(context: &mut Option<Handle>, work: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(|| {
        let _swap = ContextSwap::new(context);
        work()
    }))
}

/// The progress of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    /// There is no response yet.
    Waiting,
    /// The body is in flight; `owed` bytes remain, if known.
    Moving {
        owed: Option<u64>,
        /// The body was polled. If it is dropped before, another body has replaced it.
        polled: bool,
    },
    Done,
}

impl Transfer {
    /// Notes that code of the request runs.
    pub(super) fn polled(&mut self) {
        if let Transfer::Moving { polled, .. } = self {
            *polled = true;
        }
    }

    /// Notes that the head of the response is there, and that `owed` bytes of the body follow, if known.
    pub(super) fn expect(&mut self, owed: Option<u64>) {
        *self = Transfer::Moving { owed, polled: false };
    }

    /// Notes that this many bytes of the body were received or sent.
    pub(super) fn moved(&mut self, bytes: usize) {
        if let Transfer::Moving { owed, polled } = self {
            *polled = true;
            *owed = owed.map(|owed| owed.saturating_sub(bytes as u64));
        }
    }

    /// Notes that the response is complete.
    pub(super) fn finish(&mut self) {
        *self = Transfer::Done;
    }

    pub(super) fn is_done(&self) -> bool {
        *self == Transfer::Done
    }

    /// Whether the head of the response is there and its body is incomplete.
    pub(super) fn is_moving(&self) -> bool {
        matches!(self, Transfer::Moving { .. })
    }

    /// Records on `entity` that the request is dropped before its end, if it is. `cancelled` is the message of the
    /// exception if there is no response yet.
    pub(super) fn note_dropped(&self, entity: Entity, cancelled: &str) {
        match self {
            Transfer::Done | Transfer::Moving { owed: Some(0), .. } | Transfer::Moving { polled: false, .. } => {}
            _ if entity.handle().is_unwound() => {
                entity.fault(unwinding_exception("the task panicked"));
            }
            Transfer::Waiting => {
                entity.fault(Exception::new("Cancelled", cancelled));
            }
            Transfer::Moving { .. } => {
                entity.metadata_in("xray", "aborted", &true);
            }
        }
    }
}
