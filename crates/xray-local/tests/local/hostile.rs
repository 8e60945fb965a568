//! Input that must not stop a receiver, exhaust its stack or reach the terminal.

use std::net::UdpSocket;
use std::sync::mpsc;
use std::time::Duration;

use proptest::prelude::*;
use xray_local::{Receiver, Refusal, Store, Style, render};

use crate::tree::{TRACE, datagram, document, receive, trace};

#[test]
fn bad_datagrams_are_counted_and_skipped() {
    let good = document(1, "good", r#","start_time":1,"end_time":2"#);
    let framed = |document: &str| datagram(document);
    let text = String::from_utf8(good.clone()).unwrap();
    let sent = [
        Vec::new(),
        b"x".to_vec(),
        good[..30].to_vec(),
        text.replace("\"version\":1", "\"version\":2").into_bytes(),
        framed("not json"),
        framed("[1,2]"),
        framed("{}"),
        [good.clone(), good[30..].to_vec()].concat(),
        framed(&"[".repeat(60_000)),
        framed(&"{\"a\":".repeat(12_000)),
        vec![0xff; 1_000],
        good,
    ];
    let store = receive(&sent);
    let stats = store.stats();
    assert_eq!((stats.datagrams, stats.missing_header, stats.invalid_header, stats.invalid_document), (11, 3, 1, 6));
    assert_eq!(store.traces().len(), 1);
}

#[test]
fn bad_utf8_is_replaced() {
    let mut datagram = document(1, "b?d", r#","start_time":1"#);
    let at = datagram.iter().position(|&byte| byte == b'?').unwrap();
    datagram[at] = 0xff;
    assert_eq!(trace(&[datagram]).nodes().next().unwrap().name(), "b\u{fffd}d");
}

#[test]
fn a_deeply_nested_datagram_is_one_long_branch() {
    let level = |id: usize| format!(r#"{{"id":"{id:016x}","name":"n","start_time":1,"end_time":2,"subsegments":["#);
    let depth = 700;
    let inner: String = (1..depth).map(level).collect();
    let text = format!(r#","start_time":1,"end_time":2,"subsegments":[{inner}{}"#, "]}".repeat(depth - 1) + "]");
    let datagram = document(0, "top", &text);
    assert!(datagram.len() < 65_507, "{}", datagram.len());
    let store = receive(&[datagram]);
    assert_eq!(store.traces()[0].nodes().last().unwrap().depth(), depth - 1);
}

#[test]
fn a_chain_of_ten_thousand_overflows_no_stack() {
    let depth = 10_000_u64;
    let link = |id: u64| {
        let parent = if id == 0 { String::new() } else { format!(r#","parent_id":"{:016x}""#, id - 1) };
        document(id, "link", &format!(r#","start_time":1,"end_time":2{parent}"#))
    };
    // The stack is small, so that any recursion overflows it.
    let work = move || {
        let trace = trace(&(0..depth).map(link).collect::<Vec<_>>());
        let last = trace.nodes().last().unwrap();
        assert_eq!((last.depth(), trace.roots().next().unwrap().descendants()), (9_999, 9_999));
        let picture = render(&trace, &Style::plain().with_rows(usize::MAX));
        assert_eq!(picture.lines().count(), 10_001);
        assert!(picture.lines().all(|line| line.chars().count() <= 100));
    };
    std::thread::Builder::new().stack_size(128 * 1024).spawn(work).unwrap().join().unwrap();
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let evil = r"\u001b]0;owned\u0007\u001b[2J\u009b31m\u202e\n\r\u0000";
    let members = format!(
        r#","start_time":1,"end_time":2,"fault":true,"namespace":"{evil}","aws":{{"operation":"{evil}"}},
        "http":{{"request":{{"method":"{evil}","url":"{evil}"}}}},"sql":{{"sanitized_query":"{evil}"}},
        "annotations":{{"{evil}":"{evil}"}},"cause":{{"exceptions":[{{"type":"{evil}","message":"{evil}"}}]}}"#
    );
    let child = document(2, evil, &format!(r#"{members},"parent_id":"0000000000000001""#));
    let picture = render(&trace(&[document(1, evil, &members), child]), &Style::plain());
    assert!(picture.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')), "{picture:?}");
    assert_eq!(picture.lines().count(), 10, "{picture}");
}

#[test]
fn extreme_times_are_still_rendered() {
    for times in
        ["-1e300,\"end_time\":1e300", "1e300,\"end_time\":-1", "0,\"end_time\":1795399776.4", "5,\"end_time\":4"]
    {
        let child = document(2, "child", r#","parent_id":"0000000000000001","start_time":-5,"end_time":9e99"#);
        let trace = trace(&[document(1, "top", &format!(",\"start_time\":{times}")), child]);
        for width in [0, 64, 80, 120, usize::MAX] {
            assert!(render(&trace, &Style::plain().with_width(width)).lines().count() >= 3, "{times}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_cause_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let store = Store::new();
        let _ = store.accept(&bytes);
        let _ = store.accept(&[b"{\"format\":\"json\",\"version\":1}\n", bytes.as_slice()].concat());
    }

    #[test]
    fn json_like_text_causes_no_panic(text in r#"([\{\}\[\],:"\\ ]|"subsegments":\[|"id":"0000000000000001"|"name":"n"|"start_time":1|"trace_id":"1-00000000-000000000000000000000000"){0,40}"#) {
        let store = Store::new();
        let _ = store.accept(&datagram(&text));
        for trace in store.traces() {
            render(&trace, &Style::plain());
        }
    }

    #[test]
    fn every_line_fits_the_width(name in "[ -~]{0,80}", value in "[ -~]{0,200}", width in 64..140_usize) {
        let name: String = name.chars().filter(|c| !matches!(c, '"' | '\\')).collect();
        let value: String = value.chars().filter(|c| !matches!(c, '"' | '\\')).collect();
        let members = format!(r#","start_time":1,"end_time":2,"annotations":{{"k":"{value}"}}"#);
        let picture = render(&trace(&[document(1, &name, &members)]), &Style::plain().with_width(width));
        prop_assert_eq!(picture.lines().count(), 3);
        prop_assert!(picture.lines().all(|line| line.chars().count() <= width));
    }
}

#[test]
fn memory_stays_within_the_limit() {
    let receiver = Receiver::builder().memory(100_000).bind("127.0.0.1:0").unwrap();
    let store = receiver.store();
    for i in 0..2_000 {
        let text =
            format!(r#"{{"trace_id":"1-{i:08x}-000000000000000000000000","id":"{i:016x}","name":"n","start_time":1}}"#);
        store.accept(&datagram(&text)).unwrap();
        assert!(store.stats().bytes <= 100_000);
    }
    let stats = store.stats();
    assert!(stats.traces > 50 && stats.evicted == 2_000 - stats.traces as u64);
    assert!(store.get("1-00000000-000000000000000000000000".parse().unwrap()).is_none());
    assert!(store.get("1-000007cf-000000000000000000000000".parse().unwrap()).is_some());
}

#[test]
fn a_panicking_viewer_does_not_stop_the_others() {
    let (seen, shown) = mpsc::channel();
    let receiver = Receiver::builder()
        .settle_time(Duration::ZERO)
        .on_trace(|_| panic!("on purpose"))
        .on_trace(move |trace| seen.send(trace.id().to_string()).unwrap())
        .bind("127.0.0.1:0")
        .unwrap();
    receiver.store().accept(&document(1, "n", r#","start_time":1,"end_time":2"#)).unwrap();
    assert_eq!(shown.recv_timeout(Duration::from_secs(10)).unwrap(), TRACE);
    assert!(receiver.wait_for(1, Duration::from_secs(10)));
}

#[test]
fn dropping_the_receiver_shows_unfinished_traces() {
    let (seen, shown) = mpsc::channel();
    let receiver = Receiver::builder()
        .settle_time(Duration::MAX)
        .on_trace(move |trace| seen.send((trace.len(), trace.is_complete())).unwrap())
        .bind("127.0.0.1:0")
        .unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&document(1, "n", r#","start_time":1,"in_progress":true"#), receiver.address()).unwrap();
    assert!(!receiver.wait_for(1, Duration::ZERO));
    drop(receiver);
    assert_eq!(shown.iter().collect::<Vec<_>>(), [(1, false)]);
}

#[test]
fn hostile_documents_lose_no_others() {
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    let members = r#","start_time":1,"end_time":2"#;
    let depth = 700;
    let level = |id: usize| format!(r#"{{"id":"{id:016x}","name":"n","start_time":1,"end_time":2,"subsegments":["#);
    let inner: String = (10..10 + depth).map(level).collect();
    let deep = format!(r#"{members},"subsegments":[{inner}{}"#, "]}".repeat(depth) + "]");
    let annotations: Vec<String> = (0..4_000).map(|i| format!(r#""k{i}":{i}"#)).collect();
    let hostile = [
        document(1, &"n".repeat(60_000), members),
        document(2, "many", &format!(r#"{members},"annotations":{{{}}}"#, annotations.join(","))),
        document(3, "deep", &deep),
        datagram(&"[".repeat(60_000)),
        datagram(&"{\"subsegments\":[".repeat(4_000)),
        vec![0xff; 60_000],
        b"{\"format\":\"json\",\"version\":1}\n".to_vec(),
    ];
    let good = |number: u64| {
        datagram(&format!(
            r#"{{"trace_id":"1-00000001-{number:024x}","id":"{number:016x}","name":"good","start_time":1,"end_time":2}}"#
        ))
    };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sent = 0;
    for number in 1..=100 {
        for datagram in [&hostile[number as usize % hostile.len()], &good(number)] {
            socket.send_to(datagram, receiver.address()).unwrap();
            sent += 1;
            // No buffer overflows, so what is missing was lost by the receiver.
            let begin = std::time::Instant::now();
            while receiver.store().stats().datagrams < sent {
                assert!(begin.elapsed() < Duration::from_secs(20));
                std::thread::yield_now();
            }
        }
    }
    assert_eq!(receiver.traces("service(\"good\")").unwrap().len(), 100);
    let whole = receiver.store().get(TRACE.parse().unwrap()).unwrap();
    assert_eq!(whole.len(), 3 + depth);
    let stats = receiver.store().stats();
    assert_eq!(stats.missing_header + stats.invalid_header + stats.invalid_document, 4 * 14);
}

#[test]
fn refusals_have_a_reason() {
    let store = Store::new();
    assert_eq!(store.accept(b"{}"), Err(Refusal::MissingHeader));
    assert_eq!(store.accept(b"{}\n{}"), Err(Refusal::InvalidHeader));
    assert_eq!(store.accept(&datagram("{}")), Err(Refusal::InvalidDocument));
    assert_eq!(store.accept(b""), Ok(()));
}
