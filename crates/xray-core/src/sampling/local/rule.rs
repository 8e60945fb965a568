//! One local rule: its conditions, reservoir and rate.

use crate::sampling::{FixedTarget, ParseRulesError, Rate, RulePlace, SamplingRequest, Wildcard};

/// One rule of [`Rules`](crate::sampling::Rules): which requests it is for, and how many of them are recorded.
///
/// A new rule is for every request; each condition narrows it. Conditions are patterns as of [`Wildcard`].
///
/// ```
/// use xray_core::sampling::{FixedTarget, Rate, Rule};
///
/// let rule = Rule::new(FixedTarget(10), Rate(0.05))
///     .describe("Sign-in")
///     .method("POST")
///     .host("*.example.com")
///     .path("/signin/*");
/// assert_eq!(rule.description(), Some("Sign-in"));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Rule {
    method: Wildcard,
    host: Wildcard,
    path: Wildcard,
    target: FixedTarget,
    rate: Rate,
    description: Option<Box<str>>,
}

impl Rule {
    /// A rule for all requests: `target` of each second for certain, and `rate` of the others.
    pub fn new(target: FixedTarget, rate: Rate) -> Rule {
        let any = Wildcard::new("*");
        Rule { method: any.clone(), host: any.clone(), path: any, target, rate, description: None }
    }

    /// Says what the rule is for, to those who read it.
    pub fn describe(mut self, description: impl Into<String>) -> Rule {
        self.description = Some(description.into().into());
        self
    }

    /// Takes only requests with a method that matches, by default any: `http_method` in X-Ray's local rule
    /// document.
    pub fn method(mut self, pattern: &str) -> Rule {
        self.method = Wildcard::new(pattern);
        self
    }

    /// Takes only requests to a host that matches, port included, by default any: `host` in version 2 of X-Ray's
    /// local rule document, `service_name` in version 1.
    pub fn host(mut self, pattern: &str) -> Rule {
        self.host = Wildcard::new(pattern);
        self
    }

    /// Takes only requests to a path that matches, without its query string, by default any: `url_path` in
    /// X-Ray's local rule document.
    pub fn path(mut self, pattern: &str) -> Rule {
        self.path = Wildcard::new(pattern);
        self
    }

    /// What the rule is for.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    pub(super) fn host_pattern(&self) -> &str {
        self.host.as_str()
    }

    pub(super) fn target(&self) -> FixedTarget {
        self.target
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// Whether the rule is for this request, whose query string was cut off. A part that the request lacks is matched
    /// by a pattern of stars alone: a rule for `*/ping` takes no queue worker.
    pub(super) fn matches(&self, request: &SamplingRequest<'_>) -> bool {
        let matches = |pattern: &Wildcard, part: Option<&str>| match part {
            Some(part) => pattern.matches(part),
            None => pattern.is_any(),
        };
        // The method is short and tells most rules apart, the path most of the others.
        matches(&self.method, request.method) && matches(&self.path, request.path) && matches(&self.host, request.host)
    }

    pub(super) fn check(&self, at: RulePlace) -> Result<(), ParseRulesError> {
        let patterns = [("http_method", &self.method), ("host", &self.host), ("url_path", &self.path)];
        match patterns.iter().find(|(_, pattern)| pattern.as_str().is_empty()) {
            Some(&(field, _)) => Err(ParseRulesError::invalid(at, field, "a text that is not empty", "\"\"")),
            None => self.rate.check(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> Rule {
        Rule::new(FixedTarget(1), Rate(0.5))
    }

    #[test]
    fn all_conditions_have_to_hold_and_an_absent_part_is_matched_by_stars_alone() {
        let rule = rule().method("GET").host("*.foo.com").path("/signin/*");
        let request = SamplingRequest::new("shop").host("www.foo.com").method("get").path("/signin/x");
        for (request, want) in [
            (request, true),
            (request.method("POST"), false),
            (request.host("foo.com"), false),
            (request.host("www.foo.com:80"), false),
            (request.path("/signin"), false),
            (request.method(None), false),
            (request.host(None), false),
            (request.path(None), false),
            (request.host(None).method("POST"), false),
            (SamplingRequest::new("shop"), false),
        ] {
            assert_eq!(rule.matches(&request), want, "{request:?}");
        }
        let rule = self::rule().method("**").host("*.foo.com");
        assert!(rule.matches(&request.method(None).path(None)));
        assert!(self::rule().matches(&SamplingRequest::new("shop")));
    }

    #[test]
    fn what_a_document_may_not_say_is_refused_in_code_too() {
        let at = RulePlace::Rule(3, None);
        for (rule, field) in [
            (rule(), None),
            (rule().describe(""), None),
            (rule().method(""), Some("http_method")),
            (rule().host(""), Some("host")),
            (rule().path(""), Some("url_path")),
            (Rule::new(FixedTarget(1), Rate(1.5)), Some("rate")),
        ] {
            let refused = match rule.check(at.clone()) {
                Ok(()) => None,
                Err(ParseRulesError::Invalid { at: RulePlace::Rule(3, None), field, .. }) => Some(field),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(refused, field, "{rule:?}");
        }
    }
}
