//! gRPC, as both sides of each call and the X-Ray daemon see it: tonic's server and client over sockets.

// The permission in clippy.toml does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod failures;
mod propagation;
mod python;
mod service;
mod statuses;
mod streams;
mod web;

use std::net::SocketAddr;

use serde_json::{Value, json};
use tonic::Status;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use xray_behaviours::documents::{Documents, recorder_with};
use xray_core::Recorder;
use xray_core::sampling::Always;
use xray_tower::XRayClientLayer;
use xray_tower::client::XRayClient;

use service::call;

/// A caller with a recorder of its own, so that its documents are apart from those of the service.
struct Caller {
    client: Grpc<XRayClient<Channel>>,
    recorder: Recorder,
    documents: Documents,
}

impl Caller {
    /// A caller that connects to the address when it calls for the first time.
    fn of(address: SocketAddr) -> Caller {
        Caller::by(endpoint(address))
    }

    fn by(endpoint: Endpoint) -> Caller {
        let traced = XRayClientLayer::new().origin(endpoint.uri());
        let client = tower::ServiceBuilder::new().layer(traced).service(endpoint.connect_lazy());
        let (recorder, documents) = recorder_with(Always);
        Caller { client: Grpc::new(client), recorder, documents }
    }

    /// Calls a method of the service within a segment, reads the response to its end, and returns both.
    async fn call(&mut self, method: &str, messages: &[&str]) -> (Result<Vec<String>, Status>, Value) {
        let segment = self.recorder.begin("caller");
        let result = segment.scope(call(&mut self.client, method, messages)).await;
        segment.close();
        (result, self.documents.next().await)
    }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::from_shared(format!("http://{address}")).unwrap().user_agent(service::USER_AGENT).unwrap()
}

fn url(address: SocketAddr, method: &str) -> String {
    format!("http://{address}/shop.Inventory/{method}")
}

/// Returns the expected segment of a caller: one call, with the members of `more`.
fn calling(address: SocketAddr, method: &str, more: Value) -> Value {
    let mut call = json!({
        "name": "127.0.0.1",
        "namespace": "remote",
        "http": {"request": {"method": "POST", "url": url(address, method)}, "response": {"status": 200}},
    });
    set(&mut call, more);
    json!({"name": "caller", "subsegments": [call]})
}

/// Returns the expected segment of the service, with the members of `more`.
fn serving(address: SocketAddr, method: &str, more: Value) -> Value {
    let mut segment = json!({
        "name": "inventory",
        "http": {
            "request": {
                "method": "POST", "url": url(address, method), "client_ip": "127.0.0.1", "user_agent": service::USER_AGENT,
            },
            "response": {"status": 200},
        },
    });
    set(&mut segment, more);
    segment
}

/// Sets members of a document. `response` adds to the response; `null` removes it.
fn set(document: &mut Value, more: Value) {
    let Value::Object(more) = more else { panic!("{more}") };
    for (key, value) in more {
        match (&*key, value) {
            ("response", Value::Null) => drop(document["http"].as_object_mut().unwrap().remove("response")),
            ("response", value) => set(&mut document["http"]["response"], value),
            (_, value) => document[key] = value,
        }
    }
}
