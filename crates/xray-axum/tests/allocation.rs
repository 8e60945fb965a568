//! The layer does not allocate for requests that are not recorded.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, Service};
use xray_axum::XRayLayer;
use xray_core::Recorder;
use xray_core::sampling::Never;

#[derive(Clone)]
struct Hello;

impl Service<Request<()>> for Hello {
    type Response = Response<Full<&'static [u8]>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        xray_core::annotate("key", 1);
        ready(Ok(Response::new(Full::new(b"hello"))))
    }
}

#[test]
fn a_request_that_is_not_recorded_allocates_nothing() {
    let layer = |recorder| XRayLayer::new("shop").recorder(recorder);
    let never = Recorder::builder().sampling(Never).build().unwrap();
    let (always, _traces) = Recorder::in_memory();
    for (case, layer, header) in [
        ("decided here", layer(never), "Root=1-5759e988-bd862e3fe1be46a994272793"),
        ("decided by the caller", layer(always.clone()), "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"),
        ("no header to speak of", layer(always.clone()), "Sampled=0"),
        ("ignored", layer(always).ignore(|request| request.uri().path() == "/"), "Sampled=1"),
        ("disabled", layer(Recorder::disabled()), "Sampled=?"),
    ] {
        let mut service = layer.layer(Hello);
        let mut serve = || {
            let request = Request::builder().header("host", "shop.test").header("x-amzn-trace-id", header);
            let request = request.body(()).unwrap();
            let counted = allocation_counter::measure(|| {
                let cx = &mut Context::from_waker(Waker::noop());
                let Poll::Ready(Ok(response)) = pin!(service.call(request)).poll(cx) else { panic!("not ready") };
                let mut body = pin!(response.into_body());
                assert!(matches!(body.as_mut().poll_frame(cx), Poll::Ready(Some(Ok(_)))));
                assert!(body.is_end_stream());
            });
            counted.count_total
        };
        // The first request of a thread may initialise thread-local state.
        serve();
        assert_eq!(serve(), 0, "{case}");
    }
}
