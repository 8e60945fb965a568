//! The pipeline: what a trace needs from its recorder while it is open.

use std::sync::Arc;

use crate::diagnostics::{Cause, Diagnostics};
use crate::document::{Document, HEADER, MAX_DOCUMENT};
use crate::emit::Emitter;
use crate::id::IdSource;
use crate::service_info::ServiceInfo;
use crate::stats::Counters;
use crate::time::Clock;
use crate::user_code;
use crate::w3c::Propagation;

/// What a trace needs from its recorder. The recorder and all of its traces share one, which is immutable.
///
/// Each trace writes the reference count next to it. The alignment keeps that out of the cache lines that all threads read.
#[repr(align(128))]
pub(crate) struct Pipeline {
    pub(crate) service_info: ServiceInfo,
    pub(crate) propagation: Propagation,
    /// The number of subsegments that a trace holds before it sends complete ones ahead of its segment.
    pub(crate) streaming_threshold: usize,
    /// Whether each exception has the stack of the place where it is recorded.
    pub(crate) captures_backtraces: bool,
    /// Whether the texts of queries are recorded: `AWS_XRAY_COLLECT_SQL_QUERIES`.
    pub(crate) collects_sql: bool,
    pub(crate) emitter: Arc<dyn Emitter>,
    pub(crate) clock: Clock,
    pub(crate) ids: IdSource,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) counters: Arc<Counters>,
}

impl Pipeline {
    /// Passes a finished document to the emitter, unless it is too large.
    pub(crate) fn emit(&self, document: Document) {
        #[cfg(feature = "planted-secrets")]
        crate::redact::end_on_planted_secret(document.json());
        if document.datagram().len() > HEADER.len() + MAX_DOCUMENT {
            self.counters.dropped_oversize.add(1);
            let message = format_args!("dropped {}: it does not fit into a datagram", document.content());
            return self.diagnostics.error(Cause::Oversize, message);
        }
        self.diagnostics.debug(Cause::Document, format_args!("sending {}", document.content()));
        self.call_emitter(|emitter| emitter.emit(document));
    }

    /// Calls the emitter. Returns `None` if it panics.
    ///
    /// The emitter may be code of the application. Its panic must not reach the caller, which may be dropping its last
    /// handle during another panic.
    pub(crate) fn call_emitter<T>(&self, call: impl FnOnce(&dyn Emitter) -> T) -> Option<T> {
        let called = user_code::call(|| call(&*self.emitter));
        if called.is_none() {
            self.diagnostics.error(Cause::EmitterPanicked, format_args!("the emitter panicked: documents may be lost"));
        }
        called
    }
}
