//! Compares the goldens with themselves and with modified copies.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Comparison, Difference, compare};

fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn goldens() -> Vec<(String, Value)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path().file_stem().unwrap().to_owned());
    names.map(|name| name.into_string().unwrap()).map(|name| (name.clone(), golden(&name))).collect()
}

/// Returns the golden's own documents with different ids, times and host. `correct` changes them to what a correct SDK
/// writes.
fn as_ours(golden: &Value, correct: impl Fn(&mut Vec<Value>)) -> Vec<Value> {
    let mut documents = golden["datagrams"].as_array().unwrap().clone();
    for document in &mut documents {
        visit(document, &mut |entity| {
            entity.remove("notTraced");
            if let Some(Value::Object(xray)) = entity.get_mut("aws").and_then(|aws| aws.get_mut("xray")) {
                xray["sdk"] = json!("X-Ray for Rust");
                if let Some(rule) = xray.remove("rule_name") {
                    xray.insert("sampling_rule_name".to_owned(), rule);
                }
            }
            for child in entity.get_mut("subsegments").and_then(Value::as_array_mut).into_iter().flatten() {
                for name in ["type", "trace_id", "parent_id"] {
                    child.as_object_mut().unwrap().remove(name);
                }
            }
        });
    }
    correct(&mut documents);
    let text = Value::from(documents).to_string();
    serde_json::from_str(&renumbered(&text, &golden["input"].to_string())).unwrap()
}

/// Changes ids that the scenario does not specify, consistently in the whole text.
fn renumbered(text: &str, given: &str) -> String {
    let is_id = |part: &str| {
        let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (part.len() == 16 && hex(part)) || (part.len() == 35 && part.starts_with("1-"))
    };
    let parts = text.split('"').map(|part| match part {
        id if is_id(id) && !given.contains(id) => {
            let (fixed, turned) = id.split_at(id.len() - 8);
            format!("{fixed}{}", turned.chars().rev().collect::<String>())
        }
        other => other.to_owned(),
    });
    parts.collect::<Vec<_>>().join("\"")
}

fn visit(entity: &mut Value, change: &mut impl FnMut(&mut serde_json::Map<String, Value>)) {
    change(entity.as_object_mut().unwrap());
    for child in entity.get_mut("subsegments").and_then(Value::as_array_mut).into_iter().flatten() {
        visit(child, change);
    }
}

/// Changes the entity with a name, wherever it is.
fn edit(documents: &mut Vec<Value>, name: &str, change: impl Fn(&mut serde_json::Map<String, Value>)) {
    let mut found = false;
    for document in documents {
        visit(document, &mut |entity| {
            if entity["name"] == name {
                found = true;
                change(entity);
            }
        });
    }
    assert!(found, "{name}");
}

fn codes(comparison: &Comparison) -> Vec<&'static str> {
    comparison.codes().into_iter().map(Difference::code).collect()
}

#[test]
fn every_golden_equals_itself_under_other_ids() {
    for (name, golden) in goldens() {
        let comparison = compare(
            &golden,
            &as_ours(&golden, |documents| {
                // The only rule that the recording's own documents violate: a muted child must not be written.
                if name == "unsampled_child" {
                    documents[0]["subsegments"].as_array_mut().unwrap().pop();
                }
            }),
        );
        assert!(comparison.passed(), "{name}:\n{comparison}");
    }
}

#[test]
fn missing_and_extra_documents_fail() {
    for (name, golden) in goldens() {
        let documents = golden["datagrams"].as_array().unwrap();
        let other = if documents.is_empty() { as_ours(&self::golden("simple_segment"), |_| {}) } else { Vec::new() };
        assert!(!compare(&golden, &other).passed(), "{name}");
    }
}

