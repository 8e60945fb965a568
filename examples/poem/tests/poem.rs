//! What is poem's own: errors that handlers return, and nested routes.

use std::io;

use poem::endpoint::make_sync;
use poem::http::StatusCode;
use poem::listener::TcpAcceptor;
use poem::{Endpoint, EndpointExt, Error, Request, Result, Route, Server};
use tokio::net::TcpListener;
use xray_core::Recorder;
use xray_example_poem::XRay;

#[tokio::test]
async fn an_error_passes_on_and_is_recorded_with_the_flag_of_its_status() {
    for (status, flag) in [(StatusCode::NOT_FOUND, "error"), (StatusCode::INTERNAL_SERVER_ERROR, "fault")] {
        let (recorder, traces) = Recorder::in_memory();
        let failing = make_sync(move |_| -> Result<()> { Err(Error::new(io::Error::other("no such order"), status)) });
        let error = failing.with(XRay::new("shop").recorder(recorder)).call(Request::default()).await.err();
        assert!(error.is_some_and(|error| error.is::<io::Error>()), "the error is the handler's");
        let trace = traces.take().single();
        let segment = trace.root();
        assert_eq!(segment.json()["http"]["response"]["status"], status.as_u16());
        assert!(segment.has(flag), "{}", trace.tree());
        assert_eq!(segment.json()["cause"]["exceptions"][0]["message"], "no such order");
    }
}

#[tokio::test]
async fn a_nested_route_is_recorded_by_its_whole_url() {
    let (recorder, traces) = Recorder::in_memory();
    let orders = Route::new().at("/orders/:id", make_sync(|_| "ok")).with(XRay::new("shop").recorder(recorder));
    let app = Route::new().nest("/api", orders);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    tokio::spawn(Server::new_with_acceptor(TcpAcceptor::from_tokio(listener).expect("it has one")).run(app));
    assert_eq!(xray_behaviours::client::get(address, "/api/orders/7").await.body, "ok");
    let trace = traces.take().single();
    assert_eq!(trace.root().json()["http"]["request"]["url"], "http://shop.test/api/orders/7");
}
