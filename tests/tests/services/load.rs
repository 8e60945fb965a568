//! Many requests at once, and large traces: nothing is lost or mixed up.

use std::collections::BTreeMap;
use std::thread;

use serde_json::json;
use xray_tests::daemon::Daemon;
use xray_tests::forest::Forest;

use crate::service::for_each_framework;

#[test]
fn concurrent_requests_are_not_mixed_up() {
    const REQUESTS: usize = 150;
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start(&daemon);
        let ask = |i: usize| (service.get(&format!("/annotate/{i}")).text(), i.to_string());
        let asked: BTreeMap<_, _> = thread::scope(|scope| {
            let threads: Vec<_> = (0..REQUESTS).map(|i| scope.spawn(move || ask(i))).collect();
            threads.into_iter().map(|thread| thread.join().expect("every request gets a response")).collect()
        });
        service.stop();
        assert_eq!(asked.len(), REQUESTS, "each request has its own trace");

        let forest = Forest::of(&daemon.take());
        assert_eq!((forest.walk().len(), forest.problems()), (REQUESTS, &[][..]));
        for (_, segment) in forest.walk() {
            let value = &asked[segment.trace_id()];
            assert_eq!(segment.at("/annotations"), Some(&json!({"value": value})));
            assert_eq!(segment.at("/metadata"), Some(&json!({"ns": {"info": {"value": value}}})));
            assert_eq!(segment.at("/user"), Some(&json!(format!("user-{value}"))));
        }
        daemon.assert_valid();
    });
}

/// Uses the same receive buffer as the real daemon.
#[test]
fn no_subsegment_of_a_large_trace_is_lost() {
    for_each_framework(|program| {
        for (target, name) in [("/seq/1500", "step"), ("/fan/1500", "child")] {
            let daemon = Daemon::with_default_buffer();
            let service = program.start(&daemon);
            service.get(target);
            service.stop();
            let forest = Forest::of(&daemon.take());
            assert_eq!(forest.problems(), [""; 0]);
            let walk = forest.walk();
            let mut lines: Vec<_> = walk.iter().map(|(depth, entity)| (*depth, entity.name().to_owned())).collect();
            let mut want: Vec<_> = (0..1500).map(|i| (1, format!("{name}-{i}"))).collect();
            want.insert(0, (0, "shop".to_owned()));
            // They begin so quickly that their start times may be equal.
            lines.sort();
            want.sort();
            assert!(lines == want, "{target}: {} of {} arrived", lines.len(), want.len());
            assert!(walk.iter().all(|(_, entity)| entity.at("/in_progress").is_none()));
            daemon.assert_valid();
        }
    });
}

#[test]
fn a_chain_of_ten_thousand_is_complete() {
    const DEPTH: usize = 10_000;
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start(&daemon);
        assert_eq!(service.get(&format!("/nest/{DEPTH}")).text(), "ok");
        service.stop();
        let forest = Forest::of(&daemon.take());
        assert_eq!(forest.problems(), [""; 0]);
        let walk = forest.walk();
        assert_eq!(walk.len(), DEPTH + 1);
        for (number, (depth, entity)) in walk.iter().enumerate().skip(1) {
            assert_eq!((*depth, entity.name()), (number, number.to_string().as_str()));
        }
        assert_eq!(walk[DEPTH].1.at("/annotations"), Some(&json!({"depth": DEPTH})));
        daemon.assert_valid();
    });
}

#[test]
fn metadata_larger_than_a_datagram_is_replaced_by_a_note() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let service = program.start(&daemon);
        assert_eq!(service.get("/metadata/204800").text(), "ok");
        service.stop();
        let forest = Forest::of(&daemon.take());
        assert_eq!(forest.text(), "shop 200\n  big\n");
        let big = forest.find("big").expect("the subsegment exists");
        let text = big.at("/metadata/default/text").and_then(|text| text.as_str());
        assert!(text.is_some_and(|text| text.len() < 200), "a note replaces it: {text:?}");
        daemon.assert_valid();
    });
}
