//! Scenarios of which the goldens have no example.

use serde_json::{Value, json};

use super::{Outcome, perform};

const TRACE: &str = "1-5759e988-bd862e3fe1be46a994272793";

/// A segment as the reference writes it, with these subsegments.
fn segment(more: Value) -> Value {
    entity("svc", "00000000000000aa", more)
}

fn entity(name: &str, id: &str, more: Value) -> Value {
    let mut entity = json!({"name": name, "id": id, "start_time": 1, "end_time": 2});
    if name == "svc" {
        entity["trace_id"] = TRACE.into();
        entity["service"] = json!({"runtime": "node"});
        entity["aws"] = json!({"xray": {"sdk": "X-Ray for Node.js"}});
    }
    entity.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    entity
}

#[track_caller]
fn assert_passes(steps: Value, datagrams: Value) {
    let golden = json!({"kind": "steps", "input": {"steps": steps}, "differences": {}, "datagrams": datagrams});
    match perform(&golden) {
        Ok(Outcome::Compared(comparison)) => assert!(comparison.passed(), "{comparison}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_detached_subsegment_has_all_that_was_done_before_it_was_added() {
    let inner = entity("inner", "00000000000000cc", json!({}));
    let outer =
        entity("outer", "00000000000000bb", json!({"annotations": {"k": "v"}, "fault": true, "subsegments": [inner]}));
    assert_passes(
        json!([
            {"op": "segment", "as": "s", "name": "svc"},
            {"op": "detached", "as": "a", "name": "outer"},
            {"op": "annotate", "on": "a", "key": "k", "value": "v"},
            {"op": "subsegment", "on": "a", "as": "b", "name": "inner"},
            {"op": "close", "on": "b"},
            {"op": "add", "on": "s", "child": "a"},
            {"op": "flag", "on": "a", "flag": "fault"},
            {"op": "close", "on": "a"},
            {"op": "close", "on": "s"},
        ]),
        json!([segment(json!({"subsegments": [outer]}))]),
    );
}

#[test]
fn a_detached_subsegment_may_be_added_to_another_and_never_to_any() {
    let inner = entity("inner", "00000000000000cc", json!({}));
    let outer = entity("outer", "00000000000000bb", json!({"subsegments": [inner]}));
    assert_passes(
        json!([
            {"op": "segment", "as": "s", "name": "svc"},
            {"op": "detached", "as": "a", "name": "outer"},
            {"op": "detached", "as": "b", "name": "inner"},
            {"op": "detached", "as": "c", "name": "forgotten"},
            {"op": "add", "on": "a", "child": "b"},
            {"op": "close", "on": "b"},
            {"op": "close", "on": "a"},
            {"op": "close", "on": "c"},
            {"op": "add", "on": "s", "child": "a"},
            {"op": "close", "on": "s"},
        ]),
        json!([segment(json!({"subsegments": [outer]}))]),
    );
}

#[test]
fn an_error_that_was_thrown_is_known_again() {
    let exception = json!({"id": "00000000000000ee", "type": "Error", "message": "inside", "remote": false});
    let cause = json!({"working_directory": "/app", "exceptions": [exception]});
    let child = entity("work", "00000000000000bb", json!({"fault": true, "cause": cause}));
    assert_passes(
        json!([
            {"op": "segment", "as": "s", "name": "svc"},
            {"op": "make_error", "as": "E", "type": "Error", "message": "inside"},
            {"op": "with_context", "on": "s", "catch": true, "body": [
                {"op": "capture", "name": "work", "body": [{"op": "throw", "error": "E"}]},
            ]},
            {"op": "close", "on": "s", "error": "E"},
        ]),
        json!([segment(json!({"fault": true, "cause": {"id": "00000000000000bb"}, "subsegments": [child]}))]),
    );
}

#[test]
fn what_stays_open_is_not_sent() {
    assert_passes(
        json!([{"op": "segment", "as": "s", "name": "svc"}, {"op": "subsegment", "on": "s", "as": "a", "name": "x"}]),
        json!([]),
    );
}

#[test]
fn what_makes_no_sense_is_told() {
    let segment = json!({"op": "segment", "as": "s", "name": "svc"});
    for (step, problem) in [
        (json!({"op": "close", "on": "t"}), "nothing is called \"t\""),
        (json!({"op": "annotate", "on": "@current", "key": "k", "value": 1}), "nothing is called \"@current\""),
        (json!({"op": "namespace", "on": "s", "value": "aws"}), "as a subsegment"),
        (json!({"op": "error", "on": "s", "error": "E"}), "nothing is called \"E\""),
        (json!({"op": "wave"}), "unknown step `wave`"),
    ] {
        let golden = json!({"kind": "steps", "input": {"steps": [segment, step]}, "datagrams": []});
        let error = perform(&golden).unwrap_err();
        assert!(error.contains(problem), "{step}: {error}");
    }
}
