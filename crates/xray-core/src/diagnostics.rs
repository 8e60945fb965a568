//! What the SDK reports about itself: lost documents, bad configuration, misuse. Never an error for the
//! caller, because instrumentation must not change what the application does.
//!
//! A message goes to the first of these that exists:
//!
//! 1. the function given to [`on_diagnostic`](crate::RecorderBuilder::on_diagnostic): warnings and errors, and
//!    lower levels when the [level](crate::RecorderBuilder::diagnostic_level) asks for them;
//! 2. the `log` facade, target `xray`, when the application has installed a logger: what that logger's own
//!    level lets through (`RUST_LOG=xray=debug` for `env_logger`);
//! 3. standard error: errors, and lower levels when the level asks for them.
//!
//! `AWS_XRAY_LOG_LEVEL` and `AWS_XRAY_DEBUG_MODE` override the level set in code. A message that no one asks
//! for costs a comparison, and its text is never formatted.
//!
//! At [`Level::Debug`] there is a line for each sampling decision, each document that is sent, held back or
//! dropped, and each write that came too late, each with the id of its trace.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::env::Environment;
use crate::process::PerProcess;
use crate::user_code;

/// The shortest time between two messages of one cause: a daemon that is down must not fill the log.
const INTERVAL: Duration = Duration::from_secs(10);

/// Subjects, of all causes together, that are remembered for [`Diagnostics::report_once`]: what comes from outside
/// may have a new one with each request.
const MAX_SUBJECTS: usize = 200;

/// How much a [`Diagnostic`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// For debugging the instrumentation itself.
    Debug,
    /// Worth knowing, needs no action.
    Info,
    /// Something was ignored or repaired, or may be lost.
    Warn,
    /// Data were lost, or the configuration is wrong.
    Error,
}

/// In upper case, as in a log line.
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

/// Writes each cause once: the variant, its word and its documentation.
macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal,)+) => {
        /// What a [`Diagnostic`] is about. All messages of a kind have the same cause.
        ///
        /// ```
        /// use xray_core::diagnostics::Cause;
        ///
        /// assert_eq!(Cause::QueueFull.as_str(), "queue_full");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Cause {
            $(#[doc = concat!("`", $word, "`:")] $(#[doc = $doc])+ $name,)+
            /// A message of a [`Sampler`](crate::sampling::Sampler) or [`Emitter`](crate::emit::Emitter) from outside
            /// this crate, with its own word.
            Custom(&'static str),
        }

        impl Cause {
            /// The cause as one word in snake case, for logs and metrics.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Cause::$name => $word,)+
                    Cause::Custom(word) => word,
                }
            }

            /// All causes but the custom ones.
            #[cfg(test)]
            const ALL: &[Cause] = &[$(Cause::$name,)+];
        }
    };
}

