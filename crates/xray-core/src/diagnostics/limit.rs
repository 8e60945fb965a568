//! Limits on messages: one per cause in ten seconds, or one per subject.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Cause;
use crate::process::PerProcess;

/// The shortest time between two messages of one cause, so that a daemon that is down does not fill the log.
const INTERVAL: Duration = Duration::from_secs(10);

/// The largest number of subjects, of all causes together, that are reported once. Subjects that come from clients may
/// be different in each request.
pub(super) const MAX_SUBJECTS: usize = 200;

/// The rate limit. There are few causes, so it scans a list.
#[derive(Default)]
pub(super) struct Limit(PerProcess<Mutex<Vec<Seen>>>);

/// A cause that was reported: when, and how many of its messages were left out since.
struct Seen {
    cause: Cause,
    reported: Instant,
    left_out: u64,
}

impl Limit {
    /// Returns `None` if a message must be left out. Otherwise returns how many messages of its cause were left out since
    /// the last one.
    pub(super) fn admit(&self, cause: Cause, now: Instant) -> Option<u64> {
        let causes = self.0.get(Mutex::default);
        let mut causes = causes.lock().unwrap_or_else(PoisonError::into_inner);
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

/// The hashes of the subjects that were reported.
#[derive(Default)]
pub(super) struct Once(PerProcess<Mutex<HashSet<u64>>>);

impl Once {
    /// Whether a subject is reported for the first time, and the limit is not reached. Records it as reported.
    pub(super) fn is_first(&self, cause: Cause, subject: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        (cause, subject).hash(&mut hasher);
        let seen = self.0.get(Mutex::default);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.len() < MAX_SUBJECTS && seen.insert(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_every_ten_seconds_passes_and_the_others_are_counted() {
        let (limit, start) = (Limit::default(), Instant::now());
        for (millis, want) in
            [(0, Some(0)), (1, None), (9_999, None), (10_000, Some(2)), (10_001, None), (60_000, Some(1))]
        {
            assert_eq!(limit.admit(Cause::Unsent, start + Duration::from_millis(millis)), want, "after {millis} ms");
        }
        assert_eq!(limit.admit(Cause::Trimmed, start), Some(0));
    }
}
