//! Tail sampling: traces are recorded first, and kept if something failed or was slow.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, SystemTime};

use xray_core::emit::MemoryEmitter;
use xray_core::sampling::{Always, Sampler, TailSampler};
use xray_core::time::{Clock, Timestamp};
use xray_core::{Exception, Flag, Recorder, Segment, TraceHeader};

fn recording(sampler: impl Sampler) -> (Recorder, MemoryEmitter, Clock) {
    let (emitter, clock) = (MemoryEmitter::new(), Clock::manual(Timestamp::from_micros(1_700_000_000_000_000)));
    let recorder = Recorder::builder().sampling(sampler).emitter(emitter.clone()).clock(clock.clone()).build();
    (recorder.unwrap(), emitter, clock)
}

fn sampled(segment: &Segment) -> String {
    let header = segment.trace_header().unwrap().to_string();
    header.rsplit_once("Sampled=").unwrap().1.to_owned()
}

#[test]
fn failures_and_slow_traces_are_kept() {
    type Work = fn(&Segment, &Clock);
    let cases: [(&str, Work, usize); 10] = [
        ("nothing", |_, _| (), 0),
        ("all well", |segment, _| segment.subsegment("step").close(), 0),
        ("fast", |_, clock| clock.advance(Duration::from_millis(499)), 0),
        ("slow", |_, clock| clock.advance(Duration::from_millis(500)), 1),
        ("an error", |segment, _| _ = segment.mark(Flag::Error), 1),
        ("a fault below", |segment, _| _ = segment.subsegment("step").fault(Exception::new("Broken", "it broke")), 1),
        ("a throttled call", |segment, _| _ = segment.subsegment("call").throttle(), 1),
        (
            "a failure that was too late",
            |segment, _| {
                let step = segment.subsegment("step");
                step.close();
                step.mark(Flag::Fault);
            },
            0,
        ),
        (
            "a failure of what is still open",
            |segment, _| std::mem::forget(segment.subsegment("step").mark(Flag::Fault).clone()),
            1,
        ),
        (
            "a panic",
            |segment, _| {
                let step = AssertUnwindSafe(segment.subsegment("step"));
                let panicked = catch_unwind(move || {
                    let _step = step;
                    panic!("as the test wants it");
                });
                assert!(panicked.is_err());
            },
            1,
        ),
    ];
    for (case, work, documents) in cases {
        let (recorder, emitter, clock) = recording(TailSampler::failures().slower_than(Duration::from_millis(500)));
        let segment = recorder.begin("shop");
        work(&segment, &clock);
        assert_eq!(emitter.take().len(), 0, "{case}: nothing leaves before the verdict");
        segment.close();
        assert_eq!(emitter.take().len(), documents, "{case}");
        assert_eq!(recorder.stats().traces_discarded, u64::from(documents == 0), "{case}");
    }
}

#[test]
fn calls_request_a_decision_from_the_called_service() {
    let (recorder, _, _) = recording(TailSampler::failures());
    let segment = recorder.begin("shop");
    assert_eq!(sampled(&segment), "?");
    assert!(!segment.traceparent().unwrap().is_sampled());
    segment.close();
    assert_eq!(sampled(&segment), "0", "the trace was discarded");
}

#[test]
fn the_callers_decision_wins_and_the_inner_sampler_decides_next() {
    let root = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=";
    let failures = TailSampler::failures;
    for (sampler, incoming, outgoing, documents) in [
        (failures(), "1", "1", 1),
        (failures(), "0", "0", 0),
        (failures(), "?", "?", 0),
        (failures().or_sampled_by(Always), "?", "1", 1),
    ] {
        let (recorder, emitter, _) = recording(sampler);
        let segment = recorder.begin_from("shop", &TraceHeader::parse(&format!("{root}{incoming}")));
        assert_eq!(sampled(&segment), outgoing);
        segment.close();
        assert_eq!(emitter.take().len(), documents);
    }
}