#[test]
fn every_value_counts() {
    const FREE: [&str; 6] = ["service", "xray", "stack", "working_directory", "start_time", "end_time"];
    /// Changes the leaf with a number and returns its path, if there is one.
    fn spoil(value: &mut Value, countdown: &mut usize, path: &str) -> Option<String> {
        match value {
            Value::Object(members) => members
                .iter_mut()
                .filter(|(name, _)| !FREE.contains(&name.as_str()))
                .find_map(|(name, value)| spoil(value, countdown, &format!("{path}/{name}"))),
            Value::Array(items) => {
                items.iter_mut().enumerate().find_map(|(i, v)| spoil(v, countdown, &format!("{path}/{i}")))
            }
            leaf if *countdown == 0 => {
                *leaf = match leaf {
                    Value::String(text) => format!("{text}x").into(),
                    Value::Bool(flag) => (!*flag).into(),
                    Value::Number(number) => (number.as_f64().unwrap() + 1000.0).into(),
                    _ => "x".into(),
                };
                Some(path.to_owned())
            }
            _ => {
                *countdown -= 1;
                None
            }
        }
    }
    for (name, golden) in goldens().into_iter().filter(|(name, _)| !name.starts_with("streaming_")) {
        for leaf in 0.. {
            let ours = as_ours(&golden, |documents| {
                if name == "unsampled_child" {
                    documents[0]["subsegments"].as_array_mut().unwrap().pop();
                }
            });
            let mut ours = Value::from(ours);
            let Some(path) = spoil(&mut ours, &mut { leaf }, "") else { break };
            // Ids are links, so an id without a reference may have any value. So may a type name of the language.
            let is_free = path.ends_with("/id")
                || path.ends_with("/trace_id")
                || path.contains("/exceptions/") && path.ends_with("/type");
            // A message that the scenario does not specify.
            let is_hosts = name == "http_out_refused" && path.ends_with("/message");
            let ours: Vec<Value> = serde_json::from_value(ours).unwrap();
            assert!(is_free || is_hosts || !compare(&golden, &ours).passed(), "{name} {path}");
        }
    }
}

#[test]
fn every_child_counts() {
    for (name, golden) in goldens().into_iter().filter(|(name, _)| name != "unsampled_child") {
        for nth in 0.. {
            let mut seen = 0;
            let ours = as_ours(&golden, |_| {});
            let mut ours = ours;
            let mut removed = false;
            for document in &mut ours {
                visit(document, &mut |entity| {
                    let Some(children) = entity.get_mut("subsegments").and_then(Value::as_array_mut) else { return };
                    if (seen..seen + children.len()).contains(&nth) {
                        children.remove(nth - seen);
                        removed = true;
                        seen = usize::MAX / 2;
                    }
                    seen += children.len();
                });
            }
            if !removed {
                break;
            }
            assert!(!compare(&golden, &ours).passed(), "{name} without child {nth}");
        }
    }
}

#[test]
fn mutations_fail_with_their_place() {
    type Edit = fn(&mut Vec<Value>);
    let cases: [(&str, Edit, &str); 16] = [
        ("annotations_all_types", |d| edit(d, "inner", |e| e["annotations"]["k"] = json!("sub")), "/annotations/k"),
        (
            "annotations_all_types",
            |d| edit(d, "svc", |e| e["annotations"]["empty"] = Value::Null),
            "/annotations/empty",
        ),
        (
            "annotations_all_types",
            |d| edit(d, "svc", |e| _ = e["annotations"].as_object_mut().unwrap().remove("empty")),
            "/annotations/empty",
        ),
        ("annotations_all_types", |d| edit(d, "svc", |e| e["annotations"]["obj"] = json!("x")), "/annotations/obj"),
        ("flags_fault_error_throttle", |d| edit(d, "faulty", |e| _ = e.insert("error".into(), json!(true))), "/error"),
        ("flags_fault_error_throttle", |d| edit(d, "throttled", |e| _ = e.remove("throttle")), "/throttle"),
        ("nested_subsegments", |d| edit(d, "price", |e| e["name"] = json!("cost")), "missing"),
        (
            "nested_subsegments",
            |d| {
                let moved = d[0]["subsegments"][0]["subsegments"].take();
                d[0]["subsegments"][1]["subsegments"] = moved;
                d[0]["subsegments"][0].as_object_mut().unwrap().remove("subsegments");
            },
            "load-items: missing",
        ),
        ("precursor_ids", |d| edit(d, "two", |e| e["precursor_ids"] = json!([e["id"]])), "/precursor_ids/0"),
        ("error_propagated_chain", |d| edit(d, "outer", |e| e["cause"] = json!("53995c3f42cd8ad8")), "/cause"),
        (
            "segment_root_and_parent",
            |d| edit(d, "checkout", |e| e["parent_id"] = json!("53995c3f42cd8ad9")),
            "/parent_id",
        ),
        (
            "segment_root_and_parent",
            |d| edit(d, "checkout", |e| e["trace_id"] = json!("1-5f84c7a5-000000000000000000000000")),
            "/trace_id",
        ),
        ("lambda_subsegments", |d| edit(d, "inner", |e| e["parent_id"] = json!("53995c3f42cd8ad8")), "inner"),
        ("in_progress_manual_flush", |d| _ = d.remove(0), "was not sent in progress"),
        ("simple_segment", |d| edit(d, "checkout", |e| _ = e.remove("service")), "/service"),
        (
            "simple_segment",
            |d| edit(d, "checkout", |e| _ = (e.remove("end_time"), e.insert("in_progress".into(), json!(true)))),
            "/end_time",
        ),
    ];
    for (name, mutate, place) in cases {
        let golden = golden(name);
        let comparison = compare(&golden, &as_ours(&golden, mutate));
        assert!(comparison.failures.iter().any(|line| line.contains(place)), "{name} {place}:\n{comparison}");
    }
}

