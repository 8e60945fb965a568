//! The middleware does not allocate for requests that are not recorded.

use std::cell::Cell;
use std::future::ready;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, Transform, fn_service};
use actix_web::test::TestRequest;
use actix_web::{Error, HttpResponse};
use xray_actix::XRay;
use xray_core::Recorder;
use xray_core::sampling::Never;

#[test]
fn a_request_that_is_not_recorded_allocates_nothing() {
    let xray = |recorder| XRay::fixed("shop").recorder(recorder);
    let never = Recorder::builder().sampling(Never).build().unwrap();
    let (always, _traces) = Recorder::in_memory();
    for (case, xray, header) in [
        ("decided here", xray(never), "Root=1-5759e988-bd862e3fe1be46a994272793"),
        ("decided by the caller", xray(always.clone()), "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"),
        ("no header to speak of", xray(always.clone()), "Sampled=0"),
        ("ignored", xray(always).ignore(|request| request.path() == "/"), "Sampled=1"),
        ("disabled", xray(Recorder::disabled()), "Sampled=?"),
    ] {
        let prepared = Cell::new(None);
        let inner = fn_service(|request: ServiceRequest| {
            xray_core::annotate("key", 1);
            let response: Option<HttpResponse<&'static str>> = prepared.take();
            ready(Ok::<_, Error>(request.into_response(response.expect("the response was prepared"))))
        });
        let cx = &mut Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(service)) = pin!(xray.new_transform(&inner)).poll(cx) else { panic!("not ready") };
        let mut serve = || {
            prepared.set(HttpResponse::Ok().message_body("hello").ok());
            let request = TestRequest::get().insert_header(("host", "shop.test"));
            let request = request.insert_header(("x-amzn-trace-id", header)).to_srv_request();
            let mut kept = None;
            let counted = allocation_counter::measure(|| {
                let Poll::Ready(Ok(response)) = pin!(service.call(request)).poll(cx) else { panic!("not ready") };
                let (request, response) = response.into_parts();
                let (_, body) = response.into_parts();
                let mut body = pin!(body);
                assert!(matches!(body.as_mut().poll_next(cx), Poll::Ready(Some(Ok(_)))));
                assert!(matches!(body.as_mut().poll_next(cx), Poll::Ready(None)));
                // actix-web returns it to its pool, which is not part of the measurement.
                kept = Some(request);
            });
            counted.count_total
        };
        // The first request of a thread may initialise thread-local state.
        serve();
        assert_eq!(serve(), 0, "{case}");
    }
}
