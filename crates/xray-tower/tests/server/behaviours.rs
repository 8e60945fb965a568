//! The behaviours that all server adapters share, through a tower service in hyper's server.

use std::convert::Infallible;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::uri::Scheme;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower::{Layer, Service, service_fn};
use xray_behaviours::server::{self, App};
use xray_tower::XRayLayer;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn layer(app: &App) -> XRayLayer {
    let [ignore, attributes, end] = [app.clone(), app.clone(), app.clone()];
    xray_behaviours::options!(XRayLayer::new(app.naming.clone()), app)
        .ignore(move |request| ignore.ignores(request.uri().path()))
        .sampling_attributes(move |request| {
            attributes.attributes(request.headers().get("x-tier").map(|tier| tier.as_bytes()))
        })
        .end_at_headers(move |request, response| {
            let content_type = response.headers().get("content-type").map(|kind| kind.as_bytes());
            end.ends_at_headers(request.uri().path(), content_type)
        })
}

async fn respond(app: App, request: Request<Incoming>) -> Result<Response<UnsyncBoxBody<Bytes, BoxError>>, Infallible> {
    let path = request.uri().path();
    let server::Response { status, headers, body, .. } = match path.rfind('/') {
        Some(0) => app.respond(path).await,
        _ => return Ok(Response::builder().status(404).body(UnsyncBoxBody::default()).unwrap()),
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let body = match body {
        server::Body::Full(bytes) => Full::new(bytes).map_err(BoxError::from).boxed_unsync(),
        server::Body::Stream(stream) => {
            StreamBody::new(stream.map_ok(Frame::data).map_err(BoxError::from)).boxed_unsync()
        }
        _ => unreachable!("no other kind of body"),
    };
    Ok(response.body(body).unwrap())
}

/// Serves connections by the application inside its layers. `accept` adds to a connection what the layer needs to know.
async fn serve_connections(listener: std::net::TcpListener, app: App, tls: Option<TlsAcceptor>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        let (app, tls) = (app.clone(), tls.clone());
        tokio::spawn(async move {
            match tls {
                Some(tls) => serve_connection(tls.accept(stream).await.unwrap(), peer, Scheme::HTTPS, app).await,
                None => serve_connection(stream, peer, Scheme::HTTP, app).await,
            }
        });
    }
}

async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    scheme: Scheme,
    app: App,
) {
    let handler = app.clone();
    let handler = service_fn(move |request| respond(handler.clone(), request));
    let layer = layer(&app);
    match app.layers {
        0 => serve_service(stream, peer, scheme, handler).await,
        1 => serve_service(stream, peer, scheme, layer.layer(handler)).await,
        _ => serve_service(stream, peer, scheme, layer.layer(layer.layer(handler))).await,
    }
}

async fn serve_service<S, B>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    scheme: Scheme,
    service: S,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError> + Display> + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(scheme.clone());
        service.clone().call(request)
    });
    // An error of the connection is that of a client that left.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .await;
}

async fn serve(listener: std::net::TcpListener, app: App) {
    serve_connections(listener, app, None).await;
}

async fn serve_tls(listener: std::net::TcpListener, app: App) {
    let acceptor = TlsAcceptor::from(Arc::new(xray_behaviours::tls::server_config()));
    serve_connections(listener, app, Some(acceptor)).await;
}

xray_behaviours::server_tests!(serve);
xray_behaviours::server_tls_tests!(serve_tls);
