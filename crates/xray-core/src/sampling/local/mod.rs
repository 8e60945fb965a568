//! Local sampling: rules in code or in X-Ray's local rule document.

mod document;
mod reservoir;
mod rule;

pub use reservoir::FixedTarget;
pub use rule::Rule;

use std::fmt;
use std::fs;
use std::path::Path;

use crate::host_pattern;
use crate::sampling::{
    Decision, Explanation, MatchedRule, Outcome, ParseRulesError, Rate, Reason, RulePlace, Sampler, SamplerContext,
    SamplingRequest,
};
use crate::time::Clock;

use reservoir::Reservoir;

/// Local sampling rules: the first rule that matches a request decides. If none matches, the default rule decides.
///
/// Each rule records the first requests of every second up to its [`FixedTarget`], and the share given by its
/// [`Rate`] of the others. `Rules::default()` is X-Ray's own default: one request each second and 5 % of the others.
///
/// Rules are read from X-Ray's local sampling rule document, version 1 or 2, or written in code:
///
/// ```
/// use xray_core::sampling::{FixedTarget, Rate, Rule, Rules, SamplingRequest};
///
/// let read = Rules::from_json(r#"{
///     "version": 2,
///     "rules": [{
///         "description": "Sign-in",
///         "host": "*.example.com", "http_method": "POST", "url_path": "/signin/*",
///         "fixed_target": 10, "rate": 0.05
///     }],
///     "default": {"fixed_target": 1, "rate": 0.1}
/// }"#)?;
/// let sign_in = Rule::new(FixedTarget(10), Rate(0.05)).describe("Sign-in");
/// let written = Rules::new(FixedTarget(1), Rate(0.1))
///     .rule(sign_in.host("*.example.com").method("POST").path("/signin/*"));
///
/// let request = SamplingRequest::new("shop").host("eu.example.com").method("POST").path("/signin/github");
/// assert_eq!(read.matching(&request), Some(0));
/// assert_eq!(written.matching(&request), Some(0));
/// # Ok::<(), xray_core::sampling::ParseRulesError>(())
/// ```
///
/// A document has the following fields. All are required, except `rules` and a rule's `description`. Unknown fields of a
/// rule or of `default` are errors, because a misspelt condition would make the rule match every request.
///
/// | field | value |
/// |---|---|
/// | `version` | 1 or 2 |
/// | `default` | an object with `fixed_target` and `rate`, for requests that no rule matches |
/// | `rules` | an array of rules, tried in their order |
/// | `rules[].description` | a text for human readers |
/// | `rules[].host` (version 1: `service_name`) | a pattern for the host of the request, including its port |
/// | `rules[].http_method`, `rules[].url_path` | patterns for the method and the path: see [`Wildcard`](crate::sampling::Wildcard) |
/// | `fixed_target` | requests that are always recorded each second, an integer from 0 |
/// | `rate` | the share of the other requests that are recorded, from 0 to 1 |
///
/// Given to a recorder, rules decide alone, and the X-Ray service is not queried. To use them only while the rules of
/// the service are unavailable, pass them to [`Central::with_fallback`](crate::sampling::Central::with_fallback):
///
/// ```
/// use xray_core::Recorder;
/// use xray_core::sampling::{Central, FixedTarget, Rate, Rules};
///
/// let local = Recorder::builder().sampling(Rules::new(FixedTarget(1), Rate(0.05))).build();
/// let central = Recorder::builder().sampling(Central::with_fallback(Rules::new(FixedTarget(1), Rate(0.05)))).build();
/// # assert!(local.is_ok() && central.is_ok());
/// ```
///
/// A decision takes no lock and allocates nothing. It reads the clock only for a rule with a target, and draws a
/// random number only for a rate between 0 and 1.
#[derive(Debug)]
#[must_use]
pub struct Rules {
    rules: Vec<Limited>,
    default: Limited,
    clock: Clock,
    random: Random,
}

/// A rule and its reservoir, which counts the requests of this second.
#[derive(Debug)]
struct Limited {
    rule: Rule,
    reservoir: Reservoir,
}

impl From<Rule> for Limited {
    fn from(rule: Rule) -> Limited {
        Limited { rule, reservoir: Reservoir::default() }
    }
}

/// A source of random numbers in `[0, 1)`: an injected function, or the thread's own generator.
#[derive(Default)]
pub(super) struct Random(Option<Box<dyn Fn() -> f64 + Send + Sync>>);

impl Random {
    pub(super) fn injected(random: impl Fn() -> f64 + Send + Sync + 'static) -> Random {
        Random(Some(Box::new(random)))
    }

    pub(super) fn draw(&self) -> f64 {
        self.0.as_ref().map_or_else(crate::random::share, |random| random())
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Random(injected)" } else { "Random(fast)" })
    }
}

