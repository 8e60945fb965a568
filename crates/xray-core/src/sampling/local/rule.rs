//! One local rule: its conditions, reservoir and rate.

use crate::sampling::{FixedTarget, ParseRulesError, Rate, RulePlace, SamplingRequest, Wildcard};

/// One rule of [`Rules`](crate::sampling::Rules): the requests it matches, and how many of them it records.
///
/// A new rule matches every request; each condition narrows it. Conditions are patterns in the syntax of
/// [`Wildcard`]. Setting a condition again replaces it. A request that lacks a part, such as one of a queue worker,
/// matches `*` only.
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
    /// Creates a rule that matches every request. It records the first `target` requests of each second, and `rate` of
    /// the others.
    pub fn new(target: FixedTarget, rate: Rate) -> Rule {
        let any = Wildcard::new("*");
        Rule { method: any.clone(), host: any.clone(), path: any, target, rate, description: None }
    }

    /// Sets a description for human readers. Explanations and error messages show it.
    pub fn describe(mut self, description: impl Into<String>) -> Rule {
        self.description = Some(description.into().into());
        self
    }

    /// Matches only requests whose method matches the pattern (default: `*`). This is `http_method` in X-Ray's local
    /// rule document.
    pub fn method(mut self, pattern: &str) -> Rule {
        self.method = Wildcard::new(pattern);
        self
    }

    /// Matches only requests whose host, including its port, matches the pattern (default: `*`). This is `host` in
    /// version 2 of X-Ray's local rule document, and `service_name` in version 1.
    ///
    /// A pattern that no host can match, such as one with a scheme, is logged when the recorder is built.
    pub fn host(mut self, pattern: &str) -> Rule {
        self.host = Wildcard::new(pattern);
        self
    }

    /// Matches only requests whose path, without its query string, matches the pattern (default: `*`). This is
    /// `url_path` in X-Ray's local rule document.
    pub fn path(mut self, pattern: &str) -> Rule {
        self.path = Wildcard::new(pattern);
        self
    }

    /// Returns the rule's description.
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

    /// Whether the rule matches this request, whose query string has been removed. Only a pattern of stars matches an
    /// absent part: a rule for `*/ping` does not apply to a queue worker.
    pub(super) fn matches(&self, request: &SamplingRequest<'_>) -> bool {
        let matches = |pattern: &Wildcard, part: Option<&str>| match part {
            Some(part) => pattern.matches(part),
            None => pattern.is_any(),
        };
        // Cheapest first: the method is short and rules out most rules, the path most of the others.
        matches(&self.method, request.method) && matches(&self.path, request.path) && matches(&self.host, request.host)
    }

    /// Rejects an empty pattern and a rate that is out of range.
    pub(super) fn check(&self, at: RulePlace) -> Result<(), ParseRulesError> {
        let patterns = [("http_method", &self.method), ("host", &self.host), ("url_path", &self.path)];
        match patterns.iter().find(|(_, pattern)| pattern.as_str().is_empty()) {
            Some(&(field, _)) => Err(ParseRulesError::invalid(at, field, "a non-empty string", "\"\"")),
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
    fn all_conditions_must_hold_and_only_stars_match_an_absent_part() {
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
    fn values_that_a_document_may_not_have_are_rejected_in_code_too() {
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
