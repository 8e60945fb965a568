//! axum 0.7, and what it lacks compared to axum 0.8.

// The permission in clippy.toml does not cover functions that tests share.
#![allow(clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, State};
use axum::http::Uri;
use axum::response::Response;
use axum::routing::{any, get};
use serde_json::json;
use tokio::net::TcpListener;
use xray_behaviours::client;
use xray_behaviours::documents::{recorder_with, shop};
use xray_behaviours::server::{self, App};
use xray_core::sampling::Always;
use xray_tower::XRayLayer;

/// Takes the client's address from axum 0.7, whose `ConnectInfo` is not the type that the layer knows.
fn with_peer(layer: XRayLayer) -> XRayLayer {
    layer.peer(|request| request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip()))
}

async fn serve_router(listener: TcpListener, router: Router) {
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
}

async fn respond(State(app): State<App>, uri: Uri) -> Response {
    let server::Response { status, headers, body, .. } = app.respond(uri.path()).await;
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let body = match body {
        server::Body::Full(bytes) => Body::from(bytes),
        server::Body::Stream(stream) => Body::from_stream(stream),
        _ => unreachable!("no other kind of body"),
    };
    response.body(body).unwrap()
}

async fn serve(listener: std::net::TcpListener, app: App) {
    let layer = with_peer(support::layer(&app));
    let routes = Router::new().route("/:name", any(respond));
    let router = (0..app.layers).fold(routes, |routes, _| routes.layer(layer.clone())).with_state(app);
    serve_router(TcpListener::from_std(listener).unwrap(), router).await;
}

// The framework hides errors of bodies in a type of its own.
xray_behaviours::server_tests!(serve, body_errors: "Error");

#[tokio::test]
async fn a_layer_in_a_nested_router_records_the_rest_of_the_path_and_a_handler_the_route() {
    let order = |path: MatchedPath| async move {
        xray_core::annotate("route", path.as_str());
        "ok"
    };
    let routes = || Router::new().route("/orders/:id", get(order));
    let (recorder, mut documents) = recorder_with(Always);
    let layer = with_peer(XRayLayer::new("shop").recorder(recorder));
    for (router, recorded) in [
        (Router::new().nest("/api", routes()).layer(layer.clone()), "/api/orders/7"),
        (Router::new().nest("/api", routes().layer(layer)), "/orders/7"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve_router(listener, router));
        assert_eq!(client::get(address, "/api/orders/7").await.body, "ok");
        let more = json!({"annotations": {"route": "/api/orders/:id"}});
        assert_eq!(documents.next().await, shop(recorded, json!({"status": 200, "content_length": 2}), more));
    }
}
