//! Sampling events, each printed as one line.

use std::fmt;

use super::error::RulesError;

/// A sampling event, passed to [`on_sampling`](crate::ReceiverBuilder::on_sampling). Its `Display` output is one line.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SamplingEvent {
    /// The rules file changed, and this many rules are now in use.
    RulesChanged(usize),
    /// The rules file changed but cannot be used; the last valid rules stay in use.
    RulesRefused(RulesError),
    /// A client reported on one of its rules.
    Reported(SamplingReport),
}

/// A client's statistics on a rule since its last report, and its target until the next.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SamplingReport {
    /// The name of the rule.
    pub rule: String,
    /// The id of the client: 24 hex digits, different for each process.
    pub client: String,
    /// The number of requests that matched.
    pub requests: u64,
    /// The number of those that were sampled by quota or by rate.
    pub sampled: u64,
    /// The number of those that were sampled without a quota, at most one per second.
    pub borrowed: u64,
    /// The target sent in the response, or `None` if there is no such rule.
    pub target: Option<SamplingTarget>,
}

/// How a client should sample until its next report.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SamplingTarget {
    /// The number of requests per second that are always sampled: the client's share of the rule's reservoir.
    pub quota: u32,
    /// The fraction of the other requests that is sampled, from 0 to 1.
    pub rate: f64,
}

impl fmt::Display for SamplingEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RulesChanged(1) => f.write_str("rules file changed: 1 rule in use"),
            Self::RulesChanged(rules) => write!(f, "rules file changed: {rules} rules in use"),
            Self::RulesRefused(error) => {
                write!(f, "rules file changed but cannot be used, keeping the last valid rules: {error}")
            }
            Self::Reported(report) => report.fmt(f),
        }
    }
}

impl fmt::Display for SamplingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, client, requests, sampled, borrowed, target } = self;
        // Names are untrusted and must not reach a terminal as control sequences.
        write!(f, "{}: {requests} requests, {sampled} sampled", rule.escape_debug())?;
        if *borrowed > 0 {
            write!(f, ", {borrowed} borrowed")?;
        }
        match target {
            Some(SamplingTarget { quota, rate }) => {
                write!(f, "; target: {quota} per second and {} % of the rest", percent(*rate))?;
            }
            None => f.write_str("; unknown rule")?,
        }
        write!(f, " (client {client})")
    }
}

/// Converts a rate to a percentage, without the noise of binary fractions.
fn percent(rate: f64) -> f64 {
    (rate * 1e6).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let report = SamplingReport {
            rule: "orders".into(),
            client: "b40815459943039f123e44a4".into(),
            requests: 120,
            sampled: 12,
            borrowed: 0,
            target: Some(SamplingTarget { quota: 5, rate: 0.07 }),
        };
        let unknown = SamplingReport { rule: "a\u{1b}\n".into(), borrowed: 1, target: None, ..report.clone() };
        for (event, want) in [
            (
                SamplingEvent::Reported(report),
                "orders: 120 requests, 12 sampled; target: 5 per second and 7 % of the rest \
                 (client b40815459943039f123e44a4)",
            ),
            (
                SamplingEvent::Reported(unknown),
                "a\\u{1b}\\n: 120 requests, 12 sampled, 1 borrowed; unknown rule \
                 (client b40815459943039f123e44a4)",
            ),
            (SamplingEvent::RulesChanged(2), "rules file changed: 2 rules in use"),
            (
                SamplingEvent::RulesRefused(RulesError::Records),
                "rules file changed but cannot be used, keeping the last valid rules: the list `SamplingRuleRecords` \
                 is missing",
            ),
        ] {
            assert_eq!(event.to_string(), want);
        }
    }
}
