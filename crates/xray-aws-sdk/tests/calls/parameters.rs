//! Which parameters of real clients' calls are recorded.

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use aws_smithy_types::telemetry::RequestedTelemetryAttributes;
use serde_json::{Map, Value, json};
use xray_aws_sdk::{Allowlist, Parameter, Parameters, XRayInterceptor, client};

use crate::documents::JSON;
use crate::stub::{ScriptedResponse, Stub, call, recorded, reply};

const QUEUE: &str = "http://sqs.eu-west-1.example.com/123/orders";

/// Returns the parameters of the only call that `work` makes.
async fn parameters<T>(work: impl Future<Output = T>) -> (T, Value) {
    let (result, trace) = recorded(work).await;
    let mut aws: Map<String, Value> = call(&trace)["aws"].as_object().unwrap().clone();
    for own in ["operation", "region", "request_id", "id_2", "retries"] {
        aws.remove(own);
    }
    (result, aws.into())
}

async fn stub(body: &str) -> Stub {
    Stub::responding([reply(200, JSON, body)]).await
}

#[tokio::test]
async fn parameters_of_dynamodb_are_recorded() {
    let responses = stub(r#"{"TableNames":["a","b"]}"#).await;
    let dynamodb = client!(aws_sdk_dynamodb, &responses.config());
    let (_, got) = parameters(dynamodb.list_tables().exclusive_start_table_name("a").limit(5).send()).await;
    assert_eq!(got, json!({"exclusive_start_table_name": "a", "limit": 5, "table_count": 2}));

    let responses = stub(r#"{"Responses":{},"ConsumedCapacity":[{"TableName":"a","CapacityUnits":1.0}]}"#).await;
    let dynamodb = client!(aws_sdk_dynamodb, &responses.config());
    let key = || KeysAndAttributes::builder().keys([("id".into(), AttributeValue::S("1".into()))].into()).build();
    let get = dynamodb.batch_get_item().request_items("a", key().unwrap()).request_items("b", key().unwrap());
    let (_, mut got) = parameters(get.send()).await;
    got["table_names"].as_array_mut().unwrap().sort_by_key(Value::to_string);
    let capacity = json!([{"TableName": "a", "CapacityUnits": 1.0}]);
    assert_eq!(got, json!({"table_names": ["a", "b"], "consumed_capacity": capacity}));

    let responses = stub(r#"{"Items":[],"Count":3,"ScannedCount":9}"#).await;
    let dynamodb = client!(aws_sdk_dynamodb, &responses.config());
    let scan = dynamodb.scan().table_name("a").segment(0).total_segments(4).consistent_read(false);
    let (_, got) = parameters(scan.attributes_to_get("x").filter_expression("secret = :x").send()).await;
    assert_eq!(
        got,
        json!({
            "table_name": "a",
            "segment": 0,
            "total_segments": 4,
            "consistent_read": false,
            "attributes_to_get": ["x"],
            "count": 3,
            "scanned_count": 9,
        })
    );
}

#[tokio::test]
async fn parameters_of_sqs_are_recorded() {
    let responses = stub(r#"{"MessageId":"m1","MD5OfMessageBody":"e"}"#).await;
    let sqs = client!(aws_sdk_sqs, &responses.config());
    let attribute = MessageAttributeValue::builder().data_type("String").string_value("s3cret").build().unwrap();
    let send = sqs.send_message().queue_url(QUEUE).message_body("s3cret").delay_seconds(3);
    let (_, got) = parameters(send.message_attributes("trace", attribute).send()).await;
    let want =
        json!({"queue_url": QUEUE, "delay_seconds": 3, "message_attribute_names": ["trace"], "message_id": "m1"});
    assert_eq!(got, want);

    let responses = stub(r#"{"Successful":[{"Id":"1","MessageId":"m","MD5OfMessageBody":"e"}],"Failed":[]}"#).await;
    let sqs = client!(aws_sdk_sqs, &responses.config());
    let entry = || SendMessageBatchRequestEntry::builder().id("1").message_body("s3cret").build().unwrap();
    let (_, got) = parameters(sqs.send_message_batch().queue_url(QUEUE).entries(entry()).entries(entry()).send()).await;
    assert_eq!(got, json!({"queue_url": QUEUE, "message_count": 2, "successful_count": 1, "failed_count": 0}));

    let responses = stub(r#"{"Messages":[{"Body":"s3cret"},{"Body":"s3cret"}]}"#).await;
    let sqs = client!(aws_sdk_sqs, &responses.config());
    let receive = sqs.receive_message().queue_url(QUEUE).max_number_of_messages(10).wait_time_seconds(0);
    let (_, got) = parameters(receive.send()).await;
    let want = json!({
        "queue_url": QUEUE,
        "max_number_of_messages": 10,
        "wait_time_seconds": 0,
        "message_count": 2,
    });
    assert_eq!(got, want);
}

#[tokio::test]
async fn parameters_of_sns_lambda_and_s3_are_recorded() {
    let published = "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>";
    let responses = Stub::responding([reply(200, &[("content-type", "text/xml")], published)]).await;
    let sns = client!(aws_sdk_sns, &responses.config());
    let (result, got) = parameters(sns.publish().topic_arn("arn:aws:sns:x:1:t").message("s3cret").send()).await;
    assert_eq!(result.unwrap().message_id(), Some("m"));
    assert_eq!(got, json!({"topic_arn": "arn:aws:sns:x:1:t"}));

    let headers = &[("x-amz-function-error", "Unhandled"), ("content-type", "application/json")];
    let responses = Stub::responding([reply(200, headers, r#"{"FunctionError":"s3cret"}"#)]).await;
    let lambda = client!(aws_sdk_lambda, &responses.config());
    let invoke = lambda.invoke().function_name("f").qualifier("live");
    let invoke = invoke.invocation_type(aws_sdk_lambda::types::InvocationType::RequestResponse);
    let payload = aws_sdk_lambda::primitives::Blob::new(r#"{"FunctionName":"s3cret"}"#);
    let (_, got) = parameters(invoke.payload(payload).send()).await;
    let want = json!({
        "function_name": "f",
        "qualifier": "live",
        "invocation_type": "RequestResponse",
        "function_error": "Unhandled",
        "status_code": 200,
    });
    assert_eq!(got, want);

    let responses = Stub::responding([reply(200, &[], "<CopyObjectResult/>")]).await;
    let s3 = client!(aws_sdk_s3, &responses.config());
    let (_, got) = parameters(s3.copy_object().bucket("b").key("to").copy_source("a/from me").send()).await;
    assert_eq!(got, json!({"bucket_name": "b", "key": "to", "copy_source": "a/from me"}));
    let (_, got) = parameters(s3.get_object_tagging().bucket("b").key("a/ä").version_id("v").send()).await;
    assert_eq!(got, json!({"bucket_name": "b", "key": "a/ä", "version_id": "v"}));
}

#[tokio::test]
async fn an_extended_allowlist_records_another_service() {
    let list = r#"{"services": {"secretsmanager": {"operations": {"getSecretValue": {
        "request_parameters": ["SecretId", "VersionStage"],
        "response_parameters": ["VersionId"],
        "response_descriptors": {"VersionStages": {"list": true, "get_count": true, "rename_to": "stage_count"}}
    }}}}}"#;
    let response = r#"{"ARN":"a","Name":"db","SecretString":"s3cret","VersionId":"v","VersionStages":["x","y"]}"#;
    let responses = stub(response).await;
    let call = |allowlist: Option<Allowlist>| {
        let interceptor = XRayInterceptor::new();
        let interceptor = allowlist.into_iter().fold(interceptor, XRayInterceptor::allowlist);
        let secrets = client!(aws_sdk_secretsmanager, &responses.config(), interceptor);
        async move { parameters(secrets.get_secret_value().secret_id("db").send()).await.1 }
    };
    assert_eq!(call(None).await, json!({}));
    let want = json!({"secret_id": "db", "version_id": "v", "stage_count": 2});
    assert_eq!(call(Some(Allowlist::default().extend_json(list).unwrap())).await, want);
    assert_eq!(call(Some(Allowlist::from_json(list).unwrap())).await, want);
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("allowlist.json");
    std::fs::write(&file, list).unwrap();
    assert_eq!(call(Some(Allowlist::empty().extend_file(&file).unwrap())).await, want);
    let in_code = Parameters::new()
        .request("SecretId")
        .request("VersionStage")
        .response("VersionId")
        .response(Parameter::count("VersionStages").rename_to("stage_count"));
    let in_code = Allowlist::empty().operation("Secrets Manager", "GetSecretValue", in_code).unwrap();
    assert_eq!(call(Some(in_code)).await, want);
}

#[tokio::test]
async fn without_an_allowlist_no_parameters_are_recorded() {
    let responses = stub("{}").await;
    let interceptor = XRayInterceptor::new().allowlist(Allowlist::empty());
    let dynamodb = client!(aws_sdk_dynamodb, &responses.config(), interceptor);
    let (_, got) = parameters(dynamodb.describe_table().table_name("t").send()).await;
    assert_eq!(got, json!({}));
}

#[tokio::test]
async fn an_interceptor_of_one_call_finds_parameters_in_bodies_only() {
    let responses = stub("{}").await;
    let config = responses.config();
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let describe = dynamodb.describe_table().table_name("t").customize().interceptor(XRayInterceptor::new());
    let (_, got) = parameters(describe.send()).await;
    assert_eq!(got, json!({"table_name": "t"}));
    let s3 = aws_sdk_s3::Client::new(&config);
    let head = s3.head_object().bucket("b").key("k").customize().interceptor(XRayInterceptor::new());
    let (_, got) = parameters(head.send()).await;
    assert_eq!(got, json!({}));
}

#[tokio::test]
async fn malformed_responses_lose_only_their_parameters() {
    let bomb = r#"<!DOCTYPE x [<!ENTITY a "&b;&b;"><!ENTITY b "&a;&a;">]><x><TableNames>&a;</TableNames></x>"#;
    let deep = format!(r#"{{"Other":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    for (body, headers) in [
        (r#"{"TableNames":["#, JSON),
        (&*deep, JSON),
        ("", JSON),
        ("[]", JSON),
        (bomb, &[("content-type", "application/xml")][..]),
        (r#"{"TableNames":[]}"#, &[("content-type", "application/x-amz-json-1.0"), ("content-encoding", "x")][..]),
        (r#"TableNames"#, &[][..]),
    ] {
        let responses = Stub::responding([reply(200, headers, body)]).await;
        let config = responses.config();
        let plain = aws_sdk_dynamodb::Client::new(&config).list_tables().limit(5).send().await;
        let dynamodb = client!(aws_sdk_dynamodb, &config);
        let (result, got) = parameters(dynamodb.list_tables().limit(5).send()).await;
        assert_eq!(result.map_err(|error| error.to_string()), plain.map_err(|error| error.to_string()));
        assert_eq!(got, json!({"limit": 5}), "{}", &body[..body.len().min(40)]);
    }
}

/// An interceptor of the application, which checks the members that the SDK captured.
#[derive(Clone, Debug, Default)]
struct Metrics(std::sync::Arc<std::sync::Mutex<Option<bool>>>);

impl aws_smithy_runtime_api::client::interceptors::Intercept for Metrics {
    fn name(&self) -> &'static str {
        "Metrics"
    }

    fn read_after_serialization(
        &self,
        _: &aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef<'_>,
        _: &aws_smithy_runtime_api::client::runtime_components::RuntimeComponents,
        cfg: &mut aws_smithy_types::config_bag::ConfigBag,
    ) -> Result<(), aws_smithy_runtime_api::box_error::BoxError> {
        let requested = cfg.load::<RequestedTelemetryAttributes>().unwrap();
        *self.0.lock().unwrap() = Some(requested.should_emit("IndexName") && !requested.should_emit("TableName"));
        Ok(())
    }

    fn read_before_execution(
        &self,
        _: &aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextRef<'_>,
        cfg: &mut aws_smithy_types::config_bag::ConfigBag,
    ) -> Result<(), aws_smithy_runtime_api::box_error::BoxError> {
        cfg.interceptor_state().store_put(RequestedTelemetryAttributes::new(["IndexName"]));
        Ok(())
    }
}

#[tokio::test]
async fn the_applications_own_metrics_are_unchanged() {
    let responses = Stub::responding([ScriptedResponse::Reply { status: 200, headers: JSON, body: "{}".into() }]).await;
    let metrics = Metrics::default();
    let config = aws_sdk_dynamodb::config::Builder::from(&responses.config()).interceptor(metrics.clone());
    let dynamodb = aws_sdk_dynamodb::Client::from_conf(config.interceptor(XRayInterceptor::new()).build());
    let (_, got) = parameters(dynamodb.describe_table().table_name("t").send()).await;
    assert_eq!((got, *metrics.0.lock().unwrap()), (json!({"table_name": "t"}), Some(true)));
}
