//! The second service: what is in stock. It asks the supplier with hyper's client.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::routing::get;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};
use xray_axum::XRayLayer;
use xray_reqwest::{SubsegmentName, XRayClient, XRayClientLayer};

#[derive(Clone)]
struct Supplier {
    client: XRayClient<Client<HttpConnector, Empty<Bytes>>>,
    address: SocketAddr,
}

/// Opens the service and tells where.
pub(crate) async fn open(supplier: SocketAddr) -> std::io::Result<SocketAddr> {
    let client = XRayClientLayer::new().traced(true).layer(Client::builder(TokioExecutor::new()).build_http());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let service = Router::new()
        .route("/reserve/{item}", get(reserve))
        .layer(XRayLayer::new("inventory"))
        .with_state(Supplier { client, address: supplier });
    tokio::spawn(async move { axum::serve(listener, service).await });
    Ok(address)
}

async fn reserve(State(supplier): State<Supplier>, Path(item): Path<String>) -> StatusCode {
    xray_core::capture("look at the shelf", |subsegment| {
        subsegment.annotate("found", false);
    });
    let Supplier { client, address } = supplier;
    let request = Request::get(format!("http://{address}/parts/{item}")).extension(SubsegmentName::from("supplier"));
    let Ok(request) = request.body(Empty::new()) else {
        return StatusCode::BAD_REQUEST;
    };
    match client.oneshot(request).await {
        Ok(response) if response.status().is_success() => {
            // Reading the body to its end lets the call be recorded as complete.
            let _ = response.into_body().collect().await;
            StatusCode::OK
        }
        _ => StatusCode::BAD_GATEWAY,
    }
}
