//! Options that are specific to actix-web, and options that are set twice.

use actix_web::HttpResponse;
use actix_web::web::{self, get};
use serde_json::{Value, json};
use xray_actix::{MatchedRoute, XRay};
use xray_core::sampling::Always;

use crate::support::{self, ask, recorder_with, serve, xray};

#[tokio::test]
async fn the_constructors_set_a_fixed_name_or_name_segments_by_the_host() {
    for (xray, name) in [
        (XRay::fixed("shop"), "shop"),
        (XRay::dynamic("shop", "*.test"), "shop.test"),
        (XRay::dynamic("shop", "*.example.com"), "shop"),
    ] {
        let (recorder, mut documents) = recorder_with(Always);
        let address = serve(xray.recorder(recorder), |app| {
            app.default_service(web::to(HttpResponse::Ok));
        });
        support::get(address, "/a").await;
        assert_eq!(documents.next().await["name"], name);
    }
}

#[tokio::test]
async fn a_second_function_replaces_the_first() {
    let (xray, mut documents) = xray("shop");
    let xray = xray.ignore(|_| true).ignore(|request| request.path() == "/health");
    let address = serve(xray, |app| {
        app.default_service(web::to(HttpResponse::Ok));
    });
    for path in ["/health", "/other"] {
        assert_eq!(support::get(address, path).await.status, 200);
    }
    assert_eq!(documents.next().await["http"]["request"]["url"], "http://shop.test/other");
    documents.assert_empty();
}

#[tokio::test]
async fn the_application_can_supply_the_clients_address() {
    for (peer, expected) in [(None, "127.0.0.1"), (Some([192, 0, 2, 7].into()), "192.0.2.7")] {
        let (xray, mut documents) = xray("shop");
        let address = serve(xray.peer(move |_| peer), |app| {
            app.default_service(web::to(HttpResponse::Ok));
        });
        ask(address, "GET /a", &[]).await.unwrap();
        assert_eq!(documents.next().await["http"]["request"]["client_ip"], expected);
    }
}

#[tokio::test]
async fn the_matched_route_is_recorded_on_request() {
    for (option, path, annotations) in [
        (None, "/api/user/7", Value::Null),
        (Some(MatchedRoute::annotation("route")), "/api/user/7", json!({"route": "/api/user/{id}"})),
        // A route of a resource, and paths that no resource matches.
        (Some(MatchedRoute::annotation("route")), "/api/item/7", json!({"route": "/api/item/{id:[0-9]+}"})),
        (Some(MatchedRoute::annotation("route")), "/api/item/x", Value::Null),
        (Some(MatchedRoute::annotation("route")), "/other", Value::Null),
    ] {
        let (mut xray, mut documents) = xray("shop");
        if let Some(option) = option {
            xray = xray.matched_route(option);
        }
        let address = serve(xray, |app| {
            let item = web::resource("/item/{id:[0-9]+}").to(async || "ok");
            app.service(web::scope("/api").route("/user/{id}", get().to(async || "ok")).service(item));
        });
        support::get(address, path).await;
        assert_eq!(documents.next().await["annotations"], annotations, "{path}");
    }
}
