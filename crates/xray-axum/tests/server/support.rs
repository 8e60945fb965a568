//! A layer and a server for tests that are specific to axum.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use xray_axum::XRayLayer;
use xray_core::Naming;
use xray_core::sampling::Always;

pub(crate) use xray_behaviours::client::{get, read_until, send};
pub(crate) use xray_behaviours::documents::{Documents, recorder_with, shop};
pub(crate) use xray_behaviours::global::Global;

/// Creates a layer that records everything.
pub(crate) fn layer(naming: impl Into<Naming>) -> (XRayLayer, Documents) {
    let (recorder, documents) = recorder_with(Always);
    (XRayLayer::new(naming).recorder(recorder), documents)
}

/// Serves the router on a free port until the test ends.
pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}
