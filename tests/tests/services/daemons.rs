//! A daemon that is absent, and one that restarts.

use std::time::Instant;

use xray_tests::daemon::Daemon;
use xray_tests::forest::Forest;

use crate::service::{Service, TIMEOUT, for_each_framework};

/// Makes requests until a document is received. Sending the first ones reveals to the sender that earlier ones were
/// lost.
fn wait_until_received(service: &Service, daemon: &Daemon) {
    let deadline = Instant::now() + TIMEOUT;
    while daemon.take().is_empty() {
        assert!(Instant::now() < deadline, "no document was received");
        assert_eq!(service.get("/ok").text(), "ok");
    }
}

#[test]
fn requests_are_served_without_a_daemon_and_a_late_daemon_is_found() {
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
fn a_restarted_daemon_is_found_again() {
    for_each_framework(|program| {
        let mut daemon = Daemon::start();
        let service = program.start(&daemon);
        service.get("/ok");
        daemon.documents(1, TIMEOUT);
        daemon.stop();
        for _ in 0..50 {
            assert_eq!(service.get("/ok").text(), "ok");
        }
        daemon.restart();
        daemon.take();
        wait_until_received(&service, &daemon);
        // From here on no document is lost.
        daemon.take();
        service.get("/fan/3");
        service.stop();
        let forest = Forest::of(&daemon.take());
        assert!(forest.find("child-2").is_some(), "{}", forest.text());
        daemon.assert_valid();
    });
}
