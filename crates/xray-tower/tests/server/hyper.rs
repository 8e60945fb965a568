//! Servers other than axum's.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, Service, service_fn};
use xray_core::{FutureExt, Naming};
use xray_tower::XRayLayer;

use crate::layer;

/// Serves a tower service with hyper's own server, by HTTP/1 and HTTP/2.
async fn serve(layer: XRayLayer) -> SocketAddr {
    let service = layer.layer(service_fn(|request: Request<Incoming>| {
        async move {
            xray_core::annotate("version", format!("{:?}", request.version()));
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok"))))
        }
        .in_subsegment("work")
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let mut service = service.clone();
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer);
                service.call(request)
            });
            tokio::spawn(async move {
                let connection = auto::Builder::new(TokioExecutor::new());
                connection.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await
            });
        }
    });
    address
}

#[tokio::test]
async fn hyper_serves_http_1_through_the_layer() {
    let (layer, mut documents) = layer(Naming::dynamic("shop"));
    let address = serve(layer).await;
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().uri("/a?b=c").header("host", "shop.test").body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!((response.version(), &response.headers()["content-length"]), (Version::HTTP_11, &"2".parse().unwrap()));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    let expected = json!({
        "name": "shop.test",
        "http": {
            "request": {"method": "GET", "url": "http://shop.test/a", "client_ip": "127.0.0.1"},
            "response": {"status": 200, "content_length": 2},
        },
        "subsegments": [{"name": "work", "annotations": {"version": "HTTP/1.1"}}],
    });
    assert_eq!(documents.next().await, expected);
}

#[tokio::test]
async fn in_http_2_the_authority_is_the_host() {
    let (layer, mut documents) = layer(Naming::dynamic("shop"));
    let address = serve(layer).await;
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().uri("https://shop.test:8443/a?b=c").body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    let expected = json!({
        "name": "shop.test:8443",
        "http": {
            "request": {"method": "GET", "url": "https://shop.test:8443/a", "client_ip": "127.0.0.1"},
            "response": {"status": 200, "content_length": 2},
        },
        "subsegments": [{"name": "work", "annotations": {"version": "HTTP/2.0"}}],
    });
    assert_eq!(documents.next().await, expected);
    documents.assert_empty();
}

/// tonic's body and error types have these traits. The bounds below are those of its `Server::layer`.
struct TonicBody(Pin<Box<dyn Body<Data = Bytes, Error = TonicStatus> + Send>>);

#[derive(Debug)]
struct TonicStatus;

impl std::fmt::Display for TonicStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("status: Internal")
    }
}

impl std::error::Error for TonicStatus {}

impl Body for TonicBody {
    type Data = Bytes;
    type Error = TonicStatus;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, TonicStatus>>> {
        self.0.as_mut().poll_frame(cx)
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn tonic_serves<L, S, B>(layer: &L, routes: S) -> L::Service
where
    L: Layer<S>,
    L::Service: Service<Request<TonicBody>, Response = Response<B>> + Clone + Send + 'static,
    <L::Service as Service<Request<TonicBody>>>::Future: Send + 'static,
    <L::Service as Service<Request<TonicBody>>>::Error: Into<BoxError> + Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    layer.layer(routes)
}

#[tokio::test]
async fn services_with_the_bounds_of_tonic_are_accepted() {
    let (layer, mut documents) = layer("shop");
    let routes = service_fn(|request: Request<TonicBody>| async {
        Ok::<_, BoxError>(Response::new(TonicBody(request.into_body().0)))
    });
    let mut service = tonic_serves(&layer, routes);
    let failing = Full::new(Bytes::from_static(b"message")).map_err(|error: Infallible| match error {});
    let response = service.call(Request::new(TonicBody(Box::pin(failing)))).await.unwrap();
    response.into_body().collect().await.unwrap();
    assert_eq!(documents.next().await["http"]["response"]["status"], 200);
}
