//! Works A, B and F2: the request that is recorded.

use std::time::Duration;

use harness::{Env, doc};
use xray_core::http::{HttpRequest, HttpResponse};
use xray_core::sampling::{FixedTarget, Rate, Rules};
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

/// Records requests.
pub struct Request {
    pub recorder: Recorder,
}

impl Request {
    /// Sends to `env.sink`, and records this share of requests.
    pub fn new(env: &Env, rate: f64) -> Request {
        let recorder = Recorder::builder()
            .daemon(env.sink.to_string().parse().unwrap())
            .sampling(Rules::new(FixedTarget(0), Rate(rate)))
            .build()
            .unwrap();
        Request { recorder }
    }

    /// Records a request of four entities.
    pub fn record(&self) {
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

    /// Returns when everything has been sent.
    pub fn send(&self) {
        self.recorder.flush(Duration::from_secs(30));
    }
}
