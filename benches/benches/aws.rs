//! Wall time that the interceptor adds to a call of the AWS SDK, sampled and unsampled, compared to the bare client in
//! the same run. There are three servers, which always send the same response:
//!
//! - *loopback*: a server on its own thread.
//! - *same thread*: a server on the client's thread. No core goes idle in between, so the cost of waking one is not
//!   included.
//! - *memory*: a connector that returns the response immediately. This has the least variation.
//!
//! The baseline (`floor`) is an interceptor that adds a constant header.
//!
//! `cargo bench -p xray-benches --bench aws`. With the arguments `--json ROUNDS` it prints lines for `benches/compare/run`.

use std::hint::black_box;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region, SharedHttpClient};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{self, Runtime};
use xray_aws_sdk::XRayInterceptor;
use xray_core::document::Document;
use xray_core::emit::{Emitter, Flushed};
use xray_core::sampling::{FixedTarget, Rate, Rules};
use xray_core::{Recorder, TraceHeader};

const ROUNDS: usize = 61;
/// Calls per client and round, ten per segment.
const CALLS: usize = 100;
const RESPONSE: &str =
    r#"{"Item":{"id":{"S":"7"},"total":{"N":"12"}},"ConsumedCapacity":{"TableName":"orders","CapacityUnits":0.5}}"#;

const HEADER: &str = "Root=1-5f84c7a5-e7d1852db8c4fd35d88bf49a;Parent=53995c3f42cd8ad8;Sampled=0";

fn main() -> io::Result<()> {
    let runtime = one_thread()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let output = match &arguments[..] {
        [json, rounds] if json == "--json" => Output::Json { rounds: rounds.parse().expect("a number") },
        _ => Output::Text,
    };
    if let Output::Text = output {
        println!("Time of a GetItem call in µs: bare, and added by an interceptor");
        println!("(medians of {ROUNDS} rounds of {CALLS} calls)");
    }
    let by_tcp = || aws_smithy_http_client::Builder::new().build_http();
    let (remote, url) = server()?;
    thread::spawn(|| one_thread()?.block_on(remote));
    measure(&runtime, "loopback", by_tcp(), &url, output);
    let (local, url) = server()?;
    runtime.spawn(local);
    measure(&runtime, "same thread", by_tcp(), &url, output);
    let from_memory = http_client_fn(|_, _| SharedHttpConnector::new(Memory));
    measure(&runtime, "memory", from_memory, "http://127.0.0.1:1", output);
    Ok(())
}

/// How the figures are printed.
#[derive(Clone, Copy)]
enum Output {
    Text,
    Json { rounds: usize },
}

fn one_thread() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

fn measure(runtime: &Runtime, name: &str, http_client: SharedHttpClient, endpoint: &str, output: Output) {
    let rounds = if let Output::Json { rounds } = output { rounds } else { ROUNDS };
    let config = || {
        Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("AKID", "secret", None, None, "bench"))
            .http_client(http_client.clone())
            .endpoint_url(endpoint)
    };
    let bare = Client::from_conf(config().build());
    let floor = Client::from_conf(config().interceptor(Floor).build());
    let traced = Client::from_conf(config().interceptor(XRayInterceptor::new()).build());
    let (all, none) = (recorder(1.0), recorder(0.0));
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..rounds {
        // All calls run below a segment, and the order is mirrored, so that drift of the machine evens out.
        let of = |client: &Client, recorder: &Recorder| calls(runtime, client, recorder);
        let runs = [(&bare, &none), (&floor, &none), (&traced, &none), (&bare, &all), (&traced, &all)];
        let forth = runs.map(|(client, recorder)| of(client, recorder));
        let mut back = [0.0; 5];
        for (time, (client, recorder)) in back.iter_mut().zip(runs).rev() {
            *time = of(client, recorder);
        }
        let [bare, floor, unsampled, bare_sampled, sampled] = std::array::from_fn(|run| (forth[run] + back[run]) / 2.0);
        for (times, time) in times.iter_mut().zip([bare, floor - bare, unsampled - bare, sampled - bare_sampled]) {
            times.push(time);
        }
    }
    let [bare, floor, unsampled, sampled] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[rounds / 2]
    });
    if let Output::Json { .. } = output {
        for (subject, added) in [("one header", floor), ("ours, not sampled", unsampled), ("ours, sampled", sampled)] {
            println!(r#"{{"subject":"{subject}, {name}","work":"G","bare_us":{bare:.3},"added_us":{added:.3}}}"#);
        }
        return;
    }
    println!("{name:11} {bare:7.2}  floor {floor:+5.2}  not sampled {unsampled:+5.2}  sampled {sampled:+5.2}");
}

/// Returns a recorder that samples this share of requests and discards the documents.
fn recorder(rate: f64) -> Recorder {
    let rules = Rules::new(FixedTarget(0), Rate(rate));
    Recorder::builder().emitter(Nowhere).sampling(rules).build().expect("a rate from 0 to 1")
}

/// Discards documents, after it has made their text.
#[derive(Debug)]
struct Nowhere;

impl Emitter for Nowhere {
    fn emit(&self, document: Document) {
        black_box(document.datagram());
    }

    fn flush(&self, _: Duration) -> Flushed {
        Flushed::All
    }
}

/// Returns the average time of one call in µs.
fn calls(runtime: &Runtime, client: &Client, recorder: &Recorder) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS / 10 {
        let segment = recorder.begin_from("orders", &TraceHeader::default());
        runtime.block_on(segment.scope(async {
            for _ in 0..10 {
                let get = client.get_item().table_name("orders").key("id", AttributeValue::S("7".into()));
                get.consistent_read(true).send().await.expect("a response");
            }
        }));
    }
    start.elapsed().as_secs_f64() * 1e6 / CALLS as f64
}

/// Returns a future that runs a server, and its URL. The server runs on the thread that polls the future.
fn server() -> io::Result<(impl Future<Output = io::Result<()>>, String)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let url = format!("http://{}", listener.local_addr()?);
    let serve = async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(respond(stream));
        }
    };
    Ok((serve, url))
}

/// Responds to each request of a connection. Every request ends with its JSON body.
async fn respond(mut stream: TcpStream) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\nx-amzn-requestid: R\r\n";
    let response = format!("{head}content-length: {}\r\n\r\n{RESPONSE}", RESPONSE.len());
    stream.set_nodelay(true)?;
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            read if buffer[..read].ends_with(b"}") => stream.write_all(response.as_bytes()).await?,
            _ => {}
        }
    }
}

/// Adds a constant header.
#[derive(Debug)]
struct Floor;

#[dyn_dispatch_hint]
impl Intercept for Floor {
    fn name(&self) -> &'static str {
        "Floor"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().headers_mut().insert("x-amzn-trace-id", HEADER);
        Ok(())
    }
}

/// Returns the response immediately.
#[derive(Debug)]
struct Memory;

impl HttpConnector for Memory {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let mut response = HttpResponse::new(StatusCode::try_from(200).expect("a status"), SdkBody::from(RESPONSE));
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        response.headers_mut().insert("x-amzn-requestid", "R");
        HttpConnectorFuture::ready(Ok(response))
    }
}
