//! Shared by the benchmarks: an emitter that discards documents, and a request to record.

use std::hint::black_box;
use std::time::Duration;

use xray_core::document::Document;
use xray_core::emit::{Emitter, Flushed};
use xray_core::http::{HttpRequest, HttpResponse};
use xray_core::sampling::{FixedTarget, Rate, Rules};
use xray_core::{Namespace, Recorder, TraceHeader};

/// Discards documents, so that only the cost of recording is measured.
#[derive(Debug)]
struct Nowhere;

impl Emitter for Nowhere {
    fn emit(&self, document: Document) {
        black_box(document.datagram());
    }

    fn flush(&self, _timeout: Duration) -> Flushed {
        Flushed::All
    }
}

/// Returns a recorder that samples this fraction of requests and discards the documents.
pub fn recorder(rate: f64) -> Recorder {
    let rules = Rules::new(FixedTarget(0), Rate(rate));
    Recorder::builder().emitter(Nowhere).sampling(rules).build().expect("a rate from 0 to 1")
}

/// Records a typical request: a segment with HTTP blocks and annotations, two captured functions, and a call to another
/// service.
pub fn request(recorder: &Recorder) {
    let segment = recorder.begin_from("orders", &TraceHeader::default());
    segment.set_http_request(
        &HttpRequest::new("GET", "http://shop.example.com/orders/12345?expand=items")
            .user_agent("Mozilla/5.0 (X11; Linux x86_64) Bench/1.0")
            .client_ip("203.0.113.7")
            .forwarded(true),
    );
    let entered = segment.enter();
    segment.annotate("tenant", "acme").annotate("items", 3);
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
