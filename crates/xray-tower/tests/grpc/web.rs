//! gRPC-web, whose status is in the last bytes of the body: through `tonic-web` on the server and on the client.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tonic::client::Grpc;
use tonic::transport::Server;
use tonic_web::{GrpcWebClientLayer, GrpcWebLayer};
use tower::ServiceBuilder;
use xray_behaviours::documents::recorder_with;
use xray_core::sampling::Always;
use xray_tower::XRayClientLayer;

use crate::service::{Running, call};
use crate::{calling, set, url};

/// Sends a message over HTTP/1.1, as a browser does. Returns the body of the response.
async fn browse(address: SocketAddr, method: &str, message: &str) -> Bytes {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut body = vec![0];
    body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend(message.as_bytes());
    let request = http::Request::post(url(address, method)).header("content-type", "application/grpc-web+proto");
    let response = client.request(request.body(Full::from(body)).unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/grpc-web+proto");
    response.into_body().collect().await.unwrap().to_bytes()
}

/// Returns the expected segment of a request over HTTP/1.1.
fn browsed(address: SocketAddr, method: &str, more: Value) -> Value {
    let mut segment = json!({
        "name": "inventory",
        "http": {
            "request": {"method": "POST", "url": url(address, method), "client_ip": "127.0.0.1"},
            "response": {"status": 200},
        },
    });
    set(&mut segment, more);
    segment
}

#[tokio::test]
async fn the_layer_inside_of_grpc_web_records_the_status_and_outside_of_it_the_call() {
    for is_inside in [true, false] {
        let mut service = Running::start(None, |layer, service, incoming| async move {
            let server = Server::builder().accept_http1(true);
            match is_inside {
                true => {
                    let mut server = server.layer(GrpcWebLayer::new()).layer(layer);
                    server.add_service(service).serve_with_incoming(incoming).await
                }
                false => {
                    let mut server = server.layer(layer).layer(GrpcWebLayer::new());
                    server.add_service(service).serve_with_incoming(incoming).await
                }
            }
        })
        .await;
        let address = service.address;
        for (method, message) in [("Get", "a"), ("List", "a")] {
            let body = browse(address, method, message).await;
            assert!(body.starts_with(b"\0\0\0\0\x01a\x80"), "{body:?}");
            assert_eq!(service.documents.next().await, browsed(address, method, json!({})));
        }
        let body = browse(address, "List", "a\nfail 5 no%20chair").await;
        assert!(body.starts_with(b"\0\0\0\0\x01a\x80"), "{body:?}");
        let failed = json!({"error": true, "cause": [["NOT_FOUND", "no%20chair"]]});
        let expected = if is_inside { failed } else { json!({}) };
        assert_eq!(service.documents.next().await, browsed(address, "List", expected));
        service.documents.assert_empty();
    }
}

#[tokio::test]
async fn the_layer_outside_of_the_web_client_records_the_status_and_inside_of_it_the_call() {
    let mut service = Running::start(None, |layer, service, incoming| {
        let mut server = Server::builder().accept_http1(true).layer(GrpcWebLayer::new()).layer(layer);
        server.add_service(service).serve_with_incoming(incoming)
    })
    .await;
    let address = service.address;
    let origin: http::Uri = format!("http://{address}").parse().unwrap();
    let http = Client::builder(TokioExecutor::new()).build_http();
    let (recorder, mut documents) = recorder_with(Always);
    let layer = XRayClientLayer::new();
    let outside = ServiceBuilder::new().layer(layer.clone()).layer(GrpcWebClientLayer::new()).service(http.clone());
    let inside = ServiceBuilder::new().layer(GrpcWebClientLayer::new()).layer(layer).service(http);
    let mut outside = Grpc::with_origin(outside, origin.clone());
    let mut inside = Grpc::with_origin(inside, origin);
    for is_outside in [true, false] {
        for (messages, more) in [
            (&["a", "b"][..], json!({})),
            (&["a", "fail 13 out of paper"], json!({"fault": true, "cause": [["INTERNAL", "out of paper"]]})),
        ] {
            let segment = recorder.begin("caller");
            let result = match is_outside {
                true => segment.scope(call(&mut outside, "List", messages)).await,
                false => segment.scope(call(&mut inside, "List", messages)).await,
            };
            segment.close();
            assert_eq!(result.is_ok(), more == json!({}));
            assert_eq!(service.documents.next().await, browsed(address, "List", more.clone()));
            let mut document = documents.next().await;
            if !is_outside {
                // tonic stops at the status, which may be before the end of the body inside.
                document["subsegments"][0].as_object_mut().unwrap().remove("metadata");
            }
            let expected = if is_outside { more } else { json!({}) };
            assert_eq!(document, calling(address, "List", expected), "{is_outside}");
        }
    }
}