#[test]
fn the_differences_of_a_correct_sdk_are_allowed_and_named() {
    type Edit = fn(&mut Vec<Value>);
    let cases: [(&str, Edit, &[&str]); 10] = [
        ("express_get_200", |d| d[0]["http"]["request"]["url"] = json!("http://orders.example.com/items"), &["in_url"]),
        ("express_get_404", |d| d[0]["http"]["response"]["content_length"] = json!(9), &["in_len"]),
        (
            "http_out_404",
            |d| edit(d, "127.0.0.1", |e| e["http"]["request"]["url"] = json!("http://127.0.0.1:4711/missing")),
            &["out_port"],
        ),
        (
            "error_propagated_chain",
            |d| {
                let exception = d[0]["subsegments"][0]["subsegments"][0]["cause"]["exceptions"][0]["id"].clone();
                d[0]["cause"] = exception.clone();
                d[0]["subsegments"][0]["cause"] = exception;
            },
            &["cause_ref"],
        ),
        (
            "error_exception",
            |d| edit(d, "work", |e| e["cause"]["exceptions"][0]["type"] = json!("RecordedError")),
            &["frames"],
        ),
        ("aws_s3_put_object", |d| edit(d, "S3", |e| e["aws"]["retries"] = json!(0)), &["retries"]),
        (
            "aws_dynamodb_error_400",
            |d| edit(d, "DynamoDB", |e| _ = (e.remove("fault"), e["aws"]["retries"] = json!(0))),
            &["retries", "aws4xx"],
        ),
        ("in_progress_manual_flush", |_| {}, &["embedded"]),
        (
            "error_string",
            |d| edit(d, "work", |e| _ = e["cause"]["exceptions"][0].as_object_mut().unwrap().remove("type")),
            &["frames"],
        ),
        ("central_sampling_exchange", |_| {}, &["rule_name"]),
    ];
    for (name, correct, used) in cases {
        let golden = golden(name);
        let comparison = compare(&golden, &as_ours(&golden, correct));
        assert!(comparison.passed(), "{name}:\n{comparison}");
        let mut want = vec!["sdk"];
        want.extend(used);
        assert_eq!(codes(&comparison), want, "{name}");
    }
}

#[test]
fn allowed_differences_are_narrow() {
    type Edit = fn(&mut Vec<Value>);
    let cases: [(&str, Edit); 9] = [
        ("express_get_200", |d| d[0]["http"]["request"]["url"] = json!("http://orders.example.com/item")),
        ("express_get_404", |d| d[0]["http"]["response"]["content_length"] = json!("9")),
        ("http_out_404", |d| {
            edit(d, "127.0.0.1", |e| e["http"]["request"]["url"] = json!("http://127.0.0.1:4711/found"))
        }),
        ("http_out_404", |d| edit(d, "127.0.0.1", |e| e["http"]["response"]["content_length"] = json!(3))),
        ("aws_s3_put_object", |d| edit(d, "S3", |e| e["aws"]["retries"] = json!(2))),
        ("http_out_500_traced", |d| edit(d, "127.0.0.1", |e| _ = e.remove("fault"))),
        ("error_exception", |d| edit(d, "work", |e| e["cause"]["exceptions"][0]["message"] = json!("bang"))),
        ("error_remote", |d| edit(d, "downstream", |e| e["cause"]["exceptions"][0]["remote"] = json!(false))),
        ("express_get_200", |d| d[0]["http"]["request"]["user_agent"] = json!("")),
    ];
    for (name, wrong) in cases {
        let golden = golden(name);
        assert!(!compare(&golden, &as_ours(&golden, wrong)).passed(), "{name}");
    }
    let muted = golden("unsampled_child");
    assert!(!compare(&muted, &as_ours(&muted, |_| {})).passed(), "a muted child is written");
}

