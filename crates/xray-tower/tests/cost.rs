//! The only allocation of a call that is not sampled is the value of its header.

use std::convert::Infallible;
use std::future::Ready;

use allocation_counter::measure;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer, Service, service_fn};
use xray_core::{Recorder, TraceHeader};
use xray_tower::XRayClientLayer;

type Body = Empty<bytes::Bytes>;

fn answer(_: Request<Body>) -> Ready<Result<Response<Body>, Infallible>> {
    std::future::ready(Ok(Response::new(Empty::new())))
}

#[test]
fn a_call_that_is_not_sampled_allocates_only_its_header_value() {
    let header = TraceHeader::parse("Root=1-5f84c7a5-e7d1852db8c4fd35d88bf49a;Parent=53995c3f42cd8ad8;Sampled=0");
    let segment = Recorder::in_memory().0.begin_from("shop", &header);
    let _in = segment.enter();
    let mut client = XRayClientLayer::new().on_outcome(|_| {}).layer(service_fn(answer));
    // A real request has headers, so its map is already allocated.
    let request = || Request::get("http://h/p?q").header("accept", "*/*").body(Empty::new()).unwrap();
    client.call(request()).now_or_never();
    let (with, without) = (request(), request());
    let with = measure(|| drop(client.call(with).now_or_never()));
    let without = measure(|| drop(answer(without).now_or_never()));
    assert_eq!((with.count_total, without.count_total), (1, 0));
}
