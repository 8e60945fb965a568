//! Sampling: which requests are traced, when their caller has not decided already.
//!
//! A [`Sampler`] answers each [`SamplingRequest`] with a [`Decision`]. The usual one is [`Central`], which follows
//! the rules of the X-Ray service; [`Rules`] are local ones. Both record a few requests of every second and a share
//! of the others, by rules on host, method and path.
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
//! | [`Central`] | by the rules of the X-Ray service, else by local ones: the default |
//! | [`Rules`] | by rules written in code or read from X-Ray's local rule document |
//! | [`Rate`] | a share of all requests |
//! | [`Always`], [`Never`] | all or nothing |
//! | [`TailSampler`] | everything, and keeps what failed or was slow |

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
pub(crate) use central::{Watch, Watched};
pub use context::SamplerContext;
pub use decision::Decision;
pub use error::{ParseRulesError, RulePlace};
pub use explanation::{Explanation, Fallback, MatchedRule, Outcome, Reason};
pub use local::{FixedTarget, Rule, Rules};
pub use rate::{Always, Never, Rate};
pub use request::SamplingRequest;
pub use tail_sampler::TailSampler;
pub use wildcard::Wildcard;

/// Decides which requests are recorded, for those whose caller left it open.
///
/// A decision lies on the path of every request: it should neither wait nor allocate.
///
/// ```
/// use xray_core::sampling::{Decision, Sampler, SamplingRequest};
///
/// /// Records what is written, not what is read.
/// struct Writes;
///
/// impl Sampler for Writes {
///     fn decide(&self, request: &SamplingRequest<'_>) -> Decision {
///         if request.method == Some("GET") { Decision::not_sampled() } else { Decision::sampled() }
///     }
/// }
/// ```
pub trait Sampler: Send + Sync + 'static {
    /// Whether this request is recorded.
    fn decide(&self, request: &SamplingRequest<'_>) -> Decision;

    /// Refuses a configuration that makes no sense, such as `Rate(5.0)` where five per cent was meant.
    ///
    /// A recorder asks once, when it is built, and fails with this error; so rules can be written down in code
    /// without a `Result` at each of them. A sampler that wraps another one passes the question on. By default
    /// everything is fine.
    ///
    /// # Errors
    ///
    /// The first value that is out of range, and where it stands.
    fn validate(&self) -> Result<(), ParseRulesError> {
        Ok(())
    }

    /// Receives what a recorder lends to its sampler: its clock, the daemon's address, its log.
    ///
    /// A recorder calls this once, when it is built and before any decision. A sampler that needs work of its own,
    /// such as a thread that asks a service, had better begin it with the first decision: many programs build a
    /// recorder and never use it. It ends that work when it is dropped, which is when the recorder is. A sampler
    /// that wraps another one passes the call on. By default it does nothing.
    fn start(&self, context: &SamplerContext) {
        let _ = context;
    }

    /// What [`decide`](Sampler::decide) would say of this request, by which rule and why. Nothing is counted: a
    /// sampler that wraps another one passes the question on. By default nothing is known.
    fn explain(&self, request: &SamplingRequest<'_>) -> Explanation {
        let _ = request;
        Explanation::UNKNOWN
    }
}

/// A sampler behind a pointer is that sampler: chosen at run time, or held by others as well.
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
    fn a_shared_sampler_is_asked_itself() {
        let shared: Arc<dyn Sampler> = Arc::new(Rate(5.0));
        assert_eq!(Sampler::validate(&shared), Rate(5.0).validate());
        assert!(Sampler::validate(&shared).is_err());
        assert!(Sampler::decide(&shared, &SamplingRequest::new("shop")).is_sampled());
    }
}