#[test]
fn documents_that_would_be_streamed_or_announced_wait_in_order() {
    for fails in [false, true] {
        let (recorder, emitter, _) = recording(TailSampler::failures());
        let segment = recorder.begin("shop");
        segment.announce();
        for _ in 0..150 {
            segment.subsegment("step").close();
        }
        if fails {
            segment.mark(Flag::Error);
        }
        assert_eq!(emitter.take().len(), 0);
        segment.close();
        let kept = emitter.take();
        let steps: usize = kept.iter().map(|document| document.json().matches("\"step\"").count()).sum();
        assert_eq!(steps, if fails { 150 } else { 0 });
        let last = kept.last().map(|document| document.json());
        assert_eq!(last.is_some_and(|segment| segment.contains("\"name\":\"shop\"")), fails);
    }
}

#[test]
fn a_trace_that_holds_too_much_is_kept() {
    let (recorder, emitter, _) = recording(TailSampler::failures());
    let segment = recorder.begin("shop");
    for _ in 0..12 {
        segment.subsegment("step").metadata("text", &"x".repeat(30_000)).clone().close();
    }
    assert!(emitter.take().len() > 4);
    assert_eq!(sampled(&segment), "1");
    segment.close();
    assert_eq!(emitter.take().len(), 1);
    assert_eq!(recorder.stats().traces_discarded, 0);
}

#[test]
fn threads_that_close_during_the_decision_lose_and_leak_nothing() {
    for round in 0..200 {
        let fails = round % 2 == 0;
        let (emitter, start) = (MemoryEmitter::new(), Barrier::new(5));
        let recorder = Recorder::builder().sampling(TailSampler::failures()).emitter(emitter.clone());
        let recorder = recorder.streaming_threshold(0).build().unwrap();
        let segment = recorder.begin("shop");
        if fails {
            segment.mark(Flag::Fault);
        }
        thread::scope(|scope| {
            for _ in 0..4 {
                let steps: Vec<_> = (0..10).map(|_| segment.subsegment("step")).collect();
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    steps.iter().for_each(|step| step.close());
                });
            }
            start.wait();
            segment.close();
        });
        let documents = emitter.take();
        if !fails {
            assert_eq!(documents.len(), 0);
            continue;
        }
        let ids: HashSet<_> = documents.iter().flat_map(|document| ids(document.json())).collect();
        assert_eq!(ids.len(), 41);
        let ended = documents.iter().map(|document| document.json().matches("\"end_time\"").count()).sum::<usize>();
        assert_eq!(ended, 41, "each once");
    }
}

#[test]
fn threads_that_close_one_segment_decide_once_and_keep_the_trace_whole() {
    const ROUNDS: u64 = 600;
    let (emitter, clock) = (MemoryEmitter::new(), Clock::manual(Timestamp::from_micros(1_700_000_000_000_000)));
    let bound = Duration::from_millis(1);
    let recorder = Recorder::builder().sampling(TailSampler::failures().slower_than(bound));
    let recorder = recorder.emitter(emitter.clone()).clock(clock).streaming_threshold(2).build().unwrap();
    let mut dropped = 0;
    for round in 0..ROUNDS {
        let segment = recorder.begin("shop");
        (0..6).for_each(|_| segment.subsegment("step").close());
        let open = segment.subsegment("open");
        let start = Barrier::new(3);
        let now = segment.clone();
        let at_once = SystemTime::UNIX_EPOCH;
        let later = at_once + Duration::from_secs(1_700_000_001);
        thread::scope(|scope| {
            // The threads would decide differently, and the first one decides.
            scope.spawn(|| {
                start.wait();
                now.close_at(at_once);
            });
            scope.spawn(|| {
                start.wait();
                if round % 2 == 0 { segment.close_at(later) } else { segment.close() }
            });
            start.wait();
            open.close();
        });
        let documents = emitter.take();
        let kept: HashSet<_> = documents.iter().flat_map(|document| ids(document.json())).collect();
        dropped += u64::from(documents.is_empty());
        assert_eq!(
            recorder.stats().traces_discarded,
            dropped,
            "round {round}: counted once, and nothing of it is sent"
        );
        if !documents.is_empty() {
            assert_eq!((round % 2, kept.len()), (0, 8), "round {round}: kept as a whole");
            let ended: usize = documents.iter().map(|document| document.json().matches("\"end_time\"").count()).sum();
            assert_eq!(ended, 8, "round {round}: each once");
        }
    }
    assert!(dropped >= ROUNDS / 2);
}

fn ids(json: &str) -> Vec<String> {
    json.split("\"id\":\"").skip(1).map(|rest| rest[..16].to_owned()).collect()
}
