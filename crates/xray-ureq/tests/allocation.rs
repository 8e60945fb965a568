//! A call of a trace that is not sampled allocates its header and nothing else.

use ureq::http::{HeaderName, HeaderValue, Request, Response};
use ureq::middleware::{Middleware, MiddlewareNext};
use ureq::{Agent, Body, Error, SendBody};
use xray_core::{Recorder, TraceHeader};
use xray_ureq::XRayMiddleware;

const TRACE: &str = "Root=1-5f84c7a5-e7d1852db8c4fd35d88bf49a;Parent=53995c3f42cd8ad8;Sampled=0";

/// Responds without a connection.
fn respond(_: Request<SendBody>, _: MiddlewareNext) -> Result<Response<Body>, Error> {
    Ok(Response::new(Body::builder().data("ok")))
}

/// Adds a header of the same length, and does nothing else.
fn header_only(mut request: Request<SendBody>, next: MiddlewareNext) -> Result<Response<Body>, Error> {
    let value = HeaderValue::try_from(TRACE.to_owned()).map_err(|error| Error::Http(error.into()))?;
    request.headers_mut().insert(HeaderName::from_static("x-amzn-trace-id"), value);
    next.handle(request)
}

/// Returns the number of allocations of a call in this trace.
fn allocations(middleware: impl Middleware, header: &str) -> u64 {
    let agent: Agent = Agent::config_builder().middleware(middleware).middleware(respond).build().into();
    let (recorder, _traces) = Recorder::in_memory();
    let segment = recorder.begin_from("shop", &TraceHeader::parse(header));
    let _current = segment.enter();
    let call = || {
        let request = Request::get("http://inventory.test/items").body(()).expect("a request");
        let counted = allocation_counter::measure(|| {
            let mut response = agent.run(request).expect("a response");
            assert_eq!(response.body_mut().read_to_string().expect("a body"), "ok");
        });
        counted.count_total
    };
    // The first call of a thread may initialise thread-local state.
    call();
    call()
}

#[test]
fn a_call_that_is_not_recorded_allocates_its_header() {
    let header = allocations(header_only, TRACE);
    assert_eq!(allocations(XRayMiddleware::new().record_body(true), TRACE), header);
    // The comparison can fail.
    assert!(allocations(XRayMiddleware::new(), &TRACE.replace("Sampled=0", "Sampled=1")) > header);
}
