//! The counters and the log that a recorder lends to its emitter.

use std::fmt;
use std::sync::Arc;

use crate::diagnostics::{Cause, Diagnostics, Level};
use crate::document::Document;
use crate::stats::Counters;

/// The counters and the log that a recorder lends to its [`Emitter`](super::Emitter) when it is built.
///
/// An emitter that counts here shows up in the recorder's [`Stats`](crate::stats::Stats), like the built-in ones.
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

/// How a document ended, for [`EmitterContext::settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// Sent: `emitted` and `bytes`.
    Sent,
    /// Not sent, since a later document replaces all of it: `superseded`.
    Superseded,
    /// Dropped by a full queue: `dropped_queue_full`.
    QueueFull,
    /// Dropped because the receiver could not be reached: `dropped_unsent`.
    Unsent,
    /// Refused by the receiver, or unreadable: `dropped_rejected`.
    Rejected,
}

impl EmitterContext {
    /// Counts a document. At [`Level::Debug`] a dropped one is reported with its trace and `why`.
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

    /// Counts spans that a receiver refused out of an accepted request: `rejected_spans`.
    pub fn reject_spans(&self, spans: u64) {
        self.counters.rejected_spans.add(spans);
    }

    /// Counts a retry of a request: `retries`.
    pub fn retry(&self) {
        self.counters.retries.add(1);
    }

    /// Reports something about the emitter itself, as the recorder would, with a word in snake case for
    /// [`Cause::Custom`]: see [`diagnostics`](crate::diagnostics). Messages of one cause are limited to one every
    /// 10 seconds, except at `Debug`.
    pub fn report(&self, level: Level, cause: &'static str, message: fmt::Arguments<'_>) {
        self.diagnostics.report(level, Cause::Custom(cause), message);
    }
}