impl Rules {
    /// Creates a set with only the default rule: `target` requests of each second, and `rate` of the others.
    pub fn new(target: FixedTarget, rate: Rate) -> Rules {
        let default = Rule::new(target, rate).into();
        Rules { rules: Vec::new(), default, clock: Clock::default(), random: Random::default() }
    }

    /// Reads X-Ray's local sampling rule document, version 1 or 2.
    ///
    /// # Errors
    ///
    /// The text is not such a document. The error names the rule, the field and its value.
    pub fn from_json(text: &str) -> Result<Rules, ParseRulesError> {
        document::parse(text)
    }

    /// Reads X-Ray's local sampling rule document from a file. Later changes of the file have no effect.
    ///
    /// ```no_run
    /// use xray_core::Recorder;
    /// use xray_core::sampling::Rules;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let _guard = Recorder::builder().sampling(Rules::from_file("sampling-rules.json")?).build()?.install();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The file cannot be read, or does not contain such a document. The error names the file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Rules, ParseRulesError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path)
            .map_err(|error| ParseRulesError::File { path: path.to_owned(), kind: error.kind() })?;
        Rules::from_json(&text)
            .map_err(|error| ParseRulesError::InFile { path: path.to_owned(), error: Box::new(error) })
    }

    /// Adds a rule after the existing ones. Rules are tried in the order in which they were added.
    pub fn rule(mut self, rule: Rule) -> Rules {
        self.rules.push(rule.into());
        self
    }

    /// Sets the clock that separates the seconds (default: the system clock). Calling this again replaces the clock.
    pub fn with_clock(mut self, clock: Clock) -> Rules {
        self.clock = clock;
        self
    }

    /// Sets the source of random numbers in `[0, 1)` (default: a fast generator per thread). A request is recorded if
    /// the number is below the rate. Calling this again replaces the source.
    ///
    /// A constant makes a test deterministic:
    ///
    /// ```
    /// use xray_core::sampling::{FixedTarget, Rate, Rules, Sampler, SamplingRequest};
    ///
    /// let rules = Rules::new(FixedTarget(0), Rate(0.05)).with_random(|| 0.01);
    /// assert!(rules.decide(&SamplingRequest::new("shop")).is_sampled());
    /// ```
    pub fn with_random(mut self, random: impl Fn() -> f64 + Send + Sync + 'static) -> Rules {
        self.random = Random::injected(random);
        self
    }

    /// Returns the index of the rule that decides about a request, or `None` for the default rule. This makes no
    /// decision and does not count towards the rule's target.
    pub fn matching(&self, request: &SamplingRequest<'_>) -> Option<usize> {
        if self.rules.is_empty() {
            return None;
        }
        let request = request.without_query();
        self.rules.iter().position(|limited| limited.rule.matches(&request))
    }

    /// Returns the rule at an index, as returned by [`matching`](Rules::matching).
    ///
    /// ```
    /// use xray_core::sampling::{FixedTarget, Rate, Rule, Rules, SamplingRequest};
    ///
    /// let rules = Rules::default().rule(Rule::new(FixedTarget(0), Rate(0.0)).describe("Probes").path("/health"));
    /// let index = rules.matching(&SamplingRequest::new("shop").path("/health"));
    /// assert_eq!(index.and_then(|index| rules.get(index)?.description()), Some("Probes"));
    /// ```
    pub fn get(&self, index: usize) -> Option<&Rule> {
        self.rules.get(index).map(|limited| &limited.rule)
    }
}

/// X-Ray's own default: one request each second, and 5 % of the others.
impl Default for Rules {
    fn default() -> Rules {
        Rules::new(FixedTarget(1), Rate(0.05))
    }
}

impl Sampler for Rules {
    fn decide(&self, request: &SamplingRequest<'_>) -> Decision {
        let Limited { rule, reservoir } = self.matching(request).map_or(&self.default, |index| &self.rules[index]);
        let second = || self.clock.now().as_secs();
        (reservoir.take(rule.target(), second) || rule.rate().takes(|| self.random.draw())).into()
    }

    fn explain(&self, request: &SamplingRequest<'_>) -> Explanation {
        let matched = self.matching(request);
        let Limited { rule, reservoir } = matched.map_or(&self.default, |index| &self.rules[index]);
        let matched = matched
            .map_or(MatchedRule::LocalDefault, |index| MatchedRule::Local(index, rule.description().map(Into::into)));
        let by_rate = Outcome::from(rule.rate());
        match rule.target() {
            FixedTarget(0) => Explanation::new(by_rate).by(matched, Reason::Rate),
            FixedTarget(target) => {
                let taken = reservoir.taken(self.clock.now().as_secs());
                let outcome = if taken < target { Outcome::Sampled } else { by_rate };
                Explanation::new(outcome).by(matched, Reason::Target { taken, target })
            }
        }
    }

    /// Reports rules whose host pattern no host can match.
    fn start(&self, context: &SamplerContext) {
        for Limited { rule, .. } in &self.rules {
            host_pattern::check(rule.host_pattern(), &context.diagnostics);
        }
    }

