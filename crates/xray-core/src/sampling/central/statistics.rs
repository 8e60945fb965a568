//! Counts of a rule's decisions, as reported to the X-Ray service.

use std::ops::Add;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::quota::Grant;
use crate::sampling::Rate;

/// Counts of a central rule's decisions since its last report.
///
/// Each decision increments exactly one of three counters. A report therefore never contains a request without its
/// decision, no matter how many threads decide at the same time. A new `Statistics` has counted nothing.
#[derive(Debug, Default)]
pub struct Statistics {
    sampled: AtomicU64,
    borrowed: AtomicU64,
    not_sampled: AtomicU64,
}

/// The numbers of a rule's requests, as in a report to the X-Ray service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Requests that matched the rule.
    pub requests: u64,
    /// Requests that were recorded while the rule had no quota.
    pub borrowed: u64,
    /// Requests that were recorded by quota or rate, without the borrowed ones.
    pub sampled: u64,
}

impl Statistics {
    /// Decides about a request and counts it. Returns whether the request is recorded: because of the reservoir's
    /// `grant`, or because `random` is below the rate. `random` returns a number in `[0, 1)`, and is called only if
    /// the decision depends on it.
    ///
    /// ```
    /// use xray_core::sampling::Rate;
    /// use xray_core::sampling::central::{Grant, Statistics};
    ///
    /// let statistics = Statistics::default();
    /// assert!(statistics.sample_and_count(Grant::Take, Rate(0.0), || 0.9));
    /// assert!(!statistics.sample_and_count(Grant::No, Rate(0.5), || 0.5));
    /// let counts = statistics.counts();
    /// assert_eq!((counts.requests, counts.borrowed, counts.sampled), (2, 0, 1));
    /// ```
    pub fn sample_and_count(&self, grant: Grant, rate: Rate, random: impl FnOnce() -> f64) -> bool {
        let count = match grant {
            Grant::Borrow => &self.borrowed,
            Grant::Take => &self.sampled,
            Grant::No if rate.takes(random) => &self.sampled,
            Grant::No => &self.not_sampled,
        };
        count.fetch_add(1, Relaxed);
        !std::ptr::eq(count, &self.not_sampled)
    }

    /// Returns the current counts, and leaves them as they are.
    pub fn counts(&self) -> Counts {
        Counts::new(self.sampled.load(Relaxed), self.borrowed.load(Relaxed), self.not_sampled.load(Relaxed))
    }

    /// Returns the current counts for a report, and resets them.
    pub(super) fn take(&self) -> Counts {
        Counts::new(self.sampled.swap(0, Relaxed), self.borrowed.swap(0, Relaxed), self.not_sampled.swap(0, Relaxed))
    }

    /// Adds the counts of a failed report again.
    pub(super) fn add_back(&self, counts: Counts) {
        self.sampled.fetch_add(counts.sampled, Relaxed);
        self.borrowed.fetch_add(counts.borrowed, Relaxed);
        self.not_sampled.fetch_add(counts.requests - counts.sampled - counts.borrowed, Relaxed);
    }
}

impl Counts {
    fn new(sampled: u64, borrowed: u64, not_sampled: u64) -> Counts {
        Counts { requests: sampled + borrowed + not_sampled, borrowed, sampled }
    }
}

impl Add for Counts {
    type Output = Counts;

    fn add(self, other: Counts) -> Counts {
        Counts {
            requests: self.requests + other.requests,
            borrowed: self.borrowed + other.borrowed,
            sampled: self.sampled + other.sampled,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn counts(requests: u64, borrowed: u64, sampled: u64) -> Counts {
        Counts { requests, borrowed, sampled }
    }

    #[test]
    fn counts_of_a_failed_report_are_added_back() {
        let statistics = Statistics::default();
        for (grant, rate) in [(Grant::Take, 0.0), (Grant::Borrow, 0.0), (Grant::No, 0.0), (Grant::No, 1.0)] {
            statistics.sample_and_count(grant, Rate(rate), || 0.5);
        }
        let taken = statistics.take();
        assert_eq!(taken, counts(4, 1, 2));
        assert_eq!(statistics.counts(), counts(0, 0, 0));
        statistics.sample_and_count(Grant::Borrow, Rate(0.0), || 0.5);
        statistics.add_back(taken);
        assert_eq!(statistics.counts(), counts(5, 2, 2));
    }

    #[test]
    fn counts_of_sixteen_threads_add_up_while_reports_are_taken_and_fail() {
        const EACH: u64 = 20_000;
        let statistics = Statistics::default();
        let reported = thread::scope(|scope| {
            let work = |index: u64| {
                let statistics = &statistics;
                move || {
                    for n in 0..EACH {
                        let grant = [Grant::Take, Grant::Borrow, Grant::No, Grant::No][(n % 4) as usize];
                        statistics.sample_and_count(grant, Rate(if (n + index) % 8 < 4 { 1.0 } else { 0.0 }), || 0.5);
                    }
                }
            };
            let threads: Vec<_> = (0..16).map(|index| scope.spawn(work(index))).collect();
            let mut reported = Counts::default();
            for round in 0_u64.. {
                let done = threads.iter().all(|thread| thread.is_finished());
                let taken = statistics.take();
                assert!(taken.requests >= taken.sampled + taken.borrowed);
                match round % 3 {
                    0 if !done => statistics.add_back(taken),
                    _ => reported = reported + taken,
                }
                if done {
                    break;
                }
            }
            reported
        });
        let all = 16 * EACH;
        assert_eq!(statistics.counts(), counts(0, 0, 0));
        assert_eq!(reported, counts(all, all / 4, all / 2));
    }
}
