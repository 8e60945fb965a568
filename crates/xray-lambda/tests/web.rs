//! Web applications that have their own server layers, run on Lambda. They record below the function's segment, and
//! Lambda's sampling decision applies.

#![allow(clippy::unwrap_used)]

use actix_web::test::{TestRequest, call_and_read_body, init_service};
use axum::routing::get;
use http_body_util::BodyExt;
use lambda_http::{Body, Request, RequestExt};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use tower_service::Service;
use xray_core::Recorder;
use xray_core::emit::MemoryEmitter;
use xray_lambda::XRayLambda;

const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";
const FUNCTION: &str = "53995c3f42cd8ad8";

fn recorder() -> (Recorder, MemoryEmitter) {
    let memory = MemoryEmitter::new();
    let on_lambda = |name: &str| (name == "LAMBDA_TASK_ROOT").then(|| "/var/task".to_owned());
    (Recorder::builder().environment(on_lambda).emitter(memory.clone()).build().unwrap(), memory)
}

/// Captures a function, and responds with the trace header that a call would send.
async fn handler() -> String {
    xray_core::capture("load order", |_| {
        xray_core::current_segment().annotate("order", 7);
    });
    xray_core::current().trace_header().map(|header| header.to_string()).unwrap_or_default()
}

/// Requests an order from a web application with two layers. Returns the response body.
async fn by_axum(recorder: Recorder, header: &str) -> String {
    let layer = xray_axum::XRayLayer::new("shop").recorder(recorder.clone());
    let orders = axum::Router::new().route("/{id}", get(handler)).layer(layer.clone());
    let mut function = XRayLambda::wrap(axum::Router::new().nest("/orders", orders).layer(layer)).recorder(recorder);
    let mut context = lambda_http::Context::default();
    context.xray_trace_id = Some(header.to_owned());
    // The request as a gateway sends it.
    let request: Request = http::Request::get("http://api.test/orders/7")
        .header("x-amzn-trace-id", format!("Root={ROOT}"))
        .body(Body::Empty)
        .unwrap()
        .with_lambda_context(context);
    let response = function.call(request).await.unwrap();
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

async fn by_actix(recorder: Recorder, header: &str) -> String {
    let xray = || xray_actix::XRay::fixed("shop").recorder(recorder.clone());
    let orders = actix_web::web::scope("/orders").wrap(xray()).route("/{id}", actix_web::web::get().to(handler));
    let app = init_service(actix_web::App::new().service(orders).wrap(xray())).await;
    let inner = service_fn(async |_: LambdaEvent<Value>| {
        let request = TestRequest::get().uri("/orders/7").insert_header(("x-amzn-trace-id", format!("Root={ROOT}")));
        let body = call_and_read_body(&app, request.to_request()).await;
        Ok::<_, lambda_runtime::Error>(String::from_utf8(body.into()).unwrap())
    });
    let mut function = XRayLambda::wrap(inner).recorder(recorder.clone());
    let mut context = lambda_runtime::Context::default();
    context.xray_trace_id = Some(header.to_owned());
    function.call(LambdaEvent::new(json!({}), context)).await.unwrap()
}

#[actix_web::test]
async fn a_web_application_records_below_the_functions_segment() {
    let header = format!("Root={ROOT};Parent={FUNCTION};Sampled=1");
    for is_axum in [true, false] {
        let (recorder, memory) = recorder();
        let carried = if is_axum { by_axum(recorder, &header).await } else { by_actix(recorder, &header).await };
        assert!(carried.starts_with(&format!("Root={ROOT};Parent=")) && carried.ends_with(";Sampled=1"), "{carried}");
        let mut documents: Vec<Value> =
            memory.take().iter().map(|document| serde_json::from_str(document.json()).unwrap()).collect();
        // The body of axum's response ends after the handler, so the request is first sent in progress.
        documents.retain(|document| document["in_progress"] != true);
        let [work, request] = &documents[..] else { panic!("two documents, not {documents:#?}") };
        assert_eq!((&work["name"], &request["name"]), (&json!("load order"), &json!("shop")));
        assert_eq!((&work["parent_id"], &request["parent_id"]), (&request["id"], &json!(FUNCTION)));
        for document in &documents {
            assert_eq!((&document["type"], &document["trace_id"]), (&json!("subsegment"), &json!(ROOT)), "{document}");
        }
        assert_eq!(request["http"]["response"]["status"], 200, "{request}");
        // The application's annotations of its segment are on its request.
        assert_eq!(request["annotations"], json!({"order": 7}), "{request}");
    }
}

#[actix_web::test]
async fn what_lambda_does_not_sample_is_not_recorded() {
    let header = format!("Root={ROOT};Parent={FUNCTION};Sampled=0");
    for is_axum in [true, false] {
        let (recorder, memory) = recorder();
        let carried = if is_axum { by_axum(recorder, &header).await } else { by_actix(recorder, &header).await };
        assert!(carried.starts_with(&format!("Root={ROOT};Parent=")) && carried.ends_with(";Sampled=0"), "{carried}");
        assert_eq!(memory.take().len(), 0);
    }
}

#[actix_web::test]
async fn a_trace_that_is_passed_through_continues_unchanged() {
    let header = format!("Root={ROOT};Lineage=1:a87bd80c:0");
    for is_axum in [true, false] {
        let (recorder, memory) = recorder();
        let carried = if is_axum { by_axum(recorder, &header).await } else { by_actix(recorder, &header).await };
        assert_eq!(carried, header);
        assert_eq!(memory.take().len(), 0);
    }
}
