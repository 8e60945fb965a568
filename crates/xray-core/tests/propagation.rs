//! Propagation between services: the headers that are followed, and those that calls carry.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use xray_core::sampling::{Decision, Never, Sampler, SamplingRequest};
use xray_core::serde_json::Value;
use xray_core::testing::Traces;
use xray_core::{EntityId, Recorder, SamplingFlag, TraceHeader, TraceId, capture, current, current_segment};

const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";
const PARENT: &str = "53995c3f42cd8ad8";
const LINEAGE: &str = "Lineage=a87bd80c:1|68fd508a:5;Own=x=y";

/// A sampler that returns `sampled` and counts its calls.
#[derive(Clone)]
struct Counting(bool, Arc<AtomicUsize>);

impl Sampler for Counting {
    fn decide(&self, _: &SamplingRequest<'_>) -> Decision {
        self.1.fetch_add(1, SeqCst);
        self.0.into()
    }
}

fn documents(traces: &Traces) -> Vec<Value> {
    traces.take().documents().iter().map(|document| document.json().parse().unwrap()).collect()
}

#[test]
fn the_usable_parts_of_a_header_are_followed() {
    // header, follows the root, follows the parent, calls the sampler
    for (header, root, parent, asks) in [
        (format!("Root={ROOT};Parent={PARENT};Sampled=1"), true, true, false),
        (format!(" sampled = 1 ; PARENT = {PARENT} ; root = {ROOT} "), true, true, false),
        (format!("Self=1-2-3;Root={ROOT};Sampled=1"), true, false, false),
        (format!("Root={ROOT};Parent={PARENT}"), true, true, true),
        (format!("Root={ROOT};Parent={PARENT};Sampled=?"), true, true, true),
        (format!("Root={ROOT};Parent={PARENT};Sampled=banana"), true, true, true),
        (format!("Root={ROOT};Parent=nonsense;Sampled=1"), true, false, false),
        (format!("Root=nonsense;Parent={PARENT};Sampled=1"), false, false, false),
        (format!("Parent={PARENT};Sampled=1"), false, false, false),
        ("Sampled=1".to_owned(), false, false, false),
        (format!("Root={}", ROOT.to_uppercase()), true, false, true),
        (String::new(), false, false, true),
        (";;=;==;a;Root=;é=\u{0}".to_owned(), false, false, true),
        (format!("Root={ROOT};Sampled=0, Root={ROOT};Sampled=1"), true, false, false),
    ] {
        let (emitter, asked) = (xray_core::emit::MemoryEmitter::new(), Arc::new(AtomicUsize::new(0)));
        let sampler = Counting(true, asked.clone());
        let recorder = Recorder::builder().sampling(sampler).emitter(emitter.clone()).build().unwrap();
        let segment = recorder.begin_from("shop", &TraceHeader::parse(&header));
        assert_eq!(segment.trace_id().unwrap().to_string() == ROOT, root, "{header}");
        segment.close();
        let document: Value = emitter.take()[0].json().parse().unwrap();
        assert_eq!(document["trace_id"].as_str(), segment.trace_id().map(|id| id.to_string()).as_deref());
        assert_eq!(document.get("parent_id").is_some_and(|id| id == PARENT), parent, "{header}");
        assert_eq!(asked.load(SeqCst), usize::from(asks), "{header}");
    }
}

