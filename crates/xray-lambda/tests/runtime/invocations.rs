//! What leaves a function, and when.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::platform::Function;

const PARENT: &str = "53995c3f42cd8ad8";

/// The id of the trace with that number.
fn root(number: u32) -> String {
    format!("1-5f84c7a5-{number:024x}")
}

fn sampled(number: u32) -> String {
    format!("Root={};Parent={PARENT};Sampled=1;Lineage=a87bd80c:1", root(number))
}

fn names(documents: &[Value]) -> Vec<&str> {
    documents.iter().map(|document| document["name"].as_str().unwrap()).collect()
}

/// A function that has had its first invocation, which got what the init phase did.
fn started(environment: &[(&str, &str)]) -> Function {
    let function = Function::start(environment);
    let answer = function.invoke("first", sampled(1), json!({}));
    assert_eq!(names(&answer.documents)[..2], ["read table", "connect"]);
    function
}

#[test]
fn a_sampled_invocation_sends_each_subsegment_before_the_answer_and_nothing_after() {
    let function = started(&[]);
    let answer = function.invoke("sampled", sampled(2), json!({"do": "capture", "times": 20}));
    assert_eq!(answer.kind, "response");
    assert_eq!(answer.body["header"], sampled(2));
    assert_eq!(answer.documents.len(), 40);
    assert_eq!(names(&answer.documents)[..3], ["inner", "outer", "inner"]);
    for pair in answer.documents.chunks(2) {
        let [inner, outer] = pair else { panic!("{pair:?}") };
        assert_eq!((&outer["parent_id"], &inner["parent_id"]), (&json!(PARENT), &outer["id"]));
        for document in pair {
            assert_eq!((&document["trace_id"], &document["type"]), (&json!(root(2)), &json!("subsegment")));
            assert!(document["end_time"].is_number() && document.get("in_progress").is_none());
        }
    }
    // Whatever had been held back would come now, or with the process's end.
    let idle = function.invoke("idle", sampled(3), json!({}));
    assert!(idle.documents.is_empty(), "{idle:?}");
    assert!(function.kill().is_empty());
}

#[test]
fn what_is_not_sampled_is_not_sent_and_told_to_others() {
    let function = started(&[]);
    let header = format!("Root={};Parent={PARENT};Sampled=0", root(2));
    let answer = function.invoke("unsampled", header, json!({"do": "capture"}));
    let sent_on = answer.body["header"].as_str().unwrap();
    assert!(sent_on.starts_with(&format!("Root={};Parent=", root(2))) && sent_on.ends_with(";Sampled=0"), "{sent_on}");
    assert!(answer.documents.is_empty() && function.kill().is_empty());
}

#[test]
fn a_trace_that_passes_through_continues_as_it_came_and_nothing_is_recorded() {
    let function = started(&[]);
    for header in [format!("Root={}", root(2)), format!("Root={};Lineage=a87bd80c:1", root(2))] {
        let answer = function.invoke("passed", Some(header.clone()), json!({"do": "capture"}));
        assert_eq!((answer.body, answer.documents), (json!({"header": header}), vec![]));
    }
}

#[test]
fn without_a_complete_header_nothing_is_sent_nor_propagated_and_the_next_invocation_is_not_touched() {
    let function = started(&[]);
    for (id, header) in [
        ("undecided", Some(format!("Root={};Parent={PARENT}", root(2)))),
        ("orphaned", Some(format!("Root={};Sampled=1", root(2)))),
        ("unreadable", Some(format!("Root=1-2;Parent={PARENT};Sampled=1"))),
        ("none", None),
    ] {
        let answer = function.invoke(id, header, json!({"do": "capture"}));
        assert_eq!((answer.body, answer.documents), (json!({"header": null}), vec![]), "{id}");
    }
    let answer = function.invoke("sampled", sampled(3), json!({"do": "capture"}));
    assert_eq!(names(&answer.documents), ["inner", "outer"]);
    assert_eq!(answer.documents[0]["trace_id"], root(3));
}

#[test]
fn each_invocation_records_in_its_own_trace() {
    let function = started(&[]);
    let mut ids = HashMap::new();
    for number in [2, 3, 2] {
        let answer = function.invoke("again", sampled(number), json!({"do": "capture"}));
        assert_eq!(names(&answer.documents), ["inner", "outer"]);
        for document in answer.documents {
            assert_eq!(document["trace_id"], root(number));
            assert_eq!(ids.insert(document["id"].to_string(), number), None);
        }
    }
    assert!(function.kill().is_empty());
}

