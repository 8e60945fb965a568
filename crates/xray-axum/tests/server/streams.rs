//! Bodies whose segment closed at the headers.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;

use crate::support::layer;

#[tokio::test]
async fn a_panic_after_the_headers_is_not_recorded_and_propagates() {
    let (layer, mut documents) = layer("shop");
    let handler = || async {
        let body = futures_util::stream::once(async { panic!("late") as Result<Bytes, Infallible> });
        ([("content-type", "text/event-stream")], Body::from_stream(body))
    };
    let app: Router = Router::new().fallback(get(handler)).layer(layer.end_at_headers(|_, _| true));
    let request = http::Request::get("/").body(Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(app, request).await.unwrap();
    assert_eq!(documents.next().await.get("fault"), None);
    let body = http_body_util::BodyExt::collect(response.into_body());
    assert!(tokio::spawn(body).await.unwrap_err().is_panic());
    documents.assert_empty();
}
