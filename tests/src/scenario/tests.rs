//! Scenarios that do not occur in the goldens.

use serde_json::{Value, json};

use super::perform;

const TRACE: &str = "1-5759e988-bd862e3fe1be46a994272793";

/// Returns a segment as the reference writes it, with these members.
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
    assert_golden(json!({"kind": "steps", "input": {"steps": steps}, "differences": {}, "datagrams": datagrams}));
}

#[track_caller]
fn assert_golden(golden: Value) {
    match perform(&golden) {
        Ok(comparison) => assert!(comparison.passed(), "{comparison}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_detached_subsegment_keeps_the_steps_from_before_it_was_added() {
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
fn a_detached_subsegment_may_be_added_to_another_one_or_to_none() {
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
fn a_thrown_error_is_recognised_as_the_same_exception() {
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
fn open_entities_are_not_sent() {
    assert_passes(
        json!([{"op": "segment", "as": "s", "name": "svc"}, {"op": "subsegment", "on": "s", "as": "a", "name": "x"}]),
        json!([]),
    );
}

#[test]
fn impossible_steps_are_reported() {
    let segment = json!({"op": "segment", "as": "s", "name": "svc"});
    for (step, problem) in [
        (json!({"op": "close", "on": "t"}), "no entity or error named \"t\""),
        (json!({"op": "annotate", "on": "@current", "key": "k", "value": 1}), "no entity or error named \"@current\""),
        (json!({"op": "namespace", "on": "s", "value": "aws"}), "as a subsegment"),
        (json!({"op": "error", "on": "s", "error": "E"}), "no entity or error named \"E\""),
        (json!({"op": "wave"}), "unknown step `wave`"),
    ] {
        let golden = json!({"kind": "steps", "input": {"steps": [segment, step]}, "datagrams": []});
        let error = perform(&golden).unwrap_err();
        assert!(error.contains(problem), "{step}: {error}");
    }
}

/// Returns a golden of one call. `aws` and `more` are the members that the reference adds to name, operation and
/// region.
fn aws(client: &str, command: &str, input: Value, answer: Value, aws: Value, more: Value) -> Value {
    let mut block = json!({"operation": command, "region": "eu-west-1"});
    block.as_object_mut().unwrap().extend(aws.as_object().unwrap().clone());
    let mut call = entity(client, "00000000000000bb", json!({"namespace": "aws", "aws": block}));
    call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({
        "kind": "aws",
        "input": {"client": client, "command": command, "input": input, "answer": answer},
        "datagrams": [segment(json!({"subsegments": [call]}))],
    })
}

#[test]
fn calls_of_any_service_are_performed() {
    let ok = |length: usize| json!({"http": {"response": {"status": 200, "content_length": length}}});
    let json =
        |body: &str| json!({"status": 200, "headers": {"content-type": "application/x-amz-json-1.1"}, "body": body});
    let plain = json!({"status": 200, "headers": {}, "body": ""});
    for (client, command, input, answer, block, length) in [
        // Real clients.
        (
            "DynamoDB",
            "ListTables",
            json!({"Limit": 5}),
            json(r#"{"TableNames":["a"]}"#),
            json!({"limit": 5, "table_count": 1}),
            20,
        ),
        (
            "S3",
            "GetObject",
            json!({"Bucket": "b", "Key": "a b", "VersionId": "v"}),
            json!({"status": 200, "headers": {"content-type": "image/jpeg"}, "body": "meow"}),
            json!({"bucket_name": "b", "key": "a b", "version_id": "v"}),
            4,
        ),
        (
            "Lambda",
            "Invoke",
            json!({"FunctionName": "f", "InvocationType": "Event", "Payload": "{}"}),
            plain.clone(),
            json!({"function_name": "f", "invocation_type": "Event", "status_code": 200}),
            0,
        ),
        (
            "SQS",
            "SendMessageBatch",
            json!({"QueueUrl": "http://q/1", "Entries": [{"Id": "1", "MessageBody": "x"}]}),
            json(r#"{"Successful":[{}],"Failed":[]}"#),
            json!({"queue_url": "http://q/1", "message_count": 1, "successful_count": 1, "failed_count": 0}),
            31,
        ),
        // A response that is too incomplete for the real client.
        (
            "S3",
            "CopyObject",
            json!({"Bucket": "b", "Key": "k", "CopySource": "a/k"}),
            json!({"status": 200, "headers": {"content-type": "application/xml"}, "body": "<Cut"}),
            json!({"bucket_name": "b", "key": "k", "copy_source": "a/k"}),
            4,
        ),
        // Services for which there is no real client here.
        (
            "DynamoDB",
            "BatchGetItem",
            json!({"RequestItems": {"a": {"Keys": []}}}),
            json("{}"),
            json!({"table_names": ["a"]}),
            2,
        ),
        ("SNS", "PublishBatch", json!({"TopicArn": "arn:t"}), plain.clone(), json!({"topic_arn": "arn:t"}), 0),
        ("Kinesis", "PutRecord", json!({"StreamName": "s"}), json("{}"), json!({}), 2),
        ("SFN", "StartExecution", json!({"stateMachineArn": "arn:s"}), json("{}"), json!({}), 2),
        ("EventBridge", "PutEvents", json!({"Entries": []}), json("{}"), json!({}), 2),
    ] {
        // The reference counts attempts.
        let mut block = block.clone();
        block["retries"] = 1.into();
        assert_golden(aws(client, command, input, answer, block, ok(length)));
    }
}

#[test]
fn calls_that_fail_are_performed() {
    let failed = |kind: &str, message: &str, status: u16, flags: &[&str]| {
        let exception = json!({"id": "00000000000000ee", "type": kind, "message": message, "remote": true});
        let mut failed = json!({
            "http": {"response": {"status": status}},
            "cause": {"working_directory": "/app", "exceptions": [exception]},
            "fault": true,
        });
        flags.iter().for_each(|flag| failed[flag] = true.into());
        failed
    };
    let xml = json!({"content-type": "application/xml", "x-amz-id-2": "E"});
    let slow = "<Error><Code>SlowDown</Code><Message>slower</Message></Error>";
    let error = r#"{"__type":"x#ThrottlingException","message":"slower"}"#;
    for golden in [
        aws(
            "S3",
            "GetObject",
            json!({"Bucket": "b", "Key": "k"}),
            json!({"status": 503, "headers": xml, "body": slow}),
            json!({"bucket_name": "b", "key": "k", "retries": 3, "id_2": "E"}),
            failed("SlowDown", "slower", 503, &["throttle"]),
        ),
        aws(
            "Kinesis",
            "PutRecord",
            json!({"StreamName": "s"}),
            json!({"status": 400, "headers": {"content-type": "application/x-amz-json-1.1"}, "body": error}),
            json!({"retries": 3}),
            failed("ThrottlingException", "slower", 400, &["error", "throttle"]),
        ),
        aws(
            "Kinesis",
            "PutRecord",
            json!({"StreamName": "s"}),
            json!({"status": 500, "headers": {"x-amzn-requestid": "R"}, "body": "{\"message\":\"oh\"}"}),
            json!({"retries": 3, "request_id": "R"}),
            failed("Unknown", "oh", 500, &[]),
        ),
    ] {
        assert_golden(golden);
    }
}
