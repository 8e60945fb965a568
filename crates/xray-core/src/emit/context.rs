//! The counters and the log that a recorder lends to its emitter.

use std::fmt;
use std::sync::Arc;

use crate::diagnostics::{Cause, Diagnostics, Level};
use crate::document::Document;
use crate::stats::Counters;

/// The counters and the log that a recorder lends to its [`Emitter`](super::Emitter) when it is built. Clones are cheap
/// and share them.
///
/// What an emitter counts here appears in the recorder's [`Stats`](crate::stats::Stats), as for the built-in emitters.
/// Count each document once, when its fate is known.
///
/// ```
/// use std::sync::OnceLock;
/// use std::time::Duration;
/// use xray_core::document::Document;
/// use xray_core::emit::{Emitter, EmitterContext, Fate, Flushed};
///
/// /// Writes documents to standard output, and counts them.
/// #[derive(Default)]
/// struct Print(OnceLock<EmitterContext>);
///
/// impl Emitter for Print {
///     fn start(&self, context: &EmitterContext) {
///         let _ = self.0.set(context.clone());
///     }
///
///     fn emit(&self, document: Document) {
///         println!("{}", document.json());
///         if let Some(context) = self.0.get() {
///             context.settle(&document, Fate::Sent, format_args!(""));
///         }
///     }
///
///     fn flush(&self, _timeout: Duration) -> Flushed {
///         Flushed::All
///     }
/// }
/// # use xray_core::{Recorder, sampling::Always};
/// # let recorder = Recorder::builder().sampling(Always).emitter(Print::default()).build().unwrap();
/// # recorder.begin("shop").close();
/// # assert_eq!(recorder.stats().emitted, 1);
/// ```
#[derive(Clone, Debug)]
pub struct EmitterContext {
    pub(crate) counters: Arc<Counters>,
    pub(crate) diagnostics: Diagnostics,
}

/// The fate of a document, for [`EmitterContext::settle`]. Each one has a count in [`Stats`](crate::stats::Stats).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It was sent. Counts in `emitted` and `bytes`.
    Sent,
    /// It was not sent, because a later document replaces all of it. Counts in `superseded`.
    Superseded,
    /// It was dropped because a queue was full. Counts in `dropped_queue_full`.
    QueueFull,
    /// It was dropped because the receiver could not be reached. Counts in `dropped_unsent`.
    Unsent,
    /// The receiver rejected it, or it was unreadable. Counts in `dropped_rejected`.
    Rejected,
}

impl EmitterContext {
    /// Counts a document. Call this once for each document, when its fate is known. A dropped document is also logged
    /// at [`Level::Debug`], with its trace id and `why`.
    pub fn settle(&self, document: &Document, fate: Fate, why: fmt::Arguments<'_>) {
        let counters = &self.counters;
        match fate {
            Fate::Sent => {
                counters.emitted.add(1);
                counters.bytes.add(document.datagram().len() as u64);
                return;
            }
            Fate::Superseded => return counters.superseded.add(1),
            Fate::QueueFull => counters.dropped_queue_full.add(1),
            Fate::Unsent => counters.dropped_unsent.add(1),
            Fate::Rejected => counters.dropped_rejected.add(1),
        }
        document.content().dropped(&self.diagnostics, why);
    }

    /// Counts spans that a receiver rejected from an accepted request. Counts in `rejected_spans`.
    pub fn reject_spans(&self, spans: u64) {
        self.counters.rejected_spans.add(spans);
    }

    /// Counts a retry of a request. Counts in `retries`.
    pub fn retry(&self) {
        self.counters.retries.add(1);
    }

    /// Reports a message about the emitter itself through the recorder's log: see
    /// [`diagnostics`](crate::diagnostics). `cause` is a word in snake case and becomes [`Cause::Custom`]. Messages
    /// are rate-limited to one per cause every 10 seconds, except at `Debug`.
    pub fn report(&self, level: Level, cause: &'static str, message: fmt::Arguments<'_>) {
        self.diagnostics.report(level, Cause::Custom(cause), message);
    }
}
