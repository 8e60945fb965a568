//! The compiled rules of the X-Ray service, and the state of each.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::Value;

use super::boost::Boost;
use super::quota::Quota;
use super::statistics::Statistics;
use crate::sampling::{Rate, SamplingRequest, Wildcard};
use crate::time::Timestamp;

/// The rule that every account has: it matches all requests that no other rule matches.
const DEFAULT: &str = "Default";

/// The compiled sampling rules of the X-Ray service, by which [`Central`](crate::sampling::Central) decides.
///
/// Use it to check which rule of your account a request matches, without a daemon: pass the output of
/// `aws xray get-sampling-rules`.
///
/// ```
/// use xray_core::sampling::SamplingRequest;
/// use xray_core::sampling::central::ServiceRules;
///
/// let rules = ServiceRules::from_json(r#"{"SamplingRuleRecords": [{"SamplingRule": {
///     "RuleName": "orders", "Priority": 10, "FixedRate": 0.1, "ReservoirSize": 5, "Version": 1,
///     "ResourceARN": "*", "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "*", "URLPath": "/orders/*"
/// }}]}"#)?;
/// assert_eq!(rules.matching(&SamplingRequest::new("shop").path("/orders/7")), Some("orders"));
/// assert_eq!(rules.matching(&SamplingRequest::new("shop").path("/")), None);
/// # Ok::<(), xray_core::sampling::central::ResponseError>(())
/// ```
#[derive(Debug, Default)]
pub struct ServiceRules(Vec<ServiceRule>);

impl ServiceRules {
    /// Reads a response to `GetSamplingRules`. Unsupported records are skipped: those of a version other than 1, those
    /// for specific resources, and those without a name, a priority, a rate or a service type.
    ///
    /// # Errors
    ///
    /// The text is not such a response: it is not JSON, lacks `SamplingRuleRecords`, or is a local sampling document.
    pub fn from_json(response: &str) -> Result<ServiceRules, ResponseError> {
        let response = serde_json::from_str(response).map_err(|_| ResponseError::Json)?;
        Ok(ServiceRules::compile(records(&response)?, &ServiceRules::default()))
    }

    /// Compiles records, in the order in which they are tried: by priority, then by name, with `Default` last. A rule
    /// that also exists in `before`, by its name, keeps its quota and counts. It keeps the rate of its last target
    /// too, unless the rule's own rate has changed.
    pub(super) fn compile(records: &[Value], before: &ServiceRules) -> ServiceRules {
        let mut rules: Vec<_> =
            records.iter().filter_map(|record| ServiceRule::read(&record["SamplingRule"])).collect();
        rules.sort_by(|one, other| {
            let last = |rule: &ServiceRule| &*rule.state.name == DEFAULT;
            let by_priority = last(one).cmp(&last(other)).then(one.priority.total_cmp(&other.priority));
            by_priority.then_with(|| one.state.name.encode_utf16().cmp(other.state.name.encode_utf16()))
        });
        for rule in &mut rules {
            if let Some(state) = before.state(&rule.state.name) {
                state.take_over_rate(&rule.state);
                rule.state = state.clone();
            }
        }
        ServiceRules(rules)
    }

    /// Returns the names of the rules, in the order in which they are tried.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|rule| &*rule.state.name)
    }

    /// Returns the name of the first rule that matches this request. This makes no decision and counts nothing.
    pub fn matching(&self, request: &SamplingRequest<'_>) -> Option<&str> {
        self.find(&request.without_query()).map(|rule| &*rule.state.name)
    }

    /// Returns the first rule that matches this request, whose query string has been removed.
    pub(super) fn find(&self, request: &SamplingRequest<'_>) -> Option<&ServiceRule> {
        self.0.iter().find(|rule| rule.matches(request))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn states(&self) -> impl Iterator<Item = &Arc<RuleState>> {
        self.0.iter().map(|rule| &rule.state)
    }

    pub(super) fn state(&self, name: &str) -> Option<&Arc<RuleState>> {
        self.states().find(|state| &*state.name == name)
    }
}

/// Returns the records in a response to `GetSamplingRules`.
pub(super) fn records(response: &Value) -> Result<&[Value], ResponseError> {
    response["SamplingRuleRecords"].as_array().map(Vec::as_slice).ok_or_else(|| {
        match response.get("version").is_some() && response.get("default").is_some() {
            true => ResponseError::LocalDocument,
            false => ResponseError::Field("SamplingRuleRecords"),
        }
    })
}