causes! {
    /// An annotation's key had characters that X-Ray refuses, and was changed.
    AnnotationKey = "annotation_key",
    /// An annotation was dropped: its entity is full.
    AnnotationDropped = "annotation_dropped",
    /// Code asked for the current entity where there is none.
    ContextMissing = "context_missing",
    /// No X-Ray daemon listens at its address.
    DaemonAbsent = "daemon_absent",
    /// The host name of the daemon has a new address.
    DaemonResolved = "daemon_resolved",
    /// The host name of the daemon has no address.
    DaemonUnresolved = "daemon_unresolved",
    /// A request is recorded or not, by which rule and why.
    Decision = "decision",
    /// Documents were lost, and are sent again.
    DeliveryResumed = "delivery_resumed",
    /// A document was sent, held back or dropped.
    Document = "document",
    /// The emitter, which may be the application's code, panicked.
    EmitterPanicked = "emitter_panicked",
    /// Environment variables were not understood.
    Environment = "environment",
    /// An exception was dropped: the error's own code panicked.
    Exception = "exception",
    /// Code tried to change the segment of a Lambda function, which Lambda itself sends.
    Facade = "facade",
    /// A Lambda invocation has no usable trace header.
    InvocationHeader = "invocation_header",
    /// `install` came after the process's recorder was made.
    LateInstall = "late_install",
    /// Code wrote to an entity that is closed.
    LateWrite = "late_write",
    /// Metadata were dropped.
    Metadata = "metadata",
    /// The name of a segment or subsegment had characters that X-Ray refuses, and was changed.
    Name = "name",
    /// The thread that sends documents could not be started.
    NoEmitterThread = "no_emitter_thread",
    /// The thread that fetches sampling rules could not be started.
    NoSamplingThread = "no_sampling_thread",
    /// A document is too large for a datagram.
    Oversize = "oversize",
    /// A pattern can never match.
    Pattern = "pattern",
    /// What a plugin found, or why it found nothing.
    Plugin = "plugin",
    /// The queue of documents is full.
    QueueFull = "queue_full",
    /// The sampler, which may be the application's code, panicked.
    SamplerPanicked = "sampler_panicked",
    /// The X-Ray service cannot be asked for sampling rules.
    SamplingService = "sampling_service",
    /// The X-Ray service answers again.
    SamplingServiceBack = "sampling_service_back",
    /// The X-Ray service refused the statistics of a sampling rule.
    SamplingStatistics = "sampling_statistics",
    /// An entity was too large for a datagram and lost parts.
    Trimmed = "trimmed",
    /// A document could not be sent.
    Unsent = "unsent",
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One message of the SDK about itself. Its text is what it displays.
pub struct Diagnostic<'a> {
    level: Level,
    cause: Cause,
    message: fmt::Arguments<'a>,
    left_out: u64,
}

impl Diagnostic<'_> {
    /// How much it matters.
    pub fn level(&self) -> Level {
        self.level
    }

    /// What it is about.
    ///
    /// Apart from [`Level::Debug`], a cause is reported at once the first time and then at most every 10
    /// seconds; the text of the next message says how many were left out.
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

/// A user's own sink.
pub(crate) type Logger = Arc<dyn Fn(&Diagnostic<'_>) + Send + Sync>;

/// The built-in sink, for applications without a logger.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stderr {
    /// The least level written; `None` is silent.
    pub(crate) level: Option<Level>,
    /// Whether time and level stand before the message. Lambda adds its own.
    pub(crate) prefix: bool,
}

impl Default for Stderr {
    fn default() -> Stderr {
        Stderr { level: Some(Level::Error), prefix: true }
    }
}

impl Stderr {
    /// `level`: what code says; the environment overrides it.
    pub(crate) fn new(environment: &Environment, level: Option<Level>) -> Stderr {
        let level = environment.log.unwrap_or(level.or(Stderr::default().level));
        Stderr { level, prefix: !environment.lambda }
    }

    fn line(self, diagnostic: &Diagnostic<'_>, now: SystemTime) -> String {
        if self.prefix {
            format!("{} [{}] {diagnostic}\n", Stamp(now), diagnostic.level)
        } else {
            format!("{diagnostic}\n")
        }
    }
}

/// The SDK's log. Clones share the rate limit.
#[derive(Clone)]
pub(crate) struct Diagnostics(Arc<Inner>);

struct Inner {
    logger: Option<Logger>,
    /// The least level that `logger` receives.
    least: Level,
    stderr: Stderr,
    limit: Limit,
    once: Once,
}

impl Diagnostics {
    /// A `logger` receives warnings and errors in any case, and what the level of `stderr` asks for.
    pub(crate) fn new(logger: Option<Logger>, stderr: Stderr) -> Diagnostics {
        let least = stderr.level.unwrap_or(Level::Warn).min(Level::Warn);
        Diagnostics(Arc::new(Inner { logger, least, stderr, limit: Limit::default(), once: Once::default() }))
    }

