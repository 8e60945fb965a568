//! Samplers that record a share of all requests, all of them, or none.

use super::{Decision, Explanation, Outcome, ParseRulesError, RulePlace, Sampler, SamplingRequest};

/// The share of requests that are recorded, from 0 (none) to 1 (all): five per cent is `Rate(0.05)`.
///
/// In a rule it applies to the requests beyond the [`FixedTarget`](super::FixedTarget). As a sampler it applies to all
/// requests. A value outside 0 to 1 is rejected when the recorder is built.
///
/// ```
/// use xray_core::sampling::{Rate, Sampler, SamplingRequest};
///
/// assert!(Rate(1.0).decide(&SamplingRequest::new("shop")).is_sampled());
/// assert!(Rate(5.0).validate().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

impl Rate {
    /// Decides by `random`, a number in `[0, 1)` that is drawn only for a rate between 0 and 1.
    pub(super) fn takes(self, random: impl FnOnce() -> f64) -> bool {
        self.0 >= 1.0 || (self.0 > 0.0 && random() < self.0)
    }

    pub(super) fn check(self, at: RulePlace) -> Result<(), ParseRulesError> {
        match self.0 {
            0.0..=1.0 => Ok(()),
            _ => Err(ParseRulesError::invalid(at, "rate", "a number from 0 to 1", self.0)),
        }
    }
}

impl Sampler for Rate {
    fn decide(&self, _: &SamplingRequest<'_>) -> Decision {
        self.takes(crate::random::share).into()
    }

    fn explain(&self, _: &SamplingRequest<'_>) -> Explanation {
        Explanation::new((*self).into())
    }

    fn validate(&self) -> Result<(), ParseRulesError> {
        self.check(RulePlace::Default)
    }
}

/// Records every request, except those whose caller decided not to.
///
/// Use it in tests and while debugging: `Recorder::builder().sampling(Always)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Always;

impl Sampler for Always {
    fn decide(&self, _: &SamplingRequest<'_>) -> Decision {
        Decision::sampled()
    }

    fn explain(&self, _: &SamplingRequest<'_>) -> Explanation {
        Explanation::new(Outcome::Sampled)
    }
}

/// Records no request, except those whose caller decided to.
///
/// ```
/// use xray_core::sampling::{Never, Sampler, SamplingRequest};
///
/// assert!(!Never.decide(&SamplingRequest::new("shop")).is_sampled());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Never;

impl Sampler for Never {
    fn decide(&self, _: &SamplingRequest<'_>) -> Decision {
        Decision::not_sampled()
    }

    fn explain(&self, _: &SamplingRequest<'_>) -> Explanation {
        Explanation::new(Outcome::NotSampled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_number_below_the_rate_is_taken() {
        for (rate, random, want) in
            [(0.05, 0.0, true), (0.05, 0.049, true), (0.05, 0.05, false), (0.05, 0.99, false), (0.999, 0.99, true)]
        {
            assert_eq!(Rate(rate).takes(|| random), want, "{random} < {rate}");
        }
    }

    #[test]
    fn a_rate_of_0_or_1_draws_no_random_number() {
        for (rate, want) in [(0.0, false), (-0.0, false), (1.0, true), (7.0, true), (-7.0, false), (f64::NAN, false)] {
            assert_eq!(Rate(rate).takes(|| panic!("drawn for {rate}")), want, "{rate}");
        }
    }

    #[test]
    fn a_rate_outside_0_to_1_is_rejected() {
        for (rate, fine) in [
            (0.0, true),
            (-0.0, true),
            (0.05, true),
            (1.0, true),
            (-0.01, false),
            (1.01, false),
            (f64::NAN, false),
            (f64::INFINITY, false),
        ] {
            assert_eq!(Rate(rate).validate().is_ok(), fine, "{rate}");
        }
    }

    #[test]
    fn always_and_never_ignore_the_request() {
        assert_eq!(Always.decide(&SamplingRequest::default()), Decision::sampled());
        assert_eq!(Never.decide(&SamplingRequest::default()), Decision::not_sampled());
    }
}