/// One rule: its fixed conditions and its shared state.
#[derive(Debug)]
pub(super) struct ServiceRule {
    priority: f64,
    /// Whether one request each second may be recorded while the rule has no quota.
    pub(super) may_borrow: bool,
    /// Whether its rate may be boosted.
    pub(super) may_be_boosted: bool,
    /// Whether failures count as anomalies if the application has not configured any.
    pub(super) detects_anomalies: bool,
    /// `None` for the default rule, which matches all requests.
    conditions: Option<Conditions>,
    pub(super) state: Arc<RuleState>,
}

/// The state of a rule, kept when the rules are fetched again.
#[derive(Debug)]
pub(super) struct RuleState {
    pub(super) name: Arc<str>,
    pub(super) quota: Quota,
    pub(super) statistics: Statistics,
    pub(super) boost: Boost,
    /// The bits of the effective rate: the rule's own, or that of its last target.
    rate: AtomicU64,
    /// The bits of the rule's own rate.
    stated: AtomicU64,
}

impl RuleState {
    /// The effective rate at this moment, including a boost.
    pub(super) fn rate(&self, now: Timestamp) -> Rate {
        self.boost.rate(now).unwrap_or_else(|| self.own_rate())
    }

    fn own_rate(&self) -> Rate {
        Rate(f64::from_bits(self.rate.load(Relaxed)))
    }

    /// Whether the rule has anything to report.
    pub(super) fn was_used(&self) -> bool {
        self.statistics.counts().requests > 0 || self.boost.has_counted()
    }

    pub(super) fn set_rate(&self, rate: Rate) {
        self.rate.store(rate.0.to_bits(), Relaxed);
    }

    /// Adopts the rate of the newly fetched rule if it differs from the one fetched before. Otherwise the rate that
    /// the service assigned to this process stays: a fetch does not contain it.
    fn take_over_rate(&self, fetched: &RuleState) {
        let stated = fetched.stated.load(Relaxed);
        if self.stated.swap(stated, Relaxed) != stated {
            self.rate.store(stated, Relaxed);
        }
    }
}

#[derive(Debug)]
struct Conditions {
    method: Condition,
    path: Condition,
    host: Condition,
    service: Condition,
    service_type: Condition,
    /// Pairs of name and value. The application must provide each of them.
    attributes: Vec<(String, Condition)>,
}

/// A rule's condition on one part of a request.
#[derive(Debug)]
enum Condition {
    Any,
    Like(Wildcard),
    /// The rule lacks this condition.
    Unstated,
}

impl Condition {
    fn read(value: &Value) -> Condition {
        match value.as_str() {
            Some("*") => Condition::Any,
            Some(pattern) => Condition::Like(Wildcard::new(pattern)),
            None => Condition::Unstated,
        }
    }

    /// Matches a property of the service itself. An unknown one matches every condition.
    fn admits_service(&self, part: Option<&str>) -> bool {
        part.is_none_or(|part| part.is_empty() || self.matches(part))
    }

    /// Matches a part of the request. Only a pattern of stars and an unstated condition match an absent or empty part.
    fn admits(&self, part: Option<&str>) -> bool {
        match (self, part) {
            (Condition::Any, _) | (Condition::Unstated, None | Some("")) => true,
            (Condition::Like(pattern), None | Some("")) => pattern.is_any(),
            (_, Some(part)) => self.matches(part),
        }
    }

    fn matches(&self, part: &str) -> bool {
        match self {
            Condition::Any => true,
            Condition::Like(pattern) => pattern.matches(part),
            Condition::Unstated => false,
        }
    }
}

