//! The behaviours that all server adapters share, through salvo.

use std::net::TcpListener;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use salvo::conn::rustls::RustlsAcceptor;
use salvo::conn::tcp::TcpAcceptor;
use salvo::http::{HeaderValue, StatusCode};
use salvo::prelude::*;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use xray_behaviours::server::{self, App};
use xray_salvo::XRay;

fn xray(app: &App) -> XRay {
    let [ignore, attributes, end] = [app.clone(), app.clone(), app.clone()];
    xray_behaviours::options!(XRay::new(app.naming.clone()), app)
        .ignore(move |request| ignore.ignores(request.uri().path()))
        .sampling_attributes(move |request| {
            attributes.attributes(request.headers().get("x-tier").map(|tier| tier.as_bytes()))
        })
        .end_at_headers(move |head| {
            end.ends_at_headers(head.uri.path(), head.headers.get("content-type").map(|kind| kind.as_bytes()))
        })
}

/// The only handler.
struct Respond(App);

#[async_trait]
impl Handler for Respond {
    async fn handle(&self, request: &mut Request, _: &mut Depot, response: &mut Response, _: &mut FlowCtrl) {
        let server::Response { status, headers, body, .. } = self.0.respond(request.uri().path()).await;
        response.status_code(StatusCode::from_u16(status).unwrap());
        for (name, value) in headers {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        match body {
            server::Body::Full(bytes) => response.body(bytes),
            server::Body::Stream(stream) => {
                response.stream(stream);
                response
            }
            _ => unreachable!("no other kind of body"),
        };
    }
}

fn service(app: App) -> Service {
    let xray = xray(&app);
    let layers = app.layers;
    let mut service = Service::new(Router::with_path("{name}").goal(Respond(app)));
    for _ in 0..layers {
        service = service.hoop(xray.clone());
    }
    service
}

fn acceptor(listener: TcpListener) -> TcpAcceptor {
    TcpAcceptor::try_from(tokio::net::TcpListener::from_std(listener).unwrap()).unwrap()
}

async fn serve(listener: TcpListener, app: App) {
    Server::new(acceptor(listener)).serve(service(app)).await;
}

xray_behaviours::server_tests!(serve);

async fn serve_tls(listener: TcpListener, app: App) {
    let tls = TlsAcceptor::from(Arc::new(xray_behaviours::tls::server_config()));
    let tls = Arc::new(ArcSwapOption::from_pointee(tls));
    let acceptor = RustlsAcceptor::new(acceptor(listener), tls, CancellationToken::new());
    Server::new(acceptor).serve(service(app)).await;
}

xray_behaviours::server_tls_tests!(serve_tls);
