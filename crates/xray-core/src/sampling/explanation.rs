//! Explanations of decisions: the outcome, the rule behind it and the reason.

use std::fmt;
use std::sync::Arc;

use super::{Decision, Rate};

/// What a sampler decides on a request, by which rule, and why. It displays as one line.
///
/// [`Recorder::explain`](crate::Recorder::explain) asks beforehand, without counting the request. At the log level
/// `debug` the same line is written with each decision.
///
/// ```
/// use xray_core::sampling::{FixedTarget, Rate, Rules, Sampler, SamplingRequest};
///
/// let rules = Rules::new(FixedTarget(1), Rate(0.05));
/// let request = SamplingRequest::new("shop").method("GET").path("/");
/// let line = "sampled by the default local rule: 0 of the 1 for certain in this second were taken";
/// assert_eq!(rules.explain(&request).to_string(), line);
/// assert!(rules.decide(&request).is_sampled());
/// let line = "sampled at a rate of 0.05 by the default local rule: all of the 1 for certain in this second were taken";
/// assert_eq!(rules.explain(&request).to_string(), line);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// What is decided.
    pub outcome: Outcome,
    /// The rule that decides.
    pub rule: MatchedRule,
    /// Why so.
    pub reason: Reason,
    /// Why no rule of the X-Ray service decides, where some could.
    pub fallback: Option<Fallback>,
}

/// What is decided on a request.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is recorded.
    Sampled,
    /// It is not.
    NotSampled,
    /// It is recorded with this probability.
    Probability(Rate),
    /// It is recorded, and kept if it fails or takes long.
    Deferred,
    /// The sampler does not tell beforehand.
    Unknown,
}

/// A rule that decides on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MatchedRule {
    /// The sampler has no rules, or does not tell.
    Unknown,
    /// The rule of this name: those of the X-Ray service have names.
    Named(Arc<str>),
    /// The local rule of this index, and what it says it is for.
    Local(usize, Option<Arc<str>>),
    /// The local rule for what no other one is for.
    LocalDefault,
}

/// What in a rule decides on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The sampler does not tell.
    Unknown,
    /// The service has granted `quota` requests of each second, and so many were taken in this one.
    Quota {
        /// Requests taken before this one.
        taken: u32,
        /// How many are granted.
        quota: u32,
    },
    /// No grant of the service is valid; one request of each second is recorded nevertheless.
    Borrowed,
    /// No grant of the service is valid, and the rule may not borrow, or has in this second.
    NothingToBorrow,
    /// So many of the local rule's target for this second were taken.
    Target {
        /// Requests taken before this one.
        taken: u32,
        /// How many are recorded for certain.
        target: u32,
    },
    /// The rate is all there is.
    Rate,
}

/// Why the local rules decide in the place of those of the X-Ray service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fallback {
    /// The service is not asked: there is no recorder, it is disabled, or this is Lambda.
    NotAsked,
    /// The service has not answered yet.
    NoRules,
    /// The last answer is too old.
    Expired,
    /// No rule of the service is for this request.
    NoMatch,
}

impl Explanation {
    /// What a sampler says that explains nothing.
    pub const UNKNOWN: Explanation =
        Explanation { outcome: Outcome::Unknown, rule: MatchedRule::Unknown, reason: Reason::Unknown, fallback: None };

    /// An outcome, yet without rule and reason.
    pub fn new(outcome: Outcome) -> Explanation {
        Explanation { outcome, ..Explanation::UNKNOWN }
    }

    /// Sets the rule that decides, and what in it.
    #[must_use]
    pub fn by(mut self, rule: MatchedRule, reason: Reason) -> Explanation {
        (self.rule, self.reason) = (rule, reason);
        self
    }

    /// The same, now that it is decided.
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
            Outcome::Deferred => f.write_str("recorded for the time being")?,
            Outcome::Unknown => f.write_str("not known beforehand")?,
        }
        match &self.rule {
            MatchedRule::Unknown => {}
            MatchedRule::Named(name) => write!(f, " by the rule {name:?}")?,
            MatchedRule::Local(index, None) => write!(f, " by the local rule {index}")?,
            MatchedRule::Local(index, Some(about)) => write!(f, " by the local rule {index} {about:?}")?,
            MatchedRule::LocalDefault => f.write_str(" by the default local rule")?,
        }
        let taken = |taken: u32, of: u32| if taken < of { taken.to_string() } else { "all".to_owned() };
        match self.reason {
            Reason::Unknown => {}
            Reason::Quota { quota: 0, .. } => f.write_str(": the service grants none")?,
            Reason::Quota { taken: n, quota } => {
                write!(f, ": {} of the {quota} granted in this second were taken", taken(n, quota))?;
            }
            Reason::Borrowed => f.write_str(": the one of this second that is borrowed, as no quota is known")?,
            Reason::NothingToBorrow => f.write_str(": no quota is known, and there is nothing to borrow")?,
            Reason::Target { taken: n, target } => {
                write!(f, ": {} of the {target} for certain in this second were taken", taken(n, target))?;
            }
            Reason::Rate => f.write_str(": by its rate alone")?,
        }
        f.write_str(match self.fallback {
            None => "",
            Some(Fallback::NotAsked) => " (the X-Ray service is not asked)",
            Some(Fallback::NoRules) => " (no rules have come from the X-Ray service)",
            Some(Fallback::Expired) => " (the rules of the X-Ray service are too old)",
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
            (Explanation::UNKNOWN, "not known beforehand"),
            (Explanation::UNKNOWN.decided(&Decision::not_sampled()), "not sampled"),
            (
                Explanation::UNKNOWN.decided(&Decision::deferred(std::time::Duration::MAX)),
                "recorded for the time being",
            ),
            (
                Explanation::new(Outcome::Sampled).by(named(), Reason::Quota { taken: 2, quota: 5 }),
                "sampled by the rule \"orders\": 2 of the 5 granted in this second were taken",
            ),
            (
                Explanation::new(Rate(0.05).into()).by(named(), Reason::Quota { taken: 5, quota: 5 }),
                "sampled at a rate of 0.05 by the rule \"orders\": all of the 5 granted in this second were taken",
            ),
            (
                Explanation::new(Rate(0.0).into()).by(named(), Reason::Quota { taken: 0, quota: 0 }),
                "not sampled by the rule \"orders\": the service grants none",
            ),
            (
                Explanation::new(Outcome::Sampled).by(named(), Reason::Borrowed),
                "sampled by the rule \"orders\": the one of this second that is borrowed, as no quota is known",
            ),
            (
                Explanation {
                    fallback: Some(Fallback::Expired),
                    ..Explanation::new(Rate(1.0).into()).by(MatchedRule::Local(1, Some("Sign-in".into())), Reason::Rate)
                },
                "sampled by the local rule 1 \"Sign-in\": by its rate alone (the rules of the X-Ray service are too old)",
            ),
        ] {
            assert_eq!(explanation.to_string(), want);
        }
    }
}
