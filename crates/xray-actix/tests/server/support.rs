//! A middleware and a server for tests that are specific to actix-web.

use std::net::SocketAddr;

use actix_web::dev::Server;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use xray_actix::XRay;
use xray_core::Naming;
use xray_core::sampling::Always;

pub(crate) use xray_behaviours::client::{ask, get, read_until, reset, send};
pub(crate) use xray_behaviours::documents::{Documents, recorder_with, shop};
pub(crate) use xray_behaviours::global::Global;

/// Creates a middleware that records everything.
pub(crate) fn xray(naming: impl Into<Naming>) -> (XRay, Documents) {
    let (recorder, documents) = recorder_with(Always);
    (XRay::new(naming).recorder(recorder), documents)
}

/// Serves routes inside the middleware with a single worker, so that all requests share its thread.
pub(crate) fn serve(xray: XRay, routes: impl Fn(&mut ServiceConfig) + Send + Clone + 'static) -> SocketAddr {
    let app = move || App::new().wrap(xray.clone()).configure(&routes);
    let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    start(server.addrs()[0], server.run())
}

/// Runs the server until the test ends.
pub(crate) fn start(address: SocketAddr, server: Server) -> SocketAddr {
    tokio::spawn(server);
    address
}
