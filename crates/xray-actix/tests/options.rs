//! The options of the middleware, and what a handler returns. What a request records in general is tested for both
//! frameworks at once, through real sockets, in `tests/tests/services`.

use actix_http::Request;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use actix_web::test::{TestRequest, call_and_read_body, call_service, init_service};
use actix_web::{App, Error, HttpResponse, error, web};
use serde_json::json;
use xray_actix::{MatchedRoute, XRay, XRaySegment};
use xray_core::{Recorder, TraceParent};

fn get(uri: &str) -> Request {
    TestRequest::get().uri(uri).insert_header(("host", "shop.example.com")).to_request()
}

#[actix_web::test]
async fn the_matched_route_is_recorded_where_it_is_wanted() {
    for (place, annotation, metadata) in [
        (MatchedRoute::annotation("route"), json!("/api/orders/{id}"), json!(null)),
        (MatchedRoute::metadata("route"), json!(null), json!("/api/orders/{id}")),
    ] {
        let (recorder, traces) = Recorder::in_memory();
        let middleware = XRay::fixed("shop").recorder(recorder).matched_route(place);
        let orders = web::scope("/api").route("/orders/{id}", web::get().to(HttpResponse::Ok));
        let app = init_service(App::new().wrap(middleware).service(orders)).await;
        call_and_read_body(&app, get("/api/orders/7")).await;
        let trace = traces.take().single();
        assert_eq!(*trace.root().annotation("route"), annotation);
        assert_eq!(*trace.root().metadata("default", "route"), metadata);
    }
}

#[actix_web::test]
async fn an_ignored_request_records_nothing_and_its_code_does_not_notice() {
    let (recorder, traces) = Recorder::in_memory();
    let middleware = XRay::fixed("shop").recorder(recorder).ignore(|request| request.path() == "/health");
    let handler = async || {
        xray_core::annotate("key", 1);
        xray_core::capture("work", |_| "fine")
    };
    let app = init_service(App::new().wrap(middleware).route("/health", web::get().to(handler))).await;
    assert_eq!(call_and_read_body(&app, get("/health")).await, "fine");
    assert!(traces.take().documents().is_empty());
}

#[actix_web::test]
async fn the_extractor_gives_the_segment_without_a_share_in_it() {
    let (recorder, traces) = Recorder::in_memory();
    let handler = async |segment: XRaySegment| {
        segment.set_user("alice");
        // Kept for longer than the request.
        std::mem::forget(segment);
        "ok"
    };
    let app = App::new().wrap(XRay::fixed("shop").recorder(recorder)).route("/", web::get().to(handler));
    call_and_read_body(&init_service(app).await, get("/")).await;
    assert_eq!(traces.take().single().root().json()["user"], "alice");
}

#[actix_web::test]
async fn what_a_handler_returns_as_an_error_is_the_cause() {
    for (status, flags, message) in [
        (StatusCode::BAD_REQUEST, [true, false], "no such item"),
        (StatusCode::INTERNAL_SERVER_ERROR, [false, true], "broken"),
    ] {
        let (recorder, traces) = Recorder::in_memory();
        let handler =
            move || async move { Err::<HttpResponse, Error>(error::InternalError::new(message, status).into()) };
        let app = App::new().wrap(XRay::fixed("shop").recorder(recorder)).route("/", web::get().to(handler));
        let response = call_service(&init_service(app).await, get("/")).await;
        assert_eq!(response.status(), status);
        drop(response);
        let trace = traces.take().single();
        let segment = trace.root();
        assert_eq!([segment.has("error"), segment.has("fault")], flags);
        assert_eq!(segment.json()["cause"]["exceptions"][0]["message"], message);
        assert_eq!(segment.json()["http"]["response"]["status"], status.as_u16());
    }
}

#[actix_web::test]
async fn a_trace_that_comes_by_traceparent_is_joined() {
    let (recorder, traces) = Recorder::in_memory();
    let app = App::new().wrap(XRay::fixed("shop").recorder(recorder)).route("/", web::get().to(HttpResponse::Ok));
    let header = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";
    let request = TestRequest::get().insert_header(("traceparent", header)).to_request();
    call_and_read_body(&init_service(app).await, request).await;
    let trace = traces.take().single();
    let parent = TraceParent::parse(header).unwrap();
    assert_eq!(trace.root().json()["trace_id"], parent.trace_id().to_string());
    assert_eq!(trace.root().json()["parent_id"], parent.parent().to_string());
}

#[actix_web::test]
async fn the_decision_is_told_when_it_is_asked_for_or_always() {
    for (asked, always, told) in [(true, false, true), (false, true, true), (false, false, false)] {
        let (recorder, _) = Recorder::in_memory();
        let middleware = XRay::dynamic("shop", "*.example.com").recorder(recorder).respond_always(always);
        let app = init_service(App::new().wrap(middleware).route("/", web::get().to(HttpResponse::Ok))).await;
        let header = if asked { "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=?" } else { "" };
        let request = TestRequest::get().insert_header(("X-Amzn-Trace-Id", header)).to_request();
        let response = call_service(&app, request).await;
        let answer = response.headers().get("x-amzn-trace-id").map(HeaderValue::as_bytes);
        assert_eq!(answer.is_some(), told);
        if asked {
            assert_eq!(answer, Some(&b"Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"[..]));
        }
    }
}
