//! The second service: the inventory. It uses actix-web, and calls the supplier with hyper's client.

use std::io;
use std::net::SocketAddr;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path};
use actix_web::{App, HttpResponse, HttpServer};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::{Layer, ServiceExt};
use xray_actix::XRay;
use xray_reqwest::{SubsegmentName, XRayClient, XRayClientLayer};

#[derive(Clone)]
struct Supplier {
    client: XRayClient<Client<HttpConnector, Empty<Bytes>>>,
    address: SocketAddr,
}

/// Starts the service and returns its address.
pub(crate) fn open(supplier: SocketAddr) -> io::Result<SocketAddr> {
    let middleware = XRay::fixed("inventory");
    let service = HttpServer::new(move || {
        // Each worker has its own client, with its own connections.
        let client = XRayClientLayer::new().traced(true).layer(Client::builder(TokioExecutor::new()).build_http());
        App::new()
            .wrap(middleware.clone())
            .app_data(Data::new(Supplier { client, address: supplier }))
            .route("/reserve/{item}", web::get().to(reserve))
    });
    let service = service.workers(1).disable_signals().bind("127.0.0.1:0")?;
    let address = service.addrs()[0];
    tokio::spawn(service.run());
    Ok(address)
}

async fn reserve(supplier: Data<Supplier>, item: Path<String>) -> HttpResponse {
    xray_core::capture("look at the shelf", |subsegment| {
        subsegment.annotate("found", false);
    });
    let Supplier { client, address } = supplier.get_ref().clone();
    let request = Request::get(format!("http://{address}/parts/{item}")).extension(SubsegmentName::from("supplier"));
    let Ok(request) = request.body(Empty::new()) else {
        return HttpResponse::BadRequest().finish();
    };
    let status = match client.oneshot(request).await {
        Ok(response) if response.status().is_success() => {
            // The call is recorded as complete once its body has been read to the end.
            let _ = response.into_body().collect().await;
            StatusCode::OK
        }
        _ => StatusCode::BAD_GATEWAY,
    };
    HttpResponse::build(status).finish()
}