impl ServiceRule {
    /// Reads a record, or returns `None` if it is unsupported. Unknown members, of later versions of the service, are
    /// ignored.
    fn read(rule: &Value) -> Option<ServiceRule> {
        let text = |name: &str| rule[name].as_str().filter(|text| !text.is_empty());
        let name = text("RuleName")?;
        text("ServiceType")?;
        let (priority, rate) = (rule["Priority"].as_f64()?, rule["FixedRate"].as_f64()?);
        if rule["Version"].as_f64() != Some(1.0) || text("ResourceARN") != Some("*") {
            return None;
        }
        let attributes = match &rule["Attributes"] {
            Value::Null => Vec::new(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), Condition::read(value))).collect()
            }
            _ => return None,
        };
        let conditions = (name != DEFAULT).then(|| Conditions {
            method: Condition::read(&rule["HTTPMethod"]),
            path: Condition::read(&rule["URLPath"]),
            host: Condition::read(&rule["Host"]),
            service: Condition::read(&rule["ServiceName"]),
            service_type: Condition::read(&rule["ServiceType"]),
            attributes,
        });
        let state = RuleState {
            name: name.into(),
            quota: Quota::default(),
            statistics: Statistics::default(),
            boost: Boost::default(),
            rate: AtomicU64::new(rate.to_bits()),
            stated: AtomicU64::new(rate.to_bits()),
        };
        let may_borrow = rule["ReservoirSize"].as_f64().is_some_and(|size| size > 0.0);
        // The default rule cannot be boosted.
        let boost = &rule["SamplingRateBoost"];
        let may_be_boosted = conditions.is_some() && boost.is_object();
        let detects_anomalies = boost["DisableDefaultAnomalyDetection"] != true;
        let state = Arc::new(state);
        Some(ServiceRule { priority, may_borrow, may_be_boosted, detects_anomalies, conditions, state })
    }

    /// Whether all conditions match the request, whose query string has been removed.
    fn matches(&self, request: &SamplingRequest<'_>) -> bool {
        let Some(conditions) = &self.conditions else { return true };
        // Cheapest first: the method is short and rules out most rules, the path most of the others.
        conditions.method.admits(request.method)
            && conditions.path.admits(request.path)
            && conditions.host.admits(request.host)
            && conditions.service.admits_service(Some(request.service))
            && conditions.service_type.admits_service(request.service_type)
            && conditions.attributes.iter().all(|(name, condition)| {
                // Unlike other parts, an attribute must be present: a rule that requires one does not match all.
                request.attributes.iter().any(|(given, value)| given == name && condition.matches(value))
            })
    }
}

/// Why a response of the X-Ray service cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// It is not JSON.
    Json,
    /// It is a local sampling document, which [`Rules::from_json`](crate::sampling::Rules::from_json) reads.
    LocalDocument,
    /// This member is missing or has the wrong type.
    Field(&'static str),
    /// The rules have more than 100 pages.
    Pages,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResponseError::Json => f.write_str("invalid response: not JSON"),
            ResponseError::LocalDocument => f.write_str(
                "this looks like a local sampling document, which `Rules` reads, not like a response to \
                 GetSamplingRules",
            ),
            ResponseError::Field(name) => write!(f, "invalid response: missing or malformed `{name}`"),
            ResponseError::Pages => f.write_str("invalid response: too many pages of rules"),
        }
    }
}

