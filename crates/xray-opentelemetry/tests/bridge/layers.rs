//! Spans of `tracing` that `tracing-opentelemetry` records.

use opentelemetry::Context;
use tokio::runtime::Builder;
use tokio::task::yield_now;
use tracing::instrument::WithSubscriber;
use tracing_subscriber::prelude::*;
use xray_core::{FutureExt, Recorder, capture};
use xray_opentelemetry::{entity_of, in_span};

use crate::support::Otel;

#[tracing::instrument]
async fn load() {
    yield_now().await;
    async { parse().await }.in_subsegment("a").await;
}

#[tracing::instrument]
async fn parse() {
    yield_now().await;
    check();
}

#[tracing::instrument]
fn check() {
    let _in = entity_of(&Context::current()).map(|span| span.enter());
    capture("b", |_| ());
}

#[test]
fn spans_of_tracing_opentelemetry_follow_the_current_entity() {
    for runtime in
        [Builder::new_current_thread().build().unwrap(), Builder::new_multi_thread().worker_threads(2).build().unwrap()]
    {
        let (recorder, traces) = Recorder::in_memory();
        let otel = Otel::new();
        let subscriber = tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(otel.tracer()));
        let segment = recorder.begin("shop");
        let work = async {
            load().await;
            futures_util::future::join(parse().in_subsegment("c"), parse().in_subsegment("d")).await;
            let job = tracing::info_span!("job");
            let cx = job.in_scope(Context::current);
            in_span(cx, async { capture("e", |_| ()) }).await;
        };
        runtime.block_on(segment.scope(work).with_subscriber(subscriber));
        segment.close();
        let parse = |depth: usize| format!("{0:1$}[parse]\n{0:1$}  [check]\n{0:1$}    b\n", "", depth * 2);
        let expected = format!("shop\n  [job]\n    e\n  [load]\n  a\n{}  c\n{}  d\n{}", parse(2), parse(2), parse(2));
        assert_eq!(otel.tree(&traces), expected);
    }
}
