//! Work E: what all servers of axum share. `<program> <variant> <port> <sink>` serves until it is killed; a variant's name ends
//! in the percentage of requests to record.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

/// The command line of a server.
pub struct Arguments {
    /// The variant's name without its percentage.
    pub variant: String,
    /// The share of requests to record.
    pub rate: f64,
    pub port: u16,
    pub sink: SocketAddr,
}

/// Returns the command line.
pub fn arguments() -> Arguments {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, variant, port, sink] = &arguments[..] else { panic!("usage: <program> <variant> <port> <sink>") };
    let (variant, percent) = match variant.rsplit_once('-') {
        Some((name, percent)) => (name, percent.parse().expect("a percentage")),
        None => (&variant[..], 0.0),
    };
    let (port, sink) = (port.parse().expect("a port"), sink.parse().expect("an address"));
    Arguments { variant: variant.to_owned(), rate: percent / 100.0, port, sink }
}

/// Returns the application, to which a variant adds its layers.
pub fn app() -> Router {
    Router::new().route("/hello/{name}", get(|| async { "Hello, World!" }))
}

/// Serves until the process ends.
pub async fn serve(app: Router, port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
    axum::serve(listener, app).await.expect("a server");
}
