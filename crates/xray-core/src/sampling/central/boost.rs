//! Adaptive sampling: the service boosts the rate of a rule for a while if many of its requests are anomalies.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use super::anomaly::Anomaly;
use super::rule::{RuleState, ServiceRule};
use crate::sampling::{Rate, SamplingRequest};
use crate::time::{Clock, Timestamp};

/// The boost of a central rule: the rate that the service has granted, and the counts to report to it.
#[derive(Debug, Default)]
pub(super) struct Boost {
    /// The bits of the number.
    rate: AtomicU64,
    /// In microseconds since the Unix epoch; 0 without a boost.
    until: AtomicU64,
    total: AtomicU64,
    anomalies: AtomicU64,
    sampled_anomalies: AtomicU64,
}

/// Counts of requests since the last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BoostCounts {
    pub(super) total: u64,
    pub(super) anomalies: u64,
    pub(super) sampled_anomalies: u64,
}

impl Boost {
    /// The rate that currently replaces the rule's own.
    pub(super) fn rate(&self, now: Timestamp) -> Option<Rate> {
        let until = self.until.load(Acquire);
        (now.as_micros() < until).then(|| Rate(f64::from_bits(self.rate.load(Relaxed))))
    }

    /// Sets the boost that the service has granted, a rate and its end, or removes it.
    pub(super) fn set(&self, boost: Option<(Rate, Timestamp)>) {
        if let Some((rate, _)) = boost {
            self.rate.store(rate.0.to_bits(), Relaxed);
        }
        self.until.store(boost.map_or(0, |(_, until)| until.as_micros()), Release);
    }

    pub(super) fn has_counted(&self) -> bool {
        self.total.load(Relaxed) > 0
    }

    /// Returns the current counts for a report, and resets them.
    pub(super) fn take(&self) -> BoostCounts {
        BoostCounts {
            total: self.total.swap(0, Relaxed),
            anomalies: self.anomalies.swap(0, Relaxed),
            sampled_anomalies: self.sampled_anomalies.swap(0, Relaxed),
        }
    }

    /// Adds the counts of a failed report again.
    pub(super) fn add_back(&self, counts: BoostCounts) {
        self.total.fetch_add(counts.total, Relaxed);
        self.anomalies.fetch_add(counts.anomalies, Relaxed);
        self.sampled_anomalies.fetch_add(counts.sampled_anomalies, Relaxed);
    }
}

/// Marks a decision whose rule may be boosted: the end of the request is then evaluated, whether it is sampled or not.
#[derive(Clone)]
pub(crate) struct RequestTracker {
    rule: Arc<RuleState>,
    anomalies: Arc<[Anomaly]>,
    /// Whether failures are anomalies if `anomalies` is empty.
    by_default: bool,
}

/// Two trackers are equal if they belong to the same rule.
impl PartialEq for RequestTracker {
    fn eq(&self, other: &RequestTracker) -> bool {
        Arc::ptr_eq(&self.rule, &other.rule)
    }
}

impl Eq for RequestTracker {}

impl fmt::Debug for RequestTracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestTracker").field(&self.rule.name).finish()
    }
}

impl RequestTracker {
    pub(super) fn new(rule: &ServiceRule, anomalies: &Arc<[Anomaly]>) -> RequestTracker {
        RequestTracker { rule: rule.state.clone(), anomalies: anomalies.clone(), by_default: rule.detects_anomalies }
    }

    /// Counts the request and starts its timer. Called once per request, when its segment begins.
    pub(crate) fn begin(self, request: &SamplingRequest<'_>, sampled: bool, clock: &Clock) -> TrackedRequest {
        self.rule.boost.total.fetch_add(1, Relaxed);
        let applies = |index: usize, anomaly: &Anomaly| u64::from(anomaly.applies_to(request)) << index;
        let candidates = self.anomalies.iter().enumerate().map(|(index, anomaly)| applies(index, anomaly)).sum();
        let (clock, begun) = (clock.clone(), clock.elapsed());
        TrackedRequest { tracker: self, candidates, sampled, clock, begun, status: None, failed: false }
    }
}

/// A request whose end is evaluated for anomalies.
#[derive(Debug)]
pub(crate) struct TrackedRequest {
    tracker: RequestTracker,
    /// A bit for each anomaly that applies to the operation.
    candidates: u64,
    sampled: bool,
    clock: Clock,
    begun: Duration,
    /// The status of the response.
    pub(crate) status: Option<u16>,
    /// There was no response, because of an error, a panic or a cancellation.
    pub(crate) failed: bool,
}

impl TrackedRequest {
    /// Counts the request as an anomaly if it was one.
    pub(crate) fn end(self) {
        let took = self.clock.elapsed().saturating_sub(self.begun);
        let anomalies = &self.tracker.anomalies;
        let is_candidate = |index: usize| self.candidates >> index & 1 == 1;
        let anomalous = match anomalies.is_empty() {
            true => self.tracker.by_default && Anomaly::by_default(self.status, self.failed),
            false => {
                let mut candidates = anomalies.iter().enumerate().filter(|(index, _)| is_candidate(*index));
                candidates.any(|(_, anomaly)| anomaly.is_met(self.status, self.failed, took))
            }
        };
        if anomalous {
            let boost = &self.tracker.rule.boost;
            boost.anomalies.fetch_add(1, Relaxed);
            boost.sampled_anomalies.fetch_add(u64::from(self.sampled), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boost_ends_at_its_time() {
        let boost = Boost::default();
        let at = |seconds: u64| Timestamp::from_micros(seconds * 1_000_000);
        assert_eq!(boost.rate(at(0)), None);
        boost.set(Some((Rate(0.5), at(10))));
        assert_eq!([9, 10].map(|second| boost.rate(at(second))), [Some(Rate(0.5)), None]);
        boost.set(Some((Rate(0.25), at(20))));
        assert_eq!(boost.rate(at(10)), Some(Rate(0.25)));
        boost.set(None);
        assert_eq!(boost.rate(at(10)), None);
    }
}
