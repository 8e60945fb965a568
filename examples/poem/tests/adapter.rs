//! The behaviours that all server adapters share, through poem.

use std::net::TcpListener;

use poem::http::StatusCode;
use poem::listener::TcpAcceptor;
use poem::web::Data;
use poem::{Body, EndpointExt, Request, Response, Route, Server, handler};
use xray_behaviours::server::{self, App};
use xray_example_poem::XRay;

async fn serve(listener: TcpListener, app: App) {
    let [ignore, attributes, end] = [app.clone(), app.clone(), app.clone()];
    let xray = xray_behaviours::options!(XRay::new(app.naming.clone()), app)
        .ignore(move |request| ignore.ignores(request.uri().path()))
        .sampling_attributes(move |request| {
            attributes.attributes(request.headers().get("x-tier").map(|tier| tier.as_bytes()))
        })
        .end_at_headers(move |head| {
            end.ends_at_headers(head.uri.path(), head.headers.get("content-type").map(|kind| kind.as_bytes()))
        });
    let mut routes = Route::new().at("/:name", respond).boxed();
    for _ in 0..app.layers {
        routes = routes.with(xray.clone()).boxed();
    }
    let acceptor = TcpAcceptor::from_std(listener).expect("a listener of tokio's");
    Server::new_with_acceptor(acceptor).run(routes.data(app)).await.expect("the server runs");
}

#[handler]
async fn respond(Data(app): Data<&App>, request: &Request) -> Response {
    let server::Response { status, headers, body, .. } = app.respond(request.original_uri().path()).await;
    let mut response = Response::builder().status(StatusCode::from_u16(status).expect("a status"));
    for (name, value) in headers {
        response = response.header(name, value);
    }
    match body {
        server::Body::Full(bytes) => response.body(bytes),
        server::Body::Stream(stream) => response.body(Body::from_bytes_stream(stream)),
        _ => unreachable!("no other kind of body"),
    }
}

xray_behaviours::server_tests!(serve);
