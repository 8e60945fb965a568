//! The end of an entity: it closes, and its trace's ledger receives the rest of its document.

use std::sync::atomic::Ordering;

use crate::buffer;
use crate::cause::unwinding_exception;
use crate::diagnostics::Cause;
use crate::entity::body::Body;
use crate::entity::lazy_body::LazyBody;
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
        if !self.is_open() {
            return;
        }
        let Some(mut body) = lock(&self.core().body).take() else { return };
        self.core().open.store(false, Ordering::Release);
        let trace = self.trace();
        let end = end.unwrap_or_else(|| trace.now()).max(self.core().start);
        if self.kind() == Kind::Segment {
            trace.decide(end);
        }
        if self.is_discarded() {
            return;
        }
        let (mut out, mut trimmed) = (Outbox::default(), None);
        let tail = |out: &mut Vec<u8>| trimmed = self.write_tail(out, &mut body, Some(end));
        {
            let mut ledger = lock(&trace.ledger);
            match self.kind() {
                Kind::Subsegment => ledger.close(self.core().slot, tail, &mut out),
                Kind::Segment | Kind::Facade | Kind::External => ledger.close_root(self.core().slot, tail, &mut out),
            }
        }
        self.report(trimmed);
        trace.emit(out);
    }

    /// Sends the entity now, marked as in progress.
    pub(in crate::entity) fn announce(&self) {
        if self.is_discarded() || self.trace().is_undecided() {
            return;
        }
        let snapshot = buffer::with(|tail| {
            let trimmed = self.with_body(|body| self.write_tail(tail, body, None))?;
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

    /// Appends everything after the head. Returns a description of what was removed to make it fit into a datagram.
    fn write_tail(&self, out: &mut Vec<u8>, body: &mut LazyBody, end: Option<Timestamp>) -> Option<String> {
        let before = out.len();
        self.write_members(out, body.get(), end);
        if out.len() - before <= MAX_TAIL {
            return None;
        }
        out.truncate(before);
        buffer::with(|tail| {
            let removed = trim(tail, body.get_mut(), |tail, body| self.write_members(tail, body, end));
            out.extend_from_slice(tail);
            Some(removed)
        })
    }

    fn write_members(&self, out: &mut Vec<u8>, body: &Body, end: Option<Timestamp>) {
        let (trace, service) = (self.trace(), &self.pipeline().service_info);
        match self.kind() {
            Kind::Subsegment => body.write_subsegment(out, end, service),
            Kind::Segment | Kind::Facade | Kind::External => {
                body.write_segment(out, end, trace.id, self.core().parent, trace.rule.as_deref(), service);
            }
        }
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
