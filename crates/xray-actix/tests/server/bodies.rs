//! The bodies of responses: the segment lasts as long as they do.

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody, SizedStream};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, fn_service};
use actix_web::middleware::from_fn;
use actix_web::test::TestRequest;
use actix_web::web::{self, Bytes, get};
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::sync::mpsc;
use xray_actix::{XRay, XRayBody};

use crate::support::{ask, read_until, send, serve, shop, xray};

/// Runs `response` through the middleware.
async fn answered<B: MessageBody + 'static>(xray: &XRay, response: HttpResponse<B>) -> XRayBody<B> {
    let response = Cell::new(Some(response));
    let inner = fn_service(|request: ServiceRequest| {
        std::future::ready(Ok::<_, actix_web::Error>(request.into_response(response.take().unwrap())))
    });
    let service = xray.new_transform(&inner).await.unwrap();
    let response: ServiceResponse<_> = service.call(TestRequest::get().to_srv_request()).await.unwrap();
    response.into_body()
}

#[tokio::test]
async fn a_streamed_body_belongs_to_the_request_until_its_end() {
    let (xray, mut documents) = xray("shop");
    let (sender, receiver) = mpsc::channel::<&'static str>(1);
    let chunks = Arc::new(Mutex::new(Some(receiver)));
    let address = serve(xray, move |app| {
        let chunks = chunks.clone();
        let streamed = move || {
            let receiver = chunks.lock().unwrap().take().unwrap();
            let chunks = stream::unfold(receiver, async |mut receiver| {
                let chunk = receiver.recv().await?;
                xray_core::subsegment(format!("chunk {chunk}")).close();
                Some((Ok::<_, Infallible>(Bytes::from(chunk)), receiver))
            });
            std::future::ready(HttpResponse::Ok().streaming(chunks))
        };
        app.route("/stream", get().to(streamed));
    });
    let mut stream = send(address, "GET /stream", &[]).await;
    assert!(read_until(&mut stream, "\r\n\r\n").await.contains("transfer-encoding: chunked"));
    for chunk in ["one", "two"] {
        sender.send(chunk).await.unwrap();
        read_until(&mut stream, &format!("{chunk}\r\n")).await;
        documents.assert_empty();
    }
    drop(sender);
    read_until(&mut stream, "0\r\n\r\n").await;
    let more = json!({"subsegments": [{"name": "chunk one"}, {"name": "chunk two"}]});
    assert_eq!(documents.next().await, shop("/stream", json!({"status": 200}), more));
}

#[tokio::test]
async fn a_body_that_fails_is_a_fault_and_aborted() {
    let (xray, mut documents) = xray("shop");
    let failing = async || {
        let chunks = [Ok(Bytes::from("part")), Err(std::io::Error::other("disk on fire"))];
        HttpResponse::Ok().streaming(stream::iter(chunks))
    };
    let address = serve(xray, move |app| {
        app.route("/fails", get().to(failing));
    });
    let answer = ask(address, "GET /fails", &[]).await;
    assert!(answer.is_none_or(|answer| !answer.body.ends_with("0\r\n\r\n")), "an end that there is not");
    let more = json!({
        "fault": true,
        "cause": [["io::Error", "disk on fire"]],
        "metadata": {"xray": {"aborted": true}},
    });
    assert_eq!(documents.next().await, shop("/fails", json!({"status": 200}), more));
    documents.assert_empty();
}

#[tokio::test]
async fn a_body_that_panics_is_a_fault_and_the_worker_stays_clean() {
    let (xray, mut documents) = xray("shop");
    let panics = async || {
        HttpResponse::Ok().streaming(stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, Infallible>>> {
            panic!("in the body")
        }))
    };
    let address = serve(xray, move |app| {
        app.route("/panics", get().to(panics)).route("/ok", get().to(async || "ok"));
    });
    ask(address, "GET /panics", &[]).await;
    let more = json!({
        "fault": true,
        "cause": [["panic", "in the body"]],
        "metadata": {"xray": {"aborted": true}},
    });
    assert_eq!(documents.next().await, shop("/panics", json!({"status": 200}), more));
    assert_eq!(ask(address, "GET /ok", &[]).await.unwrap().body, "ok");
    assert_eq!(documents.next().await, shop("/ok", json!({"status": 200, "content_length": 2}), json!({})));
    documents.assert_empty();
}

