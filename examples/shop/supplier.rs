//! The third service: a supplier, which has no chairs.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::sleep;
use xray_axum::XRayLayer;

/// Starts the service and returns its address.
pub(crate) async fn open() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let service = Router::new().route("/parts/{item}", get(parts)).layer(XRayLayer::new("supplier"));
    tokio::spawn(async move { axum::serve(listener, service).await });
    Ok(address)
}

async fn parts(Path(item): Path<String>) -> (StatusCode, &'static str) {
    xray_core::annotate("item", &item);
    sleep(Duration::from_millis(8)).await;
    match item.as_str() {
        "chair" => (StatusCode::SERVICE_UNAVAILABLE, "no wood\n"),
        _ => (StatusCode::OK, "on the way\n"),
    }
}
