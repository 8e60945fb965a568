//! warp: the layer around `warp::service`, served by hyper.

// The permission in clippy.toml does not cover functions that tests share.
#![allow(clippy::unwrap_used)]

mod support;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use futures_util::stream::{BoxStream, Stream};
use http_body::Body;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::TcpListener;
use tower::util::MapRequestLayer;
use tower::{Layer, Service};
use warp::http::{Request, Response, StatusCode};
use warp::path::FullPath;
use warp::{Filter, Rejection, Reply};
use xray_behaviours::client;
use xray_behaviours::documents::{recorder_with, shop};
use xray_behaviours::server::{self, App};
use xray_core::sampling::Always;
use xray_tower::XRayLayer;

/// Serves each connection, with the client's address in the extensions of its requests.
async fn accept<S, B>(listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        let with_peer = MapRequestLayer::new(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert::<SocketAddr>(peer);
            request
        });
        let service = TowerToHyperService::new(with_peer.layer(service.clone()));
        tokio::spawn(async move {
            auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await
        });
    }
}

/// A stream for warp, which requires `Sync`.
struct SyncStream(Mutex<BoxStream<'static, io::Result<Bytes>>>);

impl Stream for SyncStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        self.0.get_mut().unwrap().as_mut().poll_next(cx)
    }
}

async fn respond(app: App, path: FullPath) -> Result<warp::reply::Response, Infallible> {
    let server::Response { status, headers, body, .. } = app.respond(path.as_str()).await;
    let mut response = match body {
        server::Body::Full(bytes) => Response::new(bytes.into()),
        server::Body::Stream(stream) => warp::reply::stream(SyncStream(Mutex::new(stream))).into_response(),
        _ => unreachable!("no other kind of body"),
    };
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    Ok(response)
}

fn routes(app: App) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone + Send + Sync + 'static {
    let name = warp::path::param::<String>().and(warp::path::end()).and(warp::path::full());
    name.and_then(move |_, path| respond(app.clone(), path))
}

async fn serve(listener: std::net::TcpListener, app: App) {
    let (listener, layer) = (TcpListener::from_std(listener).unwrap(), support::layer(&app));
    match app.layers {
        0 => accept(listener, warp::service(routes(app))).await,
        1 => accept(listener, layer.layer(warp::service(routes(app)))).await,
        _ => accept(listener, layer.clone().layer(layer.layer(warp::service(routes(app))))).await,
    }
}

// The framework hides errors of bodies in a type of its own.
xray_behaviours::server_tests!(serve, body_errors: "Error");

#[tokio::test]
async fn a_rejection_is_recorded_by_the_status_of_its_response() {
    let (recorder, mut documents) = recorder_with(Always);
    let routes = warp::get().and(warp::path!("orders" / u64)).map(|id| format!("order {id}"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(accept(listener, XRayLayer::new("shop").recorder(recorder).layer(warp::service(routes))));
    assert_eq!(client::get(address, "/orders/7").await.body, "order 7");
    assert_eq!(documents.next().await, shop("/orders/7", json!({"status": 200, "content_length": 7}), json!({})));
    let rejected = client::get(address, "/orders/x").await;
    let response = json!({"status": 404, "content_length": rejected.body.len()});
    assert_eq!(documents.next().await, shop("/orders/x", response, json!({"error": true})));
}
