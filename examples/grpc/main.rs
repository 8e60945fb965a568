//! gRPC with tonic, both sides in one program: `cargo run --example grpc`.
//!
//! A customer calls the inventory, and the inventory calls its supplier for items that it does not have. Each call is one
//! trace through all services, including those that fail, and streams last until their end.
//!
//! If `AWS_XRAY_DAEMON_ADDRESS` is not set, the example receives its own documents and prints each trace in this terminal.
//! After the first calls it serves until Ctrl-C. With `-- --once` it exits instead.

mod api;
mod inventory;
#[path = "../shop/viewer.rs"]
mod viewer;

use std::error::Error;
use std::net::SocketAddr;

use futures_util::stream;
use tokio::net::TcpListener;
use tonic::Status;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tower::ServiceBuilder;
use xray_core::Recorder;
use xray_core::sampling::Always;
use xray_tower::{XRayClientLayer, XRayLayer};

use api::{InventoryClient, InventoryServer, Item};
use inventory::Inventory;
use viewer::Viewer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let once = std::env::args().any(|argument| argument == "--once");
    let viewer = Viewer::start()?;
    let recorder = Recorder::builder()
        .daemon(viewer.daemon()?)
        .sampling(Always) // by default, the rules of the AWS account decide
        .build()?;
    let flushed_at_the_end = recorder.install();

    let supplier = serve("supplier", Inventory { has: "desk", supplier: None }).await?;
    let supplier = connect("supplier", supplier)?;
    let address = serve("inventory", Inventory { has: "lamp", supplier: Some(supplier) }).await?;

    println!("Calling the inventory at http://{address}.\n");
    let traces = buy(Recorder::global(), connect("inventory", address)?).await?;
    flushed_at_the_end.flushed().await;
    viewer.wait_for(traces);
    if once {
        return Ok(());
    }
    println!("The inventory is listening on http://{address}. Press Ctrl-C to stop. Try:\n");
    println!("  grpcurl -plaintext -import-path examples/grpc -proto inventory.proto \\");
    println!("    -d '{{\"name\": \"chair\"}}' {address} shop.Inventory/Reserve");
    if let Some(page) = viewer.page() {
        println!("\nThe traces are shown at {page}");
    }
    tokio::signal::ctrl_c().await?;
    Ok(())
}

/// Serves an inventory within the layer, on a free port.
async fn serve(name: &'static str, inventory: Inventory) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // Health checks come every few seconds, so they are not recorded.
    let layer = XRayLayer::new(name).ignore(|request| request.uri().path().starts_with("/grpc.health.v1.Health/"));
    let (_reporter, health) = tonic_health::server::health_reporter();
    let server = Server::builder().layer(layer).add_service(InventoryServer::new(inventory)).add_service(health);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    Ok(address)
}

/// Connects a client to an inventory, within the layer. The host of the origin names its calls.
fn connect(host: &str, address: SocketAddr) -> Result<InventoryClient, Box<dyn Error>> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
    // In your program, this is the URI of the endpoint.
    let origin = format!("http://{host}:{}", address.port());
    let traced = XRayClientLayer::new().origin(origin).traced(true);
    Ok(InventoryClient::new(ServiceBuilder::new().layer(traced).service(channel)))
}

/// Makes a few calls, each in a trace of its own. Returns the number of traces.
async fn buy(recorder: &Recorder, mut inventory: InventoryClient) -> Result<usize, Status> {
    let item = |name: &str| Item { name: name.to_owned() };
    // The last two fail: with `UNAVAILABLE` at the supplier, and with `INVALID_ARGUMENT`.
    let items = ["lamp", "desk", "chair", ""];
    for name in items {
        // No layer serves the customer, who begins the segment.
        let segment = recorder.begin("customer");
        let reserved = segment.scope(inventory.reserve(item(name))).await;
        println!(
            "reserve {name:?}: {}",
            reserved.map_or_else(|status| status.code().to_string(), |_| "done".to_owned())
        );
    }

    let segment = recorder.begin("customer");
    let new = stream::iter(["lamp", "lamp", "lamp"].map(item));
    let stock = segment.scope(inventory.restock(new)).await?.into_inner();
    println!("restock: {} of {:?}", stock.count, stock.item);
    segment.close();

    let segment = recorder.begin("customer");
    let mut watched = segment.scope(inventory.watch(item("lamp"))).await?.into_inner();
    while let Some(stock) = watched.message().await? {
        println!("watch: {} of {:?}", stock.count, stock.item);
    }
    segment.close();
    println!();
    Ok(items.len() + 2)
}
