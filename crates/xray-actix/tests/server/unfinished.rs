//! Requests whose client or caller does not wait for the response.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, fn_service};
use actix_web::middleware::{Next, from_fn};
use actix_web::test::TestRequest;
use actix_web::web::{self, get};
use actix_web::{App, Error, HttpResponse, HttpServer, error};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use xray_actix::XRay;
use xray_core::FutureExt;

use crate::support::{Documents, ask, read_until, reset, send, serve, shop, start, xray};

/// A handler that signals when it begins, and waits for a signal to continue.
#[derive(Clone, Default)]
struct Slow {
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Slow {
    async fn handle(self) -> &'static str {
        self.begun.notify_one();
        self.go_on.notified().in_subsegment("waiting").await;
        "ok"
    }
}

fn slow(xray: XRay, half_closed: bool) -> (SocketAddr, Slow) {
    let slow = Slow::default();
    let of_server = slow.clone();
    let server = HttpServer::new(move || {
        let slow = of_server.clone();
        App::new().wrap(xray.clone()).route("/slow", web::route().to(move || slow.clone().handle()))
    });
    let server = server.workers(1).disable_signals().h1_allow_half_closed(half_closed).bind("127.0.0.1:0").unwrap();
    (start(server.addrs()[0], server.run()), slow)
}

async fn assert_cancelled(documents: &mut Documents) {
    let more = json!({
        "fault": true,
        "cause": [["Cancelled", "the request was dropped before its response"]],
        "subsegments": [{"name": "waiting", "metadata": {"xray": {"cancelled": true}}}],
    });
    assert_eq!(documents.next().await, shop("/slow", Value::Null, more));
    documents.assert_empty();
}

#[tokio::test]
async fn a_client_that_resets_before_the_response_cancels_the_request() {
    for half_closed in [true, false] {
        let (xray, mut documents) = xray("shop");
        let (address, slow) = slow(xray, half_closed);
        let stream = send(address, "GET /slow", &[]).await;
        slow.begun.notified().await;
        documents.assert_empty();
        reset(stream);
        assert_cancelled(&mut documents).await;
        // The worker continues to serve.
        slow.go_on.notify_one();
        assert_eq!(ask(address, "GET /slow", &[]).await.unwrap().body, "ok");
        assert_eq!(documents.next().await["http"]["response"]["status"], 200);
    }
}

#[tokio::test]
async fn a_client_that_closes_only_its_own_side_still_gets_its_response() {
    let (xray, mut documents) = xray("shop");
    let (address, slow) = slow(xray, true);
    let mut stream = send(address, "GET /slow", &[]).await;
    slow.begun.notified().await;
    stream.shutdown().await.unwrap();
    slow.go_on.notify_one();
    assert!(read_until(&mut stream, "\r\n\r\nok").await.starts_with("HTTP/1.1 200"));
    let more = json!({"subsegments": [{"name": "waiting"}]});
    assert_eq!(documents.next().await, shop("/slow", json!({"status": 200, "content_length": 2}), more));
}

#[tokio::test]
async fn a_server_without_half_closed_connections_cancels_the_request() {
    let (xray, mut documents) = xray("shop");
    let (address, slow) = slow(xray, false);
    let stream = send(address, "GET /slow", &[]).await;
    slow.begun.notified().await;
    drop(stream);
    assert_cancelled(&mut documents).await;
}

const LIMIT: Duration = Duration::from_millis(100);

/// A handler that never responds.
async fn stuck() -> &'static str {
    pending::<()>().in_subsegment("stuck").await;
    "never"
}

#[tokio::test]
async fn a_timeout_inside_the_middleware_is_a_response() {
    let (xray, mut documents) = xray("shop");
    let address = serve(xray, |app| {
        let respond = async |request: ServiceRequest, next: Next<BoxBody>| {
            let original = request.request().clone();
            match tokio::time::timeout(LIMIT, next.call(request)).await {
                Ok(result) => result,
                Err(_) => Ok(ServiceResponse::new(original, HttpResponse::GatewayTimeout().finish())),
            }
        };
        let fail = async |request: ServiceRequest, next: Next<BoxBody>| {
            let result = tokio::time::timeout(LIMIT, next.call(request)).await;
            result.unwrap_or_else(|elapsed| Err(error::ErrorGatewayTimeout(elapsed)))
        };
        app.service(web::resource("/respond").wrap(from_fn(respond)).to(stuck))
            .service(web::resource("/fail").wrap(from_fn(fail)).to(stuck));
    });
    let stuck = || json!({"name": "stuck", "metadata": {"xray": {"cancelled": true}}});
    assert_eq!(ask(address, "GET /respond", &[]).await.unwrap().status, 504);
    let more = json!({"fault": true, "subsegments": [stuck()]});
    assert_eq!(documents.next().await, shop("/respond", json!({"status": 504, "content_length": 0}), more));

    let response = ask(address, "GET /fail", &[]).await.unwrap();
    assert_eq!((response.status, &*response.body), (504, "deadline has elapsed"));
    let more = json!({"fault": true, "cause": [["Elapsed", "deadline has elapsed"]], "subsegments": [stuck()]});
    assert_eq!(documents.next().await, shop("/fail", json!({"status": 504}), more));
}

#[tokio::test]
async fn a_timeout_outside_the_middleware_cancels_the_request() {
    let (xray, mut documents) = xray("shop");
    let outside = async |request: ServiceRequest, next: Next<_>| {
        let result = tokio::time::timeout(LIMIT, next.call(request)).await;
        result.unwrap_or_else(|elapsed| Err(error::ErrorRequestTimeout(elapsed)))
    };
    let app = move || App::new().route("/slow", get().to(waiting)).wrap(xray.clone()).wrap(from_fn(outside));
    let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let address = start(server.addrs()[0], server.run());
    assert_eq!(ask(address, "GET /slow", &[]).await.unwrap().status, 408);
    assert_cancelled(&mut documents).await;
}

async fn waiting() -> &'static str {
    pending::<()>().in_subsegment("waiting").await;
    "never"
}

#[tokio::test]
async fn a_future_that_is_never_polled_counts_as_cancelled() {
    let (xray, mut documents) = xray("shop");
    let inner = fn_service(async |request: ServiceRequest| {
        Ok::<_, Error>(request.into_response(HttpResponse::Ok().finish().map_into_boxed_body()))
    });
    let service = xray.new_transform(inner).await.unwrap();
    drop(service.call(TestRequest::get().to_srv_request()));
    assert_eq!(documents.next().await["cause"][0][0], "Cancelled");
    documents.assert_empty();
    // A body that was never polled counts as replaced by an outer middleware, not as aborted.
    let inner = fn_service(async |request: ServiceRequest| {
        Ok::<_, Error>(request.into_response(HttpResponse::Ok().body("unwanted")))
    });
    let service = xray.new_transform(inner).await.unwrap();
    let response = service.call(TestRequest::get().to_srv_request()).await.unwrap();
    drop(response);
    let document = documents.next().await;
    assert_eq!((&document["http"]["response"]["status"], &document["metadata"]), (&json!(200), &json!(null)));
}
