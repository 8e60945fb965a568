//! What the SDK has to say about itself: lost documents, bad configuration, misuse. Never an error for the
//! caller, because instrumentation must not change what the application does.
//!
//! A message goes to the first of these that exists: the function given to the recorder's builder, the `log`
//! facade under the target `xray` when the application has installed a logger, or standard error at the level
//! of `AWS_XRAY_LOG_LEVEL` (`error` by default).

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The shortest time between two messages of one cause: a daemon that is down must not fill the log.
const INTERVAL: Duration = Duration::from_secs(10);

/// How much a [`Diagnostic`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// For whoever debugs the instrumentation itself.
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

/// One message of the SDK about itself. Its text is what it displays.
pub struct Diagnostic<'a> {
    level: Level,
    cause: &'static str,
    message: fmt::Arguments<'a>,
    left_out: u64,
}

impl Diagnostic<'_> {
    /// How much it matters.
    pub fn level(&self) -> Level {
        self.level
    }

    /// What it is about, as a short constant word such as `queue_full`: the same for all messages of a kind.
    ///
    /// Apart from [`Level::Debug`], a cause is reported at once the first time and then at most every 10
    /// seconds; the text of the next message tells how many were left out.
    pub fn cause(&self) -> &'static str {
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

/// A user's own sink. It receives messages of all levels.
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
    stderr: Stderr,
    limit: Limit,
}

impl Diagnostics {
    pub(crate) fn new(logger: Option<Logger>, stderr: Stderr) -> Diagnostics {
        Diagnostics(Arc::new(Inner { logger, stderr, limit: Limit::default() }))
    }

    pub(crate) fn error(&self, cause: &'static str, message: fmt::Arguments<'_>) {
        self.report(Level::Error, cause, message);
    }

    pub(crate) fn warn(&self, cause: &'static str, message: fmt::Arguments<'_>) {
        self.report(Level::Warn, cause, message);
    }

    pub(crate) fn info(&self, cause: &'static str, message: fmt::Arguments<'_>) {
        self.report(Level::Info, cause, message);
    }

    /// Not rate-limited, and only a few loads when nobody listens.
    pub(crate) fn debug(&self, cause: &'static str, message: fmt::Arguments<'_>) {
        self.report(Level::Debug, cause, message);
    }

    /// Whether anybody would receive a message of this level.
    pub(crate) fn enabled(&self, level: Level) -> bool {
        if self.0.logger.is_some() {
            true
        } else if log::max_level() != log::LevelFilter::Off {
            log::log_enabled!(target: "xray", level.into())
        } else {
            self.0.stderr.level.is_some_and(|least| level >= least)
        }
    }

    // The caller's thread runs the application's code from here on: no lock is held, a panic ends here, and a
    // logger that is instrumented itself cannot call itself without end.
    pub(crate) fn report(&self, level: Level, cause: &'static str, message: fmt::Arguments<'_>) {
        let Some(_entered) = Reporting::enter() else { return };
        let _ = catch_unwind(AssertUnwindSafe(|| {
            if !self.enabled(level) {
                return;
            }
            let left_out = if level == Level::Debug { Some(0) } else { self.0.limit.admit(cause, Instant::now()) };
            if let Some(left_out) = left_out {
                self.deliver(&Diagnostic { level, cause, message, left_out });
            }
        }));
    }

    fn deliver(&self, diagnostic: &Diagnostic<'_>) {
        if let Some(logger) = &self.0.logger {
            logger(diagnostic);
        } else if log::max_level() != log::LevelFilter::Off {
            log::log!(target: "xray", diagnostic.level.into(), "{diagnostic}");
        } else {
            let line = self.0.stderr.line(diagnostic, SystemTime::now());
            // One write, so that lines of several threads do not mix; nobody is left to hear of its failure.
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
        (!already).then_some(Reporting)
    }
}

impl Drop for Reporting {
    fn drop(&mut self) {
        let _ = REPORTING.try_with(|reporting| reporting.set(false));
    }
}

/// The rate limit. Causes are few and constant, so a scanned list is enough.
#[derive(Default)]
struct Limit(Mutex<Vec<Seen>>);

struct Seen {
    cause: &'static str,
    reported: Instant,
    left_out: u64,
}

impl Limit {
    /// Whether a message may pass, and then how many of its cause did not since the last.
    fn admit(&self, cause: &'static str, now: Instant) -> Option<u64> {
        let mut causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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

    fn collecting() -> (Diagnostics, Lines) {
        let lines = Lines::default();
        let sink = lines.clone();
        let logger: Logger = Arc::new(move |d| sink.lock().unwrap().push(format!("{} {} {d}", d.level(), d.cause())));
        (Diagnostics::new(Some(logger), Stderr { level: None, prefix: true }), lines)
    }

    #[test]
    fn a_user_function_receives_all_levels_whatever_the_environment_says() {
        let (diagnostics, lines) = collecting();
        diagnostics.debug("a", format_args!("one"));
        diagnostics.info("b", format_args!("two"));
        diagnostics.warn("c", format_args!("three"));
        diagnostics.error("d", format_args!("four"));
        assert_eq!(*lines.lock().unwrap(), ["DEBUG a one", "INFO b two", "WARN c three", "ERROR d four"]);
    }

    #[test]
    fn a_cause_is_reported_at_once_and_then_limited_while_others_and_debug_are_not() {
        let (diagnostics, lines) = collecting();
        for n in 0..3 {
            diagnostics.warn("full", format_args!("full {n}"));
            diagnostics.debug("detail", format_args!("{n}"));
        }
        diagnostics.warn("other", format_args!("other"));
        let want = ["WARN full full 0", "DEBUG detail 0", "DEBUG detail 1", "DEBUG detail 2", "WARN other other"];
        assert_eq!(*lines.lock().unwrap(), want);
    }

    #[test]
    fn the_limit_lets_one_pass_every_ten_seconds_and_counts_the_others() {
        let (limit, start) = (Limit::default(), Instant::now());
        for (millis, want) in
            [(0, Some(0)), (1, None), (9_999, None), (10_000, Some(2)), (10_001, None), (60_000, Some(1))]
        {
            assert_eq!(limit.admit("x", start + Duration::from_millis(millis)), want, "after {millis} ms");
        }
        assert_eq!(limit.admit("y", start), Some(0));
    }

    #[test]
    fn a_message_tells_how_many_were_left_out() {
        let diagnostic = |left_out| {
            Diagnostic { level: Level::Warn, cause: "x", message: format_args!("lost"), left_out }.to_string()
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
            diagnostics.debug("again", format_args!("from the logger"));
            panic!("a logger's bug");
        });
        let diagnostics = Diagnostics::new(Some(logger), Stderr::default());
        *own.lock().unwrap() = Some(diagnostics.clone());
        diagnostics.debug("x", format_args!("first"));
        diagnostics.debug("x", format_args!("second"));
        assert_eq!(*calls.lock().unwrap(), 2);
        own.lock().unwrap().take();
    }

    #[test]
    fn a_logger_may_panic_while_its_thread_unwinds() {
        struct Reports(Diagnostics);
        impl Drop for Reports {
            fn drop(&mut self) {
                self.0.error("x", format_args!("dropped"));
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
        let diagnostic = Diagnostic { level: Level::Error, cause: "x", message: format_args!("lost"), left_out: 0 };
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