impl std::error::Error for ResponseError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rule(name: &str, change: impl FnOnce(&mut Value)) -> Value {
        let mut rule = json!({
            "RuleName": name, "Priority": 10, "FixedRate": 0.5, "ReservoirSize": 1, "Version": 1, "ResourceARN": "*",
            "Host": "*", "HTTPMethod": "*", "URLPath": "*", "ServiceName": "*", "ServiceType": "*", "Attributes": {},
        });
        change(&mut rule);
        json!({"SamplingRule": rule, "CreatedAt": 0.5})
    }

    fn compile(records: &[Value]) -> ServiceRules {
        ServiceRules::compile(records, &ServiceRules::default())
    }

    #[test]
    fn unsupported_records_are_skipped() {
        for (field, value, used) in [
            ("Version", json!(1.0), true),
            ("Version", json!(2), false),
            ("Version", json!("1"), false),
            ("ResourceARN", json!("arn:aws:x"), false),
            ("ResourceARN", json!(null), false),
            ("ServiceType", json!(null), false),
            ("RuleName", json!(""), false),
            ("Priority", json!("1"), false),
            ("Priority", json!(0), true),
            ("FixedRate", json!("1"), false),
            ("FixedRate", json!(1), true),
            ("Attributes", json!(null), true),
            ("Attributes", json!([]), false),
            ("Attributes", json!({"a": "b"}), true),
            ("SamplingRateBoost", json!({"MaxRate": 1, "CooldownWindowMinutes": 2}), true),
        ] {
            let record = rule("r", |rule| rule[field] = value.clone());
            assert_eq!(compile(&[record]).names().count(), usize::from(used), "{field} {value}");
        }
        assert!(compile(&[json!({}), json!(null), json!({"SamplingRule": []})]).is_empty());
    }

    #[test]
    fn attributes_must_be_present_and_match() {
        let rules = compile(&[rule("a", |rule| rule["Attributes"] = json!({"tier": "gold*", "eu": "1"}))]);
        for (attributes, want) in [
            (&[("tier", "golden"), ("eu", "1"), ("x", "y")][..], Some("a")),
            (&[("tier", "GOLD"), ("eu", "1")], Some("a")),
            (&[("tier", "silver"), ("eu", "1")], None),
            (&[("tier", "gold")], None),
            (&[("tier", ""), ("eu", "1")], None),
            (&[], None),
        ] {
            assert_eq!(rules.matching(&SamplingRequest::new("shop").attributes(attributes)), want, "{attributes:?}");
        }
    }

    #[test]
    fn a_missing_condition_matches_only_an_absent_part() {
        let rules = compile(&[rule("a", |rule| rule["Host"] = Value::Null)]);
        assert_eq!(rules.matching(&SamplingRequest::new("shop").host("x")), None);
        assert_eq!(rules.matching(&SamplingRequest::new("shop")), Some("a"));
        assert_eq!(rules.matching(&SamplingRequest::new("shop").host("")), Some("a"));
    }

    #[test]
    fn the_query_is_not_part_of_the_path() {
        let rules = compile(&[rule("a", |rule| rule["URLPath"] = json!("/a"))]);
        assert_eq!(rules.matching(&SamplingRequest::new("shop").path("/a?b")), Some("a"));
    }

    #[test]
    fn a_rule_of_the_same_name_keeps_its_counts_and_takes_the_new_rate() {
        let before = compile(&[rule("a", |_| ()), rule("b", |_| ())]);
        before.state("a").unwrap().quota.load(Some(3), Some(50));
        let after =
            ServiceRules::compile(&[rule("a", |rule| rule["FixedRate"] = json!(0.25)), rule("c", |_| ())], &before);
        assert!(Arc::ptr_eq(before.state("a").unwrap(), after.state("a").unwrap()));
        assert_eq!(after.state("a").unwrap().own_rate(), Rate(0.25));
        assert_eq!(after.names().collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn the_rate_of_a_target_stays_until_the_rules_own_rate_changes() {
        let with = |rate: f64, priority: u32| {
            [rule("a", |rule| (rule["FixedRate"], rule["Priority"]) = (json!(rate), json!(priority)))]
        };
        let fetched = compile(&with(0.5, 10));
        fetched.state("a").unwrap().set_rate(Rate(0.9));
        let rate_after = |records: &[Value], before| {
            let rules = ServiceRules::compile(records, before);
            (rules.state("a").unwrap().own_rate().0, rules)
        };
        let (rate, again) = rate_after(&with(0.5, 10), &fetched);
        assert_eq!(rate, 0.9, "the same rule");
        let (rate, again) = rate_after(&with(0.5, 20), &again);
        assert_eq!(rate, 0.9, "its rate is the same");
        let (rate, again) = rate_after(&with(0.25, 20), &again);
        assert_eq!(rate, 0.25);
        assert_eq!(rate_after(&with(0.25, 20), &again).0, 0.25);
    }

    #[test]
    fn a_response_is_distinguished_from_garbage() {
        for (answer, want) in [
            ("", ResponseError::Json),
            ("<html>", ResponseError::Json),
            (r#"{"version":2,"default":{"fixed_target":1,"rate":0.5}}"#, ResponseError::LocalDocument),
            ("[]", ResponseError::Field("SamplingRuleRecords")),
            (r#"{"SamplingRuleRecords":{}}"#, ResponseError::Field("SamplingRuleRecords")),
        ] {
            assert_eq!(ServiceRules::from_json(answer).unwrap_err(), want, "{answer}");
        }
        assert!(ServiceRules::from_json(r#"{"SamplingRuleRecords":[]}"#).unwrap().is_empty());
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[*?a]{0,3}".prop_map(Value::from)
        ];
        leaf.prop_recursive(2, 8, 4, |inner| prop::collection::vec(inner, 0..3).prop_map(Value::from))
    }

    proptest! {
        #[test]
        fn any_record_is_accepted_or_skipped_and_the_order_holds(
            changes in prop::collection::vec((0..12_usize, values(), -3..3_i32, "[A-Ca-c]{1,2}|Default"), 0..8)
        ) {
            let fields = ["RuleName", "Priority", "FixedRate", "ReservoirSize", "Version", "ResourceARN", "Host",
                "HTTPMethod", "URLPath", "ServiceName", "ServiceType", "Attributes"];
            let records: Vec<_> = changes.into_iter().map(|(field, value, priority, name)| rule(&name, |rule| {
                rule["Priority"] = priority.into();
                rule[fields[field]] = value;
            })).collect();
            let rules = compile(&records);
            let order: Vec<_> = rules.0.iter().map(|rule| (&*rule.state.name == DEFAULT, rule.priority)).collect();
            prop_assert!(order.is_sorted_by(|one, other| one <= other), "{:?}", order);
            let _ = rules.matching(&SamplingRequest::new("shop").path("/"));
        }
    }
}
