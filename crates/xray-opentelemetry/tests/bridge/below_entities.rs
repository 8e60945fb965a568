//! Spans below entities.

use std::collections::HashMap;

use futures_util::future::{join, join_all};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    FutureExt as _, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::Sampler;
use tokio::runtime::Builder;
use tokio::task::{JoinSet, yield_now};
use xray_core::sampling::TailSampler;
use xray_core::{FutureExt as _, Recorder, TraceHeader, capture, in_current};
use xray_opentelemetry::{current_context, in_otel_context, span_context};

use crate::support::Otel;

const UNSAMPLED: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0";

fn runtimes() -> [tokio::runtime::Runtime; 2] {
    [
        Builder::new_current_thread().enable_all().build().unwrap(),
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
    ]
}

#[test]
fn a_span_has_the_innermost_of_entity_and_span_as_its_parent() {
    let (recorder, traces) = Recorder::in_memory();
    let otel = Otel::new();
    let tracer = otel.tracer();
    let segment = recorder.begin("shop");
    let guard = segment.enter();
    tracer.in_span("1", |_| {
        tracer.in_span("2", |_| ());
        capture("a", |_| {
            tracer.in_span("3", |_| tracer.in_span("4", |_| ()));
            capture("b", |_| tracer.in_span("5", |_| ()));
            tracer.in_span("6", |_| ());
        });
        tracer.in_span("7", |_| ());
    });
    drop(guard);
    segment.close();
    let expected = "shop\n  [1]\n    [2]\n    [7]\n  a\n    [3]\n      [4]\n    [6]\n    b\n      [5]\n";
    assert_eq!(otel.tree(&traces), expected);
}

#[test]
fn a_span_has_ids_and_flag_of_its_entity() {
    let (recorder, _traces) = Recorder::in_memory();
    let otel = Otel::new();
    let segment = recorder.begin("shop");
    {
        let _in = segment.enter();
        otel.tracer().in_span("1", |_| ());
    }
    let span = &otel.spans()[0];
    assert_eq!(span.parent_span_id.to_string(), segment.id().unwrap().to_string());
    assert_eq!(span.span_context.trace_id().to_string(), segment.trace_id().unwrap().to_string()[2..].replace('-', ""));
    assert!(span.span_context.is_sampled() && span.parent_span_is_remote);
}

#[test]
fn futures_that_run_together_have_their_own_spans_on_every_runtime() {
    for runtime in runtimes() {
        let (recorder, traces) = Recorder::in_memory();
        let otel = Otel::new();
        let tracer = otel.tracer();
        let fetch = async |name: &'static str| {
            yield_now().await;
            let span = tracer.start(format!("request of {name}"));
            let cx = Context::current_with_span(span);
            async {
                yield_now().await;
                tracer.in_span(format!("parse of {name}"), |_| ());
            }
            .with_context(cx)
            .await;
        };
        let work = async {
            join_all(["a", "b", "c"].map(|name| fetch(name).in_subsegment(name))).await;
            join(fetch("d"), fetch("e")).await;
        };
        runtime.block_on(recorder.begin("shop").scope(work));
        let of =
            |name: &str, depth: usize| format!("{0:1$}[request of {name}]\n{0:1$}  [parse of {name}]\n", "", depth * 2);
        let expected =
            format!("shop\n{}{}  a\n{}  b\n{}  c\n{}", of("d", 1), of("e", 1), of("a", 2), of("b", 2), of("c", 2));
        assert_eq!(otel.tree(&traces), expected);
    }
}

#[test]
fn tasks_and_threads_that_carry_the_entity_have_its_spans() {
    for runtime in runtimes() {
        let (recorder, traces) = Recorder::in_memory();
        let otel = Otel::new();
        let segment = recorder.begin("shop");
        runtime.block_on(segment.scope(async {
            let mut tasks = JoinSet::new();
            for number in 0..20 {
                let tracer = otel.tracer();
                let task = async move {
                    yield_now().await;
                    tracer.in_span(format!("span {number:02}"), |_| ());
                };
                tasks.spawn(task.in_subsegment(format!("task {number:02}")));
            }
            tasks.join_all().await;
            let tracer = otel.tracer();
            tokio::task::spawn_blocking(in_current(move || tracer.in_span("blocking", |_| ()))).await.unwrap();
        }));
        segment.close();
        let tasks = (0..20).map(|number| format!("  task {number:02}\n    [span {number:02}]\n"));
        assert_eq!(otel.tree(&traces), format!("shop\n  [blocking]\n{}", tasks.collect::<String>()));
    }
}

