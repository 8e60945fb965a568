//! A daemon that is not there, and one that comes back.

use std::time::Instant;

use xray_tests::daemon::Daemon;
use xray_tests::forest::Forest;

use crate::service::{PATIENCE, Service, for_each_framework};

/// Makes requests until one of them is received: the first ones tell the sender what became of those before.
fn wait_until_received(service: &Service, daemon: &Daemon) {
    let deadline = Instant::now() + PATIENCE;
    while daemon.take().is_empty() {
        assert!(Instant::now() < deadline, "nothing is received");
        assert_eq!(service.get("/ok").text(), "ok");
    }
}

#[test]
fn without_a_daemon_requests_are_served_and_a_late_one_is_found() {
    for_each_framework(|program| {
        let mut daemon = Daemon::start();
        daemon.stop();
        let service = program.start(&daemon);
        for _ in 0..50 {
            assert_eq!(service.get("/seq/3").text(), "ok");
        }
        daemon.restart();
        wait_until_received(&service, &daemon);
        service.stop();
        daemon.assert_valid();
    });
}

#[test]
fn a_daemon_that_was_restarted_is_found_again() {
    for_each_framework(|program| {
        let mut daemon = Daemon::start();
        let service = program.start(&daemon);
        service.get("/ok");
        daemon.documents(1, PATIENCE);
        daemon.stop();
        for _ in 0..50 {
            assert_eq!(service.get("/ok").text(), "ok");
        }
        daemon.restart();
        daemon.take();
        wait_until_received(&service, &daemon);
        // From now on nothing is lost.
        daemon.take();
        service.get("/fan/3");
        service.stop();
        let forest = Forest::of(&daemon.take());
        assert!(forest.find("child-2").is_some(), "{}", forest.text());
        daemon.assert_valid();
    });
}
