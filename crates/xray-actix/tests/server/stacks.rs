//! Several middlewares in one stack. A request is one segment, with the route that served it.

use std::convert::Infallible;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Compat, Condition, Next, NormalizePath, from_fn};
use actix_web::test::{TestRequest, call_and_read_body, call_service, init_service};
use actix_web::web::{Bytes, Path, get, scope};
use actix_web::{App, Error, HttpResponse};
use futures_util::stream;
use serde_json::json;
use xray_actix::{MatchedRoute, XRay, XRaySegment};
use xray_core::sampling::{Always, Never};

use crate::support::recorder_with;

#[actix_web::test]
async fn middlewares_of_a_scope_and_of_the_app_make_one_segment() {
    let (recorder, mut documents) = recorder_with(Always);
    let xray = |name: &str| {
        XRay::fixed(name.to_owned()).recorder(recorder.clone()).matched_route(MatchedRoute::annotation("route"))
    };
    let handler = async |segment: XRaySegment, id: Path<u64>| {
        xray_core::capture("work", |_| {});
        segment.annotate("handled", true);
        id.to_string()
    };
    let api = scope("/api").wrap(xray("inner")).route("/orders/{id}", get().to(handler));
    let app = init_service(App::new().service(api).wrap(xray("shop"))).await;
    assert_eq!(call_and_read_body(&app, TestRequest::get().uri("/api/orders/7").to_request()).await, "7");
    let document = documents.next().await;
    assert_eq!(document["name"], "shop");
    assert_eq!(document["annotations"], json!({"handled": true, "route": "/api/orders/{id}"}));
    assert_eq!(document["subsegments"], json!([{"name": "work"}]));
    documents.assert_empty();
}

#[actix_web::test]
async fn an_inner_middleware_does_not_sample_again() {
    let (outer, mut unsampled) = recorder_with(Never);
    let (inner, mut sampled) = recorder_with(Always);
    let handler = async || xray_core::current().trace_header().unwrap().to_string();
    let api = scope("/api").wrap(XRay::fixed("inner").recorder(inner)).route("/", get().to(handler));
    let app = init_service(App::new().service(api).wrap(XRay::fixed("shop").recorder(outer))).await;
    let body = call_and_read_body(&app, TestRequest::get().uri("/api/").to_request()).await;
    assert!(body.ends_with(b";Sampled=0"), "{body:?}");
    unsampled.assert_empty();
    sampled.assert_empty();
}

#[actix_web::test]
async fn the_recorded_route_is_the_one_matched_after_a_middleware_changed_the_path() {
    let (recorder, mut documents) = recorder_with(Always);
    let xray = XRay::fixed("shop").recorder(recorder).matched_route(MatchedRoute::annotation("route"));
    let handler = async |id: Path<u64>| id.to_string();
    let app = App::new().wrap(NormalizePath::trim()).wrap(xray).route("/orders/{id}", get().to(handler));
    let app = init_service(app).await;
    assert_eq!(call_and_read_body(&app, TestRequest::get().uri("/orders/7/").to_request()).await, "7");
    assert_eq!(documents.next().await["annotations"], json!({"route": "/orders/{id}"}));
}

#[actix_web::test]
async fn a_body_that_an_outer_middleware_replaces_is_not_aborted() {
    let (recorder, mut documents) = recorder_with(Always);
    let streams = async || HttpResponse::Ok().streaming(stream::pending::<Result<Bytes, Infallible>>());
    async fn replace(
        request: ServiceRequest,
        next: Next<impl MessageBody + 'static>,
    ) -> Result<ServiceResponse, Error> {
        let request = next.call(request).await?.request().clone();
        Ok(ServiceResponse::new(request, HttpResponse::NotFound().finish()))
    }
    let xray = XRay::fixed("shop").recorder(recorder);
    let app = App::new().wrap(xray).wrap(from_fn(replace)).route("/", get().to(streams));
    let app = init_service(app).await;
    assert_eq!(call_service(&app, TestRequest::get().uri("/").to_request()).await.status(), 404);
    let document = documents.next().await;
    assert_eq!(document["http"]["response"], json!({"status": 200}));
    assert_eq!(document.get("metadata"), None, "{document}");
}

#[actix_web::test]
async fn the_middleware_can_be_conditional() {
    for enabled in [true, false] {
        let (recorder, mut documents) = recorder_with(Always);
        let xray = Condition::new(enabled, Compat::new(XRay::fixed("shop").recorder(recorder)));
        let app = init_service(App::new().wrap(xray).route("/", get().to(async || "ok"))).await;
        assert_eq!(call_and_read_body(&app, TestRequest::get().uri("/").to_request()).await, "ok");
        if enabled {
            documents.next().await;
        }
        documents.assert_empty();
    }
}