#[test]
fn a_different_split_into_documents_is_allowed_and_named() {
    let held = golden("segment_closed_before_child");
    let ours = as_ours(&held, |documents| {
        let mut late = documents[0]["subsegments"][0].clone();
        let stub = documents[0]["subsegments"][0].as_object_mut().unwrap();
        stub.remove("end_time");
        stub.insert("in_progress".to_owned(), json!(true));
        late["type"] = json!("subsegment");
        late["trace_id"] = documents[0]["trace_id"].clone();
        late["parent_id"] = documents[0]["id"].clone();
        documents.push(late);
    });
    let comparison = compare(&held, &ours);
    assert!(comparison.passed(), "{comparison}");
    assert_eq!(codes(&comparison), ["sdk", "hold"]);
    assert!(!compare(&held, &ours[..1]).passed(), "the child never ends");

    let streamed = golden("streaming_sequential_not_streamed");
    let ours = as_ours(&streamed, |documents| {
        let (trace, parent) = (documents[0]["trace_id"].clone(), documents[0]["id"].clone());
        let parts: Vec<_> = documents[0]["subsegments"].as_array_mut().unwrap().drain(..100).collect();
        for mut part in parts.into_iter().rev() {
            part["type"] = json!("subsegment");
            part["trace_id"] = trace.clone();
            part["parent_id"] = parent.clone();
            documents.insert(0, part);
        }
    });
    let comparison = compare(&streamed, &ours);
    assert!(comparison.passed(), "{comparison}");
    assert_eq!(codes(&comparison), ["sdk", "stream"]);
    assert_eq!(comparison.differences.iter().filter(|used| used.difference == Difference::Stream).count(), 100);
    assert!(!compare(&streamed, &ours[1..]).passed(), "one is lost");
    assert!(!compare(&streamed, &[&ours[..], &ours[..1]].concat()).passed(), "one is sent twice");
}

#[test]
fn only_empty_strings_and_private_fields_may_be_left_out() {
    let mut golden = golden("express_get_200");
    let request = &mut golden["datagrams"][0]["http"]["request"];
    request["url"] = json!("");
    request["user_agent"] = json!("");
    golden["datagrams"][0]["noOp"] = json!(false);
    let without = |names: &[&str]| {
        let ours = as_ours(&golden, |documents| {
            documents[0].as_object_mut().unwrap().remove("noOp");
            for name in names {
                documents[0]["http"]["request"].as_object_mut().unwrap().remove(*name);
            }
        });
        compare(&golden, &ours)
    };
    assert_eq!(codes(&without(&["url", "user_agent"])), ["sdk", "empty", "leaked"]);
    assert!(without(&["url", "user_agent"]).passed());
    assert!(!without(&["url", "user_agent", "method"]).passed());
}

#[test]
fn siblings_in_a_different_order_are_matched() {
    let golden = golden("flags_fault_error_throttle");
    let ours = as_ours(&golden, |documents| documents[0]["subsegments"].as_array_mut().unwrap().reverse());
    let mut ours = ours;
    ours[0]["subsegments"][0]["start_time"] = json!(1.0);
    let comparison = compare(&golden, &ours);
    assert!(comparison.passed(), "{comparison}");
    assert_eq!(codes(&comparison), ["sdk", "order"]);
}

#[test]
fn a_trace_that_the_reference_never_sent_is_allowed_if_the_golden_says_so() {
    let with_stub = json!([{"name": "svc", "id": "a1", "trace_id": "t", "start_time": 1, "end_time": 2,
        "subsegments": [{"name": "open", "id": "b1", "start_time": 1, "in_progress": true}]}]);
    let ours: Vec<Value> = serde_json::from_value(with_stub).unwrap();
    let silent = json!({"input": {}, "datagrams": []});
    assert!(!compare(&silent, &ours).passed());
    let saying = json!({"input": {}, "datagrams": [], "differences": {"hold": "the segment may go out first"}});
    assert_eq!(codes(&compare(&saying, &ours)), ["hold"]);
}
