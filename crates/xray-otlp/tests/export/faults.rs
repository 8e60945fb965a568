//! Receivers that fail: every document is counted once, memory is bounded, and the application does not wait.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use xray_core::Recorder;
use xray_core::diagnostics::Level;
use xray_core::emit::Flushed;
use xray_core::stats::Stats;
use xray_otlp::{Batching, Otlp};

use crate::receiver::{Act, Receiver};
use crate::{Reports, SOON, has, recorder};

/// Returns the number of documents whose fate has been counted.
fn settled(stats: &Stats) -> u64 {
    stats.emitted + stats.superseded + stats.dropped_queue_full + stats.dropped_unsent + stats.dropped_rejected
}

fn quick() -> Batching {
    Batching::default().delay(Duration::from_millis(1))
}

fn against(receiver: &Receiver, batching: Batching) -> (Recorder, Reports) {
    recorder(Otlp::builder().endpoint(receiver.url()).batching(batching).build().unwrap())
}

#[test]
fn retryable_failures_are_retried_until_the_request_is_accepted() {
    let busy = |status| Act::Respond(status, "Retry-After: 0\r\n", Vec::new());
    for act in [busy(429), busy(502), busy(503), busy(504), Act::CloseInRequest] {
        let receiver = Receiver::start([act.clone(), act.clone()]);
        let (recorder, reports) = against(&receiver, quick());
        recorder.begin("shop").close();
        assert_eq!(recorder.flush(SOON), Flushed::All, "{act:?}");
        let stats = recorder.stats();
        assert_eq!((stats.emitted, stats.retries, settled(&stats)), (1, 2, 1), "{act:?}");
        assert!(has(&reports, Level::Warn, "export_failed", "retrying"), "{act:?} {reports:?}");
        assert!(has(&reports, Level::Info, "export_resumed", receiver.address()), "{act:?} {reports:?}");
        let spans = receiver.rest().pop().unwrap().spans();
        assert_eq!(spans.len(), 1);
    }
}

#[test]
fn a_requested_pause_is_respected() {
    let receiver = Receiver::start([Act::Respond(429, "Retry-After: 2\r\n", Vec::new())]);
    let (recorder, _) = against(&receiver, quick());
    recorder.begin("shop").close();
    receiver.next();
    let start = Instant::now();
    receiver.next();
    assert!(start.elapsed() > Duration::from_millis(1_900), "{:?}", start.elapsed());
}

#[test]
fn rejected_requests_are_dropped_and_reported() {
    for (status, body, reason) in [(400, "no such span", "400 (no such span)"), (401, "", "401"), (500, "", "500")] {
        let receiver = Receiver::start([Act::Respond(status, "", body.into())]);
        let (recorder, reports) = against(&receiver, quick());
        recorder.begin("shop").close();
        assert_eq!(recorder.flush(SOON), Flushed::All);
        recorder.begin("shop").close();
        assert_eq!(recorder.flush(SOON), Flushed::All);
        let stats = recorder.stats();
        assert_eq!((stats.dropped_rejected, stats.emitted, stats.retries), (1, 1, 0), "{status}");
        assert!(has(&reports, Level::Error, "export_refused", reason), "{reports:?}");
    }
}

#[test]
fn rejected_spans_of_a_partial_success_are_counted_and_reported() {
    let json = br#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}"#;
    let json = Act::Respond(200, "Content-Type: application/json\r\n", json.to_vec());
    for (act, rejected, level, cause) in [
        (Act::partial(2, "too old"), 2, Level::Error, "export_partial"),
        (json, 2, Level::Error, "export_partial"),
        (Act::partial(0, "too old"), 0, Level::Warn, "export_remark"),
    ] {
        let receiver = Receiver::start([act]);
        let (recorder, reports) = against(&receiver, quick());
        recorder.begin("shop").close();
        recorder.flush(SOON);
        let stats = recorder.stats();
        assert_eq!((stats.emitted, stats.rejected_spans, stats.retries), (1, rejected, 0));
        assert!(has(&reports, level, cause, "too old"), "{reports:?}");
    }
}

#[test]
fn a_truncated_or_unreadable_success_response_counts_as_accepted() {
    let garbage = Act::Respond(200, "Content-Type: application/x-protobuf\r\n", vec![0xff; 100]);
    let endless = Act::Respond(200, "", vec![b'x'; 1 << 20]);
    for act in [Act::CloseInResponse, garbage, endless, Act::Respond(202, "", b"{".to_vec())] {
        let receiver = Receiver::start([act]);
        let (recorder, _) = against(&receiver, quick());
        recorder.begin("shop").close();
        assert_eq!(recorder.flush(SOON), Flushed::All);
        assert_eq!((recorder.stats().emitted, recorder.stats().retries), (1, 0));
    }
}

