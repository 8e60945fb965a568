//! Runs the example `lambda` with the real runtime against a fake Lambda platform, once for each action.

#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../../../crates/xray-lambda/tests/support/platform.rs"]
mod platform;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use platform::{Function, Response};

/// Starts the example, which cargo builds together with the tests of its package.
fn example() -> Function {
    let tests = std::env::current_exe().unwrap();
    let name = format!("examples/lambda{}", std::env::consts::EXE_SUFFIX);
    let program = tests.ancestors().nth(2).unwrap().join(name);
    assert!(program.exists(), "cargo build -p xray-example-lambda --example lambda");
    Function::run(Command::new(program), &[])
}

const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";

fn header(sampled: u8) -> String {
    format!("Root={ROOT};Parent=53995c3f42cd8ad8;Sampled={sampled}")
}

/// Returns the name of each document in order of arrival, followed by ` fault` if it is one.
fn outline(response: &Response) -> Vec<String> {
    let describe = |document: &Value| {
        let fault = if document["fault"] == true { " fault" } else { "" };
        format!("{}{fault}", document["name"].as_str().unwrap())
    };
    response.documents.iter().map(describe).collect()
}

#[test]
fn each_action_records_its_documents() {
    let function = example();
    for (event, kind, documents) in [
        (json!({}), "response", &["make client", "handler"][..]),
        (json!({"do": "succeed"}), "response", &["handler"]),
        (json!({"do": "fail"}), "error", &["handler fault"]),
        (json!({"do": "panic"}), "error", &["handler fault"]),
        (json!({"do": "sleep", "millis": 1}), "response", &["sleep", "handler"]),
        (json!({"do": "capture", "times": 3}), "response", &["step", "step", "step", "handler"]),
        (json!({"do": "dance"}), "error", &["handler fault"]),
    ] {
        let response = function.invoke("event", header(1), event.clone());
        assert_eq!(
            (&*response.kind, outline(&response)),
            (kind, documents.iter().map(ToString::to_string).collect()),
            "{event}"
        );
        let response = function.invoke("event", header(0), event);
        assert_eq!((&*response.kind, response.documents), (kind, vec![]));
    }
    assert!(function.kill().is_empty());
}

#[test]
fn a_call_propagates_the_trace() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/stock", server.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (mut connection, _) = server.accept().unwrap();
        let (mut head, mut buffer) = (String::new(), [0; 4096]);
        while !head.ends_with("\r\n\r\n") {
            let length = connection.read(&mut buffer).unwrap();
            head.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
        connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        head
    });
    let function = example();
    let response = function.invoke("event", header(1), json!({"do": "call", "url": url}));
    assert_eq!(response.body, json!({"do": "call", "status": 204}));
    let [_, call, handler] = &response.documents[..] else { panic!("{response:?}") };
    assert_eq!((&call["namespace"], &call["parent_id"]), (&json!("remote"), &handler["id"]));
    let id = call["id"].as_str().unwrap();
    let head = serving.join().unwrap();
    assert!(head.to_lowercase().contains(&format!("x-amzn-trace-id: root={ROOT};parent={id};sampled=1")), "{head}");
}

#[test]
fn a_timeout_shows_the_subsegment_that_was_open() {
    let function = example();
    function.invoke("first", header(0), json!({}));
    let time = Duration::from_millis(500);
    function.send_within(time, "event", header(1), json!({"do": "sleep", "millis": 60_000}));
    for name in ["handler", "sleep"] {
        let document = function.document();
        assert_eq!((&document["name"], &document["in_progress"]), (&json!(name), &json!(true)));
    }
}