#[tokio::test]
async fn responses_without_a_body_close_with_their_head() {
    let (xray, mut documents) = xray("shop");
    let address = serve(xray, |app| {
        let endless = async || HttpResponse::Ok().streaming(stream::pending::<Result<Bytes, Infallible>>());
        app.route("/ok", web::head().to(async || "ok"))
            .route("/stream", web::head().to(endless))
            .route("/200", get().to(HttpResponse::Ok))
            .route("/204", get().to(HttpResponse::NoContent))
            .route("/304", get().to(async || HttpResponse::NotModified().insert_header(("etag", "\"7\"")).finish()));
    });
    for (method, path, response) in [
        ("HEAD", "/ok", json!({"status": 200, "content_length": 2})),
        ("HEAD", "/stream", json!({"status": 200})),
        ("GET", "/200", json!({"status": 200, "content_length": 0})),
        ("GET", "/204", json!({"status": 204})),
        ("GET", "/304", json!({"status": 304})),
    ] {
        // Only the head is waited for: the stream has no end.
        let mut stream = send(address, &format!("{method} {path}"), &[]).await;
        let head = read_until(&mut stream, "\r\n\r\n").await;
        assert_eq!(head.split(' ').nth(1), Some(&*response["status"].to_string()), "{method} {path}");
        let mut expected = shop(path, response, json!({}));
        expected["http"]["request"]["method"] = method.into();
        assert_eq!(documents.next().await, expected, "{method} {path}");
    }
    documents.assert_empty();
}

#[tokio::test]
async fn middleware_outside_may_take_the_body_s_bytes() {
    let (xray, mut documents) = xray("shop");
    let body = answered(&xray, HttpResponse::Ok().message_body("twelve bytes").unwrap()).await;
    assert_eq!(body.size(), BodySize::Sized(12));
    documents.assert_empty();
    assert_eq!(body.try_into_bytes().ok(), Some(Bytes::from("twelve bytes")));
    assert_eq!(documents.next().await["http"]["response"], json!({"status": 200, "content_length": 12}));

    // Boxing takes them, too.
    let boxed = BoxBody::new(answered(&xray, HttpResponse::Ok().message_body("twelve bytes").unwrap()).await);
    assert_eq!(boxed.size(), BodySize::Sized(12));
    assert_eq!(documents.next().await.get("metadata"), None);

    // What has no bytes to give is handed back, and still under way.
    let stream = SizedStream::new(2, stream::iter([Ok::<_, Infallible>(Bytes::from("ok"))]));
    let body = answered(&xray, HttpResponse::Ok().message_body(stream).unwrap()).await;
    let Err(mut body) = body.try_into_bytes() else { panic!("a stream is not bytes") };
    documents.assert_empty();
    let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_next(cx));
    assert_eq!(next.await.unwrap().unwrap(), "ok");
    drop(body);
    let document = documents.next().await;
    assert_eq!(document["http"]["response"], json!({"status": 200, "content_length": 2}));
    assert_eq!(document.get("metadata"), None, "all that was owed has been sent");
}

#[tokio::test]
async fn the_body_of_an_empty_response_stays_empty() {
    let (xray, mut documents) = xray("shop");
    for (body, size) in
        [(BoxBody::new(()), BodySize::Sized(0)), (BoxBody::new(actix_web::body::None::new()), BodySize::None)]
    {
        let body = answered(&xray, HttpResponse::Ok().message_body(body).unwrap()).await;
        assert_eq!(body.size(), size);
        assert_eq!(documents.next().await["http"]["response"], json!({"status": 200, "content_length": 0}));
        assert_eq!(body.try_into_bytes().ok(), Some(Bytes::new()));
    }
    documents.assert_empty();
}

#[tokio::test]
async fn a_body_that_another_middleware_makes_is_followed_as_well() {
    let (xray, mut documents) = xray("shop");
    let address = serve(xray, |app| {
        let twice = from_fn(async |request: ServiceRequest, next: actix_web::middleware::Next<BoxBody>| {
            let response = next.call(request).await?;
            Ok::<_, actix_web::Error>(response.map_body(|_, body| {
                let bytes = body.try_into_bytes().unwrap();
                let twice = stream::iter([Ok::<_, Infallible>(bytes.clone()), Ok(bytes)]);
                BoxBody::new(SizedStream::new(4, twice.inspect(|_| xray_core::subsegment("part").close())))
            }))
        });
        app.service(web::scope("").wrap(twice).route("/", get().to(async || "ok")));
    });
    assert_eq!(ask(address, "GET /", &[]).await.unwrap().body, "okok");
    let more = json!({"subsegments": [{"name": "part"}, {"name": "part"}]});
    assert_eq!(documents.next().await, shop("/", json!({"status": 200, "content_length": 4}), more));
}
