//! The code in which the segment is current.

use std::future::ready;
use std::sync::{Arc, Mutex};

use actix_web::body::BoxBody;
use actix_web::dev::ServiceRequest;
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, call_and_read_body, init_service};
use actix_web::web::{self, Path, get};
use actix_web::{App, HttpServer, rt};
use serde_json::{Value, json};
use tokio::sync::Barrier;
use xray_actix::{XRay, XRaySegment};
use xray_core::FutureExt;
use xray_core::sampling::Never;

use crate::support::{Global, get as ask, recorder_with, serve, shop, start, xray};

const OK: fn() -> Value = || json!({"status": 200, "content_length": 2});

#[tokio::test]
async fn the_extractor_and_the_context_are_the_same_segment() {
    let (xray, mut documents) = xray("shop");
    let handler = async |segment: XRaySegment| {
        assert_eq!(segment.id(), xray_core::current().id());
        segment.annotate("by", "extractor").set_user("john");
        xray_core::annotate("also_by", "context");
        drop(segment.into_inner());
        if xray_core::current().is_recording() { "ok" } else { "closed" }
    };
    let address = serve(xray, move |app| {
        app.route("/", get().to(handler));
    });
    assert_eq!(ask(address, "/").await.body, "ok");
    let more = json!({"annotations": {"by": "extractor", "also_by": "context"}, "user": "john"});
    assert_eq!(documents.next().await, shop("/", OK(), more));
}

#[tokio::test]
async fn the_extractor_works_without_a_segment_and_without_the_middleware() {
    let global = Global::install();
    let handler = async |segment: XRaySegment| format!("{:?} {}", segment.trace_id(), segment.is_sampled());
    // Without the middleware, the context-missing strategy applies and the request is served.
    let app = init_service(App::new().route("/", get().to(handler))).await;
    assert_eq!(call_and_read_body(&app, TestRequest::get().to_request()).await, "None false");
    assert!(global.missed("current_segment()"));
    // An unsampled request has a segment that propagates the trace.
    let (recorder, _) = recorder_with(Never);
    let app = App::new().wrap(XRay::fixed("shop").recorder(recorder)).route("/", get().to(handler));
    let unsampled = call_and_read_body(&init_service(app).await, TestRequest::get().to_request()).await;
    assert!(unsampled.starts_with(b"Some(") && unsampled.ends_with(b" false"), "{unsampled:?}");
}

#[tokio::test]
async fn a_segment_that_the_application_keeps_does_not_keep_the_trace_open() {
    let (xray, mut documents) = xray("shop");
    let kept = Arc::new(Mutex::new(Vec::new()));
    let address = serve(xray, {
        let kept = kept.clone();
        move |app| {
            let kept = kept.clone();
            let keep = move |segment: XRaySegment| {
                kept.lock().unwrap().push(segment);
                ready("ok")
            };
            app.route("/", get().to(keep));
        }
    });
    ask(address, "/").await;
    assert_eq!(documents.next().await, shop("/", OK(), json!({})));
    kept.lock().unwrap()[0].annotate("late", true);
    documents.assert_empty();
}

#[tokio::test]
async fn inner_middleware_runs_in_the_segment_and_outer_does_not() {
    let (xray, mut documents) = xray("shop");
    let inner = async |request: ServiceRequest, next: Next<BoxBody>| {
        xray_core::annotate("before", true);
        let response = next.call(request).in_subsegment("handler").await;
        xray_core::annotate("after", true);
        response
    };
    let outer = async |request: ServiceRequest, next: Next<_>| {
        assert!(xray_core::try_current().is_none());
        let response = next.call(request).await;
        assert!(xray_core::try_current().is_none());
        response
    };
    let handler = async || xray_core::capture("work", |_| "ok");
    let app =
        move || App::new().route("/", get().to(handler)).wrap(from_fn(inner)).wrap(xray.clone()).wrap(from_fn(outer));
    let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let address = start(server.addrs()[0], server.run());
    assert_eq!(ask(address, "/").await.status, 200);
    let more = json!({
        "annotations": {"before": true, "after": true},
        "subsegments": [{"name": "handler", "subsegments": [{"name": "work"}]}],
    });
    assert_eq!(documents.next().await, shop("/", OK(), more));
}

