//! The fallback for clients that have no interceptor.

use serde_json::json;
use xray_aws_sdk::{XRayHttpClient, client};

use crate::documents::{JSON, get_item};
use crate::stub::{ScriptedResponse, Stub, call, recorded, reply};

fn config(stub: &Stub) -> aws_types::SdkConfig {
    let config = stub.config();
    let inner = config.http_client().unwrap();
    config.to_builder().http_client(XRayHttpClient::new(inner)).build()
}

#[tokio::test]
async fn each_attempt_is_recorded() {
    let stub = Stub::responding([reply(500, JSON, "{}"), reply(200, JSON, "{}")]).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&config(&stub));
    let (result, trace) = recorded(get_item(&dynamodb)).await;
    result.unwrap();
    assert_eq!(trace.tree(), "shop\n  DynamoDB aws 500 fault\n  DynamoDB aws 200\n");
    let attempts = trace.children(trace.root());
    for (number, (attempt, seen)) in attempts.iter().zip(stub.take_seen()).enumerate() {
        let want = json!({"operation": "GetItem", "region": "eu-west-1", "retries": number});
        assert_eq!(attempt.json()["aws"], want);
        let id = attempt.json()["id"].as_str().unwrap();
        assert!(seen.header("x-amzn-trace-id").unwrap().contains(id));
    }
}

#[tokio::test]
async fn operations_of_s3_are_recorded() {
    let stub = Stub::responding([reply(200, &[], "ok")]).await;
    let s3 = aws_sdk_s3::Client::new(&config(&stub));
    let (_, trace) = recorded(s3.get_object().bucket("b").key("k").send()).await;
    let want = json!({
        "name": "S3",
        "namespace": "aws",
        "aws": {"operation": "GetObject", "region": "eu-west-1", "retries": 0},
        "http": {"response": {"status": 200, "content_length": 2}},
    });
    assert_eq!(call(&trace), want);
}

#[tokio::test]
async fn a_client_with_an_interceptor_is_not_recorded_twice() {
    let stub = Stub::responding([reply(500, JSON, "{}"), reply(200, JSON, "{}")]).await;
    let (result, trace) = recorded(get_item(&client!(aws_sdk_dynamodb, &config(&stub)))).await;
    result.unwrap();
    let call = call(&trace);
    assert_eq!((&call["aws"]["retries"], &call["aws"]["table_name"]), (&json!(1), &json!("orders")));
}

#[tokio::test]
async fn failures_and_cancellations_are_recorded() {
    let stub = Stub::responding([ScriptedResponse::Silence]).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&config(&stub));
    let ((), trace) = recorded(async {
        tokio::select! {
            result = get_item(&dynamodb) => panic!("{result:?}"),
            () = stub.received() => {}
        }
    })
    .await;
    assert_eq!(call(&trace)["cause"][0]["type"], "Cancelled");

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = config(&stub).to_builder().endpoint_url(format!("http://127.0.0.1:{port}")).build();
    let config = config.to_builder().retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled()).build();
    let (_, trace) = recorded(get_item(&aws_sdk_dynamodb::Client::new(&config))).await;
    let call = call(&trace);
    assert_eq!((&call["fault"], &call["cause"][0]["type"]), (&json!(true), &json!("ConnectorError")));
}
