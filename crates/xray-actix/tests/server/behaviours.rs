//! The behaviours that all server adapters share, through actix-web.

use std::net::TcpListener;

use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig, resource};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use xray_actix::XRay;
use xray_behaviours::server;

fn xray(app: &server::App) -> XRay {
    let [ignore, attributes, end] = [app.clone(), app.clone(), app.clone()];
    xray_behaviours::options!(XRay::new(app.naming.clone()), app)
        .ignore(move |request| ignore.ignores(request.path()))
        .sampling_attributes(move |request| {
            attributes.attributes(request.headers().get("x-tier").map(|tier| tier.as_bytes()))
        })
        .end_at_headers(move |response| {
            let content_type = response.headers().get("content-type").map(|kind| kind.as_bytes());
            end.ends_at_headers(response.request().path(), content_type)
        })
}

fn routes(app: server::App) -> impl Fn(&mut ServiceConfig) + Clone {
    move |config| {
        config.app_data(Data::new(app.clone())).service(resource("/{name}").to(respond));
    }
}

async fn respond(app: Data<server::App>, request: HttpRequest) -> HttpResponse {
    let server::Response { status, headers, body, .. } = app.respond(request.path()).await;
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap());
    for header in headers {
        response.insert_header(header);
    }
    match body {
        server::Body::Full(bytes) => response.body(bytes),
        server::Body::Stream(stream) => response.streaming(stream),
        _ => unreachable!("no other kind of body"),
    }
}

/// The type of an application depends on its number of layers.
async fn serve(listener: TcpListener, app: server::App) {
    let (layers, threads, xray, routes) = (app.layers, app.threads, xray(&app), routes(app));
    let server = match layers {
        0 => {
            let app = move || App::new().configure(&routes);
            HttpServer::new(app).workers(threads).disable_signals().listen(listener).unwrap().run()
        }
        1 => {
            let app = move || App::new().wrap(xray.clone()).configure(&routes);
            HttpServer::new(app).workers(threads).disable_signals().listen(listener).unwrap().run()
        }
        _ => {
            let app = move || App::new().wrap(xray.clone()).wrap(xray.clone()).configure(&routes);
            HttpServer::new(app).workers(threads).disable_signals().listen(listener).unwrap().run()
        }
    };
    server.await.unwrap();
}

xray_behaviours::server_tests!(serve);

async fn serve_tls(listener: TcpListener, app: server::App) {
    let (xray, routes) = (xray(&app), routes(app));
    let app = move || App::new().wrap(xray.clone()).configure(&routes);
    let server = HttpServer::new(app).workers(1).disable_signals();
    server.listen_rustls_0_23(listener, xray_behaviours::tls::server_config()).unwrap().run().await.unwrap();
}

xray_behaviours::server_tls_tests!(serve_tls);
