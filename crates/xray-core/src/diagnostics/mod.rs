//! The SDK's log about itself: lost documents, invalid configuration, misuse.
//!
//! The SDK logs these instead of returning errors, because instrumentation must not change what the application does. A
//! message goes to the first of these that exists:
//!
//! 1. The function given to [`on_diagnostic`](crate::RecorderBuilder::on_diagnostic). It receives warnings and errors,
//!    and lower levels if the [level](crate::RecorderBuilder::diagnostic_level) includes them.
//! 2. The `log` crate, with the target `xray`, if the application has installed a logger. The logger's own level applies
//!    (`RUST_LOG=xray=debug` for `env_logger`).
//! 3. Standard error. It receives errors, and lower levels if the level includes them.
//!
//! Environment variables override the level set in code:
//!
//! | variable | value | default |
//! |---|---|---|
//! | `AWS_XRAY_LOG_LEVEL` | `debug`, `info`, `warn`, `error` or `silent`, in any case | `error` |
//! | `AWS_XRAY_DEBUG_MODE` | `true` sets the level `debug`, whatever `AWS_XRAY_LOG_LEVEL` is | `false` |
//!
//! A message that no sink receives costs a comparison; its text is never formatted. A panic in a sink is caught.
//!
//! On standard error a line has time and level, except on Lambda, which adds its own:
//!
//! ```text
//! 2026-05-28 20:26:40.042 +00:00 [ERROR] no X-Ray daemon listens at 127.0.0.1:2000: documents are lost until one does. …
//! ```
//!
//! Messages are rate-limited to one per [`Cause`] every 10 seconds, except at [`Level::Debug`]. The next message then
//! says how many were left out.
//!
//! At [`Level::Debug`] the SDK logs each sampling decision, each document that is sent, held back or dropped, and each
//! write to a closed entity, all with the id of their trace.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use xray_core::Recorder;
//! use xray_core::diagnostics::{Cause, Level};
//!
//! # fn main() -> Result<(), xray_core::ConfigError> {
//! let lost = Arc::new(Mutex::new(0));
//! let counter = lost.clone();
//! let recorder = Recorder::builder()
//!     .on_diagnostic(move |diagnostic| match diagnostic.cause() {
//!         Cause::QueueFull | Cause::DaemonAbsent => *counter.lock().unwrap() += 1,
//!         _ => eprintln!("x-ray: {} {diagnostic}", diagnostic.level()),
//!     })
//!     .diagnostic_level(Level::Info)
//!     .build()?;
//! # Ok(())
//! # }
//! ```

mod cause;
mod limit;
mod stderr;

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::user_code;

pub use self::cause::Cause;
use self::limit::{Limit, Once};
pub(crate) use self::stderr::Stderr;

/// The severity of a [`Diagnostic`]. Levels are ordered: `Debug` is the lowest, `Error` the highest.
///
/// ```
/// use xray_core::diagnostics::Level;
///
/// assert!(Level::Debug < Level::Error);
/// assert_eq!(Level::Warn.to_string(), "WARN");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// Details for debugging the instrumentation itself. Not rate-limited.
    Debug,
    /// An event that needs no action.
    Info,
    /// Something was ignored or repaired, or may be lost.
    Warn,
    /// Data was lost, or the configuration is wrong. Written to standard error by default.
    Error,
}

/// Formats the level in upper case, as in a log line.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
        })
    }
}

impl From<Level> for log::Level {
    fn from(level: Level) -> log::Level {
        match level {
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error => log::Level::Error,
        }
    }
}

/// One message of the SDK about itself. Format it with `{}` to get its text.
pub struct Diagnostic<'a> {
    level: Level,
    cause: Cause,
    message: fmt::Arguments<'a>,
    left_out: u64,
}

impl Diagnostic<'_> {
    /// Returns the severity.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Returns the cause.
    ///
    /// The first message of a cause is reported at once, further ones at most every 10 seconds, except at
    /// [`Level::Debug`]. The text of the next message then says how many were left out.
    pub fn cause(&self) -> Cause {
        self.cause
    }
}

