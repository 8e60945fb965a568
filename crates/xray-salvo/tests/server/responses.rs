//! Errors, catchers, and the kinds of bodies that salvo has.

use std::collections::VecDeque;
use std::io;

use salvo::catcher::Catcher;
use salvo::http::body::ResBody;
use salvo::http::{StatusCode, StatusError};
use salvo::prelude::*;
use serde_json::json;

use crate::support::{get, read_until, reset, send, serve, shop, xray};

#[handler]
async fn not_found() -> Result<(), StatusError> {
    Err(StatusError::not_found().brief("no such order").cause(io::Error::other("not in the index")))
}

#[handler]
async fn broken() -> Result<&'static str, StatusError> {
    Err(StatusError::internal_server_error().brief("out of paper"))
}

#[handler]
async fn rendered(response: &mut Response) {
    response.render_with_status(StatusCode::CONFLICT, "taken");
}

#[handler]
async fn catch(response: &mut Response, flow: &mut FlowCtrl) {
    response.render("an error page");
    flow.skip_rest();
}

fn router() -> Router {
    Router::new()
        .push(Router::with_path("not-found").get(not_found))
        .push(Router::with_path("broken").get(broken))
        .push(Router::with_path("rendered").get(rendered))
}

#[tokio::test]
async fn errors_are_recorded_and_responses_are_unchanged_with_and_without_a_catcher() {
    let (xray, mut documents) = xray();
    let text = |code, name, brief| format!("code: {code} name: {name} brief: {brief}");
    for catcher in [None, Some(())] {
        let service = || match catcher {
            None => Service::new(router()),
            Some(()) => Service::new(router()).catcher(Catcher::default().hoop(catch)),
        };
        let [with, without] = [serve(service().hoop(xray.clone())).await, serve(service()).await];
        let missing = text("404 Not Found", "Not Found", "no such order") + " cause: not in the index";
        let out_of_paper = text("500 Internal Server Error", "Internal Server Error", "out of paper");
        for (path, response, more) in [
            (
                "/not-found",
                json!({"status": 404}),
                json!({"error": true, "cause": [["StatusError", missing], ["io::Error", "not in the index"]]}),
            ),
            ("/broken", json!({"status": 500}), json!({"fault": true, "cause": [["StatusError", out_of_paper]]})),
            ("/rendered", json!({"status": 409, "content_length": 5}), json!({"error": true})),
        ] {
            let [with, without] = [get(with, path).await, get(without, path).await];
            assert_eq!((with.head_without_date(), &with.body), (without.head_without_date(), &without.body), "{path}");
            assert_eq!(documents.next().await, shop(path, response, more), "{path}");
        }
    }
    documents.assert_empty();
}

/// Responds with one kind of body.
struct Responds(&'static str);

#[async_trait]
impl Handler for Responds {
    async fn handle(&self, _: &mut Request, _: &mut Depot, response: &mut Response, _: &mut FlowCtrl) {
        let bytes = |text: &'static str| salvo::hyper::body::Bytes::from_static(text.as_bytes());
        match self.0 {
            "none" => {}
            "once" => response.render("hello"),
            "chunks" => {
                response.replace_body(ResBody::Chunks(VecDeque::from([bytes("he"), bytes("llo")])));
            }
            "channel" => {
                let mut sender = response.channel();
                tokio::spawn(async move {
                    sender.send_data("hello, ").await.unwrap();
                    sender.send_data("world").await.unwrap();
                });
            }
            _ => {
                response.stream(futures_util::stream::iter([Ok::<_, io::Error>(bytes("hello, ")), Ok(bytes("world"))]))
            }
        }
    }
}

#[handler]
async fn append(request: &mut Request, depot: &mut Depot, response: &mut Response, flow: &mut FlowCtrl) {
    flow.call_next(request, depot, response).await;
    let appended = response.write_body("!").is_ok();
    response.headers_mut().insert("x-appended", appended.to_string().parse().unwrap());
}

#[tokio::test]
async fn each_kind_of_body_arrives_unchanged_also_through_an_outer_hoop_that_appends() {
    let (xray, mut documents) = xray();
    for (kind, length) in
        [("none", Some(0)), ("once", Some(5)), ("chunks", Some(5)), ("channel", None), ("stream", None)]
    {
        let service = || Service::new(Router::new().get(Responds(kind))).hoop(append);
        let [with, without] = [serve(service().hoop(xray.clone())).await, serve(service()).await];
        let [with, without] = [get(with, "/").await, get(without, "/").await];
        assert_eq!((with.head_without_date(), &with.body), (without.head_without_date(), &without.body), "{kind}");
        let mut response = json!({"status": 200});
        if let Some(length) = length {
            response["content_length"] = length.into();
        }
        assert_eq!(documents.next().await, shop("/", response, json!({})), "{kind}");
    }
    documents.assert_empty();
}

#[tokio::test]
async fn a_channel_is_recorded_until_its_end_or_until_the_client_leaves() {
    #[handler]
    async fn endless(response: &mut Response) {
        let mut sender = response.channel();
        tokio::spawn(async move { while sender.send_data("data").await.is_ok() {} });
    }
    let (xray, mut documents) = xray();
    let address = serve(Service::new(Router::new().get(endless)).hoop(xray)).await;
    let mut stream = send(address, "GET /", &[]).await;
    read_until(&mut stream, "data").await;
    documents.assert_empty();
    reset(stream);
    let aborted = json!({"metadata": {"xray": {"aborted": true}}});
    assert_eq!(documents.next().await, shop("/", json!({"status": 200}), aborted));
}

#[tokio::test]
async fn a_failing_channel_keeps_the_kind_of_its_error() {
    #[handler]
    async fn failing(response: &mut Response) {
        let mut sender = response.channel();
        tokio::spawn(async move {
            sender.send_data("part").await.unwrap();
            sender.send_error(io::Error::new(io::ErrorKind::BrokenPipe, "disk on fire"));
        });
    }
    let (xray, mut documents) = xray();
    let address = serve(Service::new(Router::new().get(failing)).hoop(xray)).await;
    crate::support::ask(address, "GET /", &[]).await;
    let document = documents.next().await;
    assert_eq!(document["cause"], json!([["io::Error", "disk on fire"]]));
    assert_eq!((&document["fault"], &document["metadata"]["xray"]["aborted"]), (&json!(true), &json!(true)));
}
