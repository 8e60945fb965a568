//! The AWS SDK for Rust as a client of the X-Ray API that `xray-local` serves: the corpus of its own tests, and typed
//! errors.

// The permission in clippy.toml does not cover functions that tests share. Other tests use more of the shared modules.
#![allow(clippy::unwrap_used, dead_code)]

#[path = "../../../crates/xray-local/tests/local/corpus.rs"]
mod corpus;
#[path = "../../../crates/xray-local/tests/local/http.rs"]
mod http;
#[path = "../../../crates/xray-local/tests/local/tree.rs"]
mod tree;

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_xray::config::http::HttpResponse;
use aws_sdk_xray::config::{Credentials, Region, SharedHttpClient};
use aws_sdk_xray::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_xray::primitives::DateTime;
use aws_sdk_xray::types::{SamplingRule, SamplingRuleUpdate, TelemetryRecord, TimeRangeType};
use aws_sdk_xray::{Client, Config};
use serde_json::{Value, json};
use xray_local::Receiver;

use crate::corpus::START;

/// Returns a client that reads only its own settings.
fn client(receiver: &Receiver) -> Client {
    let http: SharedHttpClient = aws_smithy_http_client::Builder::new().build_http();
    let config = Config::builder()
        .endpoint_url(receiver.page())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "test"))
        .http_client(http)
        .build();
    Client::from_conf(config)
}

fn time(seconds: u64) -> DateTime {
    DateTime::from_secs(i64::try_from(seconds).unwrap())
}

/// Runs the calls of a test.
fn run(test: impl AsyncFnOnce(Client, &Receiver)) {
    let receiver = corpus::receiver();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test(client(&receiver), &receiver));
}

#[test]
fn each_expression_finds_the_same_traces_as_with_other_clients() {
    run(async |xray, _| {
        for (expression, want) in corpus::expectations() {
            let pages = xray
                .get_trace_summaries()
                .start_time(time(START))
                .end_time(time(START + 1_000))
                .time_range_type(TimeRangeType::TraceId)
                .filter_expression(&expression)
                .into_paginator()
                .items()
                .send();
            let found: Vec<_> = pages.try_collect().await.unwrap();
            let found: BTreeSet<String> = found.iter().map(|trace| trace.id().unwrap().to_owned()).collect();
            assert_eq!(found, want, "{expression}");
        }
    });
}

/// Asserts that a call failed with an error of this kind that the client knows.
fn is_invalid<T, E: ProvideErrorMetadata>(
    result: Result<T, SdkError<E, HttpResponse>>,
    is_known: fn(&E) -> bool,
    message: &str,
) {
    let Err(SdkError::ServiceError(error)) = result else { panic!("no error of the service: {message}") };
    assert!(is_known(error.err()) && error.err().code() == Some("InvalidRequestException"), "{message}");
    assert_eq!(error.raw().status().as_u16(), 400);
    assert!(error.err().message().unwrap().contains(message), "{:?}", error.err().message());
}

#[test]
fn errors_have_their_types() {
    run(async |xray, _| {
        let found = xray.get_trace_summaries().start_time(time(START)).end_time(time(START + 1));
        let result = found.filter_expression("fautl").send().await;
        is_invalid(result, |error| error.is_invalid_request_exception(), "did you mean `fault`?");
        let result = xray.delete_sampling_rule().rule_name("Default").send().await;
        is_invalid(result, |error| error.is_invalid_request_exception(), "cannot be deleted");
        let result = xray.get_group().group_name("none").send().await;
        is_invalid(result, |error| error.is_invalid_request_exception(), "none");
        let arn = "arn:aws:xray:local:000000000000:group/none/1";
        let error = xray.list_tags_for_resource().resource_arn(arn).send().await.unwrap_err();
        assert!(error.into_service_error().is_resource_not_found_exception());
        let key = xray.put_encryption_config().r#type("KMS".into()).key_id("k").send().await;
        is_invalid(key, |error| error.is_invalid_request_exception(), "encryption with a key");
    });
}

fn document(trace: &str, name: &str, start: f64) -> Value {
    json!({ "trace_id": trace, "id": "00000000000000aa", "name": name, "start_time": start, "end_time": start + 0.25 })
}

