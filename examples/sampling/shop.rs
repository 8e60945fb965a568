//! The sampled service, which calls no other service.

use std::io::Result;
use std::net::SocketAddr;

use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use xray_axum::XRayLayer;

/// Starts the service and returns its address.
pub(crate) async fn open() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let shop = Router::new()
        .route("/health", get("fine\n"))
        .route("/checkout", post("thank you\n"))
        .route("/orders/{id}", get("one book\n"))
        .layer(XRayLayer::new("shop"));
    tokio::spawn(async move { axum::serve(listener, shop).await });
    Ok(address)
}
