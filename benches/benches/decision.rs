//! What each request pays before anything is recorded: the header, the name, the decision. The floor is a
//! linear scan of the same rules by a case-blind matcher, and a split of the header.

use std::hint::black_box;

use divan::{AllocProfiler, Bencher};
use xray_core::TraceHeader;
use xray_core::sampling::{FixedTarget, Rate, Rule, Rules, Sampler, SamplingRequest};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const RULES: [(&str, &str, &str); 8] = [
    ("*", "GET", "/health"),
    ("*", "*", "/static/*"),
    ("admin.*", "*", "*"),
    ("*.example.com", "POST", "/payments/*/refund"),
    ("shop.example.com", "PUT", "/cart/*/lines/?"),
    ("api.example.com", "GET", "/v2/users/*/profile"),
    ("partner-*.example.com", "POST", "/feed/*/ack"),
    ("shop.example.com", "GET", "/orders/*"),
];
const REQUEST: (&str, &str, &str) = ("shop.example.com", "GET", "/orders/12345");

#[divan::bench]
fn rules(bencher: Bencher) {
    let rules = RULES.iter().fold(Rules::default(), |rules, (host, method, path)| {
        rules.rule(Rule::new(FixedTarget(1), Rate(0.05)).host(host).method(method).path(path))
    });
    bencher.bench_local(|| {
        let (host, method, path) = black_box(REQUEST);
        rules.decide(&SamplingRequest::new("orders").host(host).method(method).path(path))
    });
}

#[divan::bench]
fn floor_rules() -> Option<usize> {
    let (host, method, path) = black_box(REQUEST);
    RULES.iter().position(|rule| matches(rule.0, host) && matches(rule.1, method) && matches(rule.2, path))
}

/// `*` any run, `?` one character; the case of ASCII letters does not count.
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

#[divan::bench]
fn header() -> TraceHeader<'static> {
    TraceHeader::parse(black_box(HEADER))
}

#[divan::bench]
fn floor_header() -> usize {
    black_box(HEADER)
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| key.len() + value.len())
        .sum()
}
