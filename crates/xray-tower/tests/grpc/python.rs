//! Calls between tonic and gRPC's own library, which is written in C++: its client and its server for Python.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tonic::Code;

use crate::service::{call, serve};
use crate::{Caller, calling, serving};

/// The variable with the path of a Python that has `grpcio`. `.ci/run` installs it and sets the variable.
const VARIABLE: &str = "XRAY_TEST_GRPC_PYTHON";

/// Returns the command that runs a script, or `None` if there is no Python for it.
fn python(script: &str) -> Option<Command> {
    let Some(python) = std::env::var_os(VARIABLE) else {
        assert!(std::env::var_os("CI").is_none(), "{VARIABLE} is not set");
        let _ = writeln!(std::io::stderr(), "skipped: {VARIABLE} names no Python that has grpcio");
        return None;
    };
    let mut command = Command::new(python);
    command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/grpc").join(script)).kill_on_drop(true);
    Some(command)
}

const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";
const PARENT: &str = "53995c3f42cd8ad8";

#[tokio::test]
async fn calls_of_a_python_client_are_recorded_in_its_trace() {
    let Some(mut client) = python("client.py") else { return };
    let mut service = serve().await;
    client.arg(service.address.to_string()).arg(format!("Root={ROOT};Parent={PARENT};Sampled=1"));
    let output = client.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut results: Value = serde_json::from_slice(&output.stdout).unwrap();
    // Client and server both have the deadline, and it may pass on the server first.
    let late = results[5].take();
    let possible = [json!(["DEADLINE_EXCEEDED", "Deadline Exceeded"]), json!(["CANCELLED", "Timeout expired"])];
    assert!(possible.contains(&late), "{late}");
    let expected = json!([
        ["OK", ["a"]],
        ["NOT_FOUND", "kein Stuhl für 100%"],
        ["OK", ["ab"]],
        ["OK", ["a", "b"]],
        ["RESOURCE_EXHAUSTED", "slow down"],
        null,
        ["CANCELLED", "Locally cancelled by application!"],
    ]);
    assert_eq!(results, expected);
    let cancelled = [["Cancelled", "the request was dropped before its response"]];
    for (method, more) in [
        ("Get", json!({})),
        (
            "Get",
            json!({
                "error": true, "cause": [["NOT_FOUND", "kein Stuhl für 100%"]], "response": {"content_length": 0},
            }),
        ),
        ("Collect", json!({})),
        ("List", json!({})),
        ("Chat", json!({"error": true, "throttle": true, "cause": [["RESOURCE_EXHAUSTED", "slow down"]]})),
        ("Get", json!({"fault": true, "cause": cancelled, "response": null})),
        ("List", json!({"metadata": {"xray": {"aborted": true}}})),
    ] {
        let raw = service.documents.raw().await;
        assert_eq!((&raw["trace_id"], &raw["parent_id"]), (&json!(ROOT), &json!(PARENT)));
        let mut document = xray_behaviours::documents::normalised(raw);
        let agent = document["http"]["request"]["user_agent"].take();
        assert!(agent.as_str().unwrap().starts_with("grpc-python/"), "{agent}");
        let mut expected = serving(service.address, method, more);
        expected["http"]["request"]["user_agent"].take();
        assert_eq!(document, expected);
    }
    service.documents.assert_empty();
}

#[tokio::test]
async fn calls_to_a_python_server_carry_the_trace_and_record_its_statuses() {
    let Some(mut server) = python("server.py") else { return };
    let mut server = server.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).await.unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap()));
    let mut caller = Caller::of(address);
    for method in ["Get", "List", "Collect", "Chat"] {
        let segment = caller.recorder.begin("caller");
        let received = segment.scope(call(&mut caller.client, method, &["header x-amzn-trace-id"])).await.unwrap();
        segment.close();
        let raw = caller.documents.raw().await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (root, parent) = (text(&raw["trace_id"]), text(&raw["subsegments"][0]["id"]));
        assert_eq!(received, [format!("Root={root};Parent={parent};Sampled=1")]);
        let document = xray_behaviours::documents::normalised(raw);
        assert_eq!(document, calling(address, method, json!({})));

        let (failed, document) = caller.call(method, &["fail 14 kein Papier für 100%"]).await;
        let failed = failed.unwrap_err();
        assert_eq!((failed.code(), failed.message()), (Code::Unavailable, "kein Papier für 100%"));
        let more = json!({"fault": true, "cause": [["UNAVAILABLE", "kein Papier für 100%"]]});
        assert_eq!(document, calling(address, method, more));
    }
    drop(server.stdin.take());
    assert!(server.wait().await.unwrap().success());
}
