//! Whole documents, for every way in which a call can end.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use serde_json::{Value, json};
use xray_aws_sdk::client;
use xray_core::Recorder;

use crate::stub::{ScriptedResponse, Stub, call, config, recorded, reply};

pub(crate) const JSON: &[(&str, &str)] = &[("content-type", "application/x-amz-json-1.0"), ("x-amzn-requestid", "R1")];
const XML: &[(&str, &str)] = &[("content-type", "application/xml"), ("x-amz-request-id", "R2"), ("x-amz-id-2", "E2")];

const THROTTLED: &str =
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}"#;

pub(crate) async fn get_item(dynamodb: &aws_sdk_dynamodb::Client) -> Result<(), aws_sdk_dynamodb::Error> {
    let get = dynamodb.get_item().table_name("orders").key("id", AttributeValue::S("1".into()));
    get.consistent_read(true).send().await.map(drop).map_err(Into::into)
}

/// Returns the document of a `GetItem`: the constant part, extended with these fields.
fn document(aws: Value, rest: Value) -> Value {
    let mut document = json!({
        "name": "DynamoDB",
        "namespace": "aws",
        "aws": {"operation": "GetItem", "region": "eu-west-1", "table_name": "orders", "consistent_read": true},
    });
    document["aws"].as_object_mut().unwrap().extend(aws.as_object().unwrap().clone());
    document.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    document
}

#[tokio::test]
async fn a_success_is_recorded_with_its_parameters() {
    let body = r#"{"Item":{"id":{"S":"1"}},"ConsumedCapacity":{"TableName":"orders","CapacityUnits":0.5}}"#;
    let stub = Stub::responding([reply(200, JSON, body)]).await;
    let dynamodb = client!(aws_sdk_dynamodb, &stub.config());
    let (result, trace) = recorded(get_item(&dynamodb)).await;
    result.unwrap();
    let capacity = json!({"TableName": "orders", "CapacityUnits": 0.5});
    assert_eq!(
        call(&trace),
        document(
            json!({"request_id": "R1", "retries": 0, "consumed_capacity": capacity}),
            json!({"http": {"response": {"status": 200, "content_length": body.len()}}}),
        )
    );
}

#[tokio::test]
async fn a_modelled_error_is_an_error_of_the_caller() {
    let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no table"}"#;
    let stub = Stub::responding([reply(400, JSON, body)]).await;
    let dynamodb = client!(aws_sdk_dynamodb, &stub.config());
    let (result, trace) = recorded(get_item(&dynamodb)).await;
    assert!(matches!(result, Err(aws_sdk_dynamodb::Error::ResourceNotFoundException(_))), "{result:?}");
    assert_eq!(
        call(&trace),
        document(
            json!({"request_id": "R1", "retries": 0}),
            json!({
                "error": true,
                "cause": [{"type": "ResourceNotFoundException", "message": "no table", "remote": true}],
                "http": {"response": {"status": 400, "content_length": body.len()}},
            }),
        )
    );
}

