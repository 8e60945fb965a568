//! What is added to an open entity: annotations, metadata, failures.

use std::backtrace::Backtrace;

use serde::Serialize;

use crate::buffer;
use crate::cause::Exception;
use crate::diagnostics::Cause;
use crate::document::json;
use crate::entity::body::{Annotated, Body};
use crate::entity::failure::{CauseRef, MAX_EXCEPTIONS, describe_once};
use crate::entity::lazy_body::LazyBody;
use crate::entity::value::{AnnotationValue, clean_key};
use crate::flag::Flag;
use crate::user_code;

use super::{Kind, Node, lock};

impl Node {
    /// Changes the body if the entity is open. Otherwise counts and reports the attempt.
    pub(in crate::entity) fn edit<T>(&self, change: impl FnOnce(&mut Body) -> T) -> Option<T> {
        self.with_body(|body| change(body.get_mut()))
    }

    /// As [`edit`](Node::edit), for a body that may not have members.
    pub(super) fn with_body<T>(&self, use_body: impl FnOnce(&mut LazyBody) -> T) -> Option<T> {
        let result = lock(&self.core().body).as_mut().map(use_body);
        if result.is_none() {
            self.refuse();
        }
        result
    }

    /// Counts and reports an attempt to change an entity that is closed or that is sent elsewhere.
    #[cold]
    fn refuse(&self) {
        let pipeline = self.pipeline();
        match self.kind() {
            Kind::Facade => pipeline.diagnostics.warn(
                Cause::Facade,
                format_args!(
                    "ignored a change to the segment of a Lambda function, which Lambda sends: use a subsegment"
                ),
            ),
            Kind::External => pipeline.diagnostics.warn(
                Cause::Facade,
                format_args!("ignored a change to a span of another SDK, which that SDK sends: use a subsegment"),
            ),
            kind => {
                pipeline.counters.late_writes.add(1);
                let kind = kind.name();
                let (id, trace_id) = (self.id(), self.trace_id());
                let message = format_args!("ignored a write to {kind} {id} of trace {trace_id}: it is closed");
                pipeline.diagnostics.debug(Cause::LateWrite, message);
            }
        }
    }

    /// Sets a flag.
    pub(in crate::entity) fn mark(&self, flag: Flag) {
        if self.edit(|body| body.mark(flag)).is_some() {
            self.trace().note_failure();
        }
    }

    pub(in crate::entity) fn annotate(&self, key: &str, value: &AnnotationValue<'_>) {
        let pipeline = self.pipeline();
        match self.edit(|body| body.annotate(key, value)) {
            None | Some(Annotated::Unchanged) => {}
            Some(Annotated::Renamed) => pipeline.diagnostics.warn_once(
                Cause::AnnotationKey,
                key,
                format_args!(
                    "annotation key {key:?} recorded as {:?}: only letters a to z, digits and _ are allowed",
                    clean_key(key)
                ),
            ),
            Some(Annotated::Dropped) => {
                pipeline.counters.annotations_dropped.add(1);
                pipeline.diagnostics.warn(
                    Cause::AnnotationDropped,
                    format_args!(
                        "dropped annotation {key:?}: an entity has room for 50, and for 52 KiB of them. Use metadata"
                    ),
                );
            }
        }
    }

    pub(in crate::entity) fn metadata<T: Serialize + ?Sized>(&self, namespace: &str, key: &str, value: &T) {
        let diagnostics = &self.pipeline().diagnostics;
        if namespace.starts_with("AWS.") {
            return diagnostics.warn(
                Cause::Metadata,
                format_args!("dropped metadata {key:?}: X-Ray reserves the namespace {namespace:?}. Use another one"),
            );
        }
        // `Serialize` is code of the application: it runs before any lock is taken.
        buffer::with(|encoded| {
            if let Err(error) = json::value(encoded, value) {
                return diagnostics.warn(
                    Cause::Metadata,
                    format_args!("dropped metadata {key:?}: its value cannot be serialized: {error}"),
                );
            }
            if encoded == b"null" {
                // The other X-Ray SDKs write an empty text too.
                encoded.clear();
                json::string(encoded, "");
            }
            if self.edit(|body| body.metadata(namespace, key, encoded)) == Some(false) {
                self.pipeline().counters.metadata_dropped.add(1);
                let (kind, id) = (self.kind().name(), self.id());
                let message = format_args!(
                    "dropped metadata {key:?} of {} bytes: {kind} {id} has 1,000 values or 256 KiB of them",
                    encoded.len()
                );
                diagnostics.warn(Cause::Metadata, message);
            }
        });
    }

    /// Returns whether the entity is closed, or describes a failure or refers to one.
    pub(in crate::entity) fn is_described(&self) -> bool {
        lock(&self.core().body).as_ref().is_none_or(|body| body.get().is_some_and(Body::is_described))
    }

    /// Like [`record`](Node::record). `exception` runs the application's code, whose panic must not fail the request.
    pub(in crate::entity) fn record_with(&self, flag: Flag, exception: impl FnOnce() -> Exception) {
        match user_code::call(exception) {
            Some(exception) => self.record(flag, exception),
            None => {
                self.mark(flag);
                let message =
                    format_args!("dropped an exception: the code that formats its text panicked. The flag is set");
                self.pipeline().diagnostics.warn(Cause::Exception, message);
            }
        }
    }

    /// Sets a flag, and describes the exception unless an entity of the trace has described it.
    pub(super) fn record(&self, flag: Flag, exception: Exception) {
        let pipeline = self.pipeline();
        let exception = match pipeline.captures_backtraces && !exception.has_stack() {
            true => exception.backtrace(&Backtrace::force_capture()),
            false => exception,
        };
        let exception = if pipeline.collects_sql { exception } else { exception.without_values() };
        let above = if self.kind() == Kind::Segment { None } else { self.core().parent };
        let cause = describe_once(&mut lock(&self.trace().last_failure), exception, (self.id(), above), &pipeline.ids);
        let described = self.edit(|body| {
            body.mark(flag);
            match cause {
                CauseRef::Describe(exceptions) => return body.cause().add(exceptions, self.kind() == Kind::Subsegment),
                CauseRef::Refer(id) => body.cause().refer(id),
                CauseRef::Nothing => {}
            }
            true
        });
        if described.is_some() {
            self.trace().note_failure();
        }
        if described == Some(false) {
            pipeline.counters.exceptions_dropped.add(1);
            let (kind, id) = (self.kind().name(), self.id());
            let message =
                format_args!("dropped an exception: {kind} {id} has {MAX_EXCEPTIONS} of them. The flag is set");
            pipeline.diagnostics.warn(Cause::Exception, message);
        }
        if described != Some(true) {
            // No document describes the exception, so no other entity may refer to it.
            *lock(&self.trace().last_failure) = None;
        }
    }
}
