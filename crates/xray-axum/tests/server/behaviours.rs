//! The behaviours that all server adapters share, through axum.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Extension, State};
use axum::http::Uri;
use axum::http::uri::Scheme;
use axum::response::Response;
use axum::routing::any;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use xray_axum::XRayLayer;
use xray_behaviours::server::{self, App};

fn router(app: App) -> Router {
    let [ignore, attributes, end] = [app.clone(), app.clone(), app.clone()];
    let layer = xray_behaviours::options!(XRayLayer::new(app.naming.clone()), app)
        .ignore(move |request| ignore.ignores(request.uri().path()))
        .sampling_attributes(move |request| {
            attributes.attributes(request.headers().get("x-tier").map(|tier| tier.as_bytes()))
        })
        .end_at_headers(move |request, response| {
            let content_type = response.headers().get("content-type").map(|kind| kind.as_bytes());
            end.ends_at_headers(request.uri().path(), content_type)
        });
    let routes = Router::new().route("/{name}", any(respond));
    let routed = (0..app.layers).fold(routes, |routes, _| routes.layer(layer.clone()));
    routed.with_state(app)
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
    let listener = TcpListener::from_std(listener).unwrap();
    let router = router(app).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, router).await.unwrap();
}

xray_behaviours::server_tests!(serve);

/// Accepts TLS connections, and serves each with its own router, since axum has no TLS server.
pub(crate) async fn accept_tls(listener: TcpListener, app: impl Fn(SocketAddr) -> Router) {
    let acceptor = TlsAcceptor::from(Arc::new(xray_behaviours::tls::server_config()));
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        let (acceptor, app) = (acceptor.clone(), TowerToHyperService::new(app(peer)));
        tokio::spawn(async move {
            let stream = TokioIo::new(acceptor.accept(stream).await.unwrap());
            auto::Builder::new(TokioExecutor::new()).serve_connection(stream, app).await
        });
    }
}

/// Adds layers around the router that set the client's address, and mark the connection as TLS.
async fn serve_tls(listener: std::net::TcpListener, app: App) {
    let app = router(app);
    let with_connection = |peer| app.clone().layer(Extension(ConnectInfo(peer))).layer(Extension(Scheme::HTTPS));
    accept_tls(TcpListener::from_std(listener).unwrap(), with_connection).await;
}

xray_behaviours::server_tls_tests!(serve_tls);
