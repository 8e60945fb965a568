//! Requests to a receiver that accepts them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use xray_core::emit::Flushed;
use xray_otlp::{Batching, Compression, Encoding, Otlp};

use crate::receiver::Receiver;
use crate::{SOON, recorder};

#[test]
fn a_trace_arrives_as_a_tree_of_spans() {
    let receiver = Receiver::start([]);
    let (recorder, reports) = recorder(Otlp::new(receiver.url()).unwrap());
    let segment = recorder.begin("shop");
    let load = segment.subsegment("load");
    load.subsegment("query").annotate("rows", 7);
    load.close();
    segment.close();
    assert_eq!(recorder.flush(SOON), Flushed::All);
    let request = receiver.next();
    assert_eq!(request.path, "/v1/traces");
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(request.header("content-encoding"), Some("gzip"));
    assert!(request.header("user-agent").unwrap().starts_with("xray-otlp/"));
    let spans = request.spans();
    let parents: BTreeMap<_, _> = spans.iter().map(|span| (&*span.name, &span.parent_span_id)).collect();
    let id = |name: &str| &spans.iter().find(|span| span.name == name).unwrap().span_id;
    assert_eq!(parents, BTreeMap::from([("shop", &vec![]), ("load", id("shop")), ("query", id("load"))]));
    let stats = recorder.stats();
    assert_eq!((stats.emitted, stats.retries), (1, 0));
    assert!(stats.bytes > 0 && reports.lock().unwrap().is_empty(), "{reports:?}");
}

#[test]
fn options_change_the_requests() {
    let receiver = Receiver::start([]);
    let otlp = Otlp::builder().endpoint(format!("{}/tenant/v1/traces?a=1", receiver.url()));
    let otlp = otlp.header("X-Tenant", "shop").unwrap().compression(Compression::None).encoding(Encoding::Json);
    let (recorder, _) = recorder(otlp.build().unwrap());
    recorder.begin("shop").close();
    recorder.flush(SOON);
    let request = receiver.next();
    assert_eq!(request.path, "/tenant/v1/traces?a=1");
    assert_eq!(request.header("x-tenant"), Some("shop"));
    assert_eq!((request.header("content-type"), request.header("content-encoding")), (Some("application/json"), None));
    let json: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(json["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"], "shop");
}

#[test]
fn a_batch_is_sent_when_its_number_or_its_bytes_reach_the_limit() {
    for batching in [Batching::default().documents(10), Batching::default().bytes(4_000)] {
        let receiver = Receiver::start([]);
        let hour = Duration::from_secs(3_600);
        let otlp = Otlp::builder().endpoint(receiver.url()).batching(batching.delay(hour)).build().unwrap();
        let (recorder, _) = recorder(otlp);
        for _ in 0..40 {
            recorder.begin("shop").close();
        }
        // Neither a flush nor the delay sends it.
        let sizes = [receiver.next(), receiver.next()].map(|request| request.spans().len());
        assert!(sizes.iter().all(|size| (2..=15).contains(size)), "{sizes:?}");
        recorder.flush(SOON);
        let rest: usize = receiver.rest().iter().map(|request| request.spans().len()).sum();
        assert_eq!(sizes.iter().sum::<usize>() + rest, 40);
    }
}

#[test]
fn a_batch_is_sent_after_its_delay() {
    let receiver = Receiver::start([]);
    let batching = Batching::default().delay(Duration::from_millis(300));
    let (recorder, _) = recorder(Otlp::builder().endpoint(receiver.url()).batching(batching).build().unwrap());
    let start = Instant::now();
    recorder.begin("one").close();
    recorder.begin("two").close();
    assert_eq!(receiver.next().spans().len(), 2);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[test]
fn dropping_the_recorder_sends_queued_documents() {
    let receiver = Receiver::start([]);
    let (recorder, _) = recorder(Otlp::new(receiver.url()).unwrap());
    recorder.begin("shop").close();
    drop(recorder);
    assert_eq!(receiver.rest().len(), 1);
}

#[test]
fn an_announced_segment_is_sent_when_it_is_finished() {
    let receiver = Receiver::start([]);
    let (recorder, _) = recorder(Otlp::new(receiver.url()).unwrap());
    let segment = recorder.begin("shop");
    segment.announce();
    recorder.flush(SOON);
    assert_eq!(recorder.stats().superseded, 1);
    let late = segment.subsegment("late");
    segment.close();
    late.close();
    recorder.flush(SOON);
    let spans: Vec<_> = receiver.rest().iter().flat_map(|request| request.spans()).map(|span| span.name).collect();
    assert_eq!(spans, ["shop", "late"]);
    assert_eq!((recorder.stats().superseded, recorder.stats().emitted), (1, 2));
}

#[test]
fn concurrent_segments_arrive_complete_and_once() {
    let receiver = Receiver::start([]);
    let batching = Batching::default().documents(50).delay(Duration::from_millis(5));
    let (recorder, _) = recorder(Otlp::builder().endpoint(receiver.url()).batching(batching).build().unwrap());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for n in 0..125 {
                    recorder.begin("shop").subsegment(format!("part {n}")).close();
                }
            });
        }
    });
    assert_eq!(recorder.flush(SOON), Flushed::All);
    let spans: Vec<_> = receiver.rest().iter().flat_map(|request| request.spans()).map(|span| span.span_id).collect();
    let ids: std::collections::HashSet<_> = spans.iter().collect();
    assert_eq!((spans.len(), ids.len(), recorder.stats().emitted), (2_000, 2_000, 1_000));
}