#[test]
fn unknown_fields_are_propagated_by_every_call() {
    for (sampled, header) in [
        (true, format!("Root={ROOT};{LINEAGE};Parent={PARENT};Sampled=1;Self=1-2-3")),
        (false, format!("Root={ROOT};Parent={PARENT};{LINEAGE};Sampled=0")),
        (false, format!("Root={ROOT};{LINEAGE}")),
        (true, format!("Sampled=1;{LINEAGE}")),
    ] {
        let recorder =
            Recorder::builder().sampling(Never).emitter(xray_core::emit::MemoryEmitter::new()).build().unwrap();
        let segment = recorder.begin_from("shop", &TraceHeader::parse(&header));
        let root = segment.trace_id().unwrap();
        let says = |exit: Option<TraceHeader<'_>>, id: Option<EntityId>, sampled: bool| {
            let want = format!("Root={root};Parent={};Sampled={};{LINEAGE}", id.unwrap(), u8::from(sampled));
            assert_eq!(exit.unwrap().to_string(), want, "{header}");
        };
        let (child, muted) = (segment.subsegment("call"), segment.unsampled_subsegment());
        says(segment.trace_header(), segment.id(), sampled);
        says(child.trace_header(), child.id(), sampled);
        says(muted.trace_header(), muted.id(), false);
        let below = muted.subsegment("below");
        says(below.trace_header(), below.id(), false);
        segment.discard();
        says(child.trace_header(), child.id(), false);
        let late = segment.subsegment("late");
        says(late.trace_header(), late.id(), false);
    }
}

#[test]
fn an_unsampled_trace_has_real_ids() {
    let recorder = Recorder::builder().sampling(Never).build().unwrap();
    let segment = recorder.begin("shop");
    let child = segment.subsegment("call");
    assert_ne!(segment.trace_id().unwrap().to_u128() << 32, 0);
    assert!(segment.trace_id().unwrap().epoch_seconds() > 1_700_000_000);
    assert_ne!(segment.id(), child.id());
    assert_ne!(segment.trace_id(), recorder.begin("shop").trace_id());
    let header = child.trace_header().unwrap().to_string();
    assert_eq!(TraceHeader::parse(&header).sampled(), Some(SamplingFlag::NotSampled));
    let _in = segment.enter();
    assert_eq!(capture("work", |_| current().id()), segment.id(), "an unsampled capture is not entered");
}

#[test]
fn a_disabled_recorder_sends_no_header_and_records_nothing() {
    let emitter = xray_core::emit::MemoryEmitter::new();
    let built = Recorder::builder().enabled(false).emitter(emitter.clone()).build().unwrap();
    for recorder in [Recorder::disabled(), built] {
        let segment = recorder.begin_from("shop", &TraceHeader::parse(&format!("Root={ROOT};Sampled=1")));
        let child = segment.subsegment("call");
        assert!(!recorder.is_enabled() && segment.trace_header().is_none() && child.trace_header().is_none());
        assert_eq!((segment.trace_id(), child.id(), child.is_sampled()), (None, None, false));
        let _in = child.enter();
        assert!(current().trace_header().is_none(), "no missing context is reported");
        child.close();
        segment.close();
    }
    assert!(emitter.take().is_empty());
}

#[test]
fn a_facade_follows_only_a_complete_header() {
    let (recorder, traces) = Recorder::in_memory();
    for (header, traced) in [
        (format!("Root={ROOT};Parent={PARENT};Sampled=1;{LINEAGE}"), Some(true)),
        (format!("Root={ROOT};Parent={PARENT};Sampled=0;{LINEAGE}"), Some(false)),
        (format!("Root={ROOT};Parent={PARENT}"), None),
        (format!("Root={ROOT};Sampled=1"), None),
        (format!("Root=nonsense;Parent={PARENT};Sampled=1"), None),
        (String::new(), None),
    ] {
        let facade = recorder.facade(&TraceHeader::parse(&header));
        let call = facade.subsegment("call");
        let Some(sampled) = traced else {
            assert!(facade.trace_id().is_none() && call.trace_header().is_none(), "{header}");
            continue;
        };
        assert_eq!(facade.trace_id(), ROOT.parse::<TraceId>().ok());
        let want = format!("Root={ROOT};Parent={};Sampled={};{LINEAGE}", call.id().unwrap(), u8::from(sampled));
        assert_eq!(call.trace_header().unwrap().to_string(), want);
        call.close();
        assert_eq!(documents(&traces).len(), usize::from(sampled), "{header}");
    }
}

#[test]
fn a_facade_propagates_a_header_with_only_a_root_unchanged() {
    let (recorder, traces) = Recorder::in_memory();
    for header in [format!("Root={ROOT}"), format!("Root={ROOT};{LINEAGE}")] {
        let facade = recorder.facade(&TraceHeader::parse(&header));
        let call = facade.subsegment("call");
        assert_eq!(call.trace_header().unwrap().to_string(), header);
        assert!(!call.is_recording() && call.traceparent().is_none());
        call.close();
        assert_eq!(documents(&traces).len(), 0, "{header}");
    }
}

