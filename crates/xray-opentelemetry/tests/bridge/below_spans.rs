//! Entities below spans.

use std::sync::{Arc, Mutex};

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer};
use opentelemetry_aws::trace::XrayIdGenerator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Builder;
use tokio::task::yield_now;
use xray_core::sampling::{Always, TailSampler};
use xray_core::serde_json::{Value, from_str, json};
use xray_core::testing::Traces;
use xray_core::{FutureExt, Recorder, TraceHeader, annotate, capture, current, current_segment, try_current};
use xray_opentelemetry::{entity_of, in_span};

use crate::support::{Otel, installed};

fn documents(traces: &Traces) -> Vec<Value> {
    traces.take().documents().iter().map(|document| from_str(document.json()).unwrap()).collect()
}

/// A context whose active span another process has.
fn remote(flags: TraceFlags) -> Context {
    Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from(0x5759e988_bd862e3fe1be46a994272793_u128),
        SpanId::from(0x53995c3f42cd8ad8_u64),
        flags,
        true,
        TraceState::NONE,
    ))
}

#[test]
fn a_subsegment_of_a_span_is_a_document_of_its_own() {
    let (traces, _) = installed();
    {
        let _in = entity_of(&remote(TraceFlags::SAMPLED)).unwrap().enter();
        capture("a", |_| capture("b", |_| ()));
    }
    let documents = documents(&traces);
    let [b, a] = &*documents else { panic!("{documents:#?}") };
    for (document, name, parent) in [(a, "a", json!("53995c3f42cd8ad8")), (b, "b", a["id"].clone())] {
        assert_eq!(document["type"], "subsegment");
        assert_eq!(document["name"], name);
        assert_eq!(document["trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
        assert_eq!(document["parent_id"], parent);
    }
}

#[test]
fn a_trace_that_opentelemetry_begins_is_one_tree() {
    let (traces, _) = installed();
    let otel = Otel::new();
    let tracer = otel.tracer();
    tracer.in_span("job", |cx| {
        let _in = entity_of(&cx).map(|span| span.enter());
        tracer.in_span("1", |_| ());
        capture("a", |_| {
            tracer.in_span("2", |cx| {
                let _in = entity_of(&cx).map(|span| span.enter());
                capture("b", |_| tracer.in_span("3", |_| ()));
            });
        });
        tracer.in_span("4", |_| ());
    });
    let expected = "[job]\n  [1]\n  [4]\n  a\n    [2]\n      b\n        [3]\n";
    assert_eq!(otel.tree(&traces), expected);
    let job = otel.spans().into_iter().find(|span| span.name == "1").unwrap();
    assert!(!job.parent_span_is_remote, "the span itself is the parent");
}

#[test]
fn a_span_in_a_request_is_between_its_entities() {
    let (recorder, traces) = Recorder::in_memory();
    let otel = Otel::new();
    let tracer = otel.tracer();
    let segment = recorder.begin("shop");
    {
        let _in = segment.enter();
        tracer.in_span("1", |cx| {
            let _in = entity_of(&cx).map(|span| span.enter());
            capture("a", |_| tracer.in_span("2", |_| ()));
            current_segment().annotate("tier", "gold");
        });
        capture("b", |_| ());
    }
    segment.close();
    let sent = documents(&traces);
    let [a, shop] = &*sent else { panic!("{sent:#?}") };
    assert_eq!((&a["name"], &a["type"]), (&json!("a"), &json!("subsegment")));
    assert_eq!(shop["annotations"], json!({"tier": "gold"}));
    assert_eq!(crate::support::tree(&sent, &otel.spans()), "shop\n  [1]\n    a\n      [2]\n  b\n");
}

#[test]
fn the_spans_decision_applies_in_its_own_trace() {
    let (traces, _) = installed();
    for (flags, sampled) in [(TraceFlags::SAMPLED, true), (TraceFlags::default(), false)] {
        let span = entity_of(&remote(flags)).unwrap();
        assert_eq!(span.is_sampled(), sampled);
        assert_eq!(span.id().unwrap().to_string(), "53995c3f42cd8ad8");
        let header =
            format!("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled={}", u8::from(sampled));
        assert_eq!(span.trace_header().unwrap().to_string(), header);
        let _in = span.enter();
        capture("a", |_| ());
        assert_eq!(documents(&traces).len(), usize::from(sampled));
    }
}

#[test]
fn the_requests_decision_applies_in_its_trace() {
    let (recorder, traces) = Recorder::in_memory();
    let otel = Otel::new();
    {
        // Sampled, but OpenTelemetry drops the span: the subsegment is below the segment.
        let tracer = Otel::with_sampler(Sampler::AlwaysOff).tracer();
        let _in = recorder.begin("shop").enter();
        tracer.in_span("dropped", |cx| {
            assert!(entity_of(&cx).is_none());
            let _in = entity_of(&cx).map(|span| span.enter());
            capture("a", |_| ());
        });
    }
    assert_eq!(otel.tree(&traces), "shop\n  a\n");
    {
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0";
        let _in = recorder.begin_from("shop", &TraceHeader::parse(header)).enter();
        let span = entity_of(&remote(TraceFlags::SAMPLED)).unwrap();
        assert!(!span.is_sampled());
        span.subsegment("a").close();
    }
    assert!(traces.take().is_empty());
}

#[test]
fn without_an_active_span_the_context_is_untouched() {
    assert!(entity_of(&Context::new()).is_none());
    let (recorder, traces) = Recorder::in_memory();
    let runtime = Builder::new_current_thread().build().unwrap();
    let segment = recorder.begin("shop");
    runtime.block_on(segment.scope(in_span(Context::new(), async {
        capture("a", |_| ());
    })));
    runtime.block_on(in_span(Context::new(), async { assert!(try_current().is_none()) }));
    segment.close();
    assert_eq!(traces.take().single().tree(), "shop\n  a\n");
}

#[test]
fn a_future_runs_in_both_contexts_on_every_runtime() {
    for runtime in
        [Builder::new_current_thread().build().unwrap(), Builder::new_multi_thread().worker_threads(2).build().unwrap()]
    {
        let (recorder, traces) = Recorder::in_memory();
        let otel = Otel::new();
        let tracer = otel.tracer();
        let segment = recorder.begin("shop");
        let step = |span: &'static str, name: &'static str| {
            let tracer = otel.tracer();
            let cx = Context::current_with_span(tracer.start(span));
            in_span(cx.clone(), async move {
                yield_now().await;
                assert_eq!(Context::current().span().span_context(), cx.span().span_context());
                async { yield_now().await }.in_subsegment(name).await;
                tracer.in_span(format!("below {span}"), |_| ());
            })
        };
        runtime.block_on(segment.scope(async {
            futures_util::future::join(step("1", "a"), step("2", "b")).await;
            let spawned = step("3", "c");
            tokio::spawn(spawned).await.unwrap();
            tracer.in_span("4", |_| ());
        }));
        segment.close();
        let expected =
            "shop\n  [1]\n    [below 1]\n    a\n  [2]\n    [below 2]\n    b\n  [3]\n    [below 3]\n    c\n  [4]\n";
        assert_eq!(otel.tree(&traces), expected);
    }
}

#[test]
fn a_change_to_a_span_is_ignored_and_logged() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = lines.clone();
    let recorder = Recorder::builder()
        .environment(|_| None)
        .sampling(Always)
        .on_diagnostic(move |line| log.lock().unwrap().push(line.to_string()))
        .build()
        .unwrap();
    let otel = Otel::new();
    let _in = recorder.begin("shop").enter();
    otel.tracer().in_span("1", |cx| {
        let _in = entity_of(&cx).unwrap().enter();
        assert!(!current().is_recording() && current().is_sampled());
        annotate("lost", 1);
        current().fault("lost");
    });
    let expected = "ignored a change to a span of another SDK, which that SDK sends: use a subsegment";
    assert_eq!(*lines.lock().unwrap(), [expected]);
    assert_eq!(recorder.stats().late_writes, 0);
}

#[test]
fn a_trace_that_tail_sampling_drops_has_no_subsegments_of_spans() {
    let in_memory = xray_core::emit::MemoryEmitter::new();
    let recorder = Recorder::builder()
        .environment(|_| None)
        .sampling(TailSampler::failures())
        .emitter(in_memory.clone())
        .build()
        .unwrap();
    for (fails, documents) in [(false, 0), (true, 2)] {
        let segment = recorder.begin("shop");
        let id = xray_core::EntityId::from_u64(7).unwrap();
        let step = segment.entity().external_subsegment(id).subsegment("a");
        if fails {
            step.fault("failed");
        }
        step.close();
        assert!(in_memory.documents().is_empty(), "nothing is sent before the decision");
        segment.close();
        assert_eq!(in_memory.take().len(), documents);
    }
}

#[test]
fn a_trace_that_is_discarded_records_nothing_below_spans() {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    segment.discard();
    let id = xray_core::EntityId::from_u64(7).unwrap();
    let span = segment.entity().external_subsegment(id);
    assert_eq!((span.id(), span.is_sampled()), (Some(id), false));
    span.subsegment("a").close();
    segment.close();
    assert!(traces.take().is_empty());
}

#[test]
fn ids_of_the_xray_generator_have_the_time_that_xray_expects() {
    let (traces, _) = installed();
    let provider = SdkTracerProvider::builder().with_id_generator(XrayIdGenerator::default()).build();
    let tracer = opentelemetry::trace::TracerProvider::tracer(&provider, "worker");
    tracer.in_span("job", |cx| {
        let trace_id = entity_of(&cx).unwrap().trace_id().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!(now.abs_diff(trace_id.epoch_seconds().into()) < 60, "{trace_id}");
    });
    assert!(traces.take().is_empty());
}
