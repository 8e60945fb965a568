//! Where the segment is current, and for whom.

use std::future::ready;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::middleware::{Next, from_fn};
use axum::routing::get;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tower::ServiceExt;
use xray_axum::XRaySegment;
use xray_core::FutureExt;
use xray_core::sampling::Never;

use crate::support::{self, Documents, Global, get as ask, layer, recorder_with, serve, shop};

const OK: fn() -> Value = || json!({"status": 200, "content_length": 2});

#[tokio::test]
async fn the_extractor_and_the_context_are_the_same_segment() {
    let (layer, mut documents) = layer("shop");
    let handler = |segment: XRaySegment| async move {
        assert_eq!(segment.id(), xray_core::current().id());
        segment.annotate("by", "extractor").set_user("john");
        xray_core::annotate("also_by", "context");
        drop(segment.into_inner());
        segment_is_open()
    };
    let address = serve(Router::new().route("/", get(handler)).layer(layer)).await;
    assert_eq!(ask(address, "/").await.body, "ok");
    let more = json!({"annotations": {"by": "extractor", "also_by": "context"}, "user": "john"});
    assert_eq!(documents.next().await, shop("/", OK(), more));
}

fn segment_is_open() -> &'static str {
    if xray_core::current().is_recording() { "ok" } else { "closed" }
}

#[tokio::test]
async fn the_extractor_takes_what_there_is() {
    let global = Global::install();
    let handler = |segment: XRaySegment| async move { format!("{:?} {}", segment.trace_id(), segment.is_sampled()) };
    let app = || Router::new().route("/", get(handler));
    let body = async |app: Router| {
        let response = app.oneshot(Request::new(Body::empty())).await.unwrap();
        String::from_utf8(axum::body::to_bytes(response.into_body(), 100).await.unwrap().into()).unwrap()
    };
    // No layer: the strategy is asked, the request is served.
    assert_eq!(body(app()).await, "None false");
    assert!(global.missed("current_segment()"));
    // Not sampled: it carries the trace.
    let (recorder, _) = recorder_with(Never);
    let unsampled = body(app().layer(xray_axum::XRayLayer::new("shop").recorder(recorder))).await;
    assert!(unsampled.starts_with("Some(") && unsampled.ends_with(" false"), "{unsampled}");
}

#[tokio::test]
async fn the_extractor_finds_the_segment_in_another_task() {
    let (layer, mut documents) = layer("shop");
    let handler = |segment: XRaySegment| async move {
        assert!(xray_core::try_current().is_none());
        segment.annotate("in", "another task");
        "ok"
    };
    let elsewhere = from_fn(|request: Request, next: Next| async { tokio::spawn(next.run(request)).await.unwrap() });
    let address = serve(Router::new().route("/", get(handler)).layer(elsewhere).layer(layer)).await;
    assert_eq!(ask(address, "/").await.body, "ok");
    assert_eq!(documents.next().await["annotations"], json!({"in": "another task"}));
}

#[tokio::test]
async fn inner_middleware_runs_in_the_segment_and_outer_does_not() {
    let (layer, mut documents) = layer("shop");
    let inner = from_fn(|request: Request, next: Next| async {
        xray_core::annotate("before", true);
        let response = next.run(request).in_subsegment("handler").await;
        xray_core::annotate("after", true);
        response
    });
    let outer = from_fn(|request: Request, next: Next| async {
        assert!(xray_core::try_current().is_none());
        let response = next.run(request).await;
        assert!(xray_core::try_current().is_none());
        response
    });
    let handler = || async { xray_core::capture("work", |_| "ok") };
    let app = Router::new().route("/", get(handler)).layer(inner).layer(layer).layer(outer);
    let address = serve(app).await;
    assert_eq!(ask(address, "/").await.status, 200);
    let more = json!({
        "annotations": {"before": true, "after": true},
        "subsegments": [{"name": "handler", "subsegments": [{"name": "work"}]}],
    });
    assert_eq!(documents.next().await, shop("/", OK(), more));
}

#[tokio::test]
async fn futures_that_run_together_are_siblings() {
    let (layer, mut documents) = layer("shop");
    let handler = || async {
        let load = |number: u32| async move {
            tokio::task::yield_now().await;
            xray_core::annotate("number", number);
        };
        join_all((0..3).map(|number| load(number).in_subsegment(format!("load {number}")))).await;
        "ok"
    };
    let address = serve(Router::new().route("/", get(handler)).layer(layer)).await;
    ask(address, "/").await;
    let siblings: Value =
        (0..3).map(|number| json!({"name": format!("load {number}"), "annotations": {"number": number}})).collect();
    assert_eq!(documents.next().await, shop("/", OK(), json!({"subsegments": siblings})));
}

