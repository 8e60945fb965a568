//! Works that use `xray-core` alone.

use std::hint::black_box;
use std::net::UdpSocket;
use std::time::Duration;

use xray_core::http::{HttpRequest, HttpResponse};
use xray_core::sampling::{FixedTarget, Rate, Rule, Rules, Sampler, SamplingRequest};
use xray_core::serde::ser::{Serialize, SerializeStruct, Serializer};
use xray_core::{Namespace, Recorder, TraceHeader};

/// The number of operations between two flushes, which keep the queue short.
const BURST: usize = 64;

/// The number of subsegments of a large trace.
const LARGE: usize = 10_000;

/// Host, method, path and rate of local rules. The last one is the default.
const RULES: [(&str, &str, &str, f64); 20] = [
    ("*", "GET", "/health", 0.0),
    ("*", "GET", "/ready", 0.0),
    ("*", "*", "/static/*", 0.0),
    ("*", "OPTIONS", "*", 0.0),
    ("admin.*", "*", "*", 0.5),
    ("*.example.com", "POST", "/payments/*", 1.0),
    ("*.example.com", "POST", "/payments/*/refund", 1.0),
    ("shop.example.com", "POST", "/cart/*/checkout", 0.5),
    ("shop.example.com", "PUT", "/cart/*/lines/?", 0.2),
    ("api.example.com", "GET", "/v1/*", 0.01),
    ("api.example.com", "GET", "/v2/users/*/profile", 0.02),
    ("api.example.com", "*", "/v?/admin/*", 0.5),
    ("api-??.example.com", "*", "*", 0.05),
    ("*", "DELETE", "/v1/*", 0.1),
    ("*", "PATCH", "/v1/*/items/*", 0.1),
    ("partner-*.example.com", "GET", "/feed/*", 0.01),
    ("partner-*.example.com", "POST", "/feed/*/ack", 0.01),
    ("shop.example.com", "POST", "/orders", 0.3),
    ("shop.example.com", "GET", "/orders/*", 0.1),
    ("*", "*", "*", 0.05),
];

/// Host, method and path of requests, decided in turn.
const REQUESTS: [(&str, &str, &str); 8] = [
    ("shop.example.com", "GET", "/orders/12345"),
    ("shop.example.com", "POST", "/orders"),
    ("api.example.com", "GET", "/v2/users/7/profile"),
    ("admin.example.com", "DELETE", "/v1/items/9"),
    ("shop.example.com", "GET", "/static/app.js"),
    ("other.example.org", "GET", "/"),
    ("shop.example.com", "PUT", "/cart/77/lines/3"),
    ("api.example.com", "GET", "/health"),
];

/// Headers, parsed in turn: one of another service, and one of a load balancer.
const HEADERS: [&str; 2] = [
    "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
    "Self=1-67891234-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1;\
     Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2",
];

/// A recorder that samples this share of requests and sends to a socket that is never read.
pub(crate) struct Sink {
    pub(crate) recorder: Recorder,
    _socket: UdpSocket,
}

impl Sink {
    pub(crate) fn new(rate: f64) -> Sink {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let daemon = socket.local_addr().expect("an address");
        let rules = Rules::new(FixedTarget(0), Rate(rate));
        let recorder = Recorder::builder().daemon(daemon.into()).sampling(rules).build().expect("valid settings");
        Sink { recorder, _socket: socket }
    }

    /// Does an operation this often, and sends in bursts.
    pub(crate) fn repeat(&self, count: usize, burst: usize, mut operation: impl FnMut(&Recorder)) {
        for done in 1..=count {
            operation(&self.recorder);
            if done % burst == 0 || done == count {
                self.recorder.flush(Duration::from_secs(30));
            }
        }
    }
}

/// A metadata value. A crate that depends on serde would derive the implementation.
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

#[inline(never)]
fn request(recorder: &Recorder) {
    let segment = recorder.begin_from("orders", &TraceHeader::default());
    segment.set_http_request(
        &HttpRequest::new("GET", "http://shop.example.com/orders/12345?expand=items")
            .keep_query(true)
            .user_agent("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36")
            .client_ip("203.0.113.7")
            .forwarded(true),
    );
    let entered = segment.enter();
    segment.annotate("tenant", "acme").annotate("items", 3);
    segment.metadata("debug", &Debug { plan: "pro", retries: 1 });
    xray_core::capture("checkout", |_| {
        xray_core::capture("price", |_| {});
        xray_core::capture("inventory.example.com", |call| {
            call.set_namespace(Namespace::Remote)
                .set_http_request(&HttpRequest::new("POST", "http://inventory.example.com/reserve").traced(true))
                .set_http_response(&HttpResponse::new(200).content_length(64));
        });
    });
    drop(entered);
    segment.set_http_response(&HttpResponse::new(200).content_length(512));
    segment.close();
}

pub(crate) fn recorded(count: usize) {
    Sink::new(1.0).repeat(count, BURST, request);
}

pub(crate) fn unsampled(count: usize) {
    Sink::new(0.0).repeat(count, BURST, request);
}

/// Rounds up to whole traces.
pub(crate) fn large(count: usize) {
    Sink::new(1.0).repeat(count.div_ceil(LARGE), 1, |recorder| {
        let segment = recorder.begin("orders");
        (0..LARGE).for_each(|_| segment.subsegment("step").close());
        segment.close();
    });
}

pub(crate) fn decision(count: usize) {
    let [rules @ .., (.., default)] = RULES;
    let rules = rules.iter().fold(Rules::new(FixedTarget(1), Rate(default)), |rules, (host, method, path, rate)| {
        rules.rule(Rule::new(FixedTarget(1), Rate(*rate)).host(host).method(method).path(path))
    });
    for index in 0..count {
        let (host, method, path) = black_box(REQUESTS[index % REQUESTS.len()]);
        black_box(rules.decide(&SamplingRequest::new("orders").host(host).method(method).path(path)));
    }
}

pub(crate) fn header(count: usize) {
    for index in 0..count {
        black_box(TraceHeader::parse(black_box(HEADERS[index % HEADERS.len()])));
    }
}
