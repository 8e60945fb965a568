//! Responses and errors of handlers.

use std::fmt;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{self, layer, serve, shop};

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
async fn an_error_of_the_inner_service_is_recorded_and_propagates() {
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
