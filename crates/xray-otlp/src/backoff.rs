//! Pauses after failures.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The pause after the first failure. Each further failure doubles it.
const INITIAL_PAUSE: Duration = Duration::from_millis(500);

/// The maximum pause, unless the receiver asks for more.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// The maximum pause that a receiver may ask for.
const MAX_REQUESTED_PAUSE: Duration = Duration::from_secs(600);

/// The pauses between attempts. A pause outlasts the batch that caused it, so the next batch respects it too.
#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    not_before: Instant,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { failures: 0, not_before: Instant::now() }
    }
}

impl Backoff {
    /// Returns the earliest time of the next attempt.
    pub(crate) fn not_before(&self) -> Instant {
        self.not_before
    }

    /// Returns whether the last attempt failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Registers a failure, with the pause that the receiver requested. Returns the time of the next attempt.
    pub(crate) fn failed(&mut self, requested: Option<Duration>) -> Instant {
        let own = INITIAL_PAUSE.saturating_mul(1 << self.failures.min(10)).min(MAX_PAUSE);
        self.failures = self.failures.saturating_add(1);
        // Spreads the retries of processes that failed at the same time.
        let jittered = own.mul_f64(0.75 + 0.5 * random());
        self.not_before = Instant::now() + requested.map_or(jittered, |requested| requested.min(MAX_REQUESTED_PAUSE));
        self.not_before
    }

    /// Registers a success. Returns whether it ends a series of failures.
    pub(crate) fn succeeded(&mut self) -> bool {
        std::mem::take(&mut self.failures) > 0
    }
}

/// Returns a random number from 0 to 1.
fn random() -> f64 {
    (RandomState::new().build_hasher().finish() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Parses a `Retry-After` header: seconds, or a date.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = UNIX_EPOCH + Duration::from_secs(date(value)?);
    Some(date.duration_since(now).unwrap_or_default())
}

/// Parses a date such as `Sun, 06 Nov 1994 08:49:37 GMT` into seconds since 1970.
fn date(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(", ")?;
    let mut words = rest.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        .iter()
        .position(|name| *name == month)? as u64;
    let year: u64 = words.next()?.parse().ok().filter(|year| (1970..10_000).contains(year))?;
    let mut time = words.next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if words.next() != Some("GMT") || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Counting years from March puts the leap day at the end.
    let (years, months) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days = 365 * years + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day - 1;
    Some((days - 719_468) * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let mut backoff = Backoff::default();
        for seconds in [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0] {
            let pause = backoff.failed(None).saturating_duration_since(Instant::now()).as_secs_f64();
            assert!((0.74 * seconds..=1.26 * seconds).contains(&pause), "{pause} for {seconds}");
        }
        assert!(backoff.succeeded() && !backoff.succeeded());
    }

    #[test]
    fn a_receiver_may_request_a_pause_of_up_to_ten_minutes() {
        let mut backoff = Backoff::default();
        for (requested, want) in [(0, 0), (7, 7), (86_400, 600)] {
            let pause = backoff.failed(Some(Duration::from_secs(requested))).saturating_duration_since(Instant::now());
            assert_eq!(pause.as_secs_f64().round() as u64, want);
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_770);
        for (value, want) in [
            ("120", Some(120)),
            (" 3 ", Some(3)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sat, 05 Nov 1994 08:49:37 GMT", Some(0)),
            ("Thu, 29 Feb 1996 00:00:00 GMT", Some(825_552_000 - 784_111_770)),
            ("soon", None),
            ("-1", None),
            ("1.5", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 06 Nov 99999 08:49:37 GMT", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, now), want.map(Duration::from_secs), "{value}");
        }
    }
}
