//! `ours-axum <xray-100|xray-5|xray-0> <port> <sink address>`: the hello-world server with the layer, for the comparison. The
//! number is the percentage of requests that are recorded.

use axum::Router;
use axum::routing::get;
use xray_axum::XRayLayer;
use xray_core::Recorder;
use xray_core::sampling::{FixedTarget, Rate, Rules};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (variant, port) = (&*args[1], args[2].parse::<u16>().unwrap());
    let rate = match variant.strip_prefix("xray-").map(str::parse::<u8>) {
        Some(Ok(percent)) => f64::from(percent) / 100.0,
        _ => panic!("no variant {variant}"),
    };
    let _flushed = Recorder::builder()
        .daemon(args[3].parse().unwrap())
        .sampling(Rules::new(FixedTarget(0), Rate(rate)))
        .build()
        .unwrap()
        .install();
    let app = Router::new().route("/hello/{name}", get(|| async { "Hello, World!" })).layer(XRayLayer::new("orders"));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    axum::serve(listener, app).await.unwrap();
}
