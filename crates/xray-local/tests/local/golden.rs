//! Datagrams recorded from another SDK, sent through a real socket.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::tree::{receive, tree};

fn golden(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name).with_extension("json");
    let golden: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let framing = golden["framing"].as_str().unwrap_or("{\"format\":\"json\",\"version\":1}\n");
    let documents = golden["datagrams"].as_array().unwrap().iter();
    documents.map(|document| format!("{framing}{document}").into_bytes()).collect()
}

#[test]
fn recorded_datagrams_become_the_trees_they_describe() {
    for (name, want) in [
        ("simple_segment", "checkout\n"),
        ("nested_subsegments", "checkout\n  load-cart\n    load-items\n  price\n"),
        ("capture_func_nested_5", "svc\n  1\n    2\n      3\n        4\n          5\n"),
        ("in_progress_manual_flush", "svc\n  long-job\n"),
        ("lambda_subsegments", "outer orphan\n  inner\nsecond orphan\n"),
        ("segment_root_and_parent", "checkout orphan\n"),
        ("error_propagated_chain", "svc fault\n  outer fault\n    inner fault\n"),
        ("http_out_404", "shop\n  127.0.0.1 error\n"),
        ("http_out_500_traced", "shop fault\n  127.0.0.1 fault\n"),
        ("express_get_429", "shop throttle\n"),
        ("sql_subsegment", "svc\n  shop@db.example.com\n"),
        ("aws_dynamodb_get_item", "svc\n  DynamoDB\n"),
    ] {
        let traces = receive(&golden(name)).traces();
        assert_eq!(traces.iter().map(tree).collect::<String>(), want, "{name}");
    }
}

#[test]
fn a_streamed_trace_is_joined_completely() {
    let store = receive(&golden("streaming_over_100"));
    let trace = &store.traces()[0];
    let names: Vec<_> = trace.roots().next().unwrap().children().map(|child| child.name().to_owned()).collect();
    assert_eq!((trace.len(), trace.roots().count()), (106, 1));
    assert_eq!(names.len(), 105);
    assert!((0..105).all(|i| names.contains(&format!("child-{i}"))));
}

#[test]
fn no_recorded_datagram_is_refused() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    for file in fs::read_dir(directory).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let datagrams = golden(&name);
        let stats = receive(&datagrams).stats();
        assert_eq!(stats.datagrams, datagrams.len() as u64, "{name}");
        assert_eq!((stats.missing_header, stats.invalid_header, stats.invalid_document), (0, 0, 0), "{name}");
    }
}

#[test]
fn the_fields_of_an_entity_can_be_read() {
    let traces = receive(&golden("aws_dynamodb_get_item")).traces();
    let call = traces[0].nodes().nth(1).unwrap();
    assert_eq!((call.namespace(), call.operation()), (Some("aws"), Some("GetItem")));
    assert_eq!(call.http().and_then(|http| http.status), Some(200));
    assert!(call.json().contains("\"table_name\":\"orders\""));

    let traces = receive(&golden("error_exception")).traces();
    let failed = traces[0].nodes().nth(1).unwrap();
    assert_eq!((&*failed.exceptions()[0].kind, &*failed.exceptions()[0].message), ("TypeError", "boom"));

    let traces = receive(&golden("express_post_201")).traces();
    let http = traces[0].roots().next().unwrap().entity().http().unwrap();
    assert_eq!((http.method.as_deref(), http.status), (Some("POST"), Some(201)));
}
