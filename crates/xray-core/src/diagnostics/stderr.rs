//! Standard error: the sink for applications without a logger.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Diagnostic, Level};

/// The settings of standard error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stderr {
    /// The lowest level that is written; `None` writes nothing.
    pub(crate) level: Option<Level>,
    /// Whether lines start with time and level. Lambda adds its own prefix.
    pub(crate) prefix: bool,
}

impl Default for Stderr {
    fn default() -> Stderr {
        Stderr { level: Some(Level::Error), prefix: true }
    }
}

impl Stderr {
    /// Formats a line, with a newline at its end.
    pub(super) fn line(self, diagnostic: &Diagnostic<'_>, now: SystemTime) -> String {
        if self.prefix {
            format!("{} [{}] {diagnostic}\n", Stamp(now), diagnostic.level())
        } else {
            format!("{diagnostic}\n")
        }
    }
}

/// Formats a time as `2026-05-04 03:02:01.123 +00:00`. It is always UTC, because `std` does not provide the local offset.
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

/// Converts a number of days since 1970 to year, month and day. Internally years begin in March, so that the leap day is
/// the last day of its year, and one formula gives the start of every month.
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
    use std::time::Duration;

    use super::*;
    use crate::diagnostics::Cause;

    #[test]
    fn lines_start_with_time_and_level_except_on_lambda() {
        let diagnostic =
            Diagnostic { level: Level::Error, cause: Cause::Unsent, message: format_args!("lost"), left_out: 0 };
        let now = UNIX_EPOCH + Duration::from_millis(1_780_000_000_042);
        let line = Stderr::default().line(&diagnostic, now);
        assert_eq!(line, "2026-05-28 20:26:40.042 +00:00 [ERROR] lost\n");
        let line = Stderr { prefix: false, ..Stderr::default() }.line(&diagnostic, now);
        assert_eq!(line, "lost\n");
    }

    #[test]
    fn days_are_converted_to_dates() {
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
