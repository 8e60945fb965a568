//! Settings from the environment, the command line and the caller.

use serde_json::json;
use xray_tests::daemon::Daemon;
use xray_tests::forest::Forest;
use xray_tests::http;

use crate::service::{TIMEOUT, for_each_framework};

const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";
const PARENT: &str = "53995c3f42cd8ad8";

#[test]
fn a_disabled_service_responds_and_sends_nothing() {
    for_each_framework(|program| {
        for variable in [("AWS_XRAY_SDK_ENABLED", "false"), ("AWS_XRAY_SDK_DISABLED", "true")] {
            let daemon = Daemon::start();
            let service = program.start_with(&daemon, &[], &[variable]);
            for (target, status, body) in [
                ("/ok", 200, "ok"),
                ("/seq/10", 200, "ok"),
                ("/nest/10", 200, "ok"),
                ("/fail/x", 200, "handled"),
                ("/annotate/x", 200, ""),
                ("/error", 500, "broken"),
                ("/manual", 200, "ok"),
            ] {
                let response = service.get_from(target, Some("Sampled=?"));
                assert_eq!((response.status(), response.text().as_str()), (status, body), "{target}");
                assert_eq!(response.header("x-amzn-trace-id"), None);
            }
            service.stop();
            assert_eq!(daemon.received(), 0, "{variable:?}");
        }
    });
}

#[test]
fn the_callers_sampling_decision_is_respected() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start(&daemon);
        let not_sampled = service.get_from("/seq/2", Some(&format!("Root={ROOT};Parent={PARENT};Sampled=0")));
        assert_eq!((not_sampled.text().as_str(), not_sampled.header("x-amzn-trace-id")), ("ok", None));
        let sampled = service.get_from("/ok", Some(&format!("Root={ROOT};Parent={PARENT};Sampled=1")));
        assert_eq!(sampled.header("x-amzn-trace-id"), None);

        let documents = daemon.documents(1, TIMEOUT);
        assert_eq!(documents.len(), 1);
        let document = documents[0].json();
        assert_eq!((&document["trace_id"], &document["parent_id"]), (&json!(ROOT), &json!(PARENT)));
        daemon.assert_valid();
    });
}

#[test]
fn the_trace_of_an_opentelemetry_caller_is_continued() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let (front, back) = (program.start(&daemon), program.start(&daemon));
        let traceparent = format!("00-{}-{PARENT}-01", ROOT[2..].replace('-', ""));
        for client in ["reqwest", "hyper"] {
            let target = format!("/out/{client}?url=http://{}/ok", back.address());
            let response = http::request(front.address(), "GET", &target, &[("traceparent", &traceparent)]);
            assert_eq!(response.expect("a response").text(), r#"{"status":200}"#);

            let documents = daemon.documents(2, TIMEOUT);
            daemon.take();
            let of = |calls: bool| documents.iter().find(|document| document.json()["subsegments"].is_array() == calls);
            let (front, back) =
                (of(true).expect("the caller's segment"), of(false).expect("the called service's segment"));
            for document in [front, back] {
                assert_eq!(document.json()["trace_id"], ROOT);
            }
            assert_eq!(front.json()["parent_id"], PARENT);
            assert_eq!(back.json()["parent_id"], front.json()["subsegments"][0]["id"]);
        }
        daemon.assert_valid();
    });
}

#[test]
fn a_caller_that_asks_gets_the_sampling_decision() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start(&daemon);
        // The first request of each second is always recorded.
        let response = service.get_from("/ok", Some(&format!("Root={ROOT};Sampled=?")));
        assert_eq!(response.header("x-amzn-trace-id"), Some(format!("Root={ROOT};Sampled=1").as_str()));
        assert_eq!(daemon.documents(1, TIMEOUT)[0].json()["trace_id"], ROOT);
    });
}

#[test]
fn a_host_that_matches_the_pattern_names_the_segment() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start_with(&daemon, &["--pattern", "*.example.com"], &[]);
        for (host, name) in [("orders.example.com", "orders.example.com"), ("evil.test", "shop")] {
            let headers = [("Host", host), ("X-Amzn-Trace-Id", "Sampled=1")];
            let response = http::request(service.address(), "GET", "/ok", &headers).expect("a response");
            assert_eq!(response.status(), 200);
            daemon.documents(1, TIMEOUT);
            assert_eq!(Forest::of(&daemon.take()).text(), format!("{name} 200\n"));
        }
    });
}

#[test]
fn the_environment_overrides_segment_names() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start_with(&daemon, &[], &[("AWS_XRAY_TRACING_NAME", "renamed")]);
        service.get("/ok");
        assert_eq!(Forest::of(&daemon.documents(1, TIMEOUT)).text(), "renamed 200\n");
    });
}

#[test]
fn an_invalid_variable_is_logged_and_changes_no_response() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let bad = [("AWS_XRAY_DAEMON_ADDRESS", "nonsense"), ("AWS_XRAY_CONTEXT_MISSING", "whatever")];
        let service = program.start_with(&daemon, &[], &bad);
        let line = service.wait_for_log("AWS_XRAY_DAEMON_ADDRESS");
        assert!(line.contains("AWS_XRAY_CONTEXT_MISSING"), "{line}");
        assert_eq!(service.get("/seq/3").text(), "ok");
        service.stop();
    });
}
