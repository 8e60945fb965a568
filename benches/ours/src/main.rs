//! This SDK in the comparison with baselines and other SDKs: workloads A to D2.

use std::hint::black_box;

use harness::{Harness, Work, doc};
use xray_core::TraceHeader;
use xray_core::sampling::{FixedTarget, Rate, Rule, Rules, Sampler, SamplingRequest};

use crate::request::Request;

mod request;

impl Work for Request {
    fn op(&mut self, _: u64) {
        self.record();
    }

    fn flush(&mut self) {
        self.send();
    }
}

/// Workload C: one segment with `doc::BIG` subsegments named "step", begun and closed one after the other.
struct Big(Request);

impl Work for Big {
    fn op(&mut self, _: u64) {
        let segment = self.0.recorder.begin(doc::SEGMENT);
        let _entered = segment.enter();
        for _ in 0..doc::BIG {
            xray_core::capture("step", |_| {});
        }
    }

    fn flush(&mut self) {
        self.0.flush()
    }
}

fn rules() -> Rules {
    let (default, rules) = doc::RULES.split_last().unwrap();
    rules.iter().fold(Rules::new(FixedTarget(default.3), Rate(default.4)), |all, (host, method, path, target, rate)| {
        all.rule(Rule::new(FixedTarget(*target), Rate(*rate)).host(host).method(method).path(path))
    })
}

fn main() {
    let h = Harness::new();
    h.case("ours", "A", |env| Request::new(env, 1.0));
    h.case("ours", "B", |env| Request::new(env, 0.0));
    h.case("ours", "C", |env| Big(Request::new(env, 1.0)));
    h.case("ours", "D1", |_| {
        let rules = rules();
        move |i: u64| {
            let (host, method, path) = black_box(doc::REQUESTS[(i % 8) as usize]);
            black_box(rules.decide(&SamplingRequest::new(doc::SEGMENT).host(host).method(method).path(path)));
        }
    });
    h.case("ours", "D2", |_| {
        |i: u64| {
            black_box(TraceHeader::parse(black_box([doc::TRACE_HEADER, doc::LONG_TRACE_HEADER][(i % 2) as usize])));
        }
    });
}