    /// Without a function of the user and a level set in code.
    pub(crate) fn by_environment(environment: &Environment) -> Diagnostics {
        Diagnostics::new(None, Stderr::new(environment, None))
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

    /// Not rate-limited. Where the arguments cost something, ask [`enabled`](Diagnostics::enabled) first.
    pub(crate) fn debug(&self, cause: Cause, message: fmt::Arguments<'_>) {
        self.report(Level::Debug, cause, message);
    }

    /// Reports once for each `subject`, such as a key, whatever was reported before: no rate limit hides the second
    /// of two wrong keys. From the 200th subject on nothing is reported.
    pub(crate) fn report_once(&self, level: Level, cause: Cause, subject: &str, message: fmt::Arguments<'_>) {
        if self.may_pass(level) && self.0.once.is_first(cause, subject) {
            self.guarded(|| {
                if self.passes(level) {
                    self.deliver(&Diagnostic { level, cause, message, left_out: 0 });
                }
            });
        }
    }

    pub(crate) fn warn_once(&self, cause: Cause, subject: &str, message: fmt::Arguments<'_>) {
        self.report_once(Level::Warn, cause, subject, message);
    }

    /// Whether a message of this level would reach anyone.
    pub(crate) fn enabled(&self, level: Level) -> bool {
        self.may_pass(level) && self.guarded(|| self.passes(level)).unwrap_or(false)
    }

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

    /// Rules out most messages by a comparison, without any code of the application.
    fn may_pass(&self, level: Level) -> bool {
        if self.0.logger.is_some() {
            level >= self.0.least
        } else {
            match log::max_level() {
                log::LevelFilter::Off => self.0.stderr.level.is_some_and(|least| level >= least),
                most => log::Level::from(level) <= most,
            }
        }
    }

    /// The rest of the question: what the application's logger lets through.
    fn passes(&self, level: Level) -> bool {
        let by_facade = self.0.logger.is_none() && log::max_level() != log::LevelFilter::Off;
        !by_facade || log::log_enabled!(target: "xray", level.into())
    }

    // The caller's thread runs the application's code in here: no lock is held, a panic ends here, and a
    // logger that is instrumented itself cannot call itself without end.
    fn guarded<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        let _entered = Reporting::enter()?;
        user_code::call(call)
    }

    fn deliver(&self, diagnostic: &Diagnostic<'_>) {
        if let Some(logger) = &self.0.logger {
            logger(diagnostic);
        } else if log::max_level() != log::LevelFilter::Off {
            log::log!(target: "xray", diagnostic.level.into(), "{diagnostic}");
        } else {
            let line = self.0.stderr.line(diagnostic, SystemTime::now());
            // One write, so that lines of several threads do not mix. Its failure can be reported to no one.
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

/// Marks this thread as reporting, until dropped.
struct Reporting;

thread_local! {
    static REPORTING: Cell<bool> = const { Cell::new(false) };
}

impl Reporting {
    fn enter() -> Option<Reporting> {
        let already = REPORTING.try_with(|reporting| reporting.replace(true)).unwrap_or(true);
        // Made only where it is kept: dropping it ends the reporting.
        (!already).then(|| Reporting)
    }
}

impl Drop for Reporting {
    fn drop(&mut self) {
        let _ = REPORTING.try_with(|reporting| reporting.set(false));
    }
}

/// The rate limit. Causes are few and constant, so a scanned list is enough.
#[derive(Default)]
struct Limit(PerProcess<Mutex<Vec<Seen>>>);

struct Seen {
    cause: Cause,
    reported: Instant,
    left_out: u64,
}

impl Limit {
    /// Whether a message may pass, and then how many of its cause did not since the last.
    fn admit(&self, cause: Cause, now: Instant) -> Option<u64> {
        let own = self.0.get(Mutex::default);
        let mut causes = own.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seen) = causes.iter_mut().find(|seen| seen.cause == cause) else {
            causes.push(Seen { cause, reported: now, left_out: 0 });
            return Some(0);
        };
        if now.saturating_duration_since(seen.reported) < INTERVAL {
            seen.left_out += 1;
            return None;
        }
        seen.reported = now;
        Some(std::mem::take(&mut seen.left_out))
    }
}

/// What was reported once, by hash.
#[derive(Default)]
struct Once(PerProcess<Mutex<HashSet<u64>>>);

impl Once {
    fn is_first(&self, cause: Cause, subject: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        (cause, subject).hash(&mut hasher);
        let own = self.0.get(Mutex::default);
        let mut seen = own.lock().unwrap_or_else(PoisonError::into_inner);
        seen.len() < MAX_SUBJECTS && seen.insert(hasher.finish())
    }
}

/// Displays as `2026-05-04 03:02:01.123 +00:00`. Always UTC: the local offset is not in `std`.
struct Stamp(SystemTime);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        let millis = since.subsec_millis();
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03} +00:00")
    }
}

