//! The trace in the metadata of calls, through handlers and interceptors.

use serde_json::{Value, json};
use tonic::client::Grpc;
use tonic::service::InterceptorLayer;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::{Code, Request, Status};
use xray_behaviours::documents::recorder_with;
use xray_core::TraceHeader;
use xray_core::sampling::{Always, Never};
use xray_tower::XRayClientLayer;

use crate::service::{Running, call, get, serve, serve_by};
use crate::{Caller, calling, endpoint, serving};

/// Returns the ID of the first subsegment.
fn call_id(document: &Value) -> &Value {
    &document["subsegments"][0]["id"]
}

#[tokio::test]
async fn a_handler_that_calls_another_service_is_between_caller_and_callee() {
    let mut last = serve().await;
    let mut middle = Caller::of(last.address);
    // Its calls are recorded in the trace of the request, so it has no documents of its own.
    let mut first = serve_by(Server::builder(), Some(&middle)).await;
    let mut caller = Caller::of(first.address);
    for method in ["Get", "Collect", "List", "Chat"] {
        let segment = caller.recorder.begin("caller");
        let responses = segment.scope(call(&mut caller.client, "Chat", &[&format!("forward {method}")])).await;
        segment.close();
        let [calling, serving, called] =
            [caller.documents.raw().await, first.documents.raw().await, last.documents.raw().await];
        assert_eq!([&serving["trace_id"], &called["trace_id"]], [&calling["trace_id"]; 2]);
        assert_eq!(&serving["parent_id"], call_id(&calling));
        assert_eq!(&called["parent_id"], call_id(&serving), "{method}");
        let header = &responses.unwrap()[0];
        let header = TraceHeader::parse(header);
        assert_eq!(header.parent().unwrap().to_string(), *call_id(&serving).as_str().unwrap());
        assert_eq!(header.trace_id().unwrap().to_string(), *calling["trace_id"].as_str().unwrap());
    }
    middle.documents.assert_empty();
}

#[tokio::test]
async fn a_trace_that_is_not_sampled_is_recorded_nowhere() {
    let mut service = serve().await;
    let mut caller = Caller::of(service.address);
    let (recorder, mut documents) = recorder_with(Never);
    let segment = recorder.begin("caller");
    let header =
        segment.scope(get(&mut caller.client, Request::new("header x-amzn-trace-id".to_owned()))).await.unwrap();
    assert!(header.ends_with(";Sampled=0"), "{header}");
    let failed = segment.scope(get(&mut caller.client, Request::new("fail 13 no".to_owned()))).await;
    assert_eq!(failed.unwrap_err().code(), Code::Internal);
    segment.close();
    documents.assert_empty();
    service.documents.assert_empty();
}

/// Adds a header to the request.
fn add(mut request: Request<()>) -> Result<Request<()>, Status> {
    request.metadata_mut().insert("x-tenant", "acme".parse().unwrap());
    Ok(request)
}

#[tokio::test]
async fn interceptors_of_the_client_work_on_both_sides_of_the_layer() {
    let mut service = serve().await;
    let channel = endpoint(service.address).connect_lazy();
    let layer = XRayClientLayer::new().origin(endpoint(service.address).uri());
    let (recorder, mut documents) = recorder_with(Always);
    let expected = calling(service.address, "Get", json!({}));
    for header in ["x-tenant", "x-amzn-trace-id"] {
        let outside = tower::ServiceBuilder::new().layer(InterceptorLayer::new(add)).layer(layer.clone());
        let inside = tower::ServiceBuilder::new().layer(layer.clone()).layer(InterceptorLayer::new(add));
        let (mut outside, mut inside) =
            (Grpc::new(outside.service(channel.clone())), Grpc::new(inside.service(channel.clone())));
        for is_outside in [true, false] {
            let request = Request::new(format!("header {header}"));
            let segment = recorder.begin("caller");
            let value = match is_outside {
                true => segment.scope(get(&mut outside, request)).await.unwrap(),
                false => segment.scope(get(&mut inside, request)).await.unwrap(),
            };
            segment.close();
            assert!(value == "acme" || value.starts_with("Root=1-"), "{value}");
            assert_eq!(documents.next().await, expected);
            assert_eq!(service.document().await, serving(service.address, "Get", json!({})));
        }
    }
}

/// Lets requests with a header pass. The interceptor runs within the segment.
fn admit(request: Request<()>) -> Result<Request<()>, Status> {
    let tenant = request.metadata().get("x-tenant").and_then(|tenant| tenant.to_str().ok());
    xray_core::annotate("tenant", tenant.unwrap_or("none"));
    if tenant.is_some() { Ok(request) } else { Err(Status::unauthenticated("no tenant")) }
}

#[tokio::test]
async fn interceptors_of_the_server_run_in_the_segment_and_their_refusals_are_recorded() {
    let mut service = Running::start(None, |layer, service, incoming| {
        let service = InterceptedService::new(service, admit);
        Server::builder().layer(layer).add_service(service).serve_with_incoming(incoming)
    })
    .await;
    let mut caller = Caller::of(service.address);
    let address = service.address;
    let (refused, document) = caller.call("Get", &["a"]).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    let failed = json!({"error": true, "cause": [["UNAUTHENTICATED", "no tenant"]]});
    assert_eq!(document, calling(address, "Get", failed.clone()));
    let mut served = failed;
    served["annotations"] = json!({"tenant": "none"});
    served["response"] = json!({"content_length": 0});
    assert_eq!(service.document().await, serving(address, "Get", served));

    let mut request = Request::new("a".to_owned());
    request.metadata_mut().insert("x-tenant", "acme".parse().unwrap());
    // A call outside any trace: the service begins one.
    get(&mut Grpc::new(endpoint(address).connect_lazy()), request).await.unwrap();
    let served = json!({"annotations": {"tenant": "acme"}});
    assert_eq!(service.document().await, serving(address, "Get", served));
}

#[tokio::test]
async fn an_ignored_service_is_not_recorded_and_neither_are_its_calls() {
    let mut last = serve().await;
    let middle = Caller::of(last.address);
    let mut ignoring = Running::start(Some(&middle), |layer, service, incoming| {
        let layer = layer.ignore(|request| request.uri().path().starts_with("/shop.Inventory/"));
        Server::builder().layer(layer).add_service(service).serve_with_incoming(incoming)
    })
    .await;
    let mut client = Grpc::new(endpoint(ignoring.address).connect_lazy());
    assert_eq!(get(&mut client, Request::new("forward Get".to_owned())).await.unwrap(), "");
    ignoring.documents.assert_empty();
    // No trace began at the ignored service, so the next one begins its own.
    assert_eq!(last.document().await, serving(last.address, "Get", json!({})));
}
