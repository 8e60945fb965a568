//! What a function sends, and when.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::platform::Function;

const PARENT: &str = "53995c3f42cd8ad8";

/// Returns the trace ID with this number.
fn root(number: u32) -> String {
    format!("1-5f84c7a5-{number:024x}")
}

fn sampled(number: u32) -> String {
    format!("Root={};Parent={PARENT};Sampled=1;Lineage=a87bd80c:1", root(number))
}

fn names(documents: &[Value]) -> Vec<&str> {
    documents.iter().map(|document| document["name"].as_str().unwrap()).collect()
}

/// Starts a function, and runs its first invocation, which contains the init phase.
fn started(environment: &[(&str, &str)]) -> Function {
    let function = Function::start(environment);
    let response = function.invoke("first", sampled(1), json!({}));
    assert_eq!(names(&response.documents)[..2], ["read table", "connect"]);
    function
}

#[test]
fn a_sampled_invocation_sends_each_subsegment_before_the_response_and_nothing_after() {
    let function = started(&[]);
    let response = function.invoke("sampled", sampled(2), json!({"do": "capture", "times": 20}));
    assert_eq!(response.kind, "response");
    assert_eq!(response.body["header"], sampled(2));
    assert_eq!(response.documents.len(), 40);
    assert_eq!(names(&response.documents)[..3], ["inner", "outer", "inner"]);
    for pair in response.documents.chunks(2) {
        let [inner, outer] = pair else { panic!("{pair:?}") };
        assert_eq!((&outer["parent_id"], &inner["parent_id"]), (&json!(PARENT), &outer["id"]));
        for document in pair {
            assert_eq!((&document["trace_id"], &document["type"]), (&json!(root(2)), &json!("subsegment")));
            assert!(document["end_time"].is_number() && document.get("in_progress").is_none());
        }
    }
    // Anything held back would be sent now, or when the process ends.
    let idle = function.invoke("idle", sampled(3), json!({}));
    assert!(idle.documents.is_empty(), "{idle:?}");
    assert!(function.kill().is_empty());
}

#[test]
fn an_unsampled_invocation_sends_nothing_and_propagates_the_decision() {
    let function = started(&[]);
    let header = format!("Root={};Parent={PARENT};Sampled=0", root(2));
    let response = function.invoke("unsampled", header, json!({"do": "capture"}));
    let propagated = response.body["header"].as_str().unwrap();
    assert!(
        propagated.starts_with(&format!("Root={};Parent=", root(2))) && propagated.ends_with(";Sampled=0"),
        "{propagated}"
    );
    assert!(response.documents.is_empty() && function.kill().is_empty());
}

#[test]
fn a_trace_that_is_passed_through_continues_unchanged_and_nothing_is_recorded() {
    let function = started(&[]);
    for header in [format!("Root={}", root(2)), format!("Root={};Lineage=a87bd80c:1", root(2))] {
        let response = function.invoke("passed", Some(header.clone()), json!({"do": "capture"}));
        assert_eq!((response.body, response.documents), (json!({"header": header}), vec![]));
    }
}

#[test]
fn without_a_complete_header_nothing_is_sent_or_propagated_and_the_next_invocation_is_recorded() {
    let function = started(&[]);
    for (id, header) in [
        ("undecided", Some(format!("Root={};Parent={PARENT}", root(2)))),
        ("orphaned", Some(format!("Root={};Sampled=1", root(2)))),
        ("unreadable", Some(format!("Root=1-2;Parent={PARENT};Sampled=1"))),
        ("none", None),
    ] {
        let response = function.invoke(id, header, json!({"do": "capture"}));
        assert_eq!((response.body, response.documents), (json!({"header": null}), vec![]), "{id}");
    }
    let response = function.invoke("sampled", sampled(3), json!({"do": "capture"}));
    assert_eq!(names(&response.documents), ["inner", "outer"]);
    assert_eq!(response.documents[0]["trace_id"], root(3));
}

