//! The client layer around tonic's channel.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::net::SocketAddr;

use serde_json::json;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::ServiceBuilder;
use xray_core::Recorder;
use xray_tower::XRayClientLayer;
use xray_tower::client::{SubsegmentName, Untraced, WithoutHeader, XRayClient};

/// Serves health checks, which know only the service "".
async fn serve() -> (SocketAddr, Channel) {
    let (_, health) = tonic_health::server::health_reporter();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Server::builder().add_service(health).serve_with_incoming(TcpIncoming::from(listener)));
    (address, Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy())
}

fn traced(layer: XRayClientLayer, channel: Channel) -> XRayClient<Channel> {
    ServiceBuilder::new().layer(layer).service(channel)
}

fn check(service: &str) -> Request<HealthCheckRequest> {
    Request::new(HealthCheckRequest { service: service.to_owned() })
}

#[tokio::test]
async fn a_call_has_the_name_of_its_host_or_of_its_service() {
    const SERVICE: &str = "grpc.health.v1.Health";
    let (address, channel) = serve().await;
    let at = address.to_string();
    let url = |scheme, authority| format!("{scheme}://{authority}/{SERVICE}/Check");
    let path = format!("/{SERVICE}/Check");
    let layer = XRayClientLayer::new;
    for (layer, name, recorded) in [
        (layer(), SERVICE, path.clone()),
        (layer().origin(""), SERVICE, path),
        (layer().origin(format_args!("http://{at}")), "127.0.0.1", url("http", &*at)),
        (layer().origin("https://Inventory:443/ignored"), "inventory", url("https", "Inventory")),
        (layer().origin("inventory:50051"), "inventory", url("http", "inventory:50051")),
    ] {
        let (recorder, traces) = Recorder::in_memory();
        let segment = recorder.begin("shop");
        let layer = layer.on_outcome(|outcome| {
            outcome.subsegment().metadata("url", outcome.url());
        });
        let mut client = HealthClient::new(traced(layer, channel.clone()));
        segment.scope(client.check(check(""))).await.unwrap();
        segment.close();
        let trace = traces.take().single();
        assert_eq!(trace.tree(), format!("shop\n  {name} remote 200\n"));
        let call = trace.find(name);
        assert_eq!(call.json()["http"]["request"], json!({"method": "POST", "url": recorded}));
        // The default port is in the URL of the request, but not in the recorded one.
        let whole = call.metadata("default", "url").as_str().unwrap().replace(":443/", "/");
        assert_eq!(whole, recorded);
    }
    // tonic's client itself can put the origin into each request.
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let origin = "http://inventory".parse().unwrap();
    let mut client = HealthClient::with_origin(traced(layer(), channel), origin);
    segment.scope(client.check(check(""))).await.unwrap();
    segment.close();
    let trace = traces.take().single();
    assert_eq!(trace.find("inventory").json()["http"]["request"]["url"], url("http", "inventory"));
}

#[tokio::test]
async fn calls_last_until_the_end_of_their_streams_and_failures_are_recorded() {
    let (_, channel) = serve().await;
    let mut client = HealthClient::new(traced(XRayClientLayer::new().origin("http://inventory"), channel));
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let watched = segment.scope(async {
        assert_eq!(client.check(check("unknown")).await.unwrap_err().code(), Code::NotFound);
        let mut stream = client.watch(check("")).await.unwrap().into_inner();
        assert!(stream.message().await.unwrap().is_some());
        stream
    });
    drop(watched.await);
    segment.close();
    let trace = traces.take().single();
    assert_eq!(trace.tree(), "shop\n  inventory remote 200 error\n  inventory remote 200\n");
    let [_, watch] = trace.children(trace.root())[..] else { panic!("two calls") };
    assert_eq!(watch.metadata("xray", "aborted"), true);
}

#[tokio::test]
async fn extensions_configure_a_single_call() {
    let (_, channel) = serve().await;
    let mut client = HealthClient::new(traced(XRayClientLayer::new(), channel));
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let mut requests = [check(""), check(""), check("")];
    requests[0].extensions_mut().insert(Untraced);
    requests[1].extensions_mut().insert(WithoutHeader);
    requests[2].extensions_mut().insert(SubsegmentName::from("inventory"));
    for request in requests {
        segment.scope(client.check(request)).await.unwrap();
    }
    segment.close();
    let tree = "shop\n  grpc.health.v1.Health remote 200\n  inventory remote 200\n";
    assert_eq!(traces.take().single().tree(), tree);
}

#[tokio::test]
async fn a_buffered_channel_is_traced() {
    let (_, channel) = serve().await;
    let buffered = ServiceBuilder::new()
        .layer(XRayClientLayer::new().boxed_errors())
        .buffer::<http::Request<_>>(8)
        .service(channel);
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    segment.scope(HealthClient::new(buffered).check(check(""))).await.unwrap();
    segment.close();
    assert_eq!(traces.take().single().tree(), "shop\n  grpc.health.v1.Health remote 200\n");
}