#[tokio::test]
async fn errors_have_the_code_and_message_of_the_service() {
    // Response; flags; type and message.
    let json = |status, body: &str| reply(status, JSON, body);
    for (response, flags, kind, message) in [
        (json(400, r#"{"__type":"x#AccessDeniedException","Message":"no"}"#), "error", "AccessDeniedException", "no"),
        (json(500, r#"{"__type":"x#InternalServerError","message":"oh"}"#), "fault", "InternalServerError", "oh"),
        (json(400, THROTTLED), "error throttle", "ProvisionedThroughputExceededException", "slow down"),
        (json(429, r#"{"__type":"Odd"}"#), "error throttle", "Odd", ""),
        (json(400, r#"{"__type":"ThrottlingException","message":"m"}"#), "error throttle", "ThrottlingException", "m"),
        (
            json(400, r#"{"__type":"RequestLimitExceeded"}"#),
            "error throttle",
            "RequestLimitExceeded",
            "RequestLimitExceeded",
        ),
        (json(503, r#"{"__type":"SlowDown","message":"m"}"#), "fault throttle", "SlowDown", "m"),
        (json(404, "not JSON"), "error", "DeserializeError", "Error at offset 0: expected literal: null"),
        (json(400, ""), "error", "Unknown", ""),
    ] {
        let stub = Stub::responding([response.clone()]).await;
        let config = stub.config().to_builder().retry_config(RetryConfig::disabled()).build();
        let (result, trace) = recorded(get_item(&client!(aws_sdk_dynamodb, &config))).await;
        assert!(result.is_err(), "{response:?}");
        let call = call(&trace);
        for flag in ["error", "fault", "throttle"] {
            assert_eq!(call[flag] == true, flags.contains(flag), "{flag} of {response:?}:\n{call:#}");
        }
        assert_eq!(call["cause"], json!([{"type": kind, "message": message, "remote": true}]), "{response:?}");
    }
}

#[tokio::test]
async fn errors_in_xml_have_the_code_and_message_of_the_service() {
    let slow = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>less &lt;1/s&gt;</Message></Error>";
    let gone = "<Error><Code>NoSuchKey</Code><Message>gone</Message><Key>k</Key></Error>";
    for (status, body, is_head, flags, kind, message) in [
        (503, slow, false, "fault throttle", "SlowDown", "less <1/s>"),
        (404, gone, false, "error", "NoSuchKey", "gone"),
        (404, gone, true, "error", "NotFound", "NotFound"),
        (403, "", false, "error", "Unknown", ""),
    ] {
        let stub = Stub::responding([reply(status, XML, body)]).await;
        let config = stub.config().to_builder().retry_config(RetryConfig::disabled()).build();
        let s3 = client!(aws_sdk_s3, &config);
        let (failed, trace) = recorded(async {
            match is_head {
                true => s3.head_object().bucket("b").key("k").send().await.is_err(),
                false => s3.get_object().bucket("b").key("k").send().await.is_err(),
            }
        })
        .await;
        assert!(failed, "{body}");
        let mut want = json!({
            "name": "S3",
            "namespace": "aws",
            "aws": {
                "operation": if is_head { "HeadObject" } else { "GetObject" },
                "region": "eu-west-1",
                "bucket_name": "b",
                "key": "k",
                "request_id": "R2",
                "id_2": "E2",
                "retries": 0,
            },
            "http": {"response": {"status": status, "content_length": body.len()}},
            "cause": [{"type": kind, "message": message, "remote": true}],
        });
        for flag in flags.split(' ') {
            want[flag] = true.into();
        }
        assert_eq!(call(&trace), want);
    }
}

#[tokio::test]
async fn retries_are_counted_and_each_sends_the_header() {
    let throttled = reply(400, JSON, THROTTLED);
    let stub = Stub::responding([throttled.clone(), reply(500, JSON, "{}"), reply(200, JSON, "{}")]).await;
    let (result, trace) = recorded(get_item(&client!(aws_sdk_dynamodb, &stub.config()))).await;
    result.unwrap();
    assert_eq!(
        call(&trace),
        document(
            json!({"request_id": "R1", "retries": 2}),
            json!({"http": {"response": {"status": 200, "content_length": 2}}}),
        )
    );
    let id = trace.find("DynamoDB").json()["id"].as_str().unwrap().to_owned();
    let want = format!("Root={};Parent={id};Sampled=1", trace.root().json()["trace_id"].as_str().unwrap());
    let seen = stub.take_seen();
    let sent: Vec<_> = seen.iter().map(|request| request.header("x-amzn-trace-id").unwrap()).collect();
    assert_eq!(sent, [&want; 3]);

    let stub = Stub::responding([throttled]).await;
    let (result, trace) = recorded(get_item(&client!(aws_sdk_dynamodb, &stub.config()))).await;
    assert!(matches!(result, Err(aws_sdk_dynamodb::Error::ProvisionedThroughputExceededException(_))));
    let call = call(&trace);
    assert_eq!((&call["aws"]["retries"], &call["throttle"], &call["fault"]), (&json!(2), &json!(true), &Value::Null));
}

#[tokio::test]
async fn a_timeout_is_local() {
    let timeouts = || TimeoutConfig::builder();
    let limit = Duration::from_millis(20);
    for (timeouts, retries) in
        [(timeouts().operation_timeout(limit), 0), (timeouts().operation_attempt_timeout(limit), 2)]
    {
        let stub = Stub::responding([ScriptedResponse::Silence]).await;
        let config = stub.config().to_builder().timeout_config(timeouts.build()).build();
        let (result, trace) = recorded(get_item(&client!(aws_sdk_dynamodb, &config))).await;
        assert!(result.is_err());
        let mut call = call(&trace);
        let message = call["cause"][0].as_object_mut().unwrap().remove("message").unwrap();
        assert!(message.as_str().unwrap().contains("timeout"), "{message}");
        assert_eq!(
            call,
            document(
                json!({"retries": retries}),
                json!({"fault": true, "cause": [{"type": "TimeoutError", "remote": false}]}),
            )
        );
    }
}

#[tokio::test]
async fn a_refused_connection_is_local() {
    // Nothing listens on a port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = config(&format!("http://127.0.0.1:{port}"));
    let (result, trace) = recorded(get_item(&client!(aws_sdk_dynamodb, &config))).await;
    assert!(result.is_err());
    assert_eq!(
        call(&trace),
        document(
            json!({"retries": 2}),
            json!({
                "fault": true,
                "cause": [
                    {"type": "ConnectorError", "message": "io error", "remote": false},
                    {"type": "hyper_util::client::legacy::Error", "message": "client error (Connect)", "remote": false},
                    {"type": "ConnectError", "message": "tcp connect error", "remote": false},
                    {"type": "io::Error", "message": "Connection refused (os error 111)", "remote": false},
                ],
            }),
        )
    );
}

/// A provider without credentials.
#[derive(Debug)]
struct Penniless;

impl ProvideCredentials for Penniless {
    fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let error = aws_credential_types::provider::error::CredentialsError::provider_error("the purse is empty");
        aws_credential_types::provider::future::ProvideCredentials::ready(Err::<Credentials, _>(error))
    }
}

#[tokio::test]
async fn missing_credentials_are_local() {
    let stub = Stub::responding([ScriptedResponse::Silence]).await;
    let config = stub.config().to_builder().credentials_provider(SharedCredentialsProvider::new(Penniless)).build();
    let (result, trace) = recorded(get_item(&client!(aws_sdk_dynamodb, &config))).await;
    assert!(result.is_err());
    let mut call = call(&trace);
    let cause = call.as_object_mut().unwrap().remove("cause").unwrap();
    assert!(cause.as_array().unwrap().iter().all(|exception| exception["remote"] == false), "{cause:#}");
    assert_eq!(cause.as_array().unwrap().last().unwrap()["message"], "the purse is empty");
    assert_eq!(call, document(json!({"retries": 0}), json!({"fault": true})));
    assert_eq!(stub.take_seen(), []);
}

#[tokio::test]
async fn an_invalid_input_is_recorded() {
    let s3 = client!(aws_sdk_s3, &config("http://127.0.0.1:1"));
    let (result, trace) = recorded(s3.get_object().bucket("b").send()).await;
    assert!(result.is_err());
    let exception = |kind: &str, message: &str| json!({"type": kind, "message": message, "remote": false});
    let hook = "GetObjectEndpointParamsInterceptor read_before_execution interceptor encountered an error";
    assert_eq!(
        call(&trace),
        json!({
            "name": "S3",
            "namespace": "aws",
            "aws": {"operation": "GetObject", "region": "eu-west-1", "retries": 0},
            "fault": true,
            "cause": [
                exception("InterceptorError", hook),
                exception("BuildError", "key was missing: A required field was not set"),
            ],
        })
    );
}

#[tokio::test]
async fn a_cancelled_call_is_closed() {
    let stub = Stub::responding([ScriptedResponse::Silence]).await;
    let dynamodb = client!(aws_sdk_dynamodb, &stub.config());
    let ((), trace) = recorded(async {
        tokio::select! {
            result = get_item(&dynamodb) => panic!("{result:?}"),
            () = stub.received() => {}
        }
    })
    .await;
    let message = "the call was dropped before its response";
    let cause = json!([{"type": "Cancelled", "message": message, "remote": false}]);
    assert_eq!(call(&trace), document(json!({}), json!({"fault": true, "cause": cause})));
}

#[tokio::test]
async fn a_call_that_is_never_polled_is_not_recorded() {
    let dynamodb = client!(aws_sdk_dynamodb, &config("http://127.0.0.1:1"));
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    segment.scope(async { drop(get_item(&dynamodb)) }).await;
    segment.close();
    assert_eq!(traces.take().single().tree(), "shop\n");
}

#[tokio::test]
async fn a_response_that_cannot_be_parsed_is_a_fault() {
    let reset = json!([
        {"type": "hyper::Error", "message": "error reading a body from connection", "remote": true},
        {"type": "io::Error", "message": "end of file before message length reached", "remote": true},
    ]);
    for (scripted, cause, recorded_response) in [
        (ScriptedResponse::Cut("{"), reset, json!({"status": 200, "content_length": 1000})),
        (
            reply(200, JSON, r#"{"Item":"#),
            json!([{"type": "DeserializeError", "message": "Error at offset 8: unexpected end of stream", "remote": true}]),
            json!({"status": 200, "content_length": 8}),
        ),
    ] {
        let stub = Stub::responding([scripted]).await;
        let config = stub.config().to_builder().retry_config(RetryConfig::disabled()).build();
        let (result, trace) = recorded(get_item(&client!(aws_sdk_dynamodb, &config))).await;
        assert!(result.is_err());
        let mut call = call(&trace);
        call["aws"].as_object_mut().unwrap().remove("request_id");
        let rest = json!({"fault": true, "cause": cause, "http": {"response": recorded_response}});
        assert_eq!(call, document(json!({"retries": 0}), rest));
    }
}
