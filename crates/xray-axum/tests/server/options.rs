//! Options that are specific to axum, and options that are set twice.

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};
use xray_axum::MatchedRoute;

use crate::support::{self, layer, serve};

#[tokio::test]
async fn a_second_function_replaces_the_first() {
    let (layer, mut documents) = layer("shop");
    let layer = layer.ignore(|_| true).ignore(|request| request.uri().path() == "/health");
    let address = serve(Router::new().fallback(get(|| async { "ok" })).layer(layer)).await;
    for path in ["/health", "/other"] {
        assert_eq!(support::get(address, path).await.status, 200);
    }
    assert_eq!(documents.next().await["http"]["request"]["url"], "http://shop.test/other");
    documents.assert_empty();
}

#[tokio::test]
async fn the_matched_route_is_recorded_on_request() {
    for (option, path, annotations, metadata) in [
        (None, "/api/user/7", Value::Null, Value::Null),
        (Some(MatchedRoute::annotation("route")), "/api/user/7", json!({"route": "/api/user/{id}"}), Value::Null),
        (Some(MatchedRoute::annotation("route")), "/other", Value::Null, Value::Null),
        (
            Some(MatchedRoute::metadata("pattern")),
            "/api/user/7",
            Value::Null,
            json!({"default": {"pattern": "/api/user/{id}"}}),
        ),
    ] {
        let (mut layer, mut documents) = layer("shop");
        if let Some(option) = option {
            layer = layer.matched_route(option);
        }
        let routes = Router::new().route("/user/{id}", get(|| async { "ok" }));
        let address = serve(Router::new().nest("/api", routes).layer(layer)).await;
        support::get(address, path).await;
        let document = documents.next().await;
        assert_eq!((&document["annotations"], &document["metadata"]), (&annotations, &metadata), "{path}");
    }
}
