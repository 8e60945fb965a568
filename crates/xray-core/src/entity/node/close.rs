//! The end of an entity: it closes, and its trace's ledger receives the rest of its document.

use std::sync::atomic::Ordering;

use crate::buffer;
use crate::cause::unwinding_exception;
use crate::diagnostics::Cause;
use crate::entity::body::Body;
use crate::entity::trim::{MAX_TAIL, trim};
use crate::flag::Flag;
use crate::ledger::Outbox;
use crate::time::Timestamp;

use super::{Kind, Node, lock};

impl Node {
    /// Closes the entity when its handles go out of scope, and records a fault if a panic is the reason.
    pub(in crate::entity) fn finish(&self) {
        if self.is_open() {
            if self.is_unwound() {
                self.record(Flag::Fault, unwinding_exception("the thread panicked"));
            }
            self.close(None);
        }
    }

    /// Closes the entity, unless it is closed. If several threads try, one of them closes it and decides on the trace.
    pub(in crate::entity) fn close(&self, end: Option<Timestamp>) {
        if !self.is_open() || !self.core().open.swap(false, Ordering::AcqRel) {
            return;
        }
        let trace = self.trace();
        let end = end.unwrap_or_else(|| trace.now()).max(self.core().start);
        if self.kind() == Kind::Segment {
            trace.decide(end);
        }
        let mut out = Outbox::default();
        buffer::with(|tail| {
            let trimmed = {
                let mut open = lock(&self.core().body);
                let trimmed = match open.as_mut() {
                    Some(body) if !self.is_discarded() => self.write_tail(tail, body, Some(end)),
                    _ => None,
                };
                *open = None;
                trimmed
            };
            self.report(trimmed);
            if self.is_discarded() {
                return;
            }
            let mut ledger = lock(&trace.ledger);
            match self.kind() {
                Kind::Subsegment => ledger.close(self.core().slot, tail, &mut out),
                Kind::Segment | Kind::Facade | Kind::External => ledger.close_root(self.core().slot, tail, &mut out),
            }
        });
        trace.emit(out);
    }

    /// Sends the entity now, marked as in progress.
    pub(in crate::entity) fn announce(&self) {
        if self.is_discarded() || self.trace().is_undecided() {
            return;
        }
        let snapshot = buffer::with(|tail| {
            let trimmed = self.edit(|body| self.write_tail(tail, body, None))?;
            self.report(trimmed);
            lock(&self.trace().ledger).snapshot(self.core().slot, tail, self.kind() == Kind::Segment)
        });
        if let Some(document) = snapshot {
            self.pipeline().emit(document);
        }
    }

    /// Sends all open subsegments of the trace, in progress. Their bodies are not included: the ledger holds heads
    /// only.
    pub(in crate::entity) fn announce_open(&self) {
        let mut out = Outbox::default();
        lock(&self.trace().ledger).announce_open(&mut out);
        self.trace().emit(out);
    }

    /// Writes everything after the head. Returns a description of what was removed to make it fit into a datagram.
    fn write_tail(&self, tail: &mut Vec<u8>, body: &mut Body, end: Option<Timestamp>) -> Option<String> {
        let service = &self.pipeline().service_info;
        let write = |tail: &mut Vec<u8>, body: &Body| match self.kind() {
            Kind::Subsegment => body.write_subsegment(tail, end, service),
            Kind::Segment | Kind::Facade | Kind::External => {
                body.write_segment(tail, end, self.trace().id, self.core().parent, service)
            }
        };
        write(tail, body);
        (tail.len() > MAX_TAIL).then(|| trim(tail, body, write))
    }

    /// Counts and reports what was removed from a document.
    fn report(&self, trimmed: Option<String>) {
        if let Some(trimmed) = trimmed {
            let pipeline = self.pipeline();
            pipeline.counters.trimmed.add(1);
            let message =
                format_args!("trimmed entity {}, which was too large for a datagram. Removed: {trimmed}", self.id());
            pipeline.diagnostics.warn(Cause::Trimmed, message);
        }
    }

    /// Drops whatever of the trace has not been sent.
    pub(in crate::entity) fn discard(&self) {
        let message = format_args!("dropping trace {}: `discard()` was called", self.trace_id());
        self.pipeline().diagnostics.debug(Cause::Document, message);
        self.trace().discard();
    }
}
