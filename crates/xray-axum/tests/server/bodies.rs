//! Response bodies, which the segment lasts as long as.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::any;
use futures_util::{FutureExt, StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Layer, ServiceExt, service_fn};
use xray_axum::XRayBody;

use crate::support::{layer, read_until, send, serve, shop};

/// Passes `response` through the layer.
async fn pass_through<B: HttpBody>(layer: &xray_axum::XRayLayer, response: Response<B>) -> Response<XRayBody<B>> {
    let mut response = Some(response);
    let service = service_fn(move |_: Request| std::future::ready(Ok::<_, Infallible>(response.take().unwrap())));
    layer.layer(service).oneshot(Request::new(Body::empty())).await.unwrap()
}

#[tokio::test]
async fn a_body_that_panics_is_a_fault() {
    let (layer, mut documents) = layer("shop");
    let body = Body::from_stream(stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, Infallible>>> {
        panic!("in the body")
    }));
    let response = pass_through(&layer, Response::new(body)).await;
    let panic = AssertUnwindSafe(response.into_body().collect()).catch_unwind().await.unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"in the body"));
    let document = documents.next().await;
    assert_eq!(document["cause"], json!([["panic", "in the body"]]));
    assert_eq!(document["metadata"]["xray"]["aborted"], true);
    assert!(xray_core::try_current().is_none());
}

#[tokio::test]
async fn an_upgrade_works_through_the_layer() {
    let (layer, mut documents) = layer("shop");
    let upgrade = |request: Request| async {
        tokio::spawn(async {
            let mut io = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
            let mut bytes = [0; 4];
            io.read_exact(&mut bytes).await.unwrap();
            bytes.reverse();
            io.write_all(&bytes).await.unwrap();
        });
        let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "mirror")];
        (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
    };
    let address = serve(Router::new().route("/mirror", any(upgrade)).layer(layer)).await;
    let mut stream = send(address, "GET /mirror", &["Connection: upgrade", "Upgrade: mirror"]).await;
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    // The segment closed before any byte was sent on the upgraded connection.
    assert_eq!(documents.next().await, shop("/mirror", json!({"status": 101}), json!({})));
    stream.write_all(b"abcd").await.unwrap();
    let mut mirrored = String::new();
    stream.read_to_string(&mut mirrored).await.unwrap();
    assert_eq!(mirrored, "dcba");
    documents.assert_empty();
}

#[tokio::test]
async fn a_body_keeps_its_length_and_its_end() {
    let (layer, mut documents) = layer("shop");
    let response = pass_through(&layer, Response::new(Full::new(Bytes::from_static(b"twelve bytes")))).await;
    let mut body = response.into_body();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(12), false));
    documents.assert_empty();
    body.frame().await.unwrap().unwrap();
    // Servers need not poll again after the last frame.
    assert!(body.is_end_stream());
    assert_eq!(documents.next().await["http"]["response"], json!({"status": 200, "content_length": 12}));
    assert!(body.frame().await.is_none());
    drop(body);
    documents.assert_empty();

    assert!(XRayBody::<Full<Bytes>>::default().is_end_stream());
    let empty = pass_through(&layer, Response::new(Full::<Bytes>::default())).await;
    assert!(empty.body().is_end_stream());
    assert_eq!(documents.next().await["http"]["response"], json!({"status": 200, "content_length": 0}));
}

#[tokio::test]
async fn a_body_owes_the_length_that_the_headers_declare() {
    let (layer, mut documents) = layer("shop");
    for (chunks, aborted) in [(vec!["ab", "c"], false), (vec!["ab"], true)] {
        let frames = stream::iter(chunks.clone()).map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::from(chunk))));
        let response = Response::builder().header(header::CONTENT_LENGTH, 3).body(StreamBody::new(frames)).unwrap();
        let mut body = pass_through(&layer, response).await.into_body();
        for _ in chunks {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
        let document = documents.next().await;
        assert_eq!(document["http"]["response"]["content_length"], 3);
        assert_eq!(document["metadata"]["xray"]["aborted"] == true, aborted);
    }
}

#[tokio::test]
async fn the_grpc_status_is_recorded_from_trailers_or_headers() {
    let (layer, mut documents) = layer("shop");
    for (status, flags) in [("0", json!({})), ("5", json!({"error": true})), ("13", json!({"fault": true}))] {
        let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), status.parse().unwrap())]);
        let frames = [Frame::data(Bytes::from_static(b"message")), Frame::trailers(trailers.clone())];
        let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
        let collected = pass_through(&layer, Response::new(body)).await.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers));
        let mut only_head = Response::new(Full::<Bytes>::default());
        only_head.headers_mut().extend(trailers);
        pass_through(&layer, only_head).await;
        for way in ["trailers", "head"] {
            let document = documents.next().await;
            for flag in ["error", "fault"] {
                assert_eq!(document.get(flag), flags.get(flag), "{status} in the {way}");
            }
        }
    }
}
