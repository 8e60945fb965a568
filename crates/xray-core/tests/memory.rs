//! Memory: sent documents are freed, and a request that is not sampled allocates nothing.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::time::Duration;

use allocation_counter::measure;
use xray_core::document::Document;
use xray_core::emit::{Emitter, Flushed};
use xray_core::sampling::{Always, Never};
use xray_core::{Recorder, RecorderBuilder, Subsegment, TraceHeader, capture, current, in_current, try_capture};

/// An emitter that drops every document.
struct Nowhere;

impl Emitter for Nowhere {
    fn emit(&self, _: Document) {}

    fn flush(&self, _: Duration) -> Flushed {
        Flushed::All
    }
}

fn recorder(with: impl FnOnce(RecorderBuilder) -> RecorderBuilder) -> Recorder {
    with(Recorder::builder().sampling(Always).emitter(Nowhere)).build().unwrap()
}

/// Returns the largest number of bytes in use at once, and the number still in use.
fn bytes(work: impl FnOnce()) -> (u64, i64) {
    let counted = measure(work);
    (counted.bytes_max, counted.bytes_current)
}

#[test]
fn a_long_running_segment_does_not_grow() {
    let segment = recorder(|builder| builder).begin("daemon");
    let round = |rounds: usize| {
        for number in 0..rounds {
            let part = segment.subsegment("round");
            part.annotate("number", number);
            part.subsegment("inner").close();
            part.close();
        }
    };
    round(1000);
    let (most, left) = bytes(|| round(500_000));
    assert!(most < 256 << 10 && left.abs() < 64 << 10, "{most} bytes at most, {left} left");
}

#[test]
fn an_entity_that_is_changed_repeatedly_does_not_grow() {
    let segment = recorder(|builder| builder).begin("daemon");
    let part = segment.subsegment("part");
    let (most, left) = bytes(|| {
        for number in 0..100_000 {
            part.annotate("number", number).annotate("number", "as text").metadata("same", &[number; 20]);
            part.mark(xray_core::Flag::Fault).fault("failed");
            segment.set_user("somebody");
        }
    });
    assert!(most < 512 << 10 && left < 256 << 10, "{most} bytes at most, {left} left");
}

#[test]
fn late_children_of_a_sent_segment_keep_no_memory() {
    let segment = recorder(|builder| builder).begin("shop");
    let leaked = segment.subsegment("leaked");
    segment.close();
    let (most, left) = bytes(|| {
        for _ in 0..50_000 {
            leaked.subsegment("late").close();
            segment.subsegment("later").close();
        }
    });
    assert!(most < 128 << 10 && left < 64 << 10, "{most} bytes at most, {left} left");
}

#[test]
fn a_trace_frees_all_its_memory() {
    let recorder = recorder(|builder| builder);
    let trace = || {
        let segment = recorder.begin("shop");
        let parts: Vec<_> = (0..500).map(|_| segment.subsegment("part")).collect();
        parts.iter().for_each(|part| {
            part.metadata("pad", &"x".repeat(500)).fault("failed");
        });
        segment.discard();
        let open = segment.subsegment("open");
        segment.close();
        drop((parts, open));
    };
    trace();
    let (_, left) = bytes(trace);
    assert!(left.abs() < 64 << 10, "{left}");
}

#[test]
fn an_unsampled_request_allocates_nothing() {
    let root = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8";
    let (no, off) = (format!("{root};Sampled=0"), format!("{root};Sampled=1"));
    for (case, recorder, header) in [
        ("decided here", recorder(|builder| builder.sampling(Never)), ""),
        ("decided by the caller", recorder(|builder| builder), &*no),
        ("disabled", recorder(|builder| builder.enabled(false)), &*off),
    ] {
        let request = || {
            let segment = recorder.begin_from("shop", &TraceHeader::parse(header));
            let _in = segment.enter();
            segment.annotate("n", 1).metadata("m", "value").metadata_with("w", || vec![1]).set_user("user");
            capture("work", |part| {
                part.annotate("text", "value");
            });
            assert!(try_capture("fails", |_| "x".parse::<u8>()).is_err());
            let call = current().subsegment("call");
            let _ = call.trace_header().map(|header| header.parent());
            in_current(|| drop(call.clone()))();
            call.mark(xray_core::Flag::Fault).set_traced(true).close();
            segment.close();
        };
        request();
        assert_eq!(measure(request).count_total, 0, "{case}");
    }
}

#[test]
fn handles_of_a_closed_trace_use_little_memory() {
    let recorder = recorder(|builder| builder);
    let mut kept: Vec<Subsegment> = Vec::with_capacity(1000);
    let (_, left) = bytes(|| {
        for _ in 0..1000 {
            let segment = recorder.begin("shop");
            let part = segment.subsegment("part");
            part.metadata("pad", &"x".repeat(10_000));
            part.close();
            segment.close();
            kept.push(part);
        }
    });
    assert!(left < 1000 * 1024, "{} bytes for each", left / 1000);
}
