//! Requests to servers, without sockets and without a runtime's scheduling.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use actix_web::App;
use actix_web::dev::Service as _;
use actix_web::test::TestRequest;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use http_body::Body as _;
use tower_service::Service as _;
use xray_actix::XRay;
use xray_axum::XRayLayer;

use crate::core_works::Sink;

/// The number of requests between two flushes.
const BURST: usize = 64;

const NAME: &str = "orders";
const PATTERN: &str = "/hello/{name}";
const TARGET: &str = "/hello/you";
const HEADERS: [(&str, &str); 3] = [("host", "shop.example.com"), ("user-agent", "curl/8.5.0"), ("accept", "*/*")];

/// Returns the output of a future that never waits.
fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits"),
    }
}

async fn hello() -> &'static str {
    "Hello, World!"
}

fn axum(app: Router, sink: &Sink, count: usize) {
    // As `axum::serve` does. Otherwise, each request makes the services of its layers.
    let mut app: Router = app.with_state(());
    sink.repeat(count, BURST, |_| {
        let request = HEADERS.iter().fold(Request::get(TARGET), |request, (name, value)| request.header(*name, *value));
        let response = ready(app.call(request.body(Body::empty()).expect("a request"))).expect("a response");
        let mut body = pin!(response.into_body());
        while let Some(frame) = ready(poll_fn(|cx| body.as_mut().poll_frame(cx))) {
            frame.expect("a frame");
        }
    });
}

pub(crate) fn axum_bare(count: usize) {
    let app = Router::new().route(PATTERN, get(hello)).layer(tower_layer::layer_fn(|service| service));
    axum(app, &Sink::new(0.0), count);
}

fn axum_with_layer(rate: f64, count: usize) {
    let sink = Sink::new(rate);
    let layer = XRayLayer::new(NAME).recorder(sink.recorder.clone());
    axum(Router::new().route(PATTERN, get(hello)).layer(layer), &sink, count);
}

pub(crate) fn axum_unsampled(count: usize) {
    axum_with_layer(0.0, count);
}

pub(crate) fn axum_recorded(count: usize) {
    axum_with_layer(1.0, count);
}

/// Serves requests by an application of actix-web, whose type depends on the middleware.
macro_rules! actix {
    ($sink:expr, $count:expr, $app:expr) => {
        actix_web::rt::System::new().block_on(async {
            let app = actix_web::test::init_service($app.route(PATTERN, actix_web::web::get().to(hello))).await;
            $sink.repeat($count, BURST, |_| {
                let request = TestRequest::get().uri(TARGET);
                let request = HEADERS.iter().fold(request, |request, header| request.insert_header(*header));
                let response = ready(app.call(request.to_request())).expect("a response");
                ready(actix_web::body::to_bytes(response.into_body())).expect("a body");
            });
        })
    };
}

pub(crate) fn actix_bare(count: usize) {
    actix!(Sink::new(0.0), count, App::new().wrap_fn(|request, service| service.call(request)));
}

fn actix_with_middleware(rate: f64, count: usize) {
    let sink = Sink::new(rate);
    let middleware = XRay::new(NAME).recorder(sink.recorder.clone());
    actix!(sink, count, App::new().wrap(middleware));
}

pub(crate) fn actix_unsampled(count: usize) {
    actix_with_middleware(0.0, count);
}

pub(crate) fn actix_recorded(count: usize) {
    actix_with_middleware(1.0, count);
}
