//! xray-lite: its model of documents, used directly.

use std::collections::HashMap;
use std::hint::black_box;
use std::str::FromStr;

use harness::{Harness, Work, doc};
use xray_lite::{Annotation, Client, DaemonClient, Header, Http, Request, Response, Segment, Subsegment};

/// Sends each part once. The crate has neither sampling nor nesting, and a segment's ID is private, so the parts are not joined.
struct Lite(DaemonClient);
impl Work for Lite {
    fn op(&mut self, _: u64) {
        let mut s = Segment::begin(doc::SEGMENT);
        s.http = Some(Http {
            request: Some(Request {
                method: Some(doc::METHOD.into()),
                url: Some(doc::URL.into()),
                user_agent: Some(doc::USER_AGENT.into()),
                client_ip: Some(doc::CLIENT_IP.into()),
                ..Request::default()
            }),
            response: Some(Response { status: Some(doc::STATUS), content_length: Some(doc::LENGTH) }),
        });
        s.annotations = Some(HashMap::from([
            ("tenant".into(), Annotation::String(doc::TENANT.into())),
            ("items".into(), Annotation::Number(doc::ITEMS as usize)),
        ]));
        s.metadata =
            Some(HashMap::from([("debug".into(), serde_json::json!({"plan": doc::PLAN, "retries": doc::RETRIES}))]));
        let trace = xray_lite::TraceId::new();
        for name in [doc::INNER, doc::REMOTE, doc::OUTER] {
            let mut sub = Subsegment::begin(trace.clone(), None, name);
            if name == doc::REMOTE {
                sub.namespace = Some("remote".into());
                sub.http = Some(Http {
                    request: Some(Request {
                        method: Some(doc::REMOTE_METHOD.into()),
                        url: Some(doc::REMOTE_URL.into()),
                        traced: Some(true),
                        ..Request::default()
                    }),
                    response: Some(Response { status: Some(doc::STATUS), content_length: Some(doc::REMOTE_LENGTH) }),
                });
            }
            sub.end();
            let _ = self.0.send(&sub);
        }
        s.end();
        let _ = self.0.send(&s);
    }
}

struct LiteBig(DaemonClient);
impl Work for LiteBig {
    fn op(&mut self, _: u64) {
        let trace = xray_lite::TraceId::new();
        let mut s = Segment::begin(doc::SEGMENT);
        for _ in 0..doc::BIG {
            let mut sub = Subsegment::begin(trace.clone(), None, "step");
            sub.end();
            let _ = self.0.send(&sub);
        }
        s.end();
        let _ = self.0.send(&s);
    }
}

fn main() {
    let h = Harness::new();
    h.case("xray-lite", "A", |env| Lite(DaemonClient::new(env.sink).unwrap()));
    h.case("xray-lite", "C", |env| LiteBig(DaemonClient::new(env.sink).unwrap()));
    h.case("xray-lite", "D2", |_| {
        |i| _ = black_box(Header::from_str(black_box([doc::TRACE_HEADER, doc::LONG_TRACE_HEADER][(i % 2) as usize])))
    });
}
