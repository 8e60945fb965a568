//! The parent of a call, and the trace header that it sends.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::Value;
use xray_aws_sdk::{XRayInterceptor, client};
use xray_core::{FutureExt, Recorder, Segment, TraceHeader};

use crate::documents::{JSON, get_item};
use crate::stub::{Stub, recorded, reply};

/// Begins a segment that is not sampled.
pub(crate) fn unsampled() -> Segment {
    let header = TraceHeader::parse("Root=1-5f84c7a5-e7d1852db8c4fd35d88bf49a;Parent=53995c3f42cd8ad8;Sampled=0;L=a:1");
    Recorder::in_memory().0.begin_from("shop", &header)
}

#[tokio::test]
async fn the_trace_propagates_to_every_service() {
    let stub = Stub::responding([reply(200, JSON, "{}")]).await;
    let config = stub.config();
    let queue = "http://sqs.example.com/1/q";
    let (_, trace) = recorded(async {
        // Some calls fail, since the response is not theirs; that does not matter here.
        let _ = client!(aws_sdk_sqs, &config).send_message().queue_url(queue).message_body("m").send().await;
        let _ = client!(aws_sdk_lambda, &config).invoke().function_name("f").send().await;
        let _ = client!(aws_sdk_sns, &config).publish().topic_arn("arn:aws:sns:x:1:t").message("m").send().await;
        let _ = client!(aws_sdk_secretsmanager, &config).get_secret_value().secret_id("s").send().await;
        let _ = client!(aws_sdk_s3, &config).head_bucket().bucket("b").send().await;
    })
    .await;
    let calls = trace.children(trace.root());
    let names: Vec<_> = calls.iter().map(|call| call.name()).collect();
    assert_eq!(names, ["SQS", "Lambda", "SNS", "SecretsManager", "S3"]);
    let root = trace.root().json()["trace_id"].as_str().unwrap();
    let want: Vec<_> = calls
        .iter()
        .map(|call| format!("Root={root};Parent={};Sampled=1", call.json()["id"].as_str().unwrap()))
        .collect();
    let seen = stub.take_seen();
    let sent: Vec<_> = seen.iter().map(|request| request.header("x-amzn-trace-id").unwrap()).collect();
    assert_eq!(sent, want);
}

#[tokio::test]
async fn a_trace_that_is_not_sampled_propagates_as_not_sampled() {
    let stub = Stub::responding([reply(200, JSON, "{}")]).await;
    let dynamodb = client!(aws_sdk_dynamodb, &stub.config());
    let segment = unsampled();
    segment.scope(get_item(&dynamodb)).await.unwrap();
    let [seen] = &stub.take_seen()[..] else { panic!("one request") };
    let header = seen.header("x-amzn-trace-id").unwrap();
    let parsed = TraceHeader::parse(header);
    assert_eq!(parsed.trace_id(), segment.trace_id());
    assert!(parsed.parent().is_some_and(|parent| Some(parent) != segment.id()), "{header}");
    assert!(header.ends_with(";Sampled=0;L=a:1"), "{header}");
}

#[tokio::test]
async fn a_call_outside_any_trace_is_sent_unchanged() {
    let stub = Stub::responding([reply(200, JSON, "{}")]).await;
    let dynamodb = client!(aws_sdk_dynamodb, &stub.config());
    let disabled = Recorder::builder().environment(|_| None).enabled(false).build().unwrap();
    disabled.begin("shop").scope(get_item(&dynamodb)).await.unwrap();
    let [seen] = &stub.take_seen()[..] else { panic!("one request") };
    assert_eq!(seen.header("x-amzn-trace-id"), None);
}

#[tokio::test]
async fn two_interceptors_record_a_call_once() {
    let stub = Stub::responding([reply(200, JSON, "{}")]).await;
    let dynamodb = client!(aws_sdk_dynamodb, &stub.config());
    let describe = dynamodb.describe_table().table_name("t").customize().interceptor(XRayInterceptor::new());
    let (_, trace) = recorded(describe.send()).await;
    assert_eq!(trace.tree(), "shop\n  DynamoDB aws 200\n");
    assert_eq!(trace.find("DynamoDB").json()["aws"]["table_name"], "t");
}

#[tokio::test]
async fn an_existing_header_is_replaced() {
    // In Lambda, the SDK inserts the header of the invocation.
    let stub = Stub::responding([reply(200, JSON, "{}")]).await;
    let config = aws_sdk_dynamodb::config::Builder::from(&stub.config()).interceptor(Preset);
    let dynamodb = aws_sdk_dynamodb::Client::from_conf(config.interceptor(XRayInterceptor::new()).build());
    let (_, trace) = recorded(get_item(&dynamodb)).await;
    let [seen] = &stub.take_seen()[..] else { panic!("one request") };
    let sent: Vec<_> = seen.headers.iter().filter(|(name, _)| name == "x-amzn-trace-id").collect();
    let id = trace.find("DynamoDB").json()["id"].as_str().unwrap();
    assert!(matches!(sent[..], [(_, value)] if value.contains(id)), "{sent:?}");
}

#[derive(Debug)]
struct Preset;

impl aws_smithy_runtime_api::client::interceptors::Intercept for Preset {
    fn name(&self) -> &'static str {
        "Preset"
    }

    fn modify_before_signing(
        &self,
        context: &mut aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut<'_>,
        _: &aws_smithy_runtime_api::client::runtime_components::RuntimeComponents,
        _: &mut aws_smithy_types::config_bag::ConfigBag,
    ) -> Result<(), aws_smithy_runtime_api::box_error::BoxError> {
        context.request_mut().headers_mut().insert("x-amzn-trace-id", "Root=1-00000000-000000000000000000000000");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_calls_of_one_client_keep_their_parents() {
    let stub = Stub::responding([reply(200, JSON, "{}")]).await;
    let dynamodb = Arc::new(client!(aws_sdk_dynamodb, &stub.config()));
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let tasks = (0..100).map(|number| {
        let dynamodb = dynamodb.clone();
        let work = async move {
            dynamodb.describe_table().table_name(format!("t{number}")).send().await.unwrap();
        };
        // Half of them run in their own tasks.
        let work = work.in_subsegment(format!("t{number}"));
        if number % 2 == 0 { join(tokio::spawn(work)) } else { Box::pin(work) }
    });
    segment.scope(async { join_all(tasks.collect::<Vec<_>>()).await }).await;
    segment.close();
    let trace = traces.take().single();
    for number in 0..100 {
        let name = format!("t{number}");
        let parent = trace.find(&name);
        let [call] = trace.children(parent)[..] else { panic!("one call below {name}") };
        assert_eq!((call.name(), &call.json()["aws"]["table_name"]), ("DynamoDB", &Value::from(name)));
    }
    let seen = stub.take_seen();
    assert_eq!(seen.len(), 100);
    for request in seen {
        let table: Value = serde_json::from_slice(&request.body).unwrap();
        let parent = trace.find(table["TableName"].as_str().unwrap());
        let id = trace.children(parent)[0].json()["id"].as_str().unwrap();
        assert!(request.header("x-amzn-trace-id").unwrap().contains(id));
    }
}

fn join(task: tokio::task::JoinHandle<()>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async { task.await.unwrap() })
}