#[tokio::test]
async fn a_spawned_task_has_the_context_only_if_it_is_carried_there() {
    let (xray, mut documents) = xray("shop");
    let handler = async || {
        assert!(rt::spawn(async { xray_core::try_current().is_none() }).await.unwrap());
        assert!(web::block(|| xray_core::try_current().is_none()).await.unwrap());
        rt::spawn(ready(()).in_subsegment("spawned").in_current()).await.unwrap();
        web::block(xray_core::in_current(|| xray_core::capture("blocking", |_| ()))).await.unwrap();
        "ok"
    };
    let address = serve(xray, move |app| {
        app.route("/", get().to(handler));
    });
    assert_eq!(ask(address, "/").await.body, "ok");
    let more = json!({"subsegments": [{"name": "spawned"}, {"name": "blocking"}]});
    assert_eq!(documents.next().await, shop("/", OK(), more));
}

#[tokio::test]
async fn a_middleware_on_a_scope_records_what_the_scope_serves() {
    let (xray, mut documents) = xray("shop");
    let app = move || {
        let user = async |id: Path<u32>| format!("{id:02}");
        let scope = web::scope("/deep").wrap(xray.clone()).route("/user/{id}", get().to(user));
        App::new().service(web::scope("/inside").service(scope)).route("/other", get().to(async || "ok"))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let address = start(server.addrs()[0], server.run());
    assert_eq!(ask(address, "/other").await.body, "ok");
    assert_eq!(ask(address, "/inside/deep/user/7").await.body, "07");
    assert_eq!(documents.next().await, shop("/inside/deep/user/7", OK(), json!({})));
    documents.assert_empty();
}

#[tokio::test]
async fn a_guard_held_across_an_await_affects_only_its_own_request() {
    let (xray, mut documents) = xray("shop");
    let barrier = Arc::new(Barrier::new(2));
    let address = serve(xray, move |app| {
        let held = barrier.clone();
        let holds = move || {
            let barrier = held.clone();
            async move {
                let held = xray_core::subsegment("held");
                let _entered = held.enter();
                barrier.wait().await;
                barrier.wait().await;
                "ok"
            }
        };
        let barrier = barrier.clone();
        let other = move || {
            let barrier = barrier.clone();
            async move {
                barrier.wait().await;
                xray_core::annotate("mine", true);
                xray_core::subsegment("mine").close();
                barrier.wait().await;
                "ok"
            }
        };
        app.route("/holds", get().to(holds)).route("/other", get().to(other));
    });
    tokio::join!(ask(address, "/holds"), ask(address, "/other"));
    for _ in 0..2 {
        let document = documents.next().await;
        let expected = if document["http"]["request"]["url"] == "http://shop.test/holds" {
            shop("/holds", OK(), json!({"subsegments": [{"name": "held"}]}))
        } else {
            shop("/other", OK(), json!({"annotations": {"mine": true}, "subsegments": [{"name": "mine"}]}))
        };
        assert_eq!(document, expected);
    }
}

/// `HttpServer` requires the values that its factory captures to be `Send`.
#[test]
fn the_public_types_are_send_and_clone_where_servers_need_it() {
    fn everywhere<T: Send + Sync + Clone + std::fmt::Debug + 'static>() {}
    everywhere::<XRay>();
    everywhere::<XRaySegment>();
    everywhere::<xray_actix::MatchedRoute>();
    fn sendable<T: Send + Sync + std::fmt::Debug>() {}
    sendable::<xray_actix::XRayService<()>>();
    sendable::<xray_actix::ResponseFuture<()>>();
    sendable::<xray_actix::XRayBody<()>>();
}
