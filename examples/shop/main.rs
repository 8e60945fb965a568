//! A small traced shop of three services: `cargo run --example shop`.
//!
//! The shop (axum) calls its inventory (actix-web) with reqwest. The inventory calls a supplier (axum) with hyper, and
//! the supplier is sometimes out of stock. Each request is one trace through all three services.
//!
//! If `AWS_XRAY_DAEMON_ADDRESS` is not set, the example receives its own documents, prints each trace in this terminal
//! and prints the address of a page that shows them. It sends a few requests to itself, then serves until Ctrl-C. With
//! `-- --once` it exits after the first traces.

mod inventory;
mod orders;
mod supplier;
mod viewer;
mod visitor;

use std::error::Error;
use std::net::SocketAddr;

use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use xray_axum::XRayLayer;
use xray_core::Recorder;
use xray_core::sampling::Always;

use viewer::Viewer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let once = std::env::args().any(|argument| argument == "--once");
    let viewer = Viewer::start()?;
    let recorder = Recorder::builder()
        .service("shop")
        .service_version(env!("CARGO_PKG_VERSION"))
        .daemon(viewer.daemon()?)
        .sampling(Always) // by default, the rules of the AWS account decide
        .build()?;
    let flushed_at_the_end = recorder.install();

    let supplier = supplier::open().await?;
    let inventory = inventory::open(supplier)?;
    let listener = listen().await?;
    let address = listener.local_addr()?;
    let shop = Router::new()
        .route("/orders/{id}", get(orders::show))
        .route("/checkout", post(orders::checkout))
        .route("/report", get(orders::report))
        .layer(XRayLayer::new("shop"))
        .with_state(orders::Inventory::new(inventory))
        .into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, shop).with_graceful_shutdown(interrupted()).await });

    println!("Sending requests to the shop at http://{address}.\n");
    let requests = visitor::visit(address).await?;
    flushed_at_the_end.flushed().await;
    viewer.wait_for(requests);
    if once {
        return Ok(());
    }
    println!("The shop is listening on http://{address}. Press Ctrl-C to stop. Try:\n");
    for request in visitor::curl(address) {
        println!("  {request}");
    }
    if let Some(page) = viewer.page() {
        println!("\nThe traces are shown at {page}");
    }
    server.await??;
    Ok(())
}

/// Binds port 3000, or another port if that one is in use.
async fn listen() -> std::io::Result<TcpListener> {
    match TcpListener::bind("127.0.0.1:3000").await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind("127.0.0.1:0").await,
    }
}

/// Waits for Ctrl-C.
async fn interrupted() {
    // If signals are not available, Ctrl-C never arrives here.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
