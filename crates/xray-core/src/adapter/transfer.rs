//! What received requests and calls have in common: the context of the code that runs for them, and the progress of the
//! response.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::cause::{Exception, unwinding_exception};
use crate::context::ContextSwap;
use crate::entity::{Entity, Handle};

/// The context and the progress of one request and its response.
#[derive(Debug)]
pub(super) struct Transfer {
    /// The context of the request while none of its code runs, and that of the thread while it does.
    slot: Option<Handle>,
    stage: Stage,
}

/// The progress of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
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
    /// A request whose code runs in the context of `handle`.
    pub(super) fn new(handle: Handle) -> Transfer {
        Transfer { slot: Some(handle), stage: Stage::Waiting }
    }

    /// Runs code of the request in its context. Returns the payload of a panic, which the caller records and resumes.
    pub(super) fn run<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
        if let Stage::Moving { polled, .. } = &mut self.stage {
            *polled = true;
        }
        catch_unwind(AssertUnwindSafe(|| {
            let _swap = ContextSwap::new(&mut self.slot);
            work()
        }))
    }

    /// Notes that the head of the response is there, and that `owed` bytes of the body follow, if known.
    pub(super) fn expect(&mut self, owed: Option<u64>) {
        self.stage = Stage::Moving { owed, polled: false };
    }

    /// Notes that this many bytes of the body were received or sent.
    pub(super) fn moved(&mut self, bytes: usize) {
        if let Stage::Moving { owed, polled } = &mut self.stage {
            *polled = true;
            *owed = owed.map(|owed| owed.saturating_sub(bytes as u64));
        }
    }

    /// Notes that the response is complete.
    pub(super) fn finish(&mut self) {
        self.stage = Stage::Done;
    }

    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Whether the head of the response is there and its body is incomplete.
    pub(super) fn is_moving(&self) -> bool {
        matches!(self.stage, Stage::Moving { .. })
    }

    /// Records on `entity` that the request is dropped before its end, if it is. `cancelled` is the message of the
    /// exception if there is no response yet.
    pub(super) fn note_dropped(&self, entity: Entity, cancelled: &str) {
        match self.stage {
            Stage::Done | Stage::Moving { owed: Some(0), .. } | Stage::Moving { polled: false, .. } => {}
            _ if entity.handle().is_unwound() => {
                entity.fault(unwinding_exception("the task panicked"));
            }
            Stage::Waiting => {
                entity.fault(Exception::new("Cancelled", cancelled));
            }
            Stage::Moving { .. } => {
                entity.metadata_in("xray", "aborted", &true);
            }
        }
    }
}
