//! The answer of a sampler: whether a request is recorded, and what to keep of it until its end.

use std::sync::Arc;
use std::time::Duration;

use super::Watch;

/// What a sampler decided about one request, and by which rule.
///
/// ```
/// use xray_core::sampling::Decision;
///
/// let decision = Decision::sampled().with_rule("checkout");
/// assert!(decision.is_sampled());
/// assert_eq!(decision.rule().map(|name| &**name), Some("checkout"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    sampled: bool,
    /// The trace is kept only if it fails or takes so long.
    slower_than: Option<Duration>,
    rule: Option<Arc<str>>,
    watch: Option<Watch>,
}

impl Decision {
    /// The request is recorded.
    pub const fn sampled() -> Decision {
        Decision { sampled: true, slower_than: None, rule: None, watch: None }
    }

    /// The request is served without being recorded.
    pub const fn not_sampled() -> Decision {
        Decision { sampled: false, slower_than: None, rule: None, watch: None }
    }

    /// The request is recorded, and it is decided at the close of its segment whether the trace is kept: if
    /// anything in it was marked as error, fault or throttle, or if the segment took at least this long.
    /// [`TailSampler`](super::TailSampler) makes such decisions, and tells what they mean.
    pub const fn deferred(slower_than: Duration) -> Decision {
        Decision { sampled: true, slower_than: Some(slower_than), rule: None, watch: None }
    }

    /// Names the rule that decided. The segment of a sampled request carries it as
    /// `aws.xray.sampling_rule_name`, so that the console can count by rule; 200 characters are kept.
    ///
    /// An `Arc<str>` kept by the sampler is passed on without an allocation; a `&str` costs one.
    #[must_use]
    pub fn with_rule(mut self, name: impl Into<Arc<str>>) -> Decision {
        self.rule = Some(name.into());
        self
    }

    /// Has the end of the request counted for its rule.
    pub(super) fn with_watch(mut self, watch: Option<Watch>) -> Decision {
        self.watch = watch;
        self
    }

    pub(crate) fn take_watch(&mut self) -> Option<Watch> {
        self.watch.take()
    }

    /// Whether the request is recorded, be it for the time being.
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// How long the segment of a [`deferred`](Decision::deferred) decision takes that is kept.
    pub const fn slower_than(&self) -> Option<Duration> {
        self.slower_than
    }

    /// The rule that decided, when it has a name. Local rules have none.
    pub const fn rule(&self) -> Option<&Arc<str>> {
        self.rule.as_ref()
    }
}

impl From<bool> for Decision {
    fn from(sampled: bool) -> Decision {
        if sampled { Decision::sampled() } else { Decision::not_sampled() }
    }
}
