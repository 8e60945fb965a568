//! `server <axum|actix> <bare|RATE> <daemon>`: a hello-world server with or without the layer, for the benchmark
//! `servers`. It prints its address and serves until it is killed.

use actix_web::{App, HttpServer, web};
use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use xray_actix::XRay;
use xray_axum::XRayLayer;
use xray_core::Recorder;
use xray_core::sampling::{FixedTarget, Rate, Rules};

async fn hello() -> &'static str {
    "Hello, World!"
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, framework, rate, daemon] = &arguments[..] else {
        return Err("usage: server <axum|actix> <bare|RATE> <daemon>".into());
    };
    let rate: Option<f64> = rate.parse().ok();
    let rules = Rules::new(FixedTarget(0), Rate(rate.unwrap_or_default()));
    let _flushed = Recorder::builder().daemon(daemon.parse()?).sampling(rules).build()?.install();
    if framework == "axum" {
        let app = Router::new().route("/hello/{name}", get(hello));
        let app = if rate.is_some() { app.layer(XRayLayer::new("orders")) } else { app };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        axum::serve(listener, app).await?;
    } else if rate.is_some() {
        let app = || App::new().wrap(XRay::fixed("orders")).route("/hello/{name}", web::get().to(hello));
        let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0")?;
        println!("{}", server.addrs()[0]);
        server.run().await?;
    } else {
        let app = || App::new().route("/hello/{name}", web::get().to(hello));
        let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0")?;
        println!("{}", server.addrs()[0]);
        server.run().await?;
    }
    Ok(())
}
