//! Spans of asynchronous code.

use std::future::pending;
use std::time::Duration;

use futures_util::future::{join_all, select};
use tokio::runtime::Builder;
use tokio::sync::Barrier;
use tokio::task::{JoinSet, yield_now};
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, info, info_span};
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;
use xray_core::serde_json::{self, Value};
use xray_core::{FutureExt, Recorder, try_current};
use xray_tracing::{SubsegmentLayer, with_trace_id};

use crate::lines::Lines;
use crate::{Traced, install};

#[tracing::instrument]
async fn fetch(item: u32) {
    yield_now().await;
    parse().await;
}

#[tracing::instrument]
async fn parse() {
    yield_now().await;
}

fn on_current_thread(work: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_time().build().unwrap().block_on(work);
}

#[test]
fn futures_that_are_joined_are_siblings() {
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    on_current_thread(traced.segment.scope(async {
        join_all((0..3).map(fetch)).await;
    }));
    assert_eq!(traced.finish().tree(), "shop\n  fetch\n    parse\n  fetch\n    parse\n  fetch\n    parse\n");
}

#[test]
fn a_cancelled_future_ends_and_leaves_the_context_right() {
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    on_current_thread(traced.segment.scope(async {
        let slow = Box::pin(pending::<()>().instrument(info_span!("slow")));
        let quick = Box::pin(fetch(1));
        drop(select(slow, quick).await);
        assert_eq!(try_current().and_then(|entity| entity.id()), traced.segment.id());
        tokio::time::timeout(Duration::from_millis(1), pending::<()>().instrument(info_span!("timed out")))
            .await
            .unwrap_err();
    }));
    assert_eq!(traced.finish().tree(), "shop\n  slow\n  fetch\n    parse\n  timed out\n");
}

#[test]
fn spans_and_recorded_futures_nest() {
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    on_current_thread(traced.segment.scope(async {
        fetch(1).in_subsegment("outer").await;
        async { parse().in_subsegment("inner").await }.instrument(info_span!("span")).await;
    }));
    assert_eq!(traced.finish().tree(), "shop\n  outer\n    fetch\n      parse\n  span\n    inner\n      parse\n");
}

/// Each of 1,000 requests on four threads has its own tree, and its log lines its own id.
#[test]
fn concurrent_requests_never_mix() {
    const REQUESTS: usize = 1_000;
    let lines = Lines::default();
    let layer = fmt::layer().json().with_writer(lines.clone()).map_event_format(with_trace_id);
    let subscriber = tracing_subscriber::registry().with(layer).with(SubsegmentLayer::new().annotate(["request"]));
    let dispatch = tracing::Dispatch::new(subscriber);
    let (recorder, traces) = Recorder::in_memory();
    let runtime = Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let work = async {
        let start = std::sync::Arc::new(Barrier::new(REQUESTS));
        let mut requests = JoinSet::new();
        for request in 0..REQUESTS {
            let segment = recorder.begin("shop");
            segment.annotate("request", request);
            let start = start.clone();
            let handler = async move {
                start.wait().await;
                for _ in 0..request % 5 {
                    yield_now().await;
                }
                async {
                    info!(request, "before");
                    join_all((0..2).map(fetch)).await;
                    info!(request, "after");
                }
                .instrument(info_span!("handler", request))
                .await;
            };
            requests.spawn(async move { segment.scope(handler).await }.with_subscriber(dispatch.clone()));
        }
        while let Some(done) = requests.join_next().await {
            done.unwrap();
        }
    };
    runtime.block_on(work);
    let mut ids = std::collections::HashMap::new();
    let all = traces.take().traces();
    assert_eq!(all.len(), REQUESTS);
    for trace in all {
        let request = trace.root().annotation("request").as_u64().unwrap();
        let subtree = "fetch\n      parse\n    fetch\n      parse\n";
        assert_eq!(trace.tree(), format!("shop [request={request}]\n  handler [request={request}]\n    {subtree}"));
        let handler = trace.find("handler").json()["id"].as_str().unwrap().to_owned();
        ids.insert(request, format!("{}@{handler}", trace.root().json()["trace_id"].as_str().unwrap()));
    }
    let lines = lines.take();
    assert_eq!(lines.len(), 2 * REQUESTS);
    for line in lines {
        let line: Value = serde_json::from_str(&line).unwrap();
        let request = line["fields"]["request"].as_u64().unwrap();
        assert_eq!(line["xray_trace_id"], *ids[&request]);
    }
}
