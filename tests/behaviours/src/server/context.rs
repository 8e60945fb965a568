//! Where the segment is current, and for which code.

use std::collections::{HashMap, HashSet};
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::thread;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::yield_now;
use xray_core::FutureExt;
use xray_core::sampling::Never;

use super::App;
use super::adapter::Adapter;
use crate::documents::{normalised, shop};

const OK: fn() -> Value = || json!({"status": 200, "content_length": 2});

pub(super) async fn what_a_handler_records_is_in_the_document(adapter: &Adapter) {
    let app = App::new(|_| async {
        xray_core::annotate("order_id", 7);
        xray_core::current().metadata_in("ns", "info", &json!({"items": [1, 2]}));
        xray_core::current_segment().set_user("john");
        let failed: Result<(), std::num::ParseIntError> =
            xray_core::try_capture("job", |_| "x".parse::<u8>().map(|_| ()));
        if failed.is_err() { "ok" } else { "no" }
    });
    let (server, mut documents) = adapter.serve(app);
    assert_eq!(server.get("/a").await.body, "ok");
    let cause = json!([["ParseIntError", "invalid digit found in string"]]);
    let more = json!({
        "annotations": {"order_id": 7},
        "metadata": {"ns": {"info": {"items": [1, 2]}}},
        "user": "john",
        "subsegments": [{"name": "job", "fault": true, "cause": cause}],
    });
    assert_eq!(documents.next().await, shop("/a", OK(), more));
}

pub(super) async fn futures_that_run_together_are_siblings(adapter: &Adapter) {
    let app = App::new(|_| async {
        let load = |number: u32| async move {
            yield_now().await;
            xray_core::annotate("number", number);
        };
        join_all((0..3).map(|number| load(number).in_subsegment(format!("load {number}")))).await;
        "ok"
    });
    let (server, mut documents) = adapter.serve(app);
    server.get("/a").await;
    let siblings: Value =
        (0..3).map(|number| json!({"name": format!("load {number}"), "annotations": {"number": number}})).collect();
    assert_eq!(documents.next().await, shop("/a", OK(), json!({"subsegments": siblings})));
}

pub(super) async fn a_spawned_task_has_the_context_only_if_it_is_carried_there(adapter: &Adapter) {
    let app = App::new(|_| async {
        assert!(tokio::spawn(async { xray_core::try_current().is_none() }).await.unwrap());
        tokio::spawn(ready(()).in_subsegment("spawned").in_current()).await.unwrap();
        tokio::task::spawn_blocking(xray_core::in_current(|| xray_core::capture("blocking", |_| ()))).await.unwrap();
        "ok"
    });
    let (server, mut documents) = adapter.serve(app);
    assert_eq!(server.get("/a").await.body, "ok");
    let more = json!({"subsegments": [{"name": "spawned"}, {"name": "blocking"}]});
    assert_eq!(documents.next().await, shop("/a", OK(), more));
}

/// Serves 150 requests at once; each must be recorded with its own values and no others.
async fn never_mixed(adapter: &Adapter, threads: usize) {
    const REQUESTS: usize = 150;
    let barrier = Arc::new(Barrier::new(REQUESTS));
    let used = Arc::new(Mutex::new(HashSet::new()));
    let app = {
        let used = used.clone();
        App::new(move |path| {
            let (barrier, used) = (barrier.clone(), used.clone());
            let value: usize = path[1..].parse().unwrap();
            async move {
                xray_core::annotate("value", value);
                barrier.wait().await;
                // All requests are in progress, and they use as many threads as the server has.
                while !note_thread(&used, threads) {
                    yield_now().await;
                }
                for step in 0..3 {
                    yield_now().await;
                    async {
                        yield_now().await;
                        xray_core::annotate("value", value);
                    }
                    .in_subsegment(format!("step {step}"))
                    .await;
                }
                xray_core::current().trace_id().unwrap().to_string()
            }
        })
    };
    let (server, mut documents) = adapter.serve(App { threads, ..app });
    let request = |value: usize| {
        let server = &server;
        async move { (value, server.get(&format!("/{value}")).await.body) }
    };
    let answers = join_all((0..REQUESTS).map(request)).await;
    let mut seen = HashMap::new();
    for _ in 0..REQUESTS {
        let document = documents.raw().await;
        seen.insert(document["trace_id"].as_str().unwrap().to_owned(), document);
    }
    for (value, trace_id) in answers {
        let document = seen.remove(&trace_id).unwrap();
        let steps: Value =
            (0..3).map(|step| json!({"name": format!("step {step}"), "annotations": {"value": value}})).collect();
        let more = json!({"annotations": {"value": value}, "subsegments": steps});
        let response = json!({"status": 200, "content_length": 35});
        assert_eq!(normalised(document), shop(&format!("/{value}"), response, more));
    }
    documents.assert_empty();
    assert_eq!(used.lock().unwrap().len(), threads);
}

/// Notes this thread, and returns whether there are as many as expected.
fn note_thread(used: &Mutex<HashSet<thread::ThreadId>>, threads: usize) -> bool {
    let mut used = used.lock().unwrap();
    used.insert(thread::current().id());
    used.len() >= threads
}

pub(super) async fn concurrent_requests_are_never_mixed_on_one_thread(adapter: &Adapter) {
    never_mixed(adapter, 1).await;
}

pub(super) async fn concurrent_requests_are_never_mixed_on_many_threads(adapter: &Adapter) {
    never_mixed(adapter, 4).await;
}

pub(super) async fn a_request_that_passes_two_layers_is_one_segment(adapter: &Adapter) {
    let app = App::new(|_| async {
        xray_core::capture("work", |_| ());
        "ok"
    });
    let (server, mut documents) = adapter.serve(App { layers: 2, ..app });
    assert_eq!(server.get("/a").await.body, "ok");
    assert_eq!(documents.next().await, shop("/a", OK(), json!({"subsegments": [{"name": "work"}]})));
    documents.assert_empty();
}

pub(super) async fn a_second_layer_does_not_sample_anew(adapter: &Adapter) {
    let app = App::new(|_| async { xray_core::current().trace_header().unwrap().to_string() });
    let (server, mut documents) = adapter.serve_sampled_by(Never, App { layers: 2, ..app });
    let body = server.get("/a").await.body;
    assert!(body.ends_with(";Sampled=0"), "{body}");
    documents.assert_empty();
}
