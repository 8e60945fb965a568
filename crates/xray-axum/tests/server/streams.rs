//! Responses that last long, and segments that do not.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use xray_axum::XRayLayer;

use crate::support::{layer, read_until, send, serve};

/// A layer of which event streams, and the path `/poll`, are recorded until their head.
fn end_at_headers(layer: XRayLayer) -> XRayLayer {
    layer.end_at_headers(|request, response| {
        assert!(request.uri().path() != "/panics", "in the rule");
        let is_event_stream = response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
        is_event_stream || request.uri().path() == "/poll"
    })
}

/// A router that streams what the returned sender sends. Each item is made in a subsegment.
fn streaming(kind: &'static str) -> (Router, mpsc::UnboundedSender<Result<Bytes, std::io::Error>>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = std::sync::Arc::new(std::sync::Mutex::new(Some(receiver)));
    let handler = move || async move {
        let stream = UnboundedReceiverStream::new(receiver.lock().unwrap().take().unwrap());
        let stream = stream.map(|item| xray_core::capture("event", |_| item));
        ([("content-type", kind)], Body::from_stream(stream))
    };
    (Router::new().fallback(get(handler)), sender)
}

#[tokio::test]
async fn a_segment_of_an_event_stream_closes_with_the_head() {
    for (path, kind) in [("/events", "text/event-stream"), ("/poll", "text/plain")] {
        let (layer, mut documents) = layer("shop");
        let (app, sender) = streaming(kind);
        let address = serve(app.layer(end_at_headers(layer))).await;
        let mut client = send(address, &format!("GET {path}"), &[]).await;
        read_until(&mut client, "\r\n\r\n").await;
        // While the stream is open.
        let document = documents.next().await;
        assert_eq!(document["http"]["response"], json!({"status": 200}), "{path}");
        assert_eq!(document.get("metadata"), None);
        // What the stream does later belongs to the trace.
        sender.send(Ok(Bytes::from_static(b"one"))).unwrap();
        read_until(&mut client, "one\r\n").await;
        assert_eq!(documents.next().await["name"], "event");
        // How it ends is not recorded.
        sender.send(Err(std::io::Error::other("broken"))).unwrap();
        sender.closed().await;
        documents.next().await;
        documents.assert_empty();
    }
}

#[tokio::test]
async fn other_responses_are_recorded_until_their_end() {
    for (path, kind) in [("/other", "text/plain"), ("/panics", "text/event-stream")] {
        let (layer, mut documents) = layer("shop");
        let (app, sender) = streaming(kind);
        let address = serve(app.layer(end_at_headers(layer))).await;
        let mut client = send(address, &format!("GET {path}"), &[]).await;
        read_until(&mut client, "\r\n\r\n").await;
        sender.send(Ok(Bytes::from_static(b"one"))).unwrap();
        read_until(&mut client, "one\r\n").await;
        documents.assert_empty();
        sender.send(Err(std::io::Error::other("broken"))).unwrap();
        let document = documents.next().await;
        assert_eq!(document["fault"], true, "{path}");
        assert_eq!(document["cause"], json!([["io::Error", "broken"]]), "{path}");
    }
}

#[tokio::test]
async fn a_panic_after_the_head_is_not_recorded_and_propagates() {
    let (layer, mut documents) = layer("shop");
    let handler = || async {
        let body = futures_util::stream::once(async { panic!("late") as Result<Bytes, Infallible> });
        ([("content-type", "text/event-stream")], Body::from_stream(body))
    };
    let app: Router = Router::new().fallback(get(handler)).layer(end_at_headers(layer));
    let request = http::Request::get("/").body(Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(app, request).await.unwrap();
    assert_eq!(documents.next().await.get("fault"), None);
    let body = http_body_util::BodyExt::collect(response.into_body());
    assert!(tokio::spawn(body).await.unwrap_err().is_panic());
    documents.assert_empty();
}
