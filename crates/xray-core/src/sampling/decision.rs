use std::sync::Arc;

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
    rule: Option<Arc<str>>,
}

impl Decision {
    /// The request is recorded.
    pub const fn sampled() -> Decision {
        Decision { sampled: true, rule: None }
    }

    /// The request is served without being recorded.
    pub const fn not_sampled() -> Decision {
        Decision { sampled: false, rule: None }
    }

    /// Names the rule that decided. The segment of a sampled request carries it as
    /// `aws.xray.sampling_rule_name`, so that the console can count by rule.
    ///
    /// An `Arc<str>` kept by the sampler is passed on without an allocation; a `&str` costs one.
    #[must_use]
    pub fn with_rule(mut self, name: impl Into<Arc<str>>) -> Decision {
        self.rule = Some(name.into());
        self
    }

    /// Whether the request is recorded.
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The rule that decided, when it has a name. Local rules have none.
    pub const fn rule(&self) -> Option<&Arc<str>> {
        self.rule.as_ref()
    }
}

impl From<bool> for Decision {
    fn from(sampled: bool) -> Decision {
        Decision { sampled, rule: None }
    }
}