#[tokio::test]
async fn a_spawned_task_has_the_context_only_if_it_is_carried_there() {
    let (layer, mut documents) = layer("shop");
    let handler = || async {
        assert!(tokio::spawn(async { xray_core::try_current().is_none() }).await.unwrap());
        tokio::spawn(ready(()).in_subsegment("spawned").in_current()).await.unwrap();
        tokio::task::spawn_blocking(xray_core::in_current(|| xray_core::capture("blocking", |_| ()))).await.unwrap();
        "ok"
    };
    let address = serve(Router::new().route("/", get(handler)).layer(layer)).await;
    assert_eq!(ask(address, "/").await.body, "ok");
    let more = json!({"subsegments": [{"name": "spawned"}, {"name": "blocking"}]});
    assert_eq!(documents.next().await, shop("/", OK(), more));
}

#[tokio::test]
async fn nested_routers_are_recorded_once_and_by_their_whole_url() {
    let (outside, mut outside_documents) = layer("shop");
    let (inside, mut inside_documents) = layer("shop");
    let (service, mut service_documents) = layer("shop");
    let user = |Path(id): Path<u32>| async move { format!("{id:02}") };
    let routes = || Router::new().route("/user/{id}", get(user));
    let app = Router::new()
        .nest("/outside", routes())
        .layer(outside)
        .nest("/inside", Router::new().nest("/deep", routes().layer(inside)))
        .nest_service("/service", routes().layer(service));
    let address = serve(app).await;
    for (path, documents) in [
        ("/outside/user/7", &mut outside_documents),
        ("/inside/deep/user/7", &mut inside_documents),
        ("/service/user/7", &mut service_documents),
    ] {
        assert_eq!(ask(address, path).await.body, "07");
        assert_eq!(documents.next().await, shop(path, OK(), json!({})));
        documents.assert_empty();
    }
}

/// Serves 150 requests at once; each must be recorded with its own values and no others.
async fn never_mixed() {
    const REQUESTS: usize = 150;
    let (layer, mut documents) = layer("shop");
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(REQUESTS));
    let handler = move |Path(value): Path<usize>| async move {
        xray_core::annotate("value", value);
        barrier.wait().await;
        // All are under way: whatever leaks now leaks into another.
        for step in 0..3 {
            tokio::task::yield_now().await;
            async {
                tokio::task::yield_now().await;
                xray_core::annotate("value", value);
            }
            .in_subsegment(format!("step {step}"))
            .await;
        }
        xray_core::current().trace_id().unwrap().to_string()
    };
    let address = serve(Router::new().route("/{value}", get(handler)).layer(layer)).await;
    let request = |value: usize| async move { (value, support::get(address, &format!("/{value}")).await.body) };
    let answers = join_all((0..REQUESTS).map(|value| tokio::spawn(request(value)))).await;
    let mut seen = expected_traces(&mut documents, REQUESTS).await;
    for answer in answers {
        let (value, trace_id) = answer.unwrap();
        let document = seen.remove(&trace_id).unwrap();
        let steps: Value =
            (0..3).map(|step| json!({"name": format!("step {step}"), "annotations": {"value": value}})).collect();
        let more = json!({"annotations": {"value": value}, "subsegments": steps});
        let response = json!({"status": 200, "content_length": 35});
        assert_eq!(support::normalised(document), shop(&format!("/{value}"), response, more));
    }
    documents.assert_empty();
}

async fn expected_traces(documents: &mut Documents, count: usize) -> std::collections::HashMap<String, Value> {
    let mut traces = std::collections::HashMap::new();
    for _ in 0..count {
        let document = documents.raw().await;
        traces.insert(document["trace_id"].as_str().unwrap().to_owned(), document);
    }
    traces
}

#[tokio::test]
async fn concurrent_requests_are_never_mixed_on_one_thread() {
    never_mixed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_requests_are_never_mixed_on_many_threads() {
    never_mixed().await;
}

/// The types that are used are sendable and small enough to be cloned per connection.
#[test]
fn the_public_types_can_be_used_everywhere() {
    fn everywhere<T: Send + Sync + Clone + std::fmt::Debug + 'static>() {}
    everywhere::<xray_axum::XRayLayer>();
    everywhere::<xray_axum::XRayService<()>>();
    everywhere::<XRaySegment>();
    everywhere::<xray_axum::MatchedRoute>();
    fn sendable<T: Send + Sync + std::fmt::Debug>() {}
    sendable::<xray_axum::ResponseFuture<()>>();
    sendable::<xray_axum::XRayBody<()>>();
}
