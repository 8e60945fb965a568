//! Cost of each request before anything is recorded: parsing the header and making the sampling decision. The baselines
//! (`floor_*`) are a linear scan of the same rules with a case-insensitive matcher, and splitting the header.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;

use divan::{AllocProfiler, Bencher};
use serde_json::json;
use xray_core::sampling::{Central, FixedTarget, MatchedRule, Rate, Rule, Rules, Sampler, SamplingRequest};
use xray_core::{Recorder, TraceHeader};
use xray_local::{Receiver, SamplingRules};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// Host, method and path of rules as a service might have them. The last one matches the request.
const RULES: [(&str, &str, &str); 20] = [
    ("*", "GET", "/health"),
    ("*", "*", "/static/*"),
    ("admin.*", "*", "*"),
    ("*.internal.example.com", "*", "/metrics*"),
    ("*.example.com", "POST", "/payments/*/refund"),
    ("shop.example.com", "PUT", "/cart/*/lines/?"),
    ("api.example.com", "GET", "/v2/users/*/profile"),
    ("partner-*.example.com", "POST", "/feed/*/ack"),
    ("*", "DELETE", "/sessions/*"),
    ("*", "POST", "/login*"),
    ("shop.*", "GET", "/search*"),
    ("*.example.com", "GET", "/images/*.png"),
    ("api.*", "*", "/v1/*"),
    ("*", "GET", "/reports/20??/*"),
    ("shop-?.example.com", "*", "*"),
    ("*", "PATCH", "*/prices"),
    ("*.example.org", "*", "/*"),
    ("shop.example.com", "GET", "/orders/*/invoice"),
    ("*.example.com", "GET", "/orders/*/lines/*"),
    ("shop.example.com", "GET", "/orders/*"),
];
const REQUEST: (&str, &str, &str) = ("shop.example.com", "GET", "/orders/12345");

#[divan::bench(sample_size = 256)]
fn rules(bencher: Bencher) {
    let rules = RULES.iter().fold(Rules::default(), |rules, (host, method, path)| {
        rules.rule(Rule::new(FixedTarget(1), Rate(0.05)).host(host).method(method).path(path))
    });
    bencher.bench_local(|| {
        let (host, method, path) = black_box(REQUEST);
        rules.decide(&SamplingRequest::new("orders").host(host).method(method).path(path))
    });
}

/// The same rules, fetched from a service.
#[divan::bench(sample_size = 256)]
fn central_rules(bencher: Bencher) {
    let records = RULES.iter().enumerate().map(|(index, (host, method, path))| {
        json!({"SamplingRule": {
            "RuleName": format!("rule-{index}"), "Priority": index + 1, "FixedRate": 0.05, "ReservoirSize": 1,
            "Host": host, "HTTPMethod": method, "URLPath": path, "ServiceName": "*", "ServiceType": "*",
            "ResourceARN": "*", "Version": 1,
        }})
    });
    let response = json!({"SamplingRuleRecords": records.collect::<Vec<_>>()});
    let rules = SamplingRules::from_json(&response.to_string()).expect("the rules are valid");
    let receiver = Receiver::builder().rules(rules).bind("127.0.0.1:0").expect("a port");
    let sampler = Arc::new(Central::new());
    let recorder = Recorder::builder().daemon(receiver.address().into()).sampling(sampler.clone()).build();
    let recorder = recorder.expect("the configuration is valid");
    let (host, method, path) = REQUEST;
    let request = SamplingRequest::new("orders").host(host).method(method).path(path);
    // The first decision starts the fetch of the rules.
    sampler.decide(&request);
    while !matches!(recorder.explain(&request).rule, MatchedRule::Named(_)) {
        thread::yield_now();
    }
    bencher.bench_local(|| {
        let (host, method, path) = black_box(REQUEST);
        sampler.decide(&SamplingRequest::new("orders").host(host).method(method).path(path))
    });
}

#[divan::bench(sample_size = 256)]
fn floor_rules() -> Option<usize> {
    let (host, method, path) = black_box(REQUEST);
    RULES.iter().position(|rule| matches(rule.0, host) && matches(rule.1, method) && matches(rule.2, path))
}

/// Matches a pattern: `*` is any sequence, `?` is one character, and the case of ASCII letters is ignored.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut read, mut star) = (0, 0, None);
    while read < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, read));
                at += 1;
            }
            Some(byte) if *byte == b'?' || byte.eq_ignore_ascii_case(&text[read]) => (at, read) = (at + 1, read + 1),
            _ => {
                let Some((after, taken)) = star else { return false };
                star = Some((after, taken + 1));
                (at, read) = (after, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

const HEADER: &str = "Self=1-67891234-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678;\
    Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2";

#[divan::bench(sample_size = 256)]
fn header() -> TraceHeader<'static> {
    TraceHeader::parse(black_box(HEADER))
}

#[divan::bench(sample_size = 256)]
fn floor_header() -> usize {
    black_box(HEADER)
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| key.len() + value.len())
        .sum()
}
