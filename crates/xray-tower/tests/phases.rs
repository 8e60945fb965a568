//! How connections are opened and reused, and by which calls.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_rustls::rustls::ClientConfig;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};
use xray_core::testing::Trace;
use xray_core::{Recorder, Segment, TraceHeader};
use xray_tower::XRayClientLayer;
use xray_tower::client::{XRayBody, XRayClient, XRayConnector, XRayResolver};

use xray_behaviours::callee::Server;
use xray_behaviours::tls::{certified, trusting_no_certificate};

type Resolver = XRayResolver<BoxCloneSyncService<Name, std::vec::IntoIter<SocketAddr>, io::Error>>;
type Connector = XRayConnector<HttpsConnector<XRayConnector<HttpConnector<Resolver>>>>;
type Phased = XRayClient<Client<Connector, Empty<Bytes>>>;

/// Creates a client whose resolver waits at the gate and knows one name.
fn client(tls: ClientConfig, gate: Arc<Semaphore>) -> Phased {
    let resolver = service_fn(move |name: Name| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            match name.as_str() {
                "localhost" => Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))].into_iter()),
                _ => Err(io::Error::new(io::ErrorKind::NotFound, "no such host")),
            }
        }
    });
    let mut tcp = HttpConnector::new_with_resolver(XRayResolver::new(BoxCloneSyncService::new(resolver)));
    tcp.enforce_http(false);
    let tls = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
    let connector = XRayConnector::new(tls.wrap_connector(XRayConnector::new(tcp)));
    XRayClientLayer::new().layer(Client::builder(TokioExecutor::new()).build(connector))
}

async fn get(client: &Phased, url: &str) -> Result<(), Error> {
    let response: Response<XRayBody<Incoming>> =
        client.clone().oneshot(Request::get(url).body(Empty::new()).unwrap()).await?;
    response.into_body().collect().await.unwrap();
    Ok(())
}

fn begin() -> (Segment, impl Fn() -> Trace) {
    let (recorder, traces) = Recorder::in_memory();
    (recorder.begin("shop"), move || traces.take().single())
}

fn open_gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(1000))
}

#[tokio::test]
async fn the_phases_are_recorded_for_the_call_that_dials_and_reuse_for_the_next_one() {
    let (config, trusting) = certified("localhost");
    let tls = Server::start_tls(config).await;
    let plain = Server::start().await;
    for (url, phases) in [
        (format!("https://localhost:{}/ok", tls.port()), "    connect\n      dns\n      dial\n      tls\n"),
        (format!("http://localhost:{}/ok", plain.port()), "    connect\n      dns\n      dial\n"),
        (plain.url("/ok"), "    connect\n      dial\n"),
    ] {
        let host = if phases.contains("dns") { "localhost" } else { "127.0.0.1" };
        let client = client(trusting.clone(), open_gate());
        let (segment, trace) = begin();
        segment.scope(get(&client, &url)).await.unwrap();
        segment.scope(get(&client, &url)).await.unwrap();
        segment.close();
        let trace = trace();
        assert_eq!(trace.tree(), format!("shop\n  {host} remote 200\n{phases}  {host} remote 200\n"), "{url}");
        let calls = trace.children(trace.root());
        assert_eq!(calls[0].metadata("http", "connection"), &json!({"reused": false}));
        assert_eq!(calls[1].metadata("http", "connection"), &json!({"reused": true}));
        // The phases follow each other, within their parent.
        let time = |name: &str, member: &str| trace.find(name).json()[member].as_f64().unwrap();
        let times: &[_] = if phases.contains("tls") {
            assert_eq!(trace.find("dns").metadata("http", "dns"), &json!({"addresses": ["127.0.0.1"]}));
            &[
                ("connect", "start_time"),
                ("dns", "end_time"),
                ("dial", "end_time"),
                ("tls", "end_time"),
                ("connect", "end_time"),
            ]
        } else {
            &[("connect", "start_time"), ("dial", "start_time"), ("dial", "end_time"), ("connect", "end_time")]
        };
        assert!(times.is_sorted_by_key(|(name, member)| time(name, member)), "{}", trace.root().json());
    }
}