impl fmt::Display for Diagnostic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_fmt(self.message)?;
        match self.left_out {
            0 => Ok(()),
            left_out => write!(f, " ({left_out} more of this kind since the last message)"),
        }
    }
}

impl fmt::Debug for Diagnostic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diagnostic")
            .field("level", &self.level)
            .field("cause", &self.cause)
            .field("message", &format_args!("{self}"))
            .finish()
    }
}

/// The application's own sink.
pub(crate) type Logger = Arc<dyn Fn(&Diagnostic<'_>) + Send + Sync>;

/// The SDK's log. Clones share the rate limit.
#[derive(Clone)]
pub(crate) struct Diagnostics(Arc<Inner>);

struct Inner {
    logger: Option<Logger>,
    /// The lowest level that `logger` receives.
    lowest: Level,
    stderr: Stderr,
    limit: Limit,
    once: Once,
}

impl Diagnostics {
    /// Creates a log. A `logger` always receives warnings and errors, and lower levels if that of `stderr` includes
    /// them.
    pub(crate) fn new(logger: Option<Logger>, stderr: Stderr) -> Diagnostics {
        let lowest = stderr.level.unwrap_or(Level::Warn).min(Level::Warn);
        Diagnostics(Arc::new(Inner { logger, lowest, stderr, limit: Limit::default(), once: Once::default() }))
    }

    pub(crate) fn error(&self, cause: Cause, message: fmt::Arguments<'_>) {
        self.report(Level::Error, cause, message);
    }

    pub(crate) fn warn(&self, cause: Cause, message: fmt::Arguments<'_>) {
        self.report(Level::Warn, cause, message);
    }

    pub(crate) fn info(&self, cause: Cause, message: fmt::Arguments<'_>) {
        self.report(Level::Info, cause, message);
    }

    /// Reports without a rate limit. If the arguments are expensive, check [`enabled`](Diagnostics::enabled) first.
    pub(crate) fn debug(&self, cause: Cause, message: fmt::Arguments<'_>) {
        self.report(Level::Debug, cause, message);
    }

    /// Reports once for each `subject`, such as a key, without a rate limit, so that the second of two invalid keys is
    /// reported as well. After 200 subjects nothing more is reported.
    pub(crate) fn report_once(&self, level: Level, cause: Cause, subject: &str, message: fmt::Arguments<'_>) {
        if self.may_pass(level) && self.0.once.is_first(cause, subject) {
            self.guarded(|| {
                if self.passes(level) {
                    self.deliver(&Diagnostic { level, cause, message, left_out: 0 });
                }
            });
        }
    }

    /// Reports a warning once for each `subject`: see [`report_once`](Diagnostics::report_once).
    pub(crate) fn warn_once(&self, cause: Cause, subject: &str, message: fmt::Arguments<'_>) {
        self.report_once(Level::Warn, cause, subject, message);
    }

    /// Whether any sink receives messages of this level.
    pub(crate) fn enabled(&self, level: Level) -> bool {
        self.may_pass(level) && self.guarded(|| self.passes(level)).unwrap_or(false)
    }

    /// Reports a message, unless its level is not received or its cause is over the rate limit.
    pub(crate) fn report(&self, level: Level, cause: Cause, message: fmt::Arguments<'_>) {
        if !self.may_pass(level) {
            return;
        }
        self.guarded(|| {
            if !self.passes(level) {
                return;
            }
            let left_out = if level == Level::Debug { Some(0) } else { self.0.limit.admit(cause, Instant::now()) };
            if let Some(left_out) = left_out {
                self.deliver(&Diagnostic { level, cause, message, left_out });
            }
        });
    }

    /// Rules out most messages by a comparison, without calling code of the application.
    fn may_pass(&self, level: Level) -> bool {
        if self.0.logger.is_some() {
            level >= self.0.lowest
        } else {
            match log::max_level() {
                log::LevelFilter::Off => self.0.stderr.level.is_some_and(|lowest| level >= lowest),
                max => log::Level::from(level) <= max,
            }
        }
    }

    /// Whether the application's logger lets the message through. Called after [`may_pass`](Diagnostics::may_pass).
    fn passes(&self, level: Level) -> bool {
        let by_facade = self.0.logger.is_none() && log::max_level() != log::LevelFilter::Off;
        !by_facade || log::log_enabled!(target: "xray", level.into())
    }

    /// Calls code of the application on the caller's thread. No lock is held, and a panic is caught. If the logger is
    /// itself instrumented, its own messages are ignored, so it cannot recurse.
    fn guarded<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        let _entered = Reporting::enter()?;
        user_code::call(call)
    }

    /// Passes a message to the first sink that exists.
    fn deliver(&self, diagnostic: &Diagnostic<'_>) {
        if let Some(logger) = &self.0.logger {
            logger(diagnostic);
        } else if log::max_level() != log::LevelFilter::Off {
            log::log!(target: "xray", diagnostic.level.into(), "{diagnostic}");
        } else {
            let line = self.0.stderr.line(diagnostic, SystemTime::now());
            // One write, so that lines of several threads do not mix. A failure cannot be reported anywhere.
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diagnostics")
            .field("logger", &self.0.logger.is_some())
            .field("stderr", &self.0.stderr)
            .finish_non_exhaustive()
    }
}

/// Marks this thread as reporting until it is dropped.
struct Reporting;

thread_local! {
    static REPORTING: Cell<bool> = const { Cell::new(false) };
}

impl Reporting {
    /// Marks this thread as reporting, or returns `None` if it already is.
    fn enter() -> Option<Reporting> {
        let already = REPORTING.try_with(|reporting| reporting.replace(true)).unwrap_or(true);
        // `then` and not `then_some`: a guard that is created and dropped would end the outer reporting.
        (!already).then(|| Reporting)
    }
}

impl Drop for Reporting {
    fn drop(&mut self) {
        let _ = REPORTING.try_with(|reporting| reporting.set(false));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::limit::MAX_SUBJECTS;
    use super::*;

    type Lines = Arc<Mutex<Vec<String>>>;

    fn collecting(level: Option<Level>) -> (Diagnostics, Lines) {
        let lines = Lines::default();
        let sink = lines.clone();
        let logger: Logger = Arc::new(move |d| sink.lock().unwrap().push(format!("{} {} {d}", d.level(), d.cause())));
        (Diagnostics::new(Some(logger), Stderr { level, prefix: true }), lines)
    }

    #[test]
    fn a_user_function_receives_warnings_and_errors_and_what_the_level_includes() {
        let all = ["DEBUG decision one", "INFO plugin two", "WARN name three", "ERROR oversize four"];
        for (level, want) in [
            (None, &all[2..]),
            (Some(Level::Error), &all[2..]),
            (Some(Level::Warn), &all[2..]),
            (Some(Level::Info), &all[1..]),
            (Some(Level::Debug), &all),
        ] {
            let (diagnostics, lines) = collecting(level);
            diagnostics.debug(Cause::Decision, format_args!("one"));
            diagnostics.info(Cause::Plugin, format_args!("two"));
            diagnostics.warn(Cause::Name, format_args!("three"));
            diagnostics.error(Cause::Oversize, format_args!("four"));
            assert_eq!(*lines.lock().unwrap(), want, "{level:?}");
        }
    }

    #[test]
    fn a_message_that_no_sink_receives_is_not_formatted() {
        struct Formatted;
        impl fmt::Display for Formatted {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                unreachable!("it is formatted")
            }
        }
        let calls = Arc::new(Mutex::new(0));
        let count = calls.clone();
        let logger: Logger = Arc::new(move |d| {
            *count.lock().unwrap() += 1;
            let _ = d.to_string();
        });
        let diagnostics = Diagnostics::new(Some(logger), Stderr::default());
        diagnostics.debug(Cause::Decision, format_args!("{Formatted}"));
        diagnostics.info(Cause::Plugin, format_args!("{Formatted}"));
        assert_eq!(*calls.lock().unwrap(), 0);
        assert!(!diagnostics.enabled(Level::Debug) && diagnostics.enabled(Level::Warn));
    }

    #[test]
    fn each_cause_is_rate_limited_on_its_own_and_debug_is_not() {
        let (diagnostics, lines) = collecting(Some(Level::Debug));
        for n in 0..3 {
            diagnostics.warn(Cause::QueueFull, format_args!("full {n}"));
            diagnostics.debug(Cause::Document, format_args!("{n}"));
        }
        diagnostics.warn(Cause::Custom("other"), format_args!("other"));
        let want =
            ["WARN queue_full full 0", "DEBUG document 0", "DEBUG document 1", "DEBUG document 2", "WARN other other"];
        assert_eq!(*lines.lock().unwrap(), want);
    }

    #[test]
    fn each_subject_is_reported_once_and_their_number_is_bounded() {
        let (diagnostics, lines) = collecting(None);
        for key in ["a", "b", "a", "b"] {
            diagnostics.warn_once(Cause::AnnotationKey, key, format_args!("key {key}"));
        }
        diagnostics.warn_once(Cause::Name, "a", format_args!("name a"));
        assert_eq!(
            *lines.lock().unwrap(),
            ["WARN annotation_key key a", "WARN annotation_key key b", "WARN name name a"]
        );
        for n in 0..2 * MAX_SUBJECTS {
            diagnostics.warn_once(Cause::Name, &n.to_string(), format_args!("name"));
        }
        assert_eq!(lines.lock().unwrap().len(), MAX_SUBJECTS);
    }

    #[test]
    fn a_message_says_how_many_were_left_out() {
        let diagnostic = |left_out| {
            Diagnostic { level: Level::Warn, cause: Cause::Unsent, message: format_args!("lost"), left_out }.to_string()
        };
        assert_eq!(diagnostic(0), "lost");
        assert_eq!(diagnostic(7), "lost (7 more of this kind since the last message)");
    }

    #[test]
    fn a_logger_may_panic_or_use_the_sdk() {
        let own: Arc<Mutex<Option<Diagnostics>>> = Arc::default();
        let (inside, calls) = (own.clone(), Arc::new(Mutex::new(0)));
        let count = calls.clone();
        let logger: Logger = Arc::new(move |_| {
            *count.lock().unwrap() += 1;
            let diagnostics = inside.lock().unwrap().clone().unwrap();
            diagnostics.warn(Cause::Custom("again"), format_args!("from the logger"));
            diagnostics.warn(Cause::Custom("and again"), format_args!("from the logger"));
            panic!("a logger's bug");
        });
        let diagnostics = Diagnostics::new(Some(logger), Stderr::default());
        *own.lock().unwrap() = Some(diagnostics.clone());
        diagnostics.warn(Cause::Trimmed, format_args!("first"));
        diagnostics.warn(Cause::Unsent, format_args!("second"));
        assert_eq!(*calls.lock().unwrap(), 2);
        own.lock().unwrap().take();
    }

    #[test]
    fn a_logger_may_panic_while_its_thread_unwinds() {
        struct Reports(Diagnostics);
        impl Drop for Reports {
            fn drop(&mut self) {
                self.0.error(Cause::Unsent, format_args!("dropped"));
            }
        }
        let diagnostics = Diagnostics::new(Some(Arc::new(|_| panic!("a logger's bug"))), Stderr::default());
        let result = std::thread::spawn(move || {
            let _reports = Reports(diagnostics);
            panic!("the application's bug");
        })
        .join();
        assert!(result.is_err());
    }

    #[test]
    fn without_other_sinks_the_level_of_standard_error_decides() {
        if log::max_level() != log::LevelFilter::Off {
            return;
        }
        let at = |level| Diagnostics::new(None, Stderr { level, prefix: true });
        assert!(at(Some(Level::Error)).enabled(Level::Error));
        assert!(!at(Some(Level::Error)).enabled(Level::Warn));
        assert!(at(Some(Level::Debug)).enabled(Level::Debug));
        assert!(!at(None).enabled(Level::Error));
    }
}
