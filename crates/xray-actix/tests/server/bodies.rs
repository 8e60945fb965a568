//! Response bodies, which the segment lasts as long as.

use std::cell::Cell;
use std::convert::Infallible;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody, SizedStream};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, fn_service};
use actix_web::middleware::from_fn;
use actix_web::test::TestRequest;
use actix_web::web::{self, Bytes, get};
use futures_util::{StreamExt, stream};
use serde_json::json;
use xray_actix::{XRay, XRayBody};

use crate::support::{ask, serve, shop, xray};

/// Passes `response` through the middleware.
async fn pass_through<B: MessageBody + 'static>(xray: &XRay, response: HttpResponse<B>) -> XRayBody<B> {
    let response = Cell::new(Some(response));
    let inner = fn_service(|request: ServiceRequest| {
        std::future::ready(Ok::<_, actix_web::Error>(request.into_response(response.take().unwrap())))
    });
    let service = xray.new_transform(&inner).await.unwrap();
    let response: ServiceResponse<_> = service.call(TestRequest::get().to_srv_request()).await.unwrap();
    response.into_body()
}

#[tokio::test]
async fn an_outer_middleware_may_take_the_bytes_of_the_body() {
    let (xray, mut documents) = xray("shop");
    let body = pass_through(&xray, HttpResponse::Ok().message_body("twelve bytes").unwrap()).await;
    assert_eq!(body.size(), BodySize::Sized(12));
    documents.assert_empty();
    assert_eq!(body.try_into_bytes().ok(), Some(Bytes::from("twelve bytes")));
    assert_eq!(documents.next().await["http"]["response"], json!({"status": 200, "content_length": 12}));

    // Boxing the body takes its bytes as well.
    let boxed = BoxBody::new(pass_through(&xray, HttpResponse::Ok().message_body("twelve bytes").unwrap()).await);
    assert_eq!(boxed.size(), BodySize::Sized(12));
    assert_eq!(documents.next().await.get("metadata"), None);

    // A stream is returned and continues.
    let stream = SizedStream::new(2, stream::iter([Ok::<_, Infallible>(Bytes::from("ok"))]));
    let body = pass_through(&xray, HttpResponse::Ok().message_body(stream).unwrap()).await;
    let Err(mut body) = body.try_into_bytes() else { panic!("a stream is not bytes") };
    documents.assert_empty();
    let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_next(cx));
    assert_eq!(next.await.unwrap().unwrap(), "ok");
    drop(body);
    let document = documents.next().await;
    assert_eq!(document["http"]["response"], json!({"status": 200, "content_length": 2}));
    assert_eq!(document.get("metadata"), None, "the body was complete");
}

#[tokio::test]
async fn the_body_of_an_empty_response_stays_empty() {
    let (xray, mut documents) = xray("shop");
    for (body, size) in
        [(BoxBody::new(()), BodySize::Sized(0)), (BoxBody::new(actix_web::body::None::new()), BodySize::None)]
    {
        let body = pass_through(&xray, HttpResponse::Ok().message_body(body).unwrap()).await;
        assert_eq!(body.size(), size);
        assert_eq!(documents.next().await["http"]["response"], json!({"status": 200, "content_length": 0}));
        assert_eq!(body.try_into_bytes().ok(), Some(Bytes::new()));
    }
    documents.assert_empty();
}

#[tokio::test]
async fn a_body_that_another_middleware_creates_is_recorded() {
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
