//! The decision of a sampler: whether a request is recorded, and how its end is evaluated.

use std::sync::Arc;
use std::time::Duration;

use super::RequestTracker;

/// A sampler's decision about one request, and the rule behind it.
///
/// A `bool` converts into a decision: `true.into()` is [`Decision::sampled()`].
///
/// | decision | recorded | calls carry |
/// |---|---|---|
/// | [`sampled`](Decision::sampled) | yes | `Sampled=1` |
/// | [`not_sampled`](Decision::not_sampled) | no | `Sampled=0` |
/// | [`deferred`](Decision::deferred) | yes, and kept if the trace fails or is slow | `Sampled=?` |
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
    /// The trace is kept only if it fails or takes at least this long.
    slower_than: Option<Duration>,
    rule: Option<Arc<str>>,
    tracker: Option<RequestTracker>,
}

impl Decision {
    /// Decides that the request is recorded.
    pub const fn sampled() -> Decision {
        Decision { sampled: true, slower_than: None, rule: None, tracker: None }
    }

    /// Decides that the request is not recorded.
    pub const fn not_sampled() -> Decision {
        Decision { sampled: false, slower_than: None, rule: None, tracker: None }
    }

    /// Records the request and defers the decision to the close of its segment. The trace is kept if anything in it
    /// was marked as error, fault or throttle, or if the segment took at least this long.
    ///
    /// [`TailSampler`](super::TailSampler) makes such decisions, and documents their cost and limits.
    pub const fn deferred(slower_than: Duration) -> Decision {
        Decision { sampled: true, slower_than: Some(slower_than), rule: None, tracker: None }
    }

    /// Names the rule that decided. The segment of a sampled request carries it as
    /// `aws.xray.sampling_rule_name`, so that the console can count by rule; longer names are cut to 200 characters.
    ///
    /// A clone of an `Arc<str>` costs no allocation; a `&str` costs one. Calling this again replaces the name.
    #[must_use]
    pub fn with_rule(mut self, name: impl Into<Arc<str>>) -> Decision {
        self.rule = Some(name.into());
        self
    }

    /// Attaches the tracker that counts the end of the request for its rule.
    pub(super) fn with_tracker(mut self, tracker: Option<RequestTracker>) -> Decision {
        self.tracker = tracker;
        self
    }

    pub(crate) fn take_tracker(&mut self) -> Option<RequestTracker> {
        self.tracker.take()
    }

    /// Whether the request is recorded. A [deferred](Decision::deferred) decision counts as sampled.
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The duration from which a [deferred](Decision::deferred) decision keeps the trace. `None` for any other
    /// decision.
    pub const fn slower_than(&self) -> Option<Duration> {
        self.slower_than
    }

    /// The name of the rule that decided. `None` for local rules, which have no names.
    pub const fn rule(&self) -> Option<&Arc<str>> {
        self.rule.as_ref()
    }
}

impl From<bool> for Decision {
    fn from(sampled: bool) -> Decision {
        if sampled { Decision::sampled() } else { Decision::not_sampled() }
    }
}
