//! Any text in every place that takes one: each document is valid JSON and fits a datagram.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use xray_core::emit::MemoryEmitter;
use xray_core::http::{HttpRequest, HttpResponse};
use xray_core::sampling::Always;
use xray_core::serde_json::{self, Value};
use xray_core::{Aws, Recorder, Sql};

#[derive(Arbitrary, Debug)]
struct Texts<'a> {
    segment: &'a str,
    subsegment: &'a str,
    key: &'a str,
    value: &'a str,
    number: f64,
    namespace: &'a str,
    user: &'a str,
    url: &'a str,
    agent: &'a str,
    address: &'a str,
    status: u16,
    message: &'a str,
    dsn: &'a str,
    operation: &'a str,
}

fuzz_target!(|texts: Texts<'_>| {
    let emitter = MemoryEmitter::new();
    let recorder =
        Recorder::builder().environment(|_| None).sampling(Always).emitter(emitter.clone()).build().expect("builds");
    let segment = recorder.begin(texts.segment);
    segment.set_user(texts.user).annotate(texts.key, texts.value).annotate("number", texts.number);
    segment.metadata_in(texts.namespace, texts.key, texts.value);
    let http = HttpRequest::new("GET", texts.url).user_agent(texts.agent).client_ip(texts.address);
    segment.set_http_request(&http).set_http_response(&HttpResponse::new(texts.status));
    let query = segment.subsegment(texts.subsegment);
    query
        .set_sql(&Sql::from_url(texts.dsn))
        .set_aws(&Aws::operation(texts.operation).parameter(texts.key, texts.value));
    query.fault(&std::io::Error::other(texts.message));
    query.close();
    segment.close();
    for document in emitter.take() {
        let json = document.json();
        assert!(json.len() <= 65_477, "{} bytes", json.len());
        serde_json::from_str::<Value>(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    }
});
