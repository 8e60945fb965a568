//! The code in which the segment is current.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::middleware::{Next, from_fn};
use axum::routing::get;
use serde_json::{Value, json};
use tower::ServiceExt;
use xray_axum::XRaySegment;
use xray_core::FutureExt;
use xray_core::sampling::Never;

use crate::support::{Global, get as ask, layer, recorder_with, serve, shop};

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
async fn the_extractor_works_without_a_segment_and_without_the_layer() {
    let global = Global::install();
    let handler = |segment: XRaySegment| async move { format!("{:?} {}", segment.trace_id(), segment.is_sampled()) };
    let app = || Router::new().route("/", get(handler));
    let body = async |app: Router| {
        let response = app.oneshot(Request::new(Body::empty())).await.unwrap();
        String::from_utf8(axum::body::to_bytes(response.into_body(), 100).await.unwrap().into()).unwrap()
    };
    // Without the layer, the context-missing strategy applies and the request is served.
    assert_eq!(body(app()).await, "None false");
    assert!(global.missed("current_segment()"));
    // An unsampled request has a segment that propagates the trace.
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
async fn nested_routers_are_recorded_once_and_with_the_full_url() {
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

/// The public types are `Send`, and small enough to be cloned per connection.
#[test]
fn the_public_types_are_send_and_small() {
    fn everywhere<T: Send + Sync + Clone + std::fmt::Debug + 'static>() {}
    everywhere::<xray_axum::XRayLayer>();
    everywhere::<xray_axum::XRayService<()>>();
    everywhere::<XRaySegment>();
    everywhere::<xray_axum::MatchedRoute>();
    fn sendable<T: Send + Sync + std::fmt::Debug>() {}
    sendable::<xray_axum::ResponseFuture<()>>();
    sendable::<xray_axum::XRayBody<()>>();
}