#[test]
fn concurrent_invocations_are_not_mixed() {
    // A variable of the process belongs to none of them.
    let stray = sampled(99);
    let function = Function::start(&[("AWS_LAMBDA_MAX_CONCURRENCY", "4"), ("_X_AMZN_TRACE_ID", &*stray)]);
    let mut documents = function.invoke("first", None, json!({"do": "capture"})).documents;
    assert!(documents.is_empty(), "{documents:?}");
    for number in 2..6 {
        function.send(&number.to_string(), sampled(number), json!({"do": "meet"}));
    }
    let answers: Vec<_> = (2..6).map(|_| function.answer()).collect();
    for answer in answers {
        assert_eq!(answer.body["header"], sampled(answer.id.parse().unwrap()));
        documents.extend(answer.documents);
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
    let answer = function.invoke("fail", sampled(2), json!({"do": "fail"}));
    assert_eq!(answer.kind, "error");
    assert_eq!(answer.body["errorMessage"], "invalid digit found in string");
    let [failing, handler] = &answer.documents[..] else { panic!("{answer:?}") };
    assert_eq!((&failing["name"], &handler["name"]), (&json!("failing"), &json!("handler")));
    assert_eq!(failing["parent_id"], handler["id"]);
    let told = &failing["cause"]["exceptions"][0];
    assert_eq!((&told["type"], &told["message"]), (&json!("ParseIntError"), &answer.body["errorMessage"]));
    // Told once: the handler's subsegment refers to it.
    assert_eq!((&handler["fault"], &handler["cause"]), (&json!(true), &told["id"]));
    assert!(function.kill().is_empty());
}

#[test]
fn a_panic_of_the_handler_is_recorded_and_the_next_invocation_is_served() {
    let function = started(&[("HANDLER", "handler")]);
    let answer = function.invoke("panic", sampled(2), json!({"do": "panic"}));
    assert_eq!(answer.kind, "error");
    assert_eq!(names(&answer.documents), ["panicking", "handler"]);
    for document in &answer.documents {
        assert_eq!((&document["fault"], &document["trace_id"]), (&json!(true), &json!(root(2))));
    }
    assert_eq!(answer.documents[0]["cause"]["exceptions"][0]["message"], "out of paper");
    let answer = function.invoke("next", sampled(3), json!({"do": "capture"}));
    assert_eq!(names(&answer.documents), ["inner", "outer", "handler"]);
    assert!(answer.documents.iter().all(|document| document["trace_id"] == root(3)));
    assert!(function.kill().is_empty());
}

#[test]
fn what_is_still_open_after_the_handler_is_shown_in_progress() {
    let function = started(&[]);
    for (number, panic) in [(2, false), (3, true)] {
        let answer = function.invoke("leak", sampled(number), json!({"do": "leak", "panic": panic}));
        assert_eq!(answer.kind == "error", panic);
        let [left] = &answer.documents[..] else { panic!("{answer:?}") };
        assert_eq!((&left["name"], &left["in_progress"]), (&json!("left behind"), &json!(true)));
        assert_eq!(left["trace_id"], root(number));
    }
    let answer = function.invoke("next", sampled(4), json!({}));
    assert!(answer.documents.is_empty() && function.kill().is_empty());
}

#[test]
fn a_time_out_shows_what_it_waited_for() {
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
fn the_init_phase_belongs_to_the_first_invocation_if_that_waited_for_it() {
    let function = Function::start(&[]);
    let answer = function.invoke("first", sampled(1), json!({}));
    assert_eq!(names(&answer.documents), ["read table", "connect"]);
    for step in &answer.documents {
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
    let answer = function.invoke("write", sampled(2), json!({"do": "write"}));
    assert_eq!((&*answer.kind, answer.documents), ("response", vec![]));
    assert!(function.kill().is_empty());
}

#[test]
fn messages_of_a_queue_are_recorded_as_their_senders_decided() {
    let function = started(&[]);
    let sender = "1111111111111111";
    let message = |flag| json!({"attributes": {"AWSTraceHeader": format!("Root={};Parent={sender};{flag}", root(7))}});
    let records = [message("Sampled=1"), message("Sampled=0"), json!({"attributes": {}})];
    let answer = function.invoke("receive", sampled(2), json!({"do": "receive", "Records": records}));
    assert_eq!(names(&answer.documents), ["work", "worker", "order"]);
    let [work, worker, order] = &answer.documents[..] else { panic!("{answer:?}") };
    assert_eq!((&work["trace_id"], &work["parent_id"]), (&json!(root(2)), &order["id"]));
    assert_eq!((&worker["trace_id"], &worker["parent_id"]), (&json!(root(7)), &json!(sender)));
    assert!(worker.get("type").is_none(), "a segment: {worker}");
    assert_eq!((&order["trace_id"], &order["parent_id"]), (&json!(root(2)), &json!(PARENT)));
    assert_eq!(order["metadata"]["xray"]["linked_traces"], json!([root(7)]));
    assert!(function.kill().is_empty());
}

#[test]
fn the_platform_learns_that_an_sdk_is_there() {
    let before = SystemTime::now();
    started(&[]);
    assert!(std::fs::metadata("/tmp/.aws-xray/initialized").unwrap().modified().unwrap() >= before);
}

#[test]
fn a_disabled_sdk_leaves_the_function_as_it_is() {
    let function = Function::start(&[("AWS_XRAY_SDK_ENABLED", "false"), ("HANDLER", "handler")]);
    let answer = function.invoke("first", sampled(1), json!({"do": "capture"}));
    assert_eq!((answer.body, answer.documents), (json!({"header": null}), vec![]));
    assert!(function.kill().is_empty());
}
