//! Options of the middleware, and errors of handlers, without a server.

use actix_http::Request;
use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_and_read_body, call_service, init_service};
use actix_web::{App, Error, HttpResponse, error, web};
use serde_json::json;
use xray_actix::{MatchedRoute, XRay, XRaySegment};
use xray_core::Recorder;

fn get(uri: &str) -> Request {
    TestRequest::get().uri(uri).insert_header(("host", "shop.example.com")).to_request()
}

#[actix_web::test]
async fn the_matched_route_is_recorded_in_the_configured_place() {
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
async fn the_extracted_segment_does_not_keep_the_segment_open() {
    let (recorder, traces) = Recorder::in_memory();
    let handler = async |segment: XRaySegment| {
        segment.set_user("alice");
        // Outlives the request.
        std::mem::forget(segment);
        "ok"
    };
    let app = App::new().wrap(XRay::fixed("shop").recorder(recorder)).route("/", web::get().to(handler));
    call_and_read_body(&init_service(app).await, get("/")).await;
    assert_eq!(traces.take().single().root().json()["user"], "alice");
}

#[actix_web::test]
async fn an_error_that_a_handler_returns_is_the_cause() {
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
