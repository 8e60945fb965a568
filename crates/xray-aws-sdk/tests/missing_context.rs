//! A call outside any trace is sent, even if the application sets the context-missing strategy to panic.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use xray_aws_sdk::XRayInterceptor;
use xray_core::{ContextMissing, Recorder};

/// Responds to requests, and checks that they carry no trace header.
#[derive(Debug)]
struct Responder;

impl HttpConnector for Responder {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        assert!(!request.headers().contains_key("x-amzn-trace-id"));
        let body = SdkBody::from(r#"{"TableNames":[]}"#);
        HttpConnectorFuture::ready(Ok(HttpResponse::new(StatusCode::try_from(200).expect("a status"), body)))
    }
}

#[tokio::test]
async fn a_missing_context_is_reported_and_never_panics() {
    let messages = Arc::new(Mutex::new(Vec::new()));
    let log = messages.clone();
    let recorder = Recorder::builder()
        .context_missing(ContextMissing::Panic)
        .on_diagnostic(move |diagnostic| log.lock().unwrap().push(diagnostic.to_string()))
        .build()
        .unwrap();
    let _installed = recorder.install();
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("AKID", "s3cret", None, None, "test"))
        .http_client(http_client_fn(|_, _| SharedHttpConnector::new(Responder)))
        .interceptor(XRayInterceptor::new());
    Client::from_conf(config.build()).list_tables().send().await.unwrap();
    let [message] = &messages.lock().unwrap()[..] else { panic!("one message") };
    assert!(message.contains("AWS call"), "{message}");
}
