//! Calls that stay out of the trace, and calls that are recorded without a header.

use xray_aws_sdk::{Untraced, WithoutHeader, XRayHttpClient, client};
use xray_core::Recorder;
use xray_core::sampling::TailSampler;

use crate::context::unsampled;
use crate::documents::JSON;
use crate::stub::{Stub, recorded, reply};

#[tokio::test]
async fn a_call_is_untraced_or_without_a_header_by_its_interceptor() {
    for with_http_client in [false, true] {
        let stub = Stub::responding([reply(200, JSON, "{}")]).await;
        let config = stub.config();
        let dynamodb = match with_http_client {
            true => {
                let http = XRayHttpClient::new(config.http_client().unwrap());
                aws_sdk_dynamodb::Client::new(&config.to_builder().http_client(http).build())
            }
            false => client!(aws_sdk_dynamodb, &config),
        };
        let get = || dynamodb.get_item().table_name("orders").customize();
        let (_, trace) = recorded(async {
            get().interceptor(Untraced).send().await.unwrap();
            get().interceptor(WithoutHeader).send().await.unwrap();
            get().interceptor(WithoutHeader).interceptor(Untraced).send().await.unwrap();
        })
        .await;
        assert_eq!(trace.tree(), "shop\n  DynamoDB aws 200\n", "{with_http_client}");
        unsampled()
            .scope(async {
                get().interceptor(Untraced).send().await.unwrap();
                get().interceptor(WithoutHeader).send().await.unwrap();
            })
            .await;
        // Outside any trace; no missing context is reported.
        get().interceptor(Untraced).send().await.unwrap();
        let seen = stub.take_seen();
        assert_eq!(seen.len(), 6);
        for request in seen {
            assert_eq!(request.header("x-amzn-trace-id"), None, "{with_http_client}");
        }
    }
}

#[tokio::test]
async fn a_client_is_untraced_or_without_a_header_by_its_configuration() {
    let stub = Stub::responding([reply(200, JSON, "{}")]).await;
    let builder = || aws_sdk_dynamodb::config::Builder::from(&stub.config());
    let traced = || xray_aws_sdk::XRayInterceptor::new();
    for (config, tree) in [
        (builder().interceptor(traced()).interceptor(Untraced), "shop\n"),
        (builder().interceptor(Untraced).interceptor(traced()), "shop\n"),
        (builder().interceptor(WithoutHeader).interceptor(traced()), "shop\n  DynamoDB aws 200\n"),
    ] {
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(config.build());
        let (_, trace) = recorded(crate::documents::get_item(&dynamodb)).await;
        assert_eq!(trace.tree(), tree);
        assert_eq!(stub.take_seen()[0].header("x-amzn-trace-id"), None);
    }
}

#[tokio::test]
async fn an_undecided_trace_asks_the_called_service() {
    let recorder = Recorder::builder().environment(|_| None).sampling(TailSampler::failures()).build().unwrap();
    let stub = Stub::responding([reply(200, JSON, "{}")]).await;
    let segment = recorder.begin("shop");
    segment.scope(crate::documents::get_item(&client!(aws_sdk_dynamodb, &stub.config()))).await.unwrap();
    let header = stub.take_seen()[0].header("x-amzn-trace-id").unwrap().to_owned();
    assert!(header.ends_with(";Sampled=?"), "{header}");
}
