//! The layer in combination with other parts of tower and axum. That it compiles is half of each test.

use std::io::Read;
use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{BoxError, Router};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::compression::CompressionLayer;
use tower_http::decompression::{DecompressionLayer, RequestDecompressionLayer};
use xray_axum::XRayLayer;

use crate::support::{self, layer};

fn app() -> Router {
    Router::new().route("/", get(|| async { "ok" })).route("/echo", post(|body: String| async { body }))
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn axum_serves_a_whole_router_inside_the_layer() {
    let (layer, mut documents) = layer("shop");
    for shape in ["itself", "make service", "connect info"] {
        let (listener, address) = listener().await;
        let handler = |request: Request| async move {
            request.extensions().get::<ConnectInfo<SocketAddr>>().is_some().to_string()
        };
        let app = layer.layer(Router::new().route("/", get(handler)));
        match shape {
            "itself" => tokio::spawn(async move { axum::serve(listener, app).await }),
            "make service" => tokio::spawn(async move { axum::serve(listener, app.into_make_service()).await }),
            _ => {
                let app = app.into_make_service_with_connect_info::<SocketAddr>();
                tokio::spawn(async move { axum::serve(listener, app).await })
            }
        };
        let knows = shape != "make service";
        assert_eq!(support::get(address, "/").await.body, knows.to_string(), "{shape}");
        let document = documents.next().await;
        assert_eq!(document["http"]["request"]["client_ip"], if knows { json!("127.0.0.1") } else { Value::Null });
        // A request without a route is recorded as well.
        assert_eq!(support::get(address, "/nowhere").await.status, 404);
        assert_eq!(documents.next().await["http"]["response"]["status"], 404, "{shape}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn axum_serves_a_whole_router_on_a_unix_socket() {
    let (layer, mut documents) = layer("shop");
    let path = std::env::temp_dir().join(format!("xray-axum-{}-whole.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move { axum::serve(listener, layer.layer(app())).await });
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, request).await.unwrap();
    let request = documents.next().await["http"]["request"].take();
    assert_eq!(request, json!({"method": "GET", "url": "http://shop.test/"}));
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn the_layer_can_be_optional_with_the_same_body_type() {
    for enabled in [true, false] {
        let (layer, mut documents) = layer("shop");
        let layer = (axum::middleware::ResponseAxumBodyLayer, layer);
        let app: Router = app().layer(tower::util::option_layer(enabled.then_some(layer)));
        let response = app.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
        if enabled {
            documents.next().await;
        }
        documents.assert_empty();
    }
}

#[tokio::test]
async fn services_with_boxed_errors_are_called_once() {
    let (layer, mut documents) = layer("shop");
    let fails = service_fn(|_: Request| async { Err::<Response, BoxError>("broken".into()) });
    let error = layer.layer(fails).oneshot(Request::new(Body::empty())).await.unwrap_err();
    assert_eq!(error.to_string(), "broken");
    assert_eq!(documents.next().await["cause"][0][1], "broken");
    let boxed = tower::util::BoxCloneService::new(service_fn(|_: Request| async {
        Ok::<_, BoxError>(Response::new(Full::new(Bytes::from_static(b"ok")).map_err(BoxError::from).boxed_unsync()))
    }));
    let boxed = layer.layer(boxed);
    boxed.oneshot(Request::new(Body::empty())).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(documents.next().await["http"]["response"]["status"], 200);
    // The error of a timeout is boxed.
    let timeout = ServiceBuilder::new().layer(layer).timeout(std::time::Duration::from_secs(60)).service(app());
    timeout.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
}

/// Long enough to be worth compressing.
const TEXT: &str = "text text text text text text text text text text text text";

fn gzip(text: &str) -> Vec<u8> {
    let mut compressed = Vec::new();
    flate2::read::GzEncoder::new(text.as_bytes(), flate2::Compression::fast()).read_to_end(&mut compressed).unwrap();
    compressed
}

#[tokio::test]
async fn compression_and_decompression_work_inside_and_outside() {
    let (layer, mut documents) = layer("shop");
    let request = || {
        let request = Request::post("/echo").header("host", "shop.test").header("content-encoding", "gzip");
        request.header("accept-encoding", "gzip").body(Body::from(gzip(TEXT))).unwrap()
    };
    let both = || (CompressionLayer::new(), RequestDecompressionLayer::new());
    let inside: Router = app().layer(both()).layer(layer.clone());
    let outside: Router = app().layer(layer.clone()).layer(both());
    for app in [inside, outside] {
        let response = app.oneshot(request()).await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip");
        response.into_body().collect().await.unwrap();
        assert_eq!(documents.next().await["http"]["response"]["status"], 200);
    }
    // The same as plain tower services, with the layers' own error types, and with a client's decompression.
    let inside = ServiceBuilder::new().layer(layer.clone()).layer(both()).service(app());
    read(inside.oneshot(request()).await.unwrap()).await;
    documents.next().await;
    let outside = ServiceBuilder::new().layer(DecompressionLayer::new()).layer(both()).layer(layer).service(app());
    assert_eq!(read(outside.oneshot(request()).await.unwrap()).await, TEXT);
    documents.next().await;
}

async fn read<B>(response: http::Response<B>) -> Bytes
where
    B: http_body::Body,
    B::Error: std::fmt::Debug,
{
    response.into_body().collect().await.unwrap().to_bytes()
}

/// A function can return the layer without naming the types around it.
#[tokio::test]
async fn the_layer_is_part_of_a_stack_of_layers() {
    let (layer, mut documents) = layer("shop");
    fn stack(layer: XRayLayer) -> impl Layer<axum::routing::Route, Service: Clone> + Clone {
        ServiceBuilder::new().layer(layer).map_request(|request: Request| request)
    }
    let _compiles = stack(layer.clone());
    let app: Router = app().layer((layer, CompressionLayer::new()));
    read(app.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap()).await;
    documents.next().await;
}
