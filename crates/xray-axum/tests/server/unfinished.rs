//! Requests whose client or caller does not wait for the response.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::error_handling::HandleErrorLayer;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use serde_json::json;
use tokio::sync::Notify;
use tower::timeout::TimeoutLayer;
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt};
use xray_core::FutureExt;

use crate::support::{layer, send, serve, shop};

#[tokio::test]
async fn a_client_that_disconnects_before_the_response_cancels_the_request() {
    let (layer, mut documents) = layer("shop");
    let begun = Arc::new(Notify::new());
    let handler = {
        let begun = begun.clone();
        move || async move {
            begun.notify_one();
            pending::<()>().in_subsegment("waiting").await
        }
    };
    let address = serve(Router::new().route("/slow", get(handler)).layer(layer)).await;
    let stream = send(address, "GET /slow", &[]).await;
    begun.notified().await;
    drop(stream);
    let more = json!({
        "fault": true,
        "cause": [["Cancelled", "the request was dropped before its response"]],
        "subsegments": [{"name": "waiting", "metadata": {"xray": {"cancelled": true}}}],
    });
    assert_eq!(documents.next().await, shop("/slow", json!(null), more));
    documents.assert_empty();
}

/// Creates a router whose handler takes longer than the timeouts. Tokio's time is paused and advances to the timeout.
fn stuck() -> Router {
    Router::new().route("/", get(|| async { tokio::time::sleep(Duration::from_secs(10)).await }))
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_the_layer_is_a_response() {
    let (layer, mut documents) = layer("shop");
    let timeout = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(|_: BoxError| async { StatusCode::REQUEST_TIMEOUT }))
        .layer(TimeoutLayer::new(Duration::from_millis(100)));
    let app = stuck().layer(timeout).layer(layer);
    let response = app.oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(response.status(), 408);
    drop(response);
    let document = documents.next().await;
    assert_eq!((&document["error"], &document["http"]["response"]["status"]), (&json!(true), &json!(408)));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_error_of_the_inner_service_is_the_exception() {
    let (layer, mut documents) = layer("shop");
    let service = layer.layer(TimeoutLayer::new(Duration::from_millis(100)).layer(stuck()));
    let error = service.oneshot(Request::new(Body::empty())).await.unwrap_err();
    assert!(error.is::<tower::timeout::error::Elapsed>());
    let document = documents.next().await;
    assert_eq!((&document["fault"], &document["cause"]), (&json!(true), &json!([["Elapsed", "request timed out"]])));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_the_layer_cancels_the_request() {
    let (layer, mut documents) = layer("shop");
    let service = TimeoutLayer::new(Duration::from_millis(100)).layer(layer.layer(stuck()));
    service.oneshot(Request::new(Body::empty())).await.unwrap_err();
    let document = documents.next().await;
    assert_eq!(document["cause"], json!([["Cancelled", "the request was dropped before its response"]]));
    assert_eq!(document["http"].get("response"), None);
}

#[tokio::test]
async fn a_future_that_is_never_polled_counts_as_cancelled() {
    let (layer, mut documents) = layer("shop");
    let mut service = layer.layer(stuck());
    drop(tower::Service::call(&mut service, Request::new(Body::empty())));
    assert_eq!(documents.next().await["fault"], true);
    documents.assert_empty();
}
