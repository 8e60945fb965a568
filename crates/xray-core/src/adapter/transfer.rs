//! What a request received and a request made have in common: the context of the code that runs for them, and
//! how far the response is.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::cause::{Exception, unwinding_exception};
use crate::context::ContextSwap;
use crate::entity::{Entity, Handle};

/// One request and its response.
#[derive(Debug)]
pub(super) struct Transfer {
    /// The context of the exchange while none of its code runs, that of the thread meanwhile.
    slot: Option<Handle>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// There is no response yet.
    Waiting,
    /// The body moves; so much is owed, if that is known.
    Moving {
        owed: Option<u64>,
        /// It was polled. Code that drops a body before that has put another one in front of it.
        asked: bool,
    },
    Done,
}

impl Transfer {
    /// An exchange in the context of `handle`.
    pub(super) fn new(handle: Handle) -> Transfer {
        Transfer { slot: Some(handle), stage: Stage::Waiting }
    }

    /// Runs code in its context. A panic is caught, for its message to be recorded: it must go on afterwards.
    pub(super) fn run<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
        if let Stage::Moving { asked, .. } = &mut self.stage {
            *asked = true;
        }
        catch_unwind(AssertUnwindSafe(|| {
            let _exchanged = ContextSwap::new(&mut self.slot);
            work()
        }))
    }

    /// The head of the response is there; so much of its body is owed, if that is known.
    pub(super) fn expect(&mut self, owed: Option<u64>) {
        self.stage = Stage::Moving { owed, asked: false };
    }

    /// So many bytes of the body have come or gone.
    pub(super) fn moved(&mut self, bytes: usize) {
        if let Stage::Moving { owed, asked } = &mut self.stage {
            *asked = true;
            *owed = owed.map(|owed| owed.saturating_sub(bytes as u64));
        }
    }

    /// Nothing more is to come.
    pub(super) fn finish(&mut self) {
        self.stage = Stage::Done;
    }

    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Whether the head of the response is there, and its body is not complete.
    pub(super) fn is_moving(&self) -> bool {
        matches!(self.stage, Stage::Moving { .. })
    }

    /// Says on `entity` that the exchange is dropped before its end, if it is; `cancelled` tells what that means
    /// before there was a response.
    pub(super) fn note_dropped(&self, entity: Entity, cancelled: &str) {
        match self.stage {
            Stage::Done | Stage::Moving { owed: Some(0), .. } | Stage::Moving { asked: false, .. } => {}
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
