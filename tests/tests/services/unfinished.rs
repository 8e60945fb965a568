//! Requests that are interrupted by the client, by a panic, or by the end of the process.

use std::time::Duration;

use serde_json::json;
use xray_tests::daemon::Daemon;
use xray_tests::forest::Forest;

use crate::service::{TIMEOUT, for_each_framework};

/// Makes the SDK log the beginning of each request for which the caller has made no sampling decision.
const LOG: (&str, &str) = ("AWS_XRAY_DEBUG_MODE", "true");

#[test]
fn a_client_that_disconnects_during_the_body_aborts_it() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start(&daemon);
        let mut connection = service.send("/stream/1000000/1", Some("Sampled=1"));
        let head = connection.head().expect("the head arrives immediately");
        assert_eq!(head.status(), 200);
        connection.chunk().expect("the first chunk");
        connection.reset().expect("the connection is open");
        let forest = Forest::of(&daemon.documents(1, TIMEOUT));
        let segment = forest.entity(forest.roots()[0]);
        assert_eq!(segment.at("/metadata/xray/aborted"), Some(&json!(true)));
        assert_eq!(segment.at("/http/response"), Some(&json!({"status": 200})));
        assert_eq!(forest.text(), "shop 200\n");
        daemon.assert_valid();
    });
}

#[test]
fn a_client_that_disconnects_before_the_response_cancels_the_request() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start_with(&daemon, &[], &[LOG]);
        let connection = service.send("/sleep/60000", None);
        service.wait_for_log("/sleep/60000");
        connection.reset().expect("the connection is open");
        let forest = Forest::of(&daemon.documents(1, TIMEOUT));
        let segment = forest.entity(forest.roots()[0]);
        assert_eq!(segment.at("/cause/exceptions/0/type"), Some(&json!("Cancelled")));
        assert_eq!(segment.at("/http/response"), None);
        assert_eq!(forest.text(), "shop fault\n");
        assert_eq!(service.get("/ok").text(), "ok");
        daemon.assert_valid();
    });
}

#[test]
fn requests_are_served_after_a_panic() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start(&daemon);
        for _ in 0..20 {
            // The connection ends, or the status is 500.
            let _ = service.try_request("GET", "/panic");
        }
        let text = service.get("/annotate/after").text();
        let forest = Forest::of(&daemon.documents(21, TIMEOUT));
        let last = forest.find("shop").and_then(|_| forest.walk().into_iter().find(|(_, e)| e.trace_id() == text));
        let (depth, segment) = last.expect("the request after the panics is traced");
        assert_eq!((depth, segment.at("/annotations/value")), (0, Some(&json!("after"))));
        assert_eq!(forest.roots().len(), 21, "no request leaked into another one");
        daemon.assert_valid();
    });
}

#[test]
fn a_request_in_progress_at_termination_is_completed_and_sent() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start_with(&daemon, &[], &[LOG]);
        let mut connection = service.send("/sleep/700", None);
        service.wait_for_log("/sleep/700");
        service.terminate();
        assert_eq!(connection.response().expect("a complete response").text(), "ok");
        service.wait();
        let forest = Forest::of(&daemon.take());
        assert_eq!(forest.text(), "shop 200\n");
        daemon.assert_valid();
    });
}

#[test]
fn a_leaked_subsegment_is_sent_when_the_process_ends() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start(&daemon);
        service.get("/leak");
        service.stop();
        let forest = Forest::of(&daemon.take());
        assert_eq!(forest.text(), "shop 200\n  leaked\n");
        assert!(forest.find("leaked").is_some_and(|leaked| leaked.sent().alone));
        daemon.assert_valid();
    });
}

#[test]
fn an_idle_process_ends_at_once() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start(&daemon);
        let idle = std::net::TcpStream::connect_timeout(&service.address(), Duration::from_secs(5));
        service.stop();
        drop(idle);
        assert_eq!(daemon.received(), 0);
    });
}