#[test]
fn each_invocation_records_in_its_own_trace() {
    let function = started(&[]);
    let mut ids = HashMap::new();
    for number in [2, 3, 2] {
        let response = function.invoke("again", sampled(number), json!({"do": "capture"}));
        assert_eq!(names(&response.documents), ["inner", "outer"]);
        for document in response.documents {
            assert_eq!(document["trace_id"], root(number));
            assert_eq!(ids.insert(document["id"].to_string(), number), None);
        }
    }
    assert!(function.kill().is_empty());
}

#[test]
fn concurrent_invocations_are_not_mixed() {
    // The variable of the process belongs to none of the invocations.
    let stray = sampled(99);
    let function = Function::start(&[("AWS_LAMBDA_MAX_CONCURRENCY", "4"), ("_X_AMZN_TRACE_ID", &*stray)]);
    let mut documents = function.invoke("first", None, json!({"do": "capture"})).documents;
    assert!(documents.is_empty(), "{documents:?}");
    for number in 2..6 {
        function.send(&number.to_string(), sampled(number), json!({"do": "meet"}));
    }
    let responses: Vec<_> = (2..6).map(|_| function.response()).collect();
    for response in responses {
        assert_eq!(response.body["header"], sampled(response.id.parse().unwrap()));
        documents.extend(response.documents);
    }
    assert_eq!(documents.len(), 8);
    for document in documents {
        let number: u32 = document["annotations"]["request"].as_str().unwrap().parse().unwrap();
        assert_eq!(document["trace_id"], root(number));
        assert_eq!(document["parent_id"] == PARENT, document["name"] == "outer");
    }
    assert!(function.kill().is_empty());
}

#[test]
fn an_error_of_the_handler_reaches_lambda_and_its_subsegments_are_sent() {
    let function = started(&[("HANDLER", "handler")]);
    let response = function.invoke("fail", sampled(2), json!({"do": "fail"}));
    assert_eq!(response.kind, "error");
    assert_eq!(response.body["errorMessage"], "invalid digit found in string");
    let [failing, handler] = &response.documents[..] else { panic!("{response:?}") };
    assert_eq!((&failing["name"], &handler["name"]), (&json!("failing"), &json!("handler")));
    assert_eq!(failing["parent_id"], handler["id"]);
    let exception = &failing["cause"]["exceptions"][0];
    assert_eq!((&exception["type"], &exception["message"]), (&json!("ParseIntError"), &response.body["errorMessage"]));
    // The exception is recorded once; the handler's subsegment refers to it.
    assert_eq!((&handler["fault"], &handler["cause"]), (&json!(true), &exception["id"]));
    assert!(function.kill().is_empty());
}

#[test]
fn a_panic_of_the_handler_is_recorded_and_the_next_invocation_is_served() {
    let function = started(&[("HANDLER", "handler")]);
    let response = function.invoke("panic", sampled(2), json!({"do": "panic"}));
    assert_eq!(response.kind, "error");
    assert_eq!(names(&response.documents), ["panicking", "handler"]);
    for document in &response.documents {
        assert_eq!((&document["fault"], &document["trace_id"]), (&json!(true), &json!(root(2))));
    }
    assert_eq!(response.documents[0]["cause"]["exceptions"][0]["message"], "out of paper");
    let response = function.invoke("next", sampled(3), json!({"do": "capture"}));
    assert_eq!(names(&response.documents), ["inner", "outer", "handler"]);
    assert!(response.documents.iter().all(|document| document["trace_id"] == root(3)));
    assert!(function.kill().is_empty());
}

#[test]
fn subsegments_still_open_after_the_handler_are_sent_in_progress() {
    let function = started(&[]);
    for (number, panic) in [(2, false), (3, true)] {
        let response = function.invoke("leak", sampled(number), json!({"do": "leak", "panic": panic}));
        assert_eq!(response.kind == "error", panic);
        let [left] = &response.documents[..] else { panic!("{response:?}") };
        assert_eq!((&left["name"], &left["in_progress"]), (&json!("left behind"), &json!(true)));
        assert_eq!(left["trace_id"], root(number));
    }
    let response = function.invoke("next", sampled(4), json!({}));
    assert!(response.documents.is_empty() && function.kill().is_empty());
}