#[test]
fn a_facade_without_a_usable_header_is_reported_unless_the_trace_passes_through() {
    for (header, told) in [
        (format!("Root={ROOT};Parent={PARENT};Sampled=1"), None),
        (format!("Root={ROOT};{LINEAGE}"), None),
        (format!("Root={ROOT};Sampled=1"), Some("invocation_header")),
        (format!("Root=nonsense;Parent={PARENT};Sampled=1"), Some("invocation_header")),
        (format!("Parent={PARENT};Sampled=1"), Some("invocation_header")),
        (String::new(), Some("context_missing")),
    ] {
        let (said, emitter) = (Arc::new(std::sync::Mutex::new(None)), xray_core::emit::MemoryEmitter::new());
        let sink = said.clone();
        let recorder = Recorder::builder()
            .environment(|_| None)
            .emitter(emitter)
            // It never panics here.
            .context_missing(xray_core::ContextMissing::Panic)
            .on_diagnostic(move |diagnostic| *sink.lock().unwrap() = Some(diagnostic.cause().as_str().to_owned()))
            .build()
            .unwrap();
        recorder.facade(&TraceHeader::parse(&header));
        assert_eq!(said.lock().unwrap().as_deref(), told, "{header}");
    }
}

#[test]
fn subsegments_of_a_facade_are_sent_at_their_close_whatever_else_is_open() {
    let (recorder, traces) = Recorder::in_memory();
    let facade = recorder.facade(&TraceHeader::parse(&format!("Root={ROOT};Parent={PARENT};Sampled=1")));
    let leaked = facade.subsegment("leaked");
    let _in = facade.enter();
    capture("outer", |outer| {
        capture("inner", |_| {});
        let left = documents(&traces);
        let [inner] = &left[..] else { panic!("{left:?}") };
        assert_eq!((&inner["name"], &inner["type"]), (&"inner".into(), &"subsegment".into()));
        assert_eq!(inner["parent_id"].as_str(), outer.id().map(|id| id.to_string()).as_deref());
    });
    let [outer] = &documents(&traces)[..] else { panic!("one document") };
    assert_eq!((&outer["parent_id"], &outer["trace_id"]), (&PARENT.into(), &ROOT.into()));
    let below = leaked.subsegment("below the leaked one");
    below.close();
    assert_eq!(documents(&traces)[0]["parent_id"].as_str(), leaked.id().map(|id| id.to_string()).as_deref());
    std::mem::forget(leaked);
    drop(facade);
    assert!(documents(&traces).is_empty(), "a facade itself is never sent");
}

#[test]
fn changes_to_a_facade_are_ignored_and_reported() {
    let (told, emitter) = (Arc::new(AtomicUsize::new(0)), xray_core::emit::MemoryEmitter::new());
    for change in [
        || {
            current().annotate("key", 1);
        },
        || {
            current().metadata("key", &1);
        },
        || {
            current().fault("failed");
        },
        || {
            current_segment().set_user("user");
        },
        || {
            current_segment().annotate("key", 1);
        },
        || {
            current_segment().mark(xray_core::Flag::Fault);
        },
    ] {
        let sink = told.clone();
        let recorder = Recorder::builder()
            .emitter(emitter.clone())
            .on_diagnostic(move |diagnostic| {
                sink.fetch_add(usize::from(diagnostic.cause().as_str() == "facade"), SeqCst);
            })
            .build()
            .unwrap();
        let facade = recorder.facade(&TraceHeader::parse(&format!("Root={ROOT};Parent={PARENT};Sampled=1")));
        let _in = facade.enter();
        let before = told.load(SeqCst);
        change();
        assert_eq!(told.load(SeqCst), before + 1);
        current_segment().close();
        current_segment().subsegment("still works").close();
        assert_eq!(emitter.take().len(), 1);
    }
}