#[test]
fn outside_any_request_the_context_is_untouched() {
    let (otel, tracer) = (Otel::new(), Otel::new().tracer());
    otel.tracer().in_span("1", |cx| {
        assert_eq!(current_context().span().span_context(), cx.span().span_context());
        otel.tracer().in_span("2", |_| ());
    });
    let spans = otel.spans();
    assert_eq!(spans[0].parent_span_id, spans[1].span_context.span_id());
    assert_eq!(spans[1].parent_span_id, SpanId::INVALID);
    let segment = Recorder::disabled().begin("shop");
    let _in = segment.enter();
    assert_eq!(span_context(&segment.entity()), None);
    assert!(!current_context().has_active_span());
    tracer.in_span("3", |cx| assert!(cx.span().span_context().is_valid()));
}

#[test]
fn spans_of_a_request_that_is_not_sampled_are_dropped() {
    let (recorder, traces) = Recorder::in_memory();
    let otel = Otel::new();
    let tracer = otel.tracer();
    {
        let _in = recorder.begin_from("shop", &TraceHeader::parse(UNSAMPLED)).enter();
        tracer.in_span("1", |cx| {
            assert!(!cx.span().is_recording());
            assert_eq!(cx.span().span_context().trace_id().to_string(), "5759e988bd862e3fe1be46a994272793");
            capture("a", |_| tracer.in_span("2", |_| ()));
        });
        let _unsampled = recorder.begin("shop").unsampled_subsegment().enter();
        tracer.in_span("3", |_| ());
    }
    assert_eq!(otel.tree(&traces), "shop\n");
}

#[test]
fn spans_of_a_trace_that_tail_sampling_has_not_decided_on_are_dropped() {
    let recorder = Recorder::builder().environment(|_| None).sampling(TailSampler::failures()).build().unwrap();
    let segment = recorder.begin("shop");
    assert!(segment.is_sampled());
    assert!(!span_context(&segment.entity()).unwrap().is_sampled());
}

#[test]
fn a_sampler_of_opentelemetry_that_drops_a_span_drops_what_is_below_it() {
    let (recorder, traces) = Recorder::in_memory();
    let otel = Otel::new();
    let dropping = Otel::with_sampler(Sampler::AlwaysOff).tracer();
    {
        let _in = recorder.begin("shop").enter();
        dropping.in_span("dropped", |_| otel.tracer().in_span("1", |_| ()));
        otel.tracer().in_span("2", |_| ());
    }
    assert_eq!(otel.tree(&traces), "shop\n  [2]\n");
}

#[test]
fn a_span_that_has_ended_is_still_a_parent() {
    let (recorder, traces) = Recorder::in_memory();
    let otel = Otel::new();
    let tracer = otel.tracer();
    {
        let _in = recorder.begin("shop").enter();
        tracer.in_span("1", |cx| {
            cx.span().end();
            tracer.in_span("2", |_| ());
        });
    }
    assert_eq!(otel.tree(&traces), "shop\n  [1]\n    [2]\n");
}

#[test]
fn a_context_of_another_trace_is_untouched() {
    let (recorder, _traces) = Recorder::in_memory();
    let otel = Otel::new();
    let _in = recorder.begin("worker").enter();
    let message =
        SpanContext::new(TraceId::from(7_u128), SpanId::from(8_u64), TraceFlags::SAMPLED, true, TraceState::NONE);
    let cx = Context::new().with_remote_span_context(message.clone());
    otel.tracer().in_span_with_context("1", &cx, |_| otel.tracer().in_span("2", |_| ()));
    let spans = otel.spans();
    assert_eq!(spans[0].parent_span_id, spans[1].span_context.span_id());
    assert_eq!(spans[1].parent_span_id, message.span_id());
}

#[test]
fn the_callers_context_is_replaced_and_its_tracestate_kept() {
    let (recorder, _traces) = Recorder::in_memory();
    let otel = Otel::new();
    let segment = recorder.begin_from(
        "shop",
        &TraceHeader::parse("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"),
    );
    let _in = segment.enter();
    let headers = HashMap::from([
        ("traceparent".to_owned(), "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01".to_owned()),
        ("tracestate".to_owned(), "vendor=1".to_owned()),
    ]);
    let caller = TraceContextPropagator::new().extract(&headers);
    otel.tracer().in_span_with_context("1", &caller, |cx| {
        assert_eq!(cx.span().span_context().trace_state().get("vendor"), Some("1"));
    });
    assert_eq!(otel.spans()[0].parent_span_id.to_string(), segment.id().unwrap().to_string());
}

