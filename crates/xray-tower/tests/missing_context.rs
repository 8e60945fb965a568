//! A call outside any trace is sent, even if a missing context panics elsewhere.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer, ServiceExt};
use xray_core::{ContextMissing, Recorder};
use xray_tower::XRayClientLayer;

#[tokio::test]
async fn a_missing_context_is_reported_and_never_panics() {
    let messages = Arc::new(Mutex::new(Vec::new()));
    let log = messages.clone();
    let recorder = Recorder::builder()
        .context_missing(ContextMissing::Panic)
        .on_diagnostic(move |diagnostic| log.lock().unwrap().push(diagnostic.to_string()))
        .build()
        .unwrap();
    let _installed = recorder.install();
    let client = XRayClientLayer::new().layer(tower::service_fn(async |request: Request<Empty<bytes::Bytes>>| {
        assert!(request.headers().is_empty());
        Ok::<_, Infallible>(Response::new(request.into_body()))
    }));
    let request = || Request::get("http://inventory.example.com/").body(Empty::new()).unwrap();
    assert_eq!(client.clone().oneshot(request()).await.unwrap().status(), 200);
    let [message] = &messages.lock().unwrap()[..] else { panic!("one message") };
    assert!(message.contains("inventory.example.com"), "{message}");
}
