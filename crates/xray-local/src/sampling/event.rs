//! What happens to sampling, as a log line says it.

use std::fmt;

use super::error::RulesError;

/// What happens in the place of the X-Ray service: see [`on_sampling`](crate::ReceiverBuilder::on_sampling). Each
/// prints as one line.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SamplingEvent {
    /// The rules file was changed, and so many rules are in use now.
    RulesChanged(usize),
    /// The rules file was changed and cannot be used: the last good rules stay.
    RulesRefused(RulesError),
    /// A client has reported on one of its rules.
    Reported(SamplingReport),
}

/// What a client has made of a rule since its last report, and what it may make of it until the next.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SamplingReport {
    /// The name of the rule.
    pub rule: String,
    /// Who reports: 24 hex digits, other ones for each process.
    pub client: String,
    /// How many requests matched.
    pub requests: u64,
    /// How many of them are recorded by quota or by chance.
    pub sampled: u64,
    /// How many of them are recorded without a quota: one a second at most.
    pub borrowed: u64,
    /// What it was told. Nothing if there is no such rule.
    pub target: Option<SamplingTarget>,
}

/// How a client shall sample until its next report.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SamplingTarget {
    /// How many requests of each second are recorded for certain: its share of the rule's reservoir.
    pub quota: u32,
    /// The share of the others that is recorded, from 0 to 1.
    pub rate: f64,
}

impl fmt::Display for SamplingEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RulesChanged(1) => f.write_str("the rules file was changed: 1 rule is in use"),
            Self::RulesChanged(rules) => write!(f, "the rules file was changed: {rules} rules are in use"),
            Self::RulesRefused(error) => write!(f, "the rules file was changed, but the last good rules stay: {error}"),
            Self::Reported(report) => report.fmt(f),
        }
    }
}

impl fmt::Display for SamplingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, client, requests, sampled, borrowed, target } = self;
        // Names come from outside: nothing in them may reach a terminal as a control sequence.
        write!(f, "{}: {requests} requests, {sampled} sampled", rule.escape_debug())?;
        if *borrowed > 0 {
            write!(f, ", {borrowed} borrowed")?;
        }
        match target {
            Some(SamplingTarget { quota, rate }) => {
                write!(f, "; now {quota} a second, and {} % of the others", percent(*rate))?;
            }
            None => f.write_str("; there is no such rule")?,
        }
        write!(f, " (client {client})")
    }
}

/// Without the noise of binary fractions.
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
                "orders: 120 requests, 12 sampled; now 5 a second, and 7 % of the others \
                 (client b40815459943039f123e44a4)",
            ),
            (
                SamplingEvent::Reported(unknown),
                "a\\u{1b}\\n: 120 requests, 12 sampled, 1 borrowed; there is no such rule \
                 (client b40815459943039f123e44a4)",
            ),
            (SamplingEvent::RulesChanged(2), "the rules file was changed: 2 rules are in use"),
            (
                SamplingEvent::RulesRefused(RulesError::Records),
                "the rules file was changed, but the last good rules stay: sampling rules are in a list \
                 `SamplingRuleRecords`, which is missing",
            ),
        ] {
            assert_eq!(event.to_string(), want);
        }
    }
}
