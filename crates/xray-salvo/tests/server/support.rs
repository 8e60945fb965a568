//! A server for tests that are specific to salvo.

use std::net::SocketAddr;

use salvo::Service;
use salvo::conn::tcp::TcpAcceptor;
use salvo::server::Server;
use tokio::net::TcpListener;
use xray_behaviours::documents::{Documents, recorder_with};
use xray_core::sampling::Always;
use xray_salvo::XRay;

pub(crate) use xray_behaviours::client::{ask, get, read_until, reset, send};
pub(crate) use xray_behaviours::documents::shop;

/// Creates a hoop that records everything.
pub(crate) fn xray() -> (XRay, Documents) {
    let (recorder, documents) = recorder_with(Always);
    (XRay::fixed("shop").recorder(recorder), documents)
}

/// Serves until the test ends.
pub(crate) async fn serve(service: impl Into<Service>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Server::new(TcpAcceptor::try_from(listener).unwrap()).serve(service.into()));
    address
}