#[test]
fn a_timeout_shows_what_it_waited_for() {
    let function = started(&[("HANDLER", "handler")]);
    function.send_within(Duration::from_millis(500), "hang", sampled(2), json!({"do": "hang"}));
    let (handler, hanging) = (function.document(), function.document());
    assert_eq!((&handler["name"], &hanging["name"]), (&json!("handler"), &json!("hanging")));
    assert_eq!((&handler["parent_id"], &hanging["parent_id"]), (&json!(PARENT), &handler["id"]));
    for document in [handler, hanging] {
        assert_eq!((&document["in_progress"], &document["trace_id"]), (&json!(true), &json!(root(2))));
    }
    assert!(function.kill().is_empty());
}

#[test]
fn the_init_phase_belongs_to_the_first_invocation_if_that_invocation_waited_for_it() {
    let function = Function::start(&[]);
    let response = function.invoke("first", sampled(1), json!({}));
    assert_eq!(names(&response.documents), ["read table", "connect"]);
    for step in &response.documents {
        assert_eq!((&step["parent_id"], &step["trace_id"]), (&json!(PARENT), &json!(root(1))));
        assert_eq!(step["metadata"]["xray"]["phase"], "init");
    }
    assert!(function.invoke("second", sampled(2), json!({})).documents.is_empty());

    let provisioned = Function::start(&[("AWS_LAMBDA_INITIALIZATION_TYPE", "provisioned-concurrency")]);
    assert!(provisioned.invoke("first", sampled(1), json!({})).documents.is_empty());
    let passed = Function::start(&[]);
    assert!(passed.invoke("first", format!("Root={}", root(1)), json!({})).documents.is_empty());
    assert!(passed.invoke("second", sampled(2), json!({})).documents.is_empty());
}

#[test]
fn the_functions_own_segment_cannot_be_changed() {
    let function = started(&[]);
    let response = function.invoke("write", sampled(2), json!({"do": "write"}));
    assert_eq!((&*response.kind, response.documents), ("response", vec![]));
    assert!(function.kill().is_empty());
}

#[test]
fn messages_of_a_queue_are_recorded_if_their_senders_sampled_them() {
    let function = started(&[]);
    let sender = "1111111111111111";
    let message = |flag| json!({"attributes": {"AWSTraceHeader": format!("Root={};Parent={sender};{flag}", root(7))}});
    let records = [message("Sampled=1"), message("Sampled=0"), json!({"attributes": {}})];
    let response = function.invoke("receive", sampled(2), json!({"do": "receive", "Records": records}));
    assert_eq!(names(&response.documents), ["work", "worker", "order"]);
    let [work, worker, order] = &response.documents[..] else { panic!("{response:?}") };
    assert_eq!((&work["trace_id"], &work["parent_id"]), (&json!(root(2)), &order["id"]));
    assert_eq!((&worker["trace_id"], &worker["parent_id"]), (&json!(root(7)), &json!(sender)));
    assert!(worker.get("type").is_none(), "a segment: {worker}");
    assert_eq!((&order["trace_id"], &order["parent_id"]), (&json!(root(2)), &json!(PARENT)));
    assert_eq!(order["metadata"]["xray"]["linked_traces"], json!([root(7)]));
    assert!(function.kill().is_empty());
}

#[test]
fn the_sdk_is_announced_to_the_platform() {
    let before = SystemTime::now();
    started(&[]);
    assert!(std::fs::metadata("/tmp/.aws-xray/initialized").unwrap().modified().unwrap() >= before);
}

#[test]
fn a_disabled_sdk_leaves_the_function_unchanged() {
    let function = Function::start(&[("AWS_XRAY_SDK_ENABLED", "false"), ("HANDLER", "handler")]);
    let response = function.invoke("first", sampled(1), json!({"do": "capture"}));
    assert_eq!((response.body, response.documents), (json!({"header": null}), vec![]));
    assert!(function.kill().is_empty());
}
