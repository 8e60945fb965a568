//! Routes, the depot, and hoops of routers.

use salvo::prelude::*;
use serde_json::{Value, json};
use xray_core::sampling::Never;
use xray_salvo::{MatchedRoute, XRay, XRaySegment};

use crate::support::{ask, get, serve, shop, xray};

#[handler]
async fn order(request: &mut Request) -> String {
    let id: u64 = request.param("id").unwrap();
    xray_core::annotate("order_id", id);
    xray_core::capture("render", |_| format!("order {id}"))
}

#[handler]
async fn ok() -> &'static str {
    "ok"
}

fn router() -> Router {
    let orders = Router::with_path("orders/{id:num}").get(order);
    let files = Router::with_path("files/{**rest}").get(ok);
    Router::new().get(ok).push(Router::with_path("api").push(orders)).push(files)
}

#[tokio::test]
async fn what_a_handler_records_is_in_its_segment_behind_hoops_of_services_and_of_routers() {
    let (xray, mut documents) = xray();
    let of_the_service = serve(Service::new(router()).hoop(xray.clone())).await;
    let of_a_router = serve(Router::new().hoop(xray).push(router())).await;
    for address in [of_the_service, of_a_router] {
        assert_eq!(get(address, "/api/orders/7").await.body, "order 7");
        let more = json!({"annotations": {"order_id": 7}, "subsegments": [{"name": "render"}]});
        let expected = shop("/api/orders/7", json!({"status": 200, "content_length": 7}), more);
        assert_eq!(documents.next().await, expected);
    }
    documents.assert_empty();
}

#[tokio::test]
async fn the_matched_route_is_recorded_in_the_configured_place() {
    let (xray, mut documents) = xray();
    let annotation = xray.clone().matched_route(MatchedRoute::annotation("route"));
    let metadata = xray.matched_route(MatchedRoute::metadata("route"));
    let annotation = serve(Service::new(router()).hoop(annotation)).await;
    let metadata = serve(Service::new(router()).hoop(metadata)).await;
    for (path, route) in [
        ("/api/orders/7", json!("/api/orders/{id}")),
        ("/files/a/b", json!("/files/{**rest}")),
        ("/", json!("/")),
        ("/api/orders/x", Value::Null),
    ] {
        get(annotation, path).await;
        assert_eq!(documents.next().await["annotations"]["route"], route, "{path}");
        get(metadata, path).await;
        assert_eq!(documents.next().await["metadata"]["default"]["route"], route, "{path}");
    }
}

#[tokio::test]
async fn a_root_that_matches_no_route_has_none() {
    let (xray, mut documents) = xray();
    let xray = xray.matched_route(MatchedRoute::annotation("route"));
    let address = serve(Service::new(Router::with_path("a").get(ok)).hoop(xray)).await;
    assert_eq!(get(address, "/").await.status, 404);
    assert_eq!(documents.next().await, shop("/", json!({"status": 404}), json!({"error": true})));
}

#[tokio::test]
async fn a_request_that_matches_no_route_is_recorded_by_a_hoop_of_the_service_only() {
    let (xray, mut documents) = xray();
    let of_a_router = serve(Router::new().hoop(xray.clone()).push(router())).await;
    assert_eq!(get(of_a_router, "/nothing").await.status, 404);
    documents.assert_empty();
    let of_the_service = serve(Service::new(router()).hoop(xray)).await;
    for (line, path, status) in [("GET /nothing", "/nothing", 404), ("POST /files/a", "/files/a", 405)] {
        assert_eq!(ask(of_the_service, line, &[]).await.unwrap().status, status);
        let mut expected = shop(path, json!({"status": status}), json!({"error": true}));
        expected["http"]["request"]["method"] = line.split(' ').next().into();
        assert_eq!(documents.next().await, expected);
    }
    documents.assert_empty();
}

#[tokio::test]
async fn the_extracted_segment_does_not_keep_the_segment_open() {
    #[handler]
    async fn forgetful(segment: XRaySegment, depot: &mut Depot) -> &'static str {
        segment.set_user("alice");
        if let Ok(segment) = depot.get_typed::<XRaySegment>() {
            segment.annotate("depot", true);
        }
        // Outlives the request.
        std::mem::forget(segment.into_inner());
        "ok"
    }
    let (xray, mut documents) = xray();
    let address = serve(Service::new(Router::new().get(forgetful)).hoop(xray)).await;
    assert_eq!(get(address, "/").await.body, "ok");
    let document = documents.next().await;
    assert_eq!((&document["user"], &document["annotations"]["depot"]), (&json!("alice"), &json!(true)));

    // Without a segment, the parameter does nothing.
    let never = xray_behaviours::documents::recorder_with(Never).0;
    let address = serve(Service::new(Router::new().get(forgetful)).hoop(XRay::fixed("shop").recorder(never))).await;
    assert_eq!(get(address, "/").await.body, "ok");
    documents.assert_empty();
}
