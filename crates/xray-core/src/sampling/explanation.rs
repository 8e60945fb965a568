//! Explanations of decisions: the outcome, the rule behind it and the reason.

use std::fmt;
use std::sync::Arc;

use super::{Decision, Rate};

/// A sampler's decision about a request, the rule behind it, and the reason. It formats as one line.
///
/// [`Recorder::explain`](crate::Recorder::explain) returns it without counting the request. At the log level `debug`,
/// every decision logs the same line. Examples:
///
/// | line | meaning |
/// |---|---|
/// | `sampled by the rule "orders": 2 of its quota of 5 used this second` | the quota covers the request |
/// | `sampled at a rate of 0.05 by the rule "orders": all of its quota of 5 used this second` | the rate decides |
/// | `sampled by the rule "orders": no quota known, so one request is borrowed` | there is no quota yet |
/// | `not sampled by the local rule 0 "Probes": by its rate alone` | the rule has no fixed target, and its rate is 0 |
/// | `… (the rules of the X-Ray service have expired)` | the local rules decide, and why |
///
/// ```
/// use xray_core::sampling::{FixedTarget, Rate, Rules, Sampler, SamplingRequest};
///
/// let rules = Rules::new(FixedTarget(1), Rate(0.05));
/// let request = SamplingRequest::new("shop").method("GET").path("/");
/// let line = "sampled by the default local rule: 0 of its fixed target of 1 used this second";
/// assert_eq!(rules.explain(&request).to_string(), line);
/// assert!(rules.decide(&request).is_sampled());
/// let line = "sampled at a rate of 0.05 by the default local rule: all of its fixed target of 1 used this second";
/// assert_eq!(rules.explain(&request).to_string(), line);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The decision.
    pub outcome: Outcome,
    /// The rule that decides.
    pub rule: MatchedRule,
    /// The part of the rule that decides.
    pub reason: Reason,
    /// Why the local rules of [`Central`](super::Central) decide. `None` for other samplers, and where a rule of the
    /// X-Ray service decides.
    pub fallback: Option<Fallback>,
}

/// The decision about a request.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The request is recorded.
    Sampled,
    /// The request is not recorded.
    NotSampled,
    /// The request is recorded with this probability.
    Probability(Rate),
    /// The request is recorded, and kept if it fails or takes long: see [`TailSampler`](super::TailSampler).
    Deferred,
    /// The sampler does not predict its decision: see [`Sampler::explain`](super::Sampler::explain).
    Unknown,
}

/// The rule that decides about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MatchedRule {
    /// The sampler has no rules, or does not name the one that decides.
    Unknown,
    /// A rule by its name: one of the X-Ray service, or of your own sampler.
    Named(Arc<str>),
    /// A local rule, by its index (counted from 0) and its description.
    Local(usize, Option<Arc<str>>),
    /// The default local rule, for requests that no other rule matches.
    LocalDefault,
}

/// The part of a rule that decides about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The sampler gives no reason.
    Unknown,
    /// The quota that the X-Ray service has assigned to this process. If it is used up, the rule's rate decides.
    Quota {
        /// Requests of this second that the quota has already covered.
        taken: u32,
        /// Requests that the quota covers each second.
        quota: u32,
    },
    /// No quota is valid, so one request each second is borrowed: recorded without a quota.
    Borrowed,
    /// No quota is valid, and the rule may not borrow or has already borrowed in this second. Its rate decides.
    NoQuota,
    /// The fixed target of a local rule. If it is used up, the rule's rate decides.
    Target {
        /// Requests of this second that the target has already covered.
        taken: u32,
        /// Requests that the target covers each second.
        target: u32,
    },
    /// The rate alone, because the rule has no fixed target.
    Rate,
}

/// Why local rules decide instead of those of the X-Ray service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fallback {
    /// The service is not queried: there is no recorder, it is disabled, or the process runs on Lambda.
    NotQueried,
    /// The service has not responded yet.
    NoRules,
    /// The last response is more than an hour old.
    Expired,
    /// No rule of the service matches this request.
    NoMatch,
}

impl Explanation {
    /// The explanation of a sampler that explains nothing.
    pub const UNKNOWN: Explanation =
        Explanation { outcome: Outcome::Unknown, rule: MatchedRule::Unknown, reason: Reason::Unknown, fallback: None };

    /// Creates an explanation with an outcome, without rule and reason.
    pub fn new(outcome: Outcome) -> Explanation {
        Explanation { outcome, ..Explanation::UNKNOWN }
    }

