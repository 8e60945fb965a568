//! Sampling: which requests are traced, when their caller has not decided already.
//!
//! A [`Sampler`] makes a [`Decision`] for each [`SamplingRequest`]. The default is [`Central`], which applies the
//! sampling rules of your AWS account; [`Rules`] are local. Both match requests by host, method and path, and record
//! the first few requests of every second and a share of the rest.
//!
//! ```
//! use xray_core::sampling::{FixedTarget, Rate, Rule, Rules, Sampler, SamplingRequest};
//!
//! let rules = Rules::new(FixedTarget(1), Rate(0.05))
//!     .rule(Rule::new(FixedTarget(0), Rate(0.0)).describe("Load balancer").path("/health"))
//!     .rule(Rule::new(FixedTarget(10), Rate(1.0)).describe("Sign-in").method("POST").path("/signin/*"));
//!
//! let health = SamplingRequest::new("shop").host("shop.example.com").method("GET").path("/health");
//! assert!(!rules.decide(&health).is_sampled());
//! assert!(rules.decide(&health.method("POST").path("/signin/google?next=cart")).is_sampled());
//! ```
//!
//! | sampler | records |
//! |---|---|
//! | [`Central`] (the default) | by the rules of the X-Ray service; without them, by local rules |
//! | [`Rules`] | by rules written in code or read from X-Ray's local rule document |
//! | [`Rate`] | a share of all requests |
//! | [`Always`], [`Never`] | every request; no request |
//! | [`TailSampler`] | every request, and keeps the traces that failed or were slow |
//!
//! A decision of the caller, `Sampled=1` or `Sampled=0` in `X-Amzn-Trace-Id`, always wins: samplers are called only
//! for requests without one. To find out why a request is or is not recorded, call
//! [`Recorder::explain`](crate::Recorder::explain) or set the log level `debug`, which logs every decision.

pub mod central;
mod context;
mod decision;
mod error;
mod explanation;
mod local;
mod rate;
mod request;
mod tail_sampler;
mod wildcard;

use std::sync::Arc;

pub use central::{Anomaly, Central};
pub(crate) use central::{RequestTracker, TrackedRequest};
pub use context::SamplerContext;
pub use decision::Decision;
pub use error::{ParseRulesError, RulePlace};
pub use explanation::{Explanation, Fallback, MatchedRule, Outcome, Reason};
pub use local::{FixedTarget, Rule, Rules};
pub use rate::{Always, Never, Rate};
pub use request::SamplingRequest;
pub use tail_sampler::TailSampler;
pub use wildcard::Wildcard;

/// Decides which requests are recorded. It is called for requests whose caller has not decided.
///
/// Give one to [`RecorderBuilder::sampling`](crate::RecorderBuilder::sampling). The default is [`Central`]. A sampler
/// that panics records nothing for that request, and the panic is logged.
///
/// [`decide`](Sampler::decide) runs for every request, so it should neither block nor allocate.
///
/// ```
/// use xray_core::sampling::{Decision, Sampler, SamplingRequest};
///
/// /// Records writes, not reads.
/// struct Writes;
///
/// impl Sampler for Writes {
///     fn decide(&self, request: &SamplingRequest<'_>) -> Decision {
///         if request.method == Some("GET") { Decision::not_sampled() } else { Decision::sampled() }
///     }
/// }
/// ```
///
/// A sampler that wraps another one forwards all four methods:
///
/// ```
/// use xray_core::Recorder;
/// use xray_core::sampling::{
///     Central, Decision, Explanation, ParseRulesError, Sampler, SamplerContext, SamplingRequest,
/// };
///
/// /// Leaves load tests out, whatever the rules say.
/// struct WithoutLoadTests<S>(S);
///
/// impl<S: Sampler> Sampler for WithoutLoadTests<S> {
///     fn decide(&self, request: &SamplingRequest<'_>) -> Decision {
///         if request.host == Some("load-test.internal") {
///             return Decision::not_sampled();
///         }
///         self.0.decide(request)
///     }
///
///     fn validate(&self) -> Result<(), ParseRulesError> {
///         self.0.validate()
///     }
///
///     fn start(&self, context: &SamplerContext) {
///         self.0.start(context);
///     }
///
///     fn explain(&self, request: &SamplingRequest<'_>) -> Explanation {
///         self.0.explain(request)
///     }
/// }
///
/// let recorder = Recorder::builder().sampling(WithoutLoadTests(Central::new())).build();
/// # assert!(recorder.is_ok());
/// ```
pub trait Sampler: Send + Sync + 'static {
    /// Decides whether this request is recorded.
    fn decide(&self, request: &SamplingRequest<'_>) -> Decision;

    /// Rejects a configuration that makes no sense, such as `Rate(5.0)` where five per cent was meant.
    ///
    /// [`RecorderBuilder::build`](crate::RecorderBuilder::build) calls this once and fails with the error. Rules
    /// written in code therefore need no `Result` of their own. The default accepts everything. A sampler that wraps
    /// another one forwards the call.
    ///
    /// # Errors
    ///
    /// The first value that is out of range, and its place in the rules.
    fn validate(&self) -> Result<(), ParseRulesError> {
        Ok(())
    }

    /// Receives what a recorder lends to its sampler: its clock, the daemon's address, its log.
    ///
    /// The recorder calls this once, when it is built and before any decision. The default does nothing. A sampler
    /// that wraps another one forwards the call.
    ///
    /// A sampler that needs a thread, to query a service for example, should start it with the first decision: many
    /// programs build a recorder and never use it. The sampler is dropped with its recorder, and must end the thread
    /// then.
    fn start(&self, context: &SamplerContext) {
        let _ = context;
    }

    /// Explains what [`decide`](Sampler::decide) would return for this request, by which rule and why, without
    /// counting the request.
    ///
    /// The default is [`Explanation::UNKNOWN`]. A sampler that wraps another one forwards the call.
    fn explain(&self, request: &SamplingRequest<'_>) -> Explanation {
        let _ = request;
        Explanation::UNKNOWN
    }
}

/// Implements `Sampler` for pointers, so that a sampler can be chosen at run time or shared.
macro_rules! forward {
    ($pointer:ident) => {
        impl<S: Sampler + ?Sized> Sampler for $pointer<S> {
            fn decide(&self, request: &SamplingRequest<'_>) -> Decision {
                (**self).decide(request)
            }

            fn validate(&self) -> Result<(), ParseRulesError> {
                (**self).validate()
            }

            fn start(&self, context: &SamplerContext) {
                (**self).start(context);
            }

            fn explain(&self, request: &SamplingRequest<'_>) -> Explanation {
                (**self).explain(request)
            }
        }
    };
}
forward!(Arc);
forward!(Box);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_forwards_to_its_sampler() {
        let shared: Arc<dyn Sampler> = Arc::new(Rate(5.0));
        assert_eq!(Sampler::validate(&shared), Rate(5.0).validate());
        assert!(Sampler::validate(&shared).is_err());
        assert!(Sampler::decide(&shared, &SamplingRequest::new("shop")).is_sampled());
    }
}