    fn validate(&self) -> Result<(), ParseRulesError> {
        self.default.rule.check(RulePlace::Default)?;
        let mut rules = self.rules.iter().enumerate();
        rules.try_for_each(|(index, Limited { rule, .. })| {
            rule.check(RulePlace::Rule(index, rule.description().map(Into::into)))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::time::Duration;

    use super::*;
    use crate::time::Timestamp;

    fn get(path: &str) -> SamplingRequest<'_> {
        SamplingRequest::new("shop").host("shop.example.com").method("GET").path(path)
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let all = || Rule::new(FixedTarget(0), Rate(1.0));
        let rules = Rules::new(FixedTarget(0), Rate(0.0))
            .rule(all().path("/a*"))
            .rule(all().path("/ab*"))
            .rule(all().path("/signin").method("POST"));
        for (request, want) in [
            (get("/abc"), Some(0)),
            (get("/signin"), None),
            (get("/signin?next=/a").method("POST"), Some(2)),
            (get("/b?/a"), None),
            (get("/x").path(None), None),
        ] {
            assert_eq!(rules.matching(&request), want, "{request:?}");
            assert_eq!(rules.decide(&request), Decision::from(want.is_some()), "{request:?}");
        }
        assert!(rules.get(3).is_none());
    }

    #[test]
    fn the_default_records_one_request_a_second_and_one_in_twenty_of_the_others() {
        let clock = Clock::manual(Timestamp::from_micros(1_500_000_000_999_999));
        let draws = AtomicUsize::new(0);
        let random = move || [0.049, 0.05, 0.999][draws.fetch_add(1, Relaxed) % 3];
        let rules = Rules::default().with_clock(clock.clone()).with_random(random);
        let decide = |times: usize| -> Vec<bool> { (0..times).map(|_| rules.decide(&get("/")).is_sampled()).collect() };
        assert_eq!(decide(4), [true, true, false, false]);
        clock.advance(Duration::from_micros(1));
        assert_eq!(decide(2), [true, true]);
        clock.step(Timestamp::from_micros(0));
        assert_eq!(decide(2), [true, false]);
    }

    #[test]
    fn each_rule_has_its_own_target() {
        let once = || Rule::new(FixedTarget(1), Rate(0.0));
        let rules = Rules::new(FixedTarget(1), Rate(0.0))
            .rule(once().path("/a"))
            .rule(once().path("/b"))
            .with_clock(Clock::manual(Timestamp::from_micros(0)));
        let sampled: Vec<bool> =
            ["/a", "/b", "/c", "/a", "/b", "/c"].iter().map(|path| rules.decide(&get(path)).is_sampled()).collect();
        assert_eq!(sampled, [true, true, true, false, false, false]);
    }

    #[test]
    fn rates_of_0_and_1_draw_no_random_number() {
        let rules = Rules::new(FixedTarget(0), Rate(0.0))
            .rule(Rule::new(FixedTarget(0), Rate(1.0)).path("/all"))
            .with_random(|| panic!("drawn"));
        assert!(rules.decide(&get("/all")).is_sampled());
        assert!(!rules.decide(&get("/")).is_sampled());
    }

    #[test]
    fn an_error_names_the_rule_whose_rate_is_out_of_range() {
        let bad = |at, found| Err(ParseRulesError::invalid(at, "rate", "a number from 0 to 1", found));
        let rule = |rate| Rule::new(FixedTarget(1), Rate(rate));
        assert_eq!(Rules::default().rule(rule(1.0)).rule(rule(5.0)).validate(), bad(RulePlace::Rule(1, None), 5.0));
        assert_eq!(Rules::new(FixedTarget(1), Rate(-1.0)).validate(), bad(RulePlace::Default, -1.0));
        assert_eq!(Rules::default().rule(rule(0.0)).validate(), Ok(()));
    }

    #[test]
    fn an_error_names_a_missing_file() {
        let error = Rules::from_file("no/such/rules.json").unwrap_err();
        let kind = std::io::ErrorKind::NotFound;
        assert_eq!(error, ParseRulesError::File { path: "no/such/rules.json".into(), kind });
    }

    #[test]
    fn an_error_names_a_file_with_an_invalid_document() {
        let path = std::env::temp_dir().join(format!("xray-rules-{}.json", std::process::id()));
        fs::write(&path, r#"{"version": 2, "default": {"fixed_target": 1, "rate": 7}}"#).unwrap();
        let error = Rules::from_file(&path).unwrap_err().to_string();
        fs::remove_file(&path).unwrap();
        let want = "the default sampling rule: `rate` is 7, but must be a number from 0 to 1";
        assert_eq!(error, format!("{}: {want}", path.display()));
    }

    #[test]
    fn rules_may_be_shared_between_threads() {
        fn shared<T: Send + Sync + 'static>() {}
        shared::<Rules>();
        shared::<Rule>();
        shared::<ParseRulesError>();
    }
}