#[test]
fn what_was_put_is_read() {
    run(async |xray, _| {
        let now = SystemTime::now();
        let start = now.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let trace = format!("1-{:08x}-{}", start as u64, "7".repeat(24));
        let bad = document("1-2", "bad", start);
        let put = xray.put_trace_segments().trace_segment_documents(document(&trace, "rust", start).to_string());
        let put = put.trace_segment_documents(bad.to_string()).send().await.unwrap();
        let codes: Vec<_> = put.unprocessed_trace_segments().iter().map(|one| one.error_code().unwrap()).collect();
        assert_eq!(codes, ["InvalidTraceId"]);

        let found = xray.get_trace_summaries().start_time((now - std::time::Duration::from_secs(60)).into());
        let found =
            found.end_time(SystemTime::now().into()).filter_expression("service(\"rust\")").send().await.unwrap();
        let [summary] = found.trace_summaries() else { panic!("{found:?}") };
        assert_eq!((summary.id(), summary.duration()), (Some(&*trace), Some(0.25)));
        assert!((summary.start_time().unwrap().as_secs_f64() - start).abs() < 1e-3);
        assert_eq!(summary.response_time_root_causes()[0].services()[0].entity_path()[0].coverage(), Some(1.0));

        let traces = xray.batch_get_traces().trace_ids(&trace).into_paginator().items().send();
        let traces: Vec<_> = traces.try_collect().await.unwrap();
        let segment: Value = serde_json::from_str(traces[0].segments()[0].document().unwrap()).unwrap();
        assert_eq!((traces.len(), &segment["name"]), (1, &json!("rust")));

        let graph = xray.get_trace_graph().trace_ids(&trace).send().await.unwrap();
        let nodes: Vec<_> = graph.services().iter().map(|node| (node.name(), node.r#type())).collect();
        assert_eq!(nodes, [(Some("rust"), None), (Some("rust"), Some("client"))]);
    });
}

#[test]
fn graphs_statistics_rules_and_groups_are_served() {
    run(async |xray, _| {
        let (start, end) = (time(START), time(START + 1_000));
        let graph = xray.get_service_graph().start_time(start).end_time(end).into_paginator().items().send();
        let names: Vec<_> = graph.try_collect().await.unwrap().into_iter().filter_map(|node| node.name).collect();
        assert!(["inventory", "orders", "auth", "bulk"].iter().all(|name| names.iter().any(|known| known == name)));
        let series = xray.get_time_series_service_statistics().start_time(start).end_time(end).period(60);
        let series = series.entity_selector_expression("service(\"shop\")").send().await.unwrap();
        let counts = series.time_series_service_statistics().iter().filter_map(|one| one.service_summary_statistics());
        assert_eq!(counts.filter_map(|one| one.total_count()).sum::<i64>(), 5);

        let rule = SamplingRule::builder().rule_name("checkout").resource_arn("*").priority(1).fixed_rate(0.5);
        let rule = rule.reservoir_size(1).service_name("*").service_type("*").host("*").http_method("*");
        let rule = rule.url_path("/checkout").version(1).build().unwrap();
        let made = xray.create_sampling_rule().sampling_rule(rule).send().await.unwrap();
        assert!(made.sampling_rule_record().unwrap().created_at().unwrap().as_secs_f64() > 1e9);
        let update = SamplingRuleUpdate::builder().rule_name("checkout").fixed_rate(0.25).build();
        xray.update_sampling_rule().sampling_rule_update(update).send().await.unwrap();
        let rules = xray.get_sampling_rules().into_paginator().items().send().try_collect().await.unwrap();
        let rates = rules
            .iter()
            .filter_map(|record| record.sampling_rule())
            .map(|rule| (rule.rule_name().unwrap(), rule.fixed_rate()));
        assert_eq!(rates.collect::<Vec<_>>(), [("Default", 0.05), ("checkout", 0.25)]);
        xray.delete_sampling_rule().rule_name("checkout").send().await.unwrap();

        let group = xray.create_group().group_name("errors").filter_expression("error").send().await.unwrap();
        let arn = group.group().unwrap().group_arn().unwrap().to_owned();
        let found = xray.get_trace_summaries().start_time(start).end_time(end);
        let found = found.filter_expression("group.name = \"errors\"").send().await.unwrap();
        assert_eq!(found.trace_summaries().len(), 2);
        xray.delete_group().group_arn(arn).send().await.unwrap();
        let groups = xray.get_groups().into_paginator().items().send().try_collect().await.unwrap();
        let names: Vec<_> = groups.iter().filter_map(|group| group.group_name()).collect();
        assert_eq!(names, ["Default", "slow"]);

        let record = TelemetryRecord::builder().timestamp(start).segments_sent_count(1).build().unwrap();
        xray.put_telemetry_records().telemetry_records(record).send().await.unwrap();
        let insights = xray.get_insight_summaries().start_time(start).end_time(end).send().await.unwrap();
        assert!(insights.insight_summaries().is_empty());
    });
}
