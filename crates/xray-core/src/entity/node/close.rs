//! The end of an entity: it closes, and its trace's ledger receives the rest of its document.

use std::sync::atomic::Ordering;

use crate::buffer;
use crate::cause::unwinding_exception;
use crate::diagnostics::Cause;
use crate::entity::body::Body;
use crate::entity::lazy_body::LazyBody;
use crate::entity::trim::{MAX_MEMBERS, trim};
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
        let (core, trace) = (self.core(), self.trace());
        if !core.open.load(Ordering::Relaxed) {
            return;
        }
        // What is sent elsewhere has no body.
        let Some(mut body) = lock(&core.body).take() else { return };
        core.open.store(false, Ordering::Release);
        let end = end.unwrap_or_else(|| trace.now()).max(core.start);
        if let Node::Segment(segment) = self {
            segment.decide(end);
        }
        if self.is_discarded() {
            return;
        }
        let (mut out, mut trimmed) = (Outbox::default(), None);
        let members = |out: &mut Vec<u8>| {
            // Many subsegments have none.
            if body.get().is_some() || matches!(self, Node::Segment(_)) {
                trimmed = self.write_trimmed(out, &mut body);
            }
        };
        match self {
            Node::Segment(_) => lock(&trace.ledger).close_root(core.slot, end, members, &mut out),
            Node::Subsegment(_) => lock(&trace.ledger).close(core.slot, end, members, &mut out),
        }
        self.report(trimmed);
        trace.emit(out);
    }

    /// Sends the entity now, marked as in progress.
    pub(in crate::entity) fn announce(&self) {
        if self.is_discarded() || self.trace().is_undecided() {
            return;
        }
        let snapshot = buffer::with(|members| {
            let trimmed = self.with_body(|body| self.write_trimmed(members, body))?;
            self.report(trimmed);
            lock(&self.trace().ledger).snapshot(self.core().slot, members, self.kind() == Kind::Segment)
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

    /// Appends the members. Returns a description of what was removed to make them fit into a datagram.
    fn write_trimmed(&self, out: &mut Vec<u8>, body: &mut LazyBody) -> Option<String> {
        let before = out.len();
        self.write_members(out, body.get());
        if out.len() - before <= MAX_MEMBERS {
            return None;
        }
        out.truncate(before);
        buffer::with(|members| {
            let removed = trim(members, body.get_mut(), |members, body| self.write_members(members, Some(body)));
            out.extend_from_slice(members);
            Some(removed)
        })
    }

    /// Appends the members that the ledger does not know, each after a comma.
    fn write_members(&self, out: &mut Vec<u8>, body: Option<&Body>) {
        let service = &self.pipeline().service_info;
        match (self, body) {
            (Node::Subsegment(_), Some(body)) => body.write_subsegment(out, service),
            (Node::Subsegment(_), None) => {}
            (Node::Segment(trace), body) => {
                static EMPTY: Body = Body::EMPTY;
                let body = body.unwrap_or(&EMPTY);
                body.write_segment(out, trace.id, trace.core.parent, trace.rule.as_deref(), service);
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
