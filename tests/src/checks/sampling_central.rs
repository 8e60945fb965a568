//! Central sampling: the order of the service's rules and which one matches, a rule's quota, what is counted.

use serde_json::{Value, json};
use xray_core::sampling::central::{Grant, Quota, ServiceRules, Statistics};
use xray_core::sampling::{Rate, SamplingRequest};

use crate::vectors::Verdict;

pub(super) fn check(case: &Value) -> Verdict {
    match case["kind"].as_str() {
        Some("match") => matched(case),
        Some("reservoir") => Verdict::new(grants(case), case["expected"].clone()),
        Some("decision") => Verdict::new(decision(case), case["expected"].clone()),
        other => panic!("unknown kind {other:?}"),
    }
}

fn matched(case: &Value) -> Verdict {
    let answer = json!({ "SamplingRuleRecords": case["records"] });
    let rules = ServiceRules::from_json(&answer.to_string()).expect("the records are read");
    let requests = case["requests"].as_array().expect("`requests` is a list");
    let found: Vec<_> = requests.iter().map(|given| rules.matching(&request(given, &attributes(given)))).collect();
    let expected: Vec<_> = requests.iter().map(|given| given["expected"].clone()).collect();
    let order: Vec<_> = rules.names().collect();
    Verdict::new(
        json!({"order": order, "matched": found}),
        json!({"order": case["expected_order"], "matched": expected}),
    )
}

fn request<'a>(given: &'a Value, attributes: &'a [(&'a str, &'a str)]) -> SamplingRequest<'a> {
    let field = |name: &str| given[name].as_str();
    SamplingRequest::new(field("service").unwrap_or_default())
        .host(field("host"))
        .method(field("method"))
        .path(field("path"))
        .service_type(field("type"))
        .attributes(attributes)
}

fn attributes(given: &Value) -> Vec<(&str, &str)> {
    let members = given["attributes"].as_object().into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
}

fn grants(case: &Value) -> Value {
    let quota = Quota::default();
    let mut given = Vec::new();
    for step in case["steps"].as_array().expect("`steps` is a list") {
        if let Some(load) = step.get("load") {
            quota.load(load["quota"].as_u64().and_then(|quota| quota.try_into().ok()), load["ttl"].as_u64());
            continue;
        }
        let now = step["now"].as_u64().expect("`now` is a whole number");
        given.push(match quota.take(|| now, step["can_borrow"] == true) {
            Grant::Take => "take",
            Grant::Borrow => "borrow",
            _ => "no",
        });
    }
    json!(given)
}

fn decision(case: &Value) -> Value {
    let grant = match case["reservoir"].as_str() {
        Some("take") => Grant::Take,
        Some("borrow") => Grant::Borrow,
        Some("no") => Grant::No,
        other => panic!("unknown answer of a reservoir: {other:?}"),
    };
    let number = |name: &str| case[name].as_f64().expect("`rate` and `random` are numbers");
    let statistics = Statistics::default();
    let sampled = statistics.sample_and_count(grant, Rate(number("rate")), || number("random"));
    let counts = statistics.counts();
    json!({
        "sampled": sampled,
        "counts": {"request": counts.requests, "borrow": counts.borrowed, "sampled": counts.sampled},
    })
}
