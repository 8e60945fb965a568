//! fastrace with a reporter that sends one JSON document for each span. They are not X-Ray's documents, but hold the same facts:
//! IDs, times and properties.

use std::net::UdpSocket;

use fastrace::collector::{Config, Reporter, SpanContext, SpanRecord};
use fastrace::local::LocalSpan;
use fastrace::prelude::*;
use harness::{Env, Harness, Request, Work, doc};
use serde::Serialize;

struct Udp {
    socket: UdpSocket,
    buf: Vec<u8>,
}

#[derive(Serialize)]
struct Doc<'a> {
    name: &'a str,
    id: String,
    trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    start_time: f64,
    end_time: f64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    annotations: &'a [(std::borrow::Cow<'static, str>, std::borrow::Cow<'static, str>)],
}

impl Reporter for Udp {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        for s in &spans {
            self.buf.clear();
            self.buf.extend_from_slice(b"{\"format\":\"json\",\"version\":1}\n");
            let start = s.begin_time_unix_ns as f64 * 1e-9;
            let d = Doc {
                name: &s.name,
                id: format!("{:016x}", s.span_id.0),
                trace_id: format!("{:032x}", s.trace_id.0),
                parent_id: (s.parent_id.0 != 0).then(|| format!("{:016x}", s.parent_id.0)),
                start_time: start,
                end_time: start + s.duration_ns as f64 * 1e-9,
                annotations: &s.properties,
            };
            serde_json::to_writer(&mut self.buf, &d).unwrap();
            let _ = self.socket.send(&self.buf);
        }
    }
}

fn start(env: &Env) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(env.sink).unwrap();
    fastrace::set_reporter(Udp { socket, buf: Vec::with_capacity(4096) }, Config::default());
}

struct Order {
    sampled: bool,
}
impl Request for Order {
    fn request(&self) {
        let root = Span::root(doc::SEGMENT, SpanContext::random().sampled(self.sampled)).with_properties(|| {
            [
                ("http.method", doc::METHOD),
                ("http.url", doc::URL),
                ("http.user_agent", doc::USER_AGENT),
                ("http.client_ip", doc::CLIENT_IP),
            ]
        });
        let _local = root.set_local_parent();
        root.add_properties(|| {
            [("tenant", doc::TENANT), ("items", "3"), ("debug", "{\"plan\":\"pro\",\"retries\":1}")]
        });
        {
            let _outer = LocalSpan::enter_with_local_parent(doc::OUTER);
            drop(LocalSpan::enter_with_local_parent(doc::INNER));
            let _remote = LocalSpan::enter_with_local_parent(doc::REMOTE)
                .with_properties(|| [("http.method", doc::REMOTE_METHOD), ("http.url", doc::REMOTE_URL)]);
            LocalSpan::add_properties(|| [("http.status", "200"), ("http.length", "64")]);
        }
        root.add_properties(|| [("http.status", "200"), ("http.length", "512")]);
    }
    fn flush(&self) {
        if self.sampled {
            fastrace::flush();
        }
    }
}
impl Work for Order {
    fn op(&mut self, _: u64) {
        self.request();
    }
    fn flush(&mut self) {
        Request::flush(self);
    }
}

struct Big;
impl Work for Big {
    fn op(&mut self, _: u64) {
        let root = Span::root(doc::SEGMENT, SpanContext::random());
        let _local = root.set_local_parent();
        for _ in 0..doc::BIG {
            drop(LocalSpan::enter_with_local_parent("step"));
        }
    }
    fn flush(&mut self) {
        fastrace::flush();
    }
}

fn main() {
    let h = Harness::new();
    h.case("fastrace+json", "A", |env| {
        start(env);
        Order { sampled: true }
    });
    h.case("fastrace+json", "B", |env| {
        start(env);
        Order { sampled: false }
    });
    h.case("fastrace+json", "C", |env| {
        start(env);
        Big
    });
    h.threads("fastrace+json", |env| {
        start(env);
        Order { sampled: true }
    });
}
