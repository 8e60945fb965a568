//! Requests that somebody does not want to be finished.

use std::time::Duration;

use serde_json::json;
use xray_tests::daemon::Daemon;
use xray_tests::forest::Forest;

use crate::service::{PATIENCE, for_each_framework};

/// The SDK's log tells when a request begins, if its caller has not decided already.
const LOG: (&str, &str) = ("AWS_XRAY_DEBUG_MODE", "true");

#[test]
fn a_client_that_leaves_in_the_middle_of_the_body_aborts_it() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start(&daemon);
        let mut connection = service.send("/stream/1000000/1", Some("Sampled=1"));
        let head = connection.head().expect("the head comes at once");
        assert_eq!(head.status(), 200);
        connection.chunk().expect("the body has begun");
        connection.reset().expect("it is open");
        let forest = Forest::of(&daemon.documents(1, PATIENCE));
        let segment = forest.entity(forest.roots()[0]);
        assert_eq!(segment.at("/metadata/xray/aborted"), Some(&json!(true)));
        assert_eq!(segment.at("/http/response"), Some(&json!({"status": 200})));
        assert_eq!(forest.text(), "shop 200\n");
        daemon.assert_valid();
    });
}

#[test]
fn a_client_that_leaves_before_the_answer_cancels_the_request() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start_with(&daemon, &[], &[LOG]);
        let connection = service.send("/sleep/60000", None);
        service.wait_for_log("/sleep/60000");
        connection.reset().expect("it is open");
        let forest = Forest::of(&daemon.documents(1, PATIENCE));
        let segment = forest.entity(forest.roots()[0]);
        assert_eq!(segment.at("/cause/exceptions/0/type"), Some(&json!("Cancelled")));
        assert_eq!(segment.at("/http/response"), None);
        assert_eq!(forest.text(), "shop fault\n");
        assert_eq!(service.get("/ok").text(), "ok");
        daemon.assert_valid();
    });
}

#[test]
fn after_a_panic_requests_are_served() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start(&daemon);
        for _ in 0..20 {
            // Either a connection that ends, or 500.
            let _ = service.try_request("GET", "/panic");
        }
        let text = service.get("/annotate/after").text();
        let forest = Forest::of(&daemon.documents(21, PATIENCE));
        let last = forest.find("shop").and_then(|_| forest.walk().into_iter().find(|(_, e)| e.trace_id() == text));
        let (depth, segment) = last.expect("the request after the panics is traced");
        assert_eq!((depth, segment.at("/annotations/value")), (0, Some(&json!("after"))));
        assert_eq!(forest.roots().len(), 21, "no request leaked into another one");
        daemon.assert_valid();
    });
}

#[test]
fn a_request_that_is_served_when_the_process_is_to_end_is_finished_and_sent() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start_with(&daemon, &[], &[LOG]);
        let mut connection = service.send("/sleep/700", None);
        service.wait_for_log("/sleep/700");
        service.terminate();
        assert_eq!(connection.response().expect("it is finished").text(), "ok");
        service.wait();
        let forest = Forest::of(&daemon.take());
        assert_eq!(forest.text(), "shop 200\n");
        daemon.assert_valid();
    });
}

#[test]
fn what_is_leaked_when_the_process_ends_is_sent() {
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
fn a_process_with_nothing_to_do_ends_at_once() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start(&daemon);
        let idle = std::net::TcpStream::connect_timeout(&service.address(), Duration::from_secs(5));
        service.stop();
        drop(idle);
        assert_eq!(daemon.received(), 0);
    });
}