#[test]
fn a_batch_that_is_too_large_is_halved() {
    let too_large = || Act::Respond(413, "", Vec::new());
    let hour = Batching::default().delay(Duration::from_secs(3_600));
    // The batch of eight is too large, then one of four, then one of two.
    let receiver = Receiver::start([too_large(), too_large(), Act::ok(), too_large(), Act::ok(), too_large()]);
    let (recorder, reports) = against(&receiver, hour);
    for n in 0..8 {
        recorder.begin(format!("segment {n}")).close();
    }
    assert_eq!(recorder.flush(SOON), Flushed::All);
    let sizes: Vec<_> = receiver.rest().iter().map(|request| request.spans().len()).collect();
    assert_eq!(sizes, [8, 4, 2, 2, 1, 1, 4]);
    assert_eq!((recorder.stats().emitted, recorder.stats().dropped_rejected), (7, 1));
    assert!(has(&reports, Level::Error, "export_refused", "too large"), "{reports:?}");
}

#[test]
fn an_absent_receiver_costs_documents_and_no_time_of_the_application() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let batching = quick().queue_bytes(20_000).retry_for(Duration::from_millis(700));
    let otlp = Otlp::builder().endpoint(format!("http://{address}")).batching(batching).build().unwrap();
    let (recorder, reports) = recorder(otlp);
    let mut slowest = Duration::ZERO;
    for _ in 0..1_000 {
        let start = Instant::now();
        recorder.begin("shop").close();
        slowest = slowest.max(start.elapsed());
    }
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    assert!(matches!(recorder.flush(Duration::ZERO), Flushed::TimedOut { left } if left < 100), "bounded");
    assert_eq!(recorder.flush(SOON), Flushed::All);
    let stats = recorder.stats();
    assert!(stats.dropped_queue_full > 900 && stats.dropped_unsent > 0, "{stats:?}");
    assert_eq!(settled(&stats), 1_000);
    assert!(has(&reports, Level::Warn, "export_failed", "refused"), "{reports:?}");
    assert!(has(&reports, Level::Error, "export_lost", &address), "{reports:?}");
    assert!(has(&reports, Level::Error, "queue_full", "20000 bytes"), "{reports:?}");

    // Once a receiver listens there, documents are sent again.
    let receiver = Receiver::at(&address, []);
    recorder.begin("shop").close();
    assert_eq!(recorder.flush(SOON), Flushed::All);
    assert_eq!((recorder.stats().emitted, receiver.rest().len()), (1, 1));
}

#[test]
fn a_request_to_a_slow_receiver_ends_with_the_timeout() {
    let receiver = Receiver::start([Act::Hang]);
    let otlp = Otlp::builder().endpoint(receiver.url()).batching(quick()).timeout(Duration::from_millis(200));
    let (recorder, reports) = recorder(otlp.build().unwrap());
    recorder.begin("shop").close();
    let start = Instant::now();
    assert_eq!(recorder.flush(Duration::from_millis(50)), Flushed::TimedOut { left: 1 });
    assert!(start.elapsed() < Duration::from_secs(5), "the flush took too long");
    assert_eq!(recorder.flush(SOON), Flushed::All);
    assert_eq!((recorder.stats().emitted, recorder.stats().retries), (1, 1));
    assert!(has(&reports, Level::Warn, "export_failed", "timeout"), "{reports:?}");
}

#[test]
fn dropping_the_recorder_ends_in_time_without_a_response() {
    let receiver = Receiver::start([Act::Hang, Act::Hang]);
    let (recorder, _) = against(&receiver, quick());
    recorder.begin("shop").close();
    receiver.next();
    recorder.begin("shop").close();
    let start = Instant::now();
    drop(recorder);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn dropping_the_recorder_during_a_pause_gives_up_and_reports_it() {
    let receiver = Receiver::start([Act::Respond(503, "Retry-After: 100\r\n", Vec::new())]);
    let (recorder, reports) = against(&receiver, quick().retry_for(Duration::from_secs(600)));
    recorder.begin("shop").close();
    receiver.next();
    let flushed = std::pin::pin!(recorder.flushed());
    let start = Instant::now();
    drop(recorder);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(has(&reports, Level::Error, "export_lost", "503; no time was left"), "{reports:?}");
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(flushed.poll(&mut context).is_ready(), "the flush did not end with its documents");
    assert!(receiver.rest().is_empty());
}

#[test]
fn every_document_lost_to_a_throttled_receiver_is_counted() {
    let throttle = || Act::Respond(429, "Retry-After: 0\r\n", Vec::new());
    let script = (0..60).map(|n| match n % 6 {
        0 | 3 => Act::ok(),
        1 => throttle(),
        2 => Act::CloseInRequest,
        4 => Act::partial(1, "one of them"),
        _ => Act::Respond(400, "", b"no".to_vec()),
    });
    let receiver = Receiver::start(script);
    let (recorder, _) = against(&receiver, quick().documents(20));
    for _ in 0..1_000 {
        recorder.begin("shop").close();
    }
    assert_eq!(recorder.flush(Duration::from_secs(120)), Flushed::All);
    let stats = recorder.stats();
    assert_eq!(settled(&stats), 1_000, "{stats:?}");
    assert!(stats.dropped_rejected > 0 && stats.rejected_spans > 0 && stats.retries > 0, "{stats:?}");
    assert_eq!((stats.dropped_queue_full, stats.dropped_unsent), (0, 0));
}
