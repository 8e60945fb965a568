//! Which spans become subsegments, below which entity, from when to when.

use std::thread;
use std::time::{Duration, SystemTime};

use tracing::{Span, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;
use xray_core::sampling::Never;
use xray_core::{Recorder, capture, try_current};
use xray_tracing::SubsegmentLayer;

use crate::{Traced, install};

#[tracing::instrument]
fn reserve() {
    price();
    price();
}

#[tracing::instrument]
fn price() {}

#[test]
fn functions_are_subsegments_below_their_caller() {
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    traced.run(reserve);
    assert_eq!(traced.finish().tree(), "shop\n  reserve\n    price\n    price\n");
}

#[test]
fn spans_and_captured_functions_nest() {
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    traced.run(|| {
        capture("outer", |_| {
            info_span!("span").in_scope(|| capture("inner", |_| price()));
        });
    });
    assert_eq!(traced.finish().tree(), "shop\n  outer\n    span\n      inner\n        price\n");
}

#[test]
fn outside_any_trace_nothing_is_recorded_and_nothing_is_current() {
    let _subscriber = install(SubsegmentLayer::new());
    info_span!("job").in_scope(|| assert!(try_current().is_none()));
}

#[test]
fn in_an_unsampled_trace_nothing_is_recorded() {
    let _subscriber = install(SubsegmentLayer::new());
    let (recorder, traces) = Recorder::in_memory();
    let unsampled = Recorder::builder().environment(|_| None).sampling(Never).build().unwrap();
    let segment = unsampled.begin("shop");
    let _in = segment.enter();
    info_span!("span").in_scope(|| assert_eq!(try_current().and_then(|entity| entity.id()), segment.id()));
    drop(recorder);
    assert!(traces.take().is_empty());
}

#[test]
fn spans_outside_any_trace_become_segments_where_asked_for() {
    let (recorder, traces) = Recorder::in_memory();
    let _subscriber = install(SubsegmentLayer::new().annotate(["batch"]).segments(recorder));
    info_span!("import", batch = 7).in_scope(price);
    assert_eq!(traces.take().single().tree(), "import [batch=7]\n  price\n");
}

#[test]
fn a_span_without_a_parent_is_below_nothing() {
    let (recorder, traces) = Recorder::in_memory();
    let _subscriber = install(SubsegmentLayer::new().segments(recorder));
    let traced = Traced::begin();
    traced.run(|| info_span!(parent: None, "cleanup").in_scope(|| {}));
    assert_eq!(traced.finish().tree(), "shop\n");
    assert_eq!(traces.take().single().tree(), "cleanup\n");
}

#[test]
fn an_explicit_parent_counts_or_the_nearest_recorded_span_above_it() {
    let _subscriber = install(SubsegmentLayer::new().ignore("library"));
    let traced = Traced::begin();
    traced.run(|| {
        let parent = info_span!("parent");
        let unrecorded = info_span!(target: "library", parent: &parent, "unrecorded");
        info_span!("elsewhere").in_scope(|| {
            info_span!(parent: &parent, "child").in_scope(|| {});
            info_span!(parent: &unrecorded, "grandchild").in_scope(|| {});
        });
    });
    let trace = traced.finish();
    let parent = trace.find("parent");
    let names: Vec<_> = trace.children(parent).iter().map(|child| child.name()).collect();
    assert_eq!(names, ["child", "grandchild"], "{}", trace.tree());
}

#[test]
fn siblings_that_are_open_at_once_stay_siblings() {
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    traced.run(|| {
        let (a, b) = (info_span!("a"), info_span!("b"));
        a.in_scope(|| {});
        b.in_scope(|| {});
        a.in_scope(price);
    });
    assert_eq!(traced.finish().tree(), "shop\n  a\n    price\n  b\n");
}

#[test]
fn guards_dropped_out_of_order_leave_the_context_right() {
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    traced.run(|| {
        let (a, b, c) = (info_span!("a").entered(), info_span!("b").entered(), info_span!("c").entered());
        let id_of = || try_current().and_then(|entity| entity.id());
        let in_c = id_of();
        drop(b);
        assert_eq!(id_of(), in_c, "c is entered still");
        price();
        drop(c);
        info_span!("below a").in_scope(|| {});
        drop(a);
        assert_eq!(id_of(), traced.segment.id());
    });
    assert_eq!(traced.finish().tree(), "shop\n  a\n    b\n      c\n        price\n    below a\n");
}

#[test]
fn one_span_may_be_entered_on_two_threads_at_once() {
    let subscriber = tracing_subscriber::registry().with(SubsegmentLayer::new());
    let dispatch = tracing::Dispatch::new(subscriber);
    let _default = tracing::dispatcher::set_default(&dispatch);
    let traced = Traced::begin();
    let span = traced.run(|| info_span!("shared"));
    let entered = span.enter();
    thread::scope(|scope| {
        scope
            .spawn(|| {
                let _default = tracing::dispatcher::set_default(&dispatch);
                span.in_scope(|| info_span!("there").in_scope(|| {}));
                assert!(try_current().is_none(), "the context of this thread is restored");
            })
            .join()
            .unwrap();
    });
    info_span!("here").in_scope(|| {});
    drop(entered);
    drop(span);
    assert_eq!(traced.finish().tree(), "shop\n  shared\n    there\n    here\n");
}

#[test]
fn a_span_ends_at_its_last_exit_however_long_it_is_held() {
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    let span: Span = traced.run(|| {
        let span = info_span!("held");
        span.in_scope(|| {});
        span
    });
    let exited = SystemTime::now();
    while exited.elapsed().unwrap_or_default() < Duration::from_millis(20) {
        thread::yield_now();
    }
    drop(span);
    let trace = traced.finish();
    let held = trace.find("held");
    let took = held.json()["end_time"].as_f64().unwrap() - held.json()["start_time"].as_f64().unwrap();
    assert!(took < 0.015, "{took}");
}

#[test]
fn a_span_that_outlives_its_segment_is_sent_by_itself() {
    let _subscriber = install(SubsegmentLayer::new());
    let Traced { segment, traces } = Traced::begin();
    let span = {
        let _in = segment.enter();
        info_span!("background")
    };
    segment.close();
    span.in_scope(|| {});
    drop(span);
    let trace = traces.take().single();
    assert!(trace.find("background").json()["end_time"].is_f64(), "{}", trace.tree());
}

#[test]
fn levels_and_ignored_targets_are_left_out() {
    let layer = SubsegmentLayer::new().ignore("noisy").with_filter(LevelFilter::INFO);
    let _subscriber = tracing_subscriber::registry().with(layer).set_default();
    let traced = Traced::begin();
    traced.run(|| {
        info_span!(target: "hyper::client", "connection").in_scope(|| {});
        info_span!(target: "noisy::inner", "noise").in_scope(|| {});
        info_span!(target: "noisy_neighbour", "kept").in_scope(|| {});
        tracing::debug_span!("detail").in_scope(|| {});
    });
    assert_eq!(traced.finish().tree(), "shop\n  kept\n");
}

#[test]
fn otel_name_names_the_subsegment() {
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    traced.run(|| info_span!("execute", otel.name = "SELECT orders").in_scope(|| {}));
    assert_eq!(traced.finish().tree(), "shop\n  SELECT orders\n");
}