#[tokio::test]
async fn the_phase_that_failed_is_recorded() {
    let (config, trusting) = certified("wrong.example");
    let tls = Server::start_tls(config).await;
    for (url, tree) in [
        ("http://nowhere/".to_owned(), "nowhere remote fault\n    connect fault\n      dns fault\n"),
        ("http://localhost:1/".to_owned(), "localhost remote fault\n    connect fault\n      dns\n      dial fault\n"),
        (
            format!("https://localhost:{}/", tls.port()),
            "localhost remote fault\n    connect fault\n      dns\n      dial\n      tls fault\n",
        ),
    ] {
        let (segment, trace) = begin();
        segment.scope(get(&client(trusting.clone(), open_gate()), &url)).await.unwrap_err();
        segment.close();
        assert_eq!(trace().tree(), format!("shop\n  {tree}"), "{url}");
    }
}

#[tokio::test]
async fn an_attempt_is_closed_when_its_call_is_dropped() {
    let client = client(trusting_no_certificate(), Arc::new(Semaphore::new(0)));
    let (segment, trace) = begin();
    let mut call = Box::pin(segment.scope(get(&client, "http://localhost/")));
    assert!(futures_util::future::poll_immediate(&mut call).await.is_none());
    drop(call);
    segment.close();
    let trace = trace();
    assert_eq!(trace.tree(), "shop\n  localhost remote fault\n    connect\n      dns\n");
    assert_eq!(trace.find("dns").metadata("xray", "cancelled"), true);
}

#[tokio::test]
async fn a_connection_is_not_recorded_for_a_call_that_did_not_use_it() {
    let server = Server::start().await;
    let url = |path: &str| format!("http://localhost:{}{path}", server.port());
    let gate = Arc::new(Semaphore::new(1));
    let client = client(trusting_no_certificate(), gate.clone());
    let (segment, trace) = begin();

    // The first call uses the only connection. The second one dials another, which waits at the gate.
    let gated = url("/gated");
    let mut first = Box::pin(segment.scope(get(&client, &gated)));
    tokio::select! {
        _ = &mut first => panic!("the server did not wait"),
        () = server.hanging() => {}
    }
    let second_url = url("/ok");
    let mut second = Box::pin(segment.scope(get(&client, &second_url)));
    assert!(futures_util::future::poll_immediate(&mut second).await.is_none());
    // The first call ends, and the second one uses its connection.
    server.open_gate();
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(server.connections(), 1);
    // Now the attempt of the second call succeeds, for the next call.
    gate.add_permits(1);
    while server.connections() < 2 {
        tokio::task::yield_now().await;
    }
    segment.scope(get(&client, &second_url)).await.unwrap();
    segment.close();

    let trace = trace();
    let calls = trace.children(trace.root());
    let of_each: Vec<_> = calls
        .iter()
        .map(|call| (trace.children(call).len(), call.metadata("http", "connection")["reused"].clone()))
        .collect();
    assert_eq!(of_each, [(1, json!(false)), (0, json!(true)), (0, json!(true))], "{}", trace.tree());
}

#[tokio::test]
async fn calls_that_are_not_recorded_dial_unrecorded_and_their_connection_counts_as_reused() {
    let server = Server::start().await;
    let client = client(trusting_no_certificate(), open_gate());
    let (segment, trace) = begin();
    let header = TraceHeader::parse("Root=1-5f84c7a5-e7d1852db8c4fd35d88bf49a;Parent=53995c3f42cd8ad8;Sampled=0");
    let unsampled = Recorder::in_memory().0.begin_from("shop", &header);
    unsampled.scope(get(&client, &server.url("/ok"))).await.unwrap();
    segment.scope(get(&client, &server.url("/ok"))).await.unwrap();
    segment.close();
    let trace = trace();
    assert_eq!(trace.tree(), "shop\n  127.0.0.1 remote 200\n");
    assert_eq!(trace.find("127.0.0.1").metadata("http", "connection"), &json!({"reused": true}));
    assert_eq!(trace.find("127.0.0.1").json()["cause"], Value::Null);
}
