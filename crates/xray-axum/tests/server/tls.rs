//! The scheme of the recorded URL if the server does not mark TLS connections, and requests without a connection.

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::Request;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::net::TcpListener;
use xray_axum::{Scheme, XRayLayer};
use xray_behaviours::tls::{self, Protocol};

use crate::behaviours::accept_tls;
use crate::support::layer;

fn app() -> Router {
    Router::new().fallback(any(|| async { "ok" }))
}

#[tokio::test]
async fn the_option_or_the_target_makes_a_url_https() {
    type Option = fn(XRayLayer) -> XRayLayer;
    let cases: [(Option, Protocol, &str); 2] = [
        (|layer| layer, Protocol::Http2, "https://shop.test/a"),
        (|layer| layer.scheme(Scheme::Https), Protocol::Http1, "/a"),
    ];
    for (option, protocol, target) in cases {
        let (layer, mut documents) = layer("shop");
        let app = app().layer(option(layer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(accept_tls(listener, move |_| app.clone()));
        tls::get(address, protocol, target).await;
        assert_eq!(documents.next().await["http"]["request"]["url"], "https://shop.test/a", "{protocol:?}");
    }
}

#[tokio::test]
async fn a_request_without_a_connection_has_a_url_and_no_address() {
    let (layer, mut documents) = layer("shop");
    let app: Router<()> = app().layer(layer.scheme(Scheme::Https));
    let request = Request::get("/a").header("host", "shop.test").body(Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(app, request).await.unwrap();
    response.into_body().collect().await.unwrap();
    // Without a connection there is no address.
    let request = &documents.next().await["http"]["request"];
    assert_eq!(*request, json!({"method": "GET", "url": "https://shop.test/a"}));
}
