//! Tail sampling: records every request and keeps those that failed or were slow.

use std::fmt;
use std::time::Duration;

use super::{Decision, Explanation, Never, Outcome, ParseRulesError, Sampler, SamplerContext, SamplingRequest};

/// Tail sampling: records every request, and decides at the close of its segment whether to keep the trace. It
/// keeps traces in which something failed or whose segment was slow.
///
/// A trace stays in memory until its segment closes, up to 256 KiB of finished documents; a trace that exceeds this
/// is kept. [`Stats::traces_discarded`](crate::stats::Stats::traces_discarded) counts the traces that are not kept.
/// Recording costs the same as for a sampled request, minus sending.
///
/// Calls to other services are made before the decision, so they carry `Sampled=?`: those services decide for
/// themselves. If they use tail sampling as well, they keep the same failures. A decision of the caller, `Sampled=1`
/// or `Sampled=0`, takes precedence.
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
///
/// In a test, a trace without a failure is discarded:
///
/// ```
/// use xray_core::Recorder;
/// use xray_core::emit::MemoryEmitter;
/// use xray_core::sampling::TailSampler;
///
/// # fn main() -> Result<(), xray_core::ConfigError> {
/// let documents = MemoryEmitter::new();
/// let recorder = Recorder::builder().emitter(documents.clone()).sampling(TailSampler::failures()).build()?;
/// recorder.begin("shop").close();
/// assert_eq!(recorder.stats().traces_discarded, 1);
///
/// let failed = recorder.begin("shop");
/// failed.fault("out of stock");
/// failed.close();
/// assert_eq!(documents.take().len(), 1);
/// # Ok(())
/// # }
/// ```
pub struct TailSampler {
    slower_than: Duration,
    inner: Box<dyn Sampler>,
}

impl TailSampler {
    /// Creates a sampler that keeps the traces in which an entity was marked as error, fault or throttle.
    pub fn failures() -> TailSampler {
        TailSampler { slower_than: Duration::MAX, inner: Box::new(Never) }
    }

    /// Also keeps traces whose segment took at least this long (default: no limit). Calling this again replaces the
    /// value.
    #[must_use]
    pub fn slower_than(mut self, bound: Duration) -> TailSampler {
        self.slower_than = bound;
        self
    }

    /// Also keeps every trace that this sampler records (default: [`Never`]). Calls within such a trace carry
    /// `Sampled=1`. Calling this again replaces the sampler.
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
            false => Decision::deferred(self.slower_than).with_tracker(decision.take_tracker()),
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
