//! Several layers in one stack. A request is one segment.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Value, json};
use tower::ServiceExt;
use xray_axum::{MatchedRoute, XRayLayer, XRaySegment};
use xray_core::sampling::{Always, Never};

use crate::support::{get as ask, layer, recorder_with, serve, shop};

const OK: fn() -> Value = || json!({"status": 200, "content_length": 2});

#[tokio::test]
async fn layers_on_a_nested_router_and_on_the_app_make_one_segment() {
    let (recorder, mut documents) = recorder_with(Always);
    let layer =
        |name: &str| XRayLayer::new(name).recorder(recorder.clone()).matched_route(MatchedRoute::annotation("route"));
    let handler = async |segment: XRaySegment| {
        xray_core::capture("work", |_| {});
        segment.annotate("handled", true);
        "ok"
    };
    let inner = Router::new().route("/orders/{id}", get(handler)).layer(layer("inner"));
    let app = Router::new().nest("/api", inner).layer(layer("shop"));
    let address = serve(app).await;
    assert_eq!(ask(address, "/api/orders/7").await.body, "ok");
    let more = json!({"annotations": {"handled": true, "route": "/api/orders/{id}"},
        "subsegments": [{"name": "work"}]});
    assert_eq!(documents.next().await, shop("/api/orders/7", OK(), more));
    documents.assert_empty();
}

#[tokio::test]
async fn an_inner_layer_does_not_sample_again() {
    let (outer, mut unsampled) = recorder_with(Never);
    let (inner, mut sampled) = recorder_with(Always);
    let handler = get(async || xray_core::current().trace_header().unwrap().to_string());
    let app = Router::new()
        .route("/", handler)
        .layer(XRayLayer::new("inner").recorder(inner))
        .layer(XRayLayer::new("shop").recorder(outer));
    let body = ask(serve(app).await, "/").await.body;
    assert!(body.ends_with(";Sampled=0"), "{body}");
    unsampled.assert_empty();
    sampled.assert_empty();
}

#[tokio::test]
async fn a_service_between_the_layers_may_move_the_request_to_another_task() {
    let (layer, mut documents) = layer("shop");
    let handler = get(async || {
        xray_core::capture("work", |_| {});
        "ok"
    });
    let spawned = from_fn(async |request: Request, next: Next| tokio::spawn(next.run(request)).await.unwrap());
    let app = Router::new().route("/", handler).layer(layer.clone()).layer(spawned).layer(layer);
    assert_eq!(ask(serve(app).await, "/").await.body, "ok");
    assert_eq!(documents.next().await, shop("/", OK(), json!({"subsegments": [{"name": "work"}]})));
    documents.assert_empty();
}

#[tokio::test]
async fn the_request_is_found_in_a_task_that_serves_another_trace() {
    let (layer, mut documents) = layer("shop");
    let (other, mut others) = recorder_with(Always);
    let handler = get(async || {
        xray_core::capture("work", |_| {});
        "ok"
    });
    let moved = from_fn(move |request: Request, next: Next| {
        let worker = other.begin("worker");
        async move { tokio::spawn(worker.scope(next.run(request))).await.unwrap() }
    });
    let app = Router::new().route("/", handler).layer(layer.clone()).layer(moved).layer(layer);
    assert_eq!(ask(serve(app).await, "/").await.body, "ok");
    assert_eq!(documents.next().await, shop("/", OK(), json!({"subsegments": [{"name": "work"}]})));
    documents.assert_empty();
    assert_eq!(others.next().await, json!({"name": "worker"}));
}

/// Creates an application whose handler sends a request with this header to its own path `/inner`.
fn asking_itself(layer: XRayLayer, header: &'static str) -> Router {
    let inner = Router::new().route("/inner", get(async || "ok")).layer(layer.clone());
    let handler = get(async move || {
        let request = Request::get("/inner").header("x-amzn-trace-id", header).body(Body::empty()).unwrap();
        inner.oneshot(request).await.unwrap()
    });
    Router::new().route("/", handler).layer(layer)
}

#[tokio::test]
async fn another_request_inside_one_that_is_not_sampled_follows_its_own_header() {
    const OTHER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8";
    const SAME: &str = "Root=1-5759e988-000000000000000000000001;Parent=53995c3f42cd8ad8;Sampled=0";
    for (received, header, recorded) in [
        ("Sampled=0", "", false),
        ("Sampled=0", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", true),
        (SAME, SAME, false),
        (SAME, "Root=1-5759e988-000000000000000000000001;Parent=53995c3f42cd8ad9;Sampled=1", true),
        (SAME, OTHER, true),
    ] {
        let (recorder, mut documents) = recorder_with(Always);
        let app = asking_itself(XRayLayer::new("shop").recorder(recorder), header);
        let request = Request::get("/").header("x-amzn-trace-id", received).body(Body::empty()).unwrap();
        let body = axum::body::to_bytes(app.oneshot(request).await.unwrap().into_body(), 9).await.unwrap();
        assert_eq!(body, "ok");
        if recorded {
            documents.next().await;
        }
        documents.assert_empty();
    }
}

#[tokio::test]
async fn another_request_in_the_same_process_is_another_segment() {
    let (layer, mut documents) = layer("shop");
    let other = Router::new().route("/other", get(async || "ok")).layer(layer.clone());
    let handler = get(async move || {
        let request = Request::get("/other").body(Body::empty()).unwrap();
        other.oneshot(request).await.unwrap()
    });
    let address = serve(Router::new().route("/", handler).layer(layer)).await;
    assert_eq!(ask(address, "/").await.body, "ok");
    let (other, this) = (documents.raw().await, documents.raw().await);
    assert_ne!(other["trace_id"], this["trace_id"]);
    assert_eq!(this["http"]["request"]["url"], "http://shop.test/", "{this}");
}

#[tokio::test]
async fn a_body_that_an_outer_middleware_replaces_is_not_aborted() {
    let (layer, mut documents) = layer("shop");
    let replaced = from_fn(async |request: Request, next: Next| {
        drop(next.run(request).await);
        (StatusCode::NOT_FOUND, "no")
    });
    let app = Router::new().route("/", get(async || "a body of a known length".into_response())).layer(layer);
    assert_eq!(ask(serve(app.layer(replaced)).await, "/").await.status, 404);
    let document = documents.next().await;
    assert_eq!(document["metadata"], Value::Null, "{document}");
}
