//! A traced service that uses DynamoDB, S3 and SQS: `cargo run --example aws`.
//!
//! It needs a local replacement for AWS at `AWS_ENDPOINT_URL`, such as moto's server or LocalStack. If the variable is
//! not set, the example prints how to start moto's server.
//!
//! If `AWS_XRAY_DAEMON_ADDRESS` is not set, the example receives its own documents and prints each trace in this
//! terminal, with the AWS calls below the request that made them. It sends a few requests to itself, then serves until
//! Ctrl-C. With `-- --once` it exits after the first traces.

mod orders;
#[path = "../shop/viewer.rs"]
mod viewer;

use std::error::Error;
use std::process::ExitCode;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_types::SdkConfig;
use axum::Router;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use xray_axum::XRayLayer;
use xray_core::Recorder;
use xray_core::sampling::Always;

use orders::Stores;
use viewer::Viewer;

const MISSING_ENDPOINT: &str = "\
AWS_ENDPOINT_URL is not set. This example needs a local replacement for AWS. To start one and run the example:

  python3 -m pip install 'moto[server]'
  moto_server -p 5000 &
  AWS_ENDPOINT_URL=http://127.0.0.1:5000 cargo run --example aws -- --once";

/// The last one requests a receipt that does not exist.
const REQUESTS: [(&str, &str); 4] =
    [("POST", "/orders/7"), ("GET", "/orders/7"), ("GET", "/orders/7/receipt"), ("GET", "/orders/8/receipt")];

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Ok(endpoint) = std::env::var("AWS_ENDPOINT_URL") else {
        eprintln!("{MISSING_ENDPOINT}");
        return Ok(ExitCode::FAILURE);
    };
    let once = std::env::args().any(|argument| argument == "--once");
    let viewer = Viewer::start()?;
    let recorder = Recorder::builder().service("orders").daemon(viewer.daemon()?).sampling(Always).build()?;
    let flushed_at_the_end = recorder.install();

    println!("Creating a table, a bucket and a queue at {endpoint}.");
    let stores = Stores::new(&shared_configuration(endpoint));
    // There is no request here, so the example begins a segment itself.
    Recorder::global().begin("set up").scope(stores.create()).await?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = Router::new()
        .route("/orders/{id}", post(orders::place).get(orders::show))
        .route("/orders/{id}/receipt", get(orders::receipt))
        .layer(XRayLayer::new("orders"))
        .with_state(stores);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    println!("Sending {} requests to http://{address}.\n", REQUESTS.len());
    for (method, target) in REQUESTS {
        let mut connection = TcpStream::connect(address).await?;
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: orders\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        connection.write_all(head.as_bytes()).await?;
        connection.read_to_end(&mut Vec::new()).await?;
    }
    flushed_at_the_end.flushed().await;
    viewer.wait_for(1 + REQUESTS.len());
    if !once {
        println!("The service is listening on http://{address}. Press Ctrl-C to stop.");
        if let Some(page) = viewer.page() {
            println!("The traces are shown at {page}");
        }
        server.await??;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the configuration that an application usually loads with `aws-config`: region, credentials, endpoint.
fn shared_configuration(endpoint: String) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(std::env::var("AWS_REGION").unwrap_or_else(|_| "eu-west-1".to_owned())))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::from_keys("example", "example", None)))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint)
        .build()
}
