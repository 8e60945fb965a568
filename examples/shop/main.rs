//! A small shop of three services, traced: `cargo run --example shop`.
//!
//! The shop (axum) asks its inventory (actix-web) with reqwest, and that asks a supplier with hyper, who is out of
//! stock now and then: each request is one trace through all three.
//!
//! Without a daemon (no `AWS_XRAY_DAEMON_ADDRESS`) it starts a receiver of its own and draws each trace in this
//! terminal. It sends itself a few requests, then serves until Ctrl-C; with `-- --once` it ends after the first
//! traces.

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
        .sampling(Always) // one request a second, and 5 % of the others, unless something else is said
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

    let requests = visitor::visit(address).await?;
    flushed_at_the_end.flushed().await;
    viewer.wait_for(requests);
    if once {
        return Ok(());
    }
    println!("The shop is open at http://{address} until Ctrl-C. Try:\n");
    for request in visitor::curl(address) {
        println!("  {request}");
    }
    server.await??;
    Ok(())
}

/// A port that is easy to remember, if nobody has it.
async fn listen() -> std::io::Result<TcpListener> {
    match TcpListener::bind("127.0.0.1:3000").await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind("127.0.0.1:0").await,
    }
}

async fn interrupted() {
    // Without signals there is no Ctrl-C to wait for.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
