//! This SDK in the comparison with baselines and other SDKs: workloads A to D2.

use std::hint::black_box;
use std::time::Duration;

use harness::{Env, Harness, Work, doc};
use xray_core::http::{HttpRequest, HttpResponse};
use xray_core::sampling::{FixedTarget, Rate, Rule, Rules, Sampler, SamplingRequest};
use xray_core::serde::ser::{Serialize, SerializeStruct, Serializer};
use xray_core::{Namespace, Recorder, TraceHeader};

/// The metadata value. A crate that depends on serde would derive the implementation below.
struct Debug {
    plan: &'static str,
    retries: i64,
}

impl Serialize for Debug {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Debug", 2)?;
        fields.serialize_field("plan", self.plan)?;
        fields.serialize_field("retries", &self.retries)?;
        fields.end()
    }
}

/// Workloads A and B: records a request and sends it to `env.sink`, with one default rule: fixed target 0, rate `rate`.
struct Request {
    recorder: Recorder,
}

impl Request {
    fn new(env: &Env, rate: f64) -> Request {
        let recorder = Recorder::builder()
            .daemon(env.sink.to_string().parse().unwrap())
            .sampling(Rules::new(FixedTarget(0), Rate(rate)))
            .build()
            .unwrap();
        Request { recorder }
    }
}

impl Work for Request {
    fn op(&mut self, _: u64) {
        let segment = self.recorder.begin_from(doc::SEGMENT, &TraceHeader::default());
        segment.set_http_request(
            &HttpRequest::new(doc::METHOD, doc::URL)
                .keep_query(true)
                .user_agent(doc::USER_AGENT)
                .client_ip(doc::CLIENT_IP)
                .forwarded(true),
        );
        let entered = segment.enter();
        segment.annotate("tenant", doc::TENANT).annotate("items", doc::ITEMS);
        segment.metadata("debug", &Debug { plan: doc::PLAN, retries: doc::RETRIES });
        xray_core::capture(doc::OUTER, |_| {
            xray_core::capture(doc::INNER, |_| {});
            xray_core::capture(doc::REMOTE, |call| {
                call.set_namespace(Namespace::Remote)
                    .set_http_request(&HttpRequest::new(doc::REMOTE_METHOD, doc::REMOTE_URL).traced(true))
                    .set_http_response(&HttpResponse::new(doc::STATUS).content_length(doc::REMOTE_LENGTH));
            });
        });
        drop(entered);
        segment.set_http_response(&HttpResponse::new(doc::STATUS).content_length(doc::LENGTH));
        segment.close();
    }

    fn flush(&mut self) {
        self.recorder.flush(Duration::from_secs(30));
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
            black_box(TraceHeader::parse(black_box(
                [doc::TRACE_HEADER, doc::LONG_TRACE_HEADER][(i % 2) as usize],
            )));
        }
    });
}