#[test]
fn a_propagator_sends_the_current_entity() {
    let (recorder, _traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let subsegment = segment.subsegment("a");
    let inject = || {
        let mut headers = HashMap::new();
        TraceContextPropagator::new().inject_context(&current_context(), &mut headers);
        headers.remove("traceparent")
    };
    assert_eq!(inject(), None);
    let _in = subsegment.enter();
    assert_eq!(inject(), subsegment.traceparent().map(|header| header.to_string()));
}

#[test]
fn a_future_in_the_context_of_opentelemetry_follows_the_current_entity() {
    for runtime in runtimes() {
        let (recorder, traces) = Recorder::in_memory();
        let otel = Otel::new();
        // A tracer that knows nothing of entities.
        let tracer = otel.provider.tracer("library");
        let span = async |name: &'static str| {
            yield_now().await;
            tracer.in_span(name, |_| ());
        };
        let work = in_otel_context(async {
            span("1").await;
            join(in_otel_context(span("2")).in_subsegment("a"), in_otel_context(span("3")).in_subsegment("b")).await;
            span("4").await;
        });
        runtime.block_on(async {
            recorder.begin("shop").scope(work).await;
            assert!(!Context::current().has_active_span());
            in_otel_context(async { assert!(!Context::current().has_active_span()) }).await;
        });
        assert_eq!(otel.tree(&traces), "shop\n  [1]\n  [4]\n  a\n    [2]\n  b\n    [3]\n");
    }
}

#[test]
fn a_panic_restores_the_context() {
    let (recorder, traces) = Recorder::in_memory();
    let otel = Otel::new();
    let tracer = otel.tracer();
    let segment = recorder.begin("shop");
    {
        let _in = segment.enter();
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            tracer.in_span("1", |_| capture("a", |_| std::panic::resume_unwind(Box::new("failed"))))
        }));
        failed.unwrap_err();
        tracer.in_span("2", |_| ());
    }
    segment.close();
    assert_eq!(otel.tree(&traces), "shop\n  [1]\n  [2]\n  a\n");
}

#[test]
fn a_span_behaves_as_the_wrapped_one() {
    use opentelemetry::trace::{Span, Status};

    let otel = Otel::new();
    let mut span = otel.tracer().start("1");
    span.set_attribute(KeyValue::new("a", 1));
    span.set_attributes([KeyValue::new("b", 2), KeyValue::new("c", 3)]);
    span.add_event("event", vec![]);
    span.record_error(&std::fmt::Error);
    span.add_link(SpanContext::empty_context(), vec![]);
    span.set_status(Status::error("failed"));
    span.update_name("2");
    assert!(span.is_recording());
    let end = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(2_000_000_000);
    span.end_with_timestamp(end);
    assert!(!span.is_recording());
    let span = &otel.spans()[0];
    let events: Vec<&str> = span.events.iter().map(|event| &*event.name).collect();
    assert_eq!((&*span.name, span.attributes.len(), events.as_slice()), ("2", 3, ["event", "exception"].as_slice()));
    assert_eq!((span.end_time, &span.status, span.links.links.len()), (end, &Status::error("failed"), 1));
    let scope = span.instrumentation_scope.name();
    assert_eq!(scope, "library");
}

#[test]
fn concurrent_requests_never_mix() {
    let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let (recorder, traces) = Recorder::in_memory();
    let otel = Otel::new();
    runtime.block_on(async {
        let mut requests = JoinSet::new();
        for number in 0..200 {
            let tracer = otel.tracer();
            let work = async move {
                yield_now().await;
                let cx = Context::current_with_span(tracer.start(format!("outer {number}")));
                async { yield_now().await }.in_subsegment("a").with_context(cx.clone()).await;
                async { tracer.in_span(format!("inner {number}"), |_| ()) }.with_context(cx).await;
            };
            requests.spawn(recorder.begin(format!("shop {number}")).scope(work));
        }
        requests.join_all().await;
    });
    let spans = otel.spans();
    let span = |name: String| spans.iter().find(|span| span.name == name).unwrap();
    let traces = traces.take().traces();
    assert_eq!(traces.len(), 200);
    for trace in traces {
        let root = trace.root().json();
        let number = root["name"].as_str().unwrap().strip_prefix("shop ").unwrap().to_owned();
        let (outer, inner) = (span(format!("outer {number}")), span(format!("inner {number}")));
        assert_eq!(outer.parent_span_id.to_string(), root["id"].as_str().unwrap());
        assert_eq!(inner.parent_span_id, outer.span_context.span_id());
    }
}
