//! Tail sampling: records every request and keeps those that failed or were slow.

use std::fmt;
use std::time::Duration;

use super::{Decision, Explanation, Never, Outcome, ParseRulesError, Sampler, SamplerContext, SamplingRequest};

/// Records every request and keeps what is worth a look: the traces in which something failed, and those whose
/// segment took long.
///
/// What is recorded waits in memory until the segment closes, 256 KiB of finished documents a trace at most: a
/// trace that holds more is kept. [`Stats::traces_discarded`](crate::stats::Stats::traces_discarded) counts the others. Recording costs
/// what it costs a sampled request, but for the sending.
///
/// Calls to other services cannot know yet what will be decided here: they carry `Sampled=?`, which asks those
/// services to decide for themselves. Services that record in the same way keep the same failures. A decision of
/// the caller, `Sampled=1` or `Sampled=0`, is followed as ever.
///
/// ```
/// use std::time::Duration;
/// use xray_core::Recorder;
/// use xray_core::sampling::{Rate, TailSampler};
///
/// let sampler = TailSampler::failures().slower_than(Duration::from_millis(800)).or_sampled_by(Rate(0.01));
/// let recorder = Recorder::builder().sampling(sampler).build();
/// # assert!(recorder.is_ok());
/// ```
pub struct TailSampler {
    slower_than: Duration,
    inner: Box<dyn Sampler>,
}

impl TailSampler {
    /// Keeps the traces in which an entity was marked as error, fault or throttle.
    pub fn failures() -> TailSampler {
        TailSampler { slower_than: Duration::MAX, inner: Box::new(Never) }
    }

    /// Keeps also those whose segment took at least this long.
    #[must_use]
    pub fn slower_than(mut self, bound: Duration) -> TailSampler {
        self.slower_than = bound;
        self
    }

    /// Keeps also whatever this sampler takes; its calls carry `Sampled=1`.
    #[must_use]
    pub fn or_sampled_by(mut self, sampler: impl Sampler) -> TailSampler {
        self.inner = Box::new(sampler);
        self
    }
}

impl Sampler for TailSampler {
    fn decide(&self, request: &SamplingRequest<'_>) -> Decision {
        let mut decision = self.inner.decide(request);
        match decision.is_sampled() {
            true => decision,
            false => Decision::deferred(self.slower_than).with_watch(decision.take_watch()),
        }
    }

    fn start(&self, context: &SamplerContext) {
        self.inner.start(context);
    }

    fn explain(&self, request: &SamplingRequest<'_>) -> Explanation {
        let explanation = self.inner.explain(request);
        match explanation.outcome {
            Outcome::NotSampled => Explanation { outcome: Outcome::Deferred, ..explanation },
            _ => explanation,
        }
    }

    fn validate(&self) -> Result<(), ParseRulesError> {
        self.inner.validate()
    }
}

impl fmt::Debug for TailSampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TailSampler").field("slower_than", &self.slower_than).finish_non_exhaustive()
    }
}