    /// Sets the rule that decides, and the part of it that does. Calling this again replaces both.
    ///
    /// ```
    /// use xray_core::sampling::{Explanation, MatchedRule, Outcome, Reason};
    ///
    /// let explanation = Explanation::new(Outcome::Sampled).by(MatchedRule::Named("orders".into()), Reason::Borrowed);
    /// assert_eq!(explanation.to_string(), "sampled by the rule \"orders\": no quota known, so one request is borrowed");
    /// ```
    #[must_use]
    pub fn by(mut self, rule: MatchedRule, reason: Reason) -> Explanation {
        (self.rule, self.reason) = (rule, reason);
        self
    }

    /// Replaces the outcome with the decision that was made.
    pub(crate) fn decided(mut self, decision: &Decision) -> Explanation {
        self.outcome = match (decision.is_sampled(), decision.slower_than()) {
            (false, _) => Outcome::NotSampled,
            (true, None) => Outcome::Sampled,
            (true, Some(_)) => Outcome::Deferred,
        };
        self
    }
}

impl From<Rate> for Outcome {
    fn from(rate: Rate) -> Outcome {
        match rate.0 {
            rate if rate >= 1.0 => Outcome::Sampled,
            share if share > 0.0 => Outcome::Probability(rate),
            _ => Outcome::NotSampled,
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.outcome {
            Outcome::Sampled => f.write_str("sampled")?,
            Outcome::NotSampled => f.write_str("not sampled")?,
            Outcome::Probability(Rate(rate)) => write!(f, "sampled at a rate of {rate}")?,
            Outcome::Deferred => f.write_str("recorded, and kept if it fails or is slow")?,
            Outcome::Unknown => f.write_str("unknown in advance")?,
        }
        match &self.rule {
            MatchedRule::Unknown => {}
            MatchedRule::Named(name) => write!(f, " by the rule {name:?}")?,
            MatchedRule::Local(index, None) => write!(f, " by the local rule {index}")?,
            MatchedRule::Local(index, Some(description)) => write!(f, " by the local rule {index} {description:?}")?,
            MatchedRule::LocalDefault => f.write_str(" by the default local rule")?,
        }
        let taken = |taken: u32, of: u32| if taken < of { taken.to_string() } else { "all".to_owned() };
        match self.reason {
            Reason::Unknown => {}
            Reason::Quota { quota: 0, .. } => f.write_str(": its quota is 0")?,
            Reason::Quota { taken: n, quota } => {
                write!(f, ": {} of its quota of {quota} used this second", taken(n, quota))?;
            }
            Reason::Borrowed => f.write_str(": no quota known, so one request is borrowed")?,
            Reason::NoQuota => f.write_str(": no quota known, and nothing left to borrow")?,
            Reason::Target { taken: n, target } => {
                write!(f, ": {} of its fixed target of {target} used this second", taken(n, target))?;
            }
            Reason::Rate => f.write_str(": by its rate alone")?,
        }
        f.write_str(match self.fallback {
            None => "",
            Some(Fallback::NotQueried) => " (the X-Ray service is not queried)",
            Some(Fallback::NoRules) => " (no rules fetched from the X-Ray service yet)",
            Some(Fallback::Expired) => " (the rules of the X-Ray service have expired)",
            Some(Fallback::NoMatch) => " (no rule of the X-Ray service matches)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_is_one_line() {
        let named = || MatchedRule::Named("orders".into());
        for (explanation, want) in [
            (Explanation::UNKNOWN, "unknown in advance"),
            (Explanation::UNKNOWN.decided(&Decision::not_sampled()), "not sampled"),
            (
                Explanation::UNKNOWN.decided(&Decision::deferred(std::time::Duration::MAX)),
                "recorded, and kept if it fails or is slow",
            ),
            (
                Explanation::new(Outcome::Sampled).by(named(), Reason::Quota { taken: 2, quota: 5 }),
                "sampled by the rule \"orders\": 2 of its quota of 5 used this second",
            ),
            (
                Explanation::new(Rate(0.05).into()).by(named(), Reason::Quota { taken: 5, quota: 5 }),
                "sampled at a rate of 0.05 by the rule \"orders\": all of its quota of 5 used this second",
            ),
            (
                Explanation::new(Rate(0.0).into()).by(named(), Reason::Quota { taken: 0, quota: 0 }),
                "not sampled by the rule \"orders\": its quota is 0",
            ),
            (
                Explanation::new(Outcome::Sampled).by(named(), Reason::Borrowed),
                "sampled by the rule \"orders\": no quota known, so one request is borrowed",
            ),
            (
                Explanation {
                    fallback: Some(Fallback::Expired),
                    ..Explanation::new(Rate(1.0).into()).by(MatchedRule::Local(1, Some("Sign-in".into())), Reason::Rate)
                },
                "sampled by the local rule 1 \"Sign-in\": by its rate alone (the rules of the X-Ray service have expired)",
            ),
        ] {
            assert_eq!(explanation.to_string(), want);
        }
    }
}
