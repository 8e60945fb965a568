//! What leaves a trace: documents are sent, or held back until tail sampling decides.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::diagnostics::Cause;
use crate::entity::undecided::{Held, Verdict};
use crate::ledger::Outbox;
use crate::time::Timestamp;

use super::{SegmentNode, lock};

impl SegmentNode {
    /// Returns the time. A wall clock that is set after the start of the trace does not affect it.
    pub(super) fn now(&self) -> Timestamp {
        self.anchor.now(&self.pipeline.clock)
    }

    /// Sends documents, or holds them back while the trace is undecided.
    #[inline]
    pub(super) fn emit(&self, outbox: Outbox) {
        if !outbox.is_empty() {
            self.emit_all(outbox);
        }
    }

    // Apart, because most calls have nothing to send.
    #[inline(never)]
    fn emit_all(&self, outbox: Outbox) {
        for document in outbox {
            let Some(undecided) = &self.undecided else {
                self.pipeline.emit(document);
                continue;
            };
            let content = document.content();
            let diagnostics = &self.pipeline.diagnostics;
            match undecided.hold(document) {
                Held::Released(documents) => documents.into_iter().for_each(|document| self.pipeline.emit(document)),
                Held::Waiting => {
                    let message = format_args!("holding back {content} until its segment closes");
                    diagnostics.debug(Cause::Document, message);
                }
                Held::Dropped => content.dropped(diagnostics, format_args!("its trace is not kept")),
            }
        }
    }

    /// Whether tail sampling has not decided on the trace.
    pub(super) fn is_undecided(&self) -> bool {
        self.undecided.as_ref().is_some_and(|undecided| undecided.is_pending())
    }

    /// Notes a failure in the trace, because of which tail sampling keeps it.
    pub(super) fn note_failure(&self) {
        if let Some(undecided) = &self.undecided {
            undecided.fail();
        }
    }

    /// Decides whether the trace is kept, if that is pending. Its segment ends at `end`.
    pub(super) fn decide(&self, end: Timestamp) {
        let Some(undecided) = self.undecided.as_ref().filter(|_| !self.discarded.load(Ordering::Relaxed)) else {
            return;
        };
        let took = Duration::from_micros(end.as_micros() - self.core.start.as_micros());
        match undecided.decide(took) {
            None => {}
            Some(Verdict::Kept(documents)) => documents.into_iter().for_each(|document| self.pipeline.emit(document)),
            Some(Verdict::Dropped) => {
                self.pipeline.counters.traces_discarded.add(1);
                let message = format_args!("dropping trace {}: nothing in it failed, and it was not slow", self.id);
                self.pipeline.diagnostics.debug(Cause::Document, message);
                self.discard();
            }
        }
    }

    /// Drops everything that was not sent.
    pub(super) fn discard(&self) {
        self.discarded.store(true, Ordering::Release);
        lock(&self.ledger).discard();
    }
}