/// Year, month and day of a number of days since 1970. Years begin in March here, so that the leap day is the
/// last of its year and every month's start follows from one line.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from the first of March of year 0
    let era = days / 146_097; // 400 years
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines = Arc<Mutex<Vec<String>>>;

    fn collecting(level: Option<Level>) -> (Diagnostics, Lines) {
        let lines = Lines::default();
        let sink = lines.clone();
        let logger: Logger = Arc::new(move |d| sink.lock().unwrap().push(format!("{} {} {d}", d.level(), d.cause())));
        (Diagnostics::new(Some(logger), Stderr { level, prefix: true }), lines)
    }

    #[test]
    fn causes_are_words_in_snake_case_and_each_is_another() {
        for cause in Cause::ALL {
            let word = cause.as_str();
            assert!(word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()), "{word}");
            assert_eq!(Cause::ALL.iter().filter(|other| other.as_str() == word).count(), 1, "{word}");
            assert_eq!(word.replace('_', ""), format!("{cause:?}").to_ascii_lowercase());
        }
        assert_eq!(Cause::Custom("my_sampler").to_string(), "my_sampler");
    }

    #[test]
    fn a_user_function_receives_warnings_and_errors_and_below_what_the_level_asks_for() {
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
    fn the_text_of_a_message_that_no_one_asks_for_is_not_formatted() {
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
    fn a_cause_is_reported_at_once_and_then_limited_while_others_and_debug_are_not() {
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
    fn the_limit_lets_one_pass_every_ten_seconds_and_counts_the_others() {
        let (limit, start) = (Limit::default(), Instant::now());
        for (millis, want) in
            [(0, Some(0)), (1, None), (9_999, None), (10_000, Some(2)), (10_001, None), (60_000, Some(1))]
        {
            assert_eq!(limit.admit(Cause::Unsent, start + Duration::from_millis(millis)), want, "after {millis} ms");
        }
        assert_eq!(limit.admit(Cause::Trimmed, start), Some(0));
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
    fn a_logger_that_panics_or_logs_itself_does_no_harm() {
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
    fn the_level_of_standard_error_decides_without_other_sinks() {
        if log::max_level() != log::LevelFilter::Off {
            return;
        }
        let at = |level| Diagnostics::new(None, Stderr { level, prefix: true });
        assert!(at(Some(Level::Error)).enabled(Level::Error));
        assert!(!at(Some(Level::Error)).enabled(Level::Warn));
        assert!(at(Some(Level::Debug)).enabled(Level::Debug));
        assert!(!at(None).enabled(Level::Error));
    }

    #[test]
    fn lines_carry_time_and_level_except_on_lambda() {
        let diagnostic =
            Diagnostic { level: Level::Error, cause: Cause::Unsent, message: format_args!("lost"), left_out: 0 };
        let now = UNIX_EPOCH + Duration::from_millis(1_780_000_000_042);
        let line = Stderr::default().line(&diagnostic, now);
        assert_eq!(line, "2026-05-28 20:26:40.042 +00:00 [ERROR] lost\n");
        let line = Stderr { prefix: false, ..Stderr::default() }.line(&diagnostic, now);
        assert_eq!(line, "lost\n");
    }

    #[test]
    fn days_become_dates() {
        for (days, want) in [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (11_322, (2000, 12, 31)),
            (19_782, (2024, 2, 29)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(civil(days), want, "{days}");
        }
    }
}
