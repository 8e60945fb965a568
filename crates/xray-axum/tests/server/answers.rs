//! What handlers answer, and how they fail.

use std::fmt;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{self, ask, layer, serve, shop};

#[tokio::test]
async fn each_status_is_recorded_with_its_flags() {
    let (layer, mut documents) = layer("shop");
    let status = |Path(status): Path<u16>| async move { (StatusCode::from_u16(status).unwrap(), "body") };
    let address = serve(Router::new().route("/status/{status}", get(status)).layer(layer)).await;
    for (status, flags) in [
        (200, json!({})),
        (201, json!({})),
        (302, json!({})),
        (404, json!({"error": true})),
        (429, json!({"error": true, "throttle": true})),
        (500, json!({"fault": true})),
        (503, json!({"fault": true})),
    ] {
        let path = format!("/status/{status}");
        assert_eq!(support::get(address, &path).await.status, status);
        let expected = shop(&path, json!({"status": status, "content_length": 4}), flags);
        assert_eq!(documents.next().await, expected);
    }
    // What no route takes is recorded, too.
    assert_eq!(support::get(address, "/nowhere?token=s3cret").await.status, 404);
    let expected = shop("/nowhere", json!({"status": 404, "content_length": 0}), json!({"error": true}));
    assert_eq!(documents.next().await, expected);
    documents.assert_empty();
}

#[tokio::test]
async fn a_caller_s_trace_is_continued() {
    let (layer, mut documents) = layer("shop");
    let address =
        serve(Router::new().route("/", get(|| async { xray_core::current().id().unwrap().to_string() })).layer(layer))
            .await;
    let header = "X-AMZN-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let answer = ask(address, "GET /", &[header]).await.unwrap();
    let document = documents.raw().await;
    assert_eq!(document["trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
    assert_eq!(document["parent_id"], "53995c3f42cd8ad8");
    assert_eq!(document["id"], *answer.body);
}

#[derive(Debug)]
struct ServiceError(std::num::ParseIntError);

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for ServiceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl IntoResponse for ServiceError {
    fn into_response(self) -> axum::response::Response {
        xray_core::current_segment().fault(&self);
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

#[tokio::test]
async fn an_error_is_recorded_by_the_response_it_becomes() {
    let (layer, mut documents) = layer("shop");
    let failing = || async { "x".parse::<u8>().map(|number| number.to_string()).map_err(ServiceError) };
    let address = serve(Router::new().route("/error", get(failing)).layer(layer)).await;
    assert_eq!(support::get(address, "/error").await.status, 500);
    let cause = json!([["ServiceError", "broken"], ["ParseIntError", "invalid digit found in string"]]);
    let more = json!({"fault": true, "cause": cause});
    assert_eq!(documents.next().await, shop("/error", json!({"status": 500, "content_length": 0}), more));
}

#[tokio::test]
async fn an_error_of_the_inner_service_is_recorded_and_passes() {
    let (layer, mut documents) = layer("shop");
    let failing = service_fn(|_: Request<Body>| async {
        let parsed = "x".parse::<u8>().map_err(Box::<dyn std::error::Error + Send + Sync>::from);
        parsed.map(|_| Response::new(Body::empty()))
    });
    let error = layer.layer(failing).oneshot(Request::new(Body::empty())).await.unwrap_err();
    assert!(error.is::<std::num::ParseIntError>());
    let document = documents.next().await;
    assert_eq!(document["fault"], true);
    assert_eq!(document["cause"], json!([["ParseIntError", "invalid digit found in string"]]));
    assert_eq!(document["http"].get("response"), None);
}

#[tokio::test]
async fn a_panic_is_recorded_and_the_next_request_is_served() {
    let (layer, mut documents) = layer("shop");
    let panics = || async {
        let _open = xray_core::subsegment("open");
        let entered = xray_core::current().enter();
        // Not even a guard that is never dropped may leave its entity behind.
        std::mem::forget(entered);
        if true {
            panic!("boom")
        }
    };
    let app = Router::new().route("/panic", get(panics)).route("/ok", get(|| async { "ok" })).layer(layer);
    let address = serve(app).await;
    assert_eq!(ask(address, "GET /panic", &[]).await, None);
    let document = documents.next().await;
    assert_eq!(document["fault"], true);
    assert_eq!(document["cause"], json!([["panic", "boom"]]));
    assert_eq!(document["subsegments"][0]["name"], "open");
    assert_eq!(document["http"].get("response"), None);
    assert!(xray_core::try_current().is_none(), "the server's task runs on this thread");
    assert_eq!(support::get(address, "/ok").await.body, "ok");
    assert_eq!(documents.next().await, shop("/ok", json!({"status": 200, "content_length": 2}), json!({})));
    documents.assert_empty();
}
