//! Local sampling: rule documents, which rule matches, and what a rule grants.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Value, json};
use xray_core::sampling::{FixedTarget, Rate, Rules, Sampler, SamplingRequest, Wildcard};
use xray_core::time::{Clock, Timestamp};

use crate::vectors::Verdict;

pub(super) fn check(case: &Value) -> Verdict {
    let got = match case["kind"].as_str() {
        Some("manifest") => json!({"valid": Rules::from_json(&case["manifest"].to_string()).is_ok()}),
        Some("match") => matched(case),
        Some("reservoir") => decisions(case),
        other => panic!("unknown kind {other:?}"),
    };
    Verdict::new(got, case["expected"].clone())
}

fn matched(case: &Value) -> Value {
    let rules = Rules::from_json(&case["manifest"].to_string()).expect("the rule document is accepted");
    let field = |name: &str| case["request"][name].as_str();
    let request = SamplingRequest::new("svc").host(field("host")).method(field("method")).path(field("path"));
    match rules.matching(&request) {
        Some(index) => json!({"rule": index}),
        None => json!({"rule": "default"}),
    }
}

fn decisions(case: &Value) -> Value {
    let target = case["fixed_target"].as_u64().and_then(|target| u32::try_from(target).ok());
    let rate = case["rate"].as_f64().expect("`rate` is a number");
    let clock = Clock::manual(Timestamp::from_micros(0));
    let random = Arc::new(AtomicU64::new(0));
    let rules = {
        let random = Arc::clone(&random);
        Rules::new(FixedTarget(target.expect("`fixed_target` is a number")), Rate(rate))
            .with_clock(clock.clone())
            .with_random(move || f64::from_bits(random.load(Relaxed)))
    };
    let calls = case["calls"].as_array().expect("`calls` is a list");
    let decided = calls.iter().map(|call| {
        let second = call["second"].as_u64().expect("`second` is a whole number");
        clock.step(Timestamp::from_micros(second * 1_000_000));
        random.store(call["random"].as_f64().expect("`random` is a number").to_bits(), Relaxed);
        rules.decide(&SamplingRequest::new("svc")).is_sampled()
    });
    decided.collect()
}

pub(super) fn check_wildcard(case: &Value) -> Verdict {
    let text = |name: &str| case[name].as_str().expect("`pattern` and `text` are texts");
    Verdict::new(Wildcard::new(text("pattern")).matches(text("text")), case["expected"].clone())
}
