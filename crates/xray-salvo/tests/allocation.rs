//! The hoop adds no allocation to requests that are not recorded, except for what salvo allocates for every hoop.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use salvo::http::HeaderValue;
use salvo::prelude::*;
use xray_core::Recorder;
use xray_core::sampling::Never;
use xray_salvo::XRay;

/// A hoop that does nothing, and a handler.
#[derive(Clone)]
struct Nothing;

#[async_trait]
impl Handler for Nothing {
    async fn handle(&self, request: &mut Request, depot: &mut Depot, response: &mut Response, flow: &mut FlowCtrl) {
        if !flow.call_next(request, depot, response).await {
            xray_core::annotate("key", 1);
            response.body("hello");
        }
    }
}

/// Returns the number of allocations of a request with this header.
fn allocations(hoop: impl Handler + Clone, header: &'static str) -> u64 {
    let serve = || {
        let mut request = Request::new();
        request.headers_mut().insert("host", HeaderValue::from_static("shop.test"));
        request.headers_mut().insert("x-amzn-trace-id", HeaderValue::from_static(header));
        let (mut depot, mut response) = (Depot::new(), Response::new());
        let mut flow = FlowCtrl::new(vec![std::sync::Arc::new(hoop.clone()), std::sync::Arc::new(Nothing)]);
        let counted = allocation_counter::measure(|| {
            let cx = &mut Context::from_waker(Waker::noop());
            let next = flow.call_next(&mut request, &mut depot, &mut response);
            assert!(matches!(pin!(next).poll(cx), Poll::Ready(true)));
        });
        assert_eq!(response.body.size(), Some(5));
        counted.count_total
    };
    // The first request of a thread may initialise thread-local state.
    serve();
    serve()
}

#[test]
fn a_request_that_is_not_recorded_allocates_what_an_empty_hoop_does() {
    let xray = |recorder| XRay::fixed("shop").recorder(recorder);
    let never = Recorder::builder().sampling(Never).build().unwrap();
    let (always, _traces) = Recorder::in_memory();
    let empty = allocations(Nothing, "Sampled=1");
    for (case, xray, header) in [
        ("decided here", xray(never), "Root=1-5759e988-bd862e3fe1be46a994272793"),
        ("decided by the caller", xray(always.clone()), "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"),
        ("no header to speak of", xray(always.clone()), "Sampled=0"),
        ("ignored", xray(always.clone()).ignore(|request| request.uri().path() == "/"), "Sampled=1"),
        ("disabled", xray(Recorder::disabled()), "Sampled=?"),
    ] {
        assert_eq!(allocations(xray, header), empty, "{case}");
    }
    // The comparison can fail.
    assert!(allocations(xray(always), "Sampled=1") > empty);
}
