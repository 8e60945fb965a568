//! Responses that last long, and segments that do not.

use std::sync::{Arc, Mutex};

use actix_web::web::{self, Bytes};
use actix_web::{Error, HttpResponse};
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::mpsc;
use xray_actix::XRay;

use crate::support::{read_until, send, serve, xray};

type Item = Result<Bytes, &'static str>;

/// Serves one stream of what the returned sender sends. Each item is made in a subsegment.
fn streaming(xray: XRay, kind: &'static str) -> (std::net::SocketAddr, mpsc::UnboundedSender<Item>) {
    let (sender, receiver) = mpsc::unbounded_channel::<Item>();
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let xray = xray.end_at_headers(|response| {
        assert_ne!(response.request().path(), "/panics", "in the rule");
        let is_event_stream = response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
        is_event_stream || response.request().path() == "/poll"
    });
    let address = serve(xray, move |app| {
        let receiver = receiver.clone();
        let handler = move || {
            let receiver = receiver.lock().unwrap().take().unwrap();
            let items = futures_util::stream::unfold(receiver, |mut receiver| async {
                let item = receiver.recv().await?;
                Some((item, receiver))
            });
            let items =
                items.map(|item| xray_core::capture("event", |_| item.map_err(actix_web::error::ErrorBadGateway)));
            async move { HttpResponse::Ok().content_type(kind).streaming::<_, Error>(Box::pin(items)) }
        };
        app.default_service(web::to(handler));
    });
    (address, sender)
}

#[tokio::test]
async fn a_segment_of_an_event_stream_closes_with_the_head() {
    for (path, kind) in [("/events", "text/event-stream"), ("/poll", "text/plain")] {
        let (xray, mut documents) = xray("shop");
        let (address, sender) = streaming(xray, kind);
        let mut client = send(address, &format!("GET {path}"), &[]).await;
        read_until(&mut client, "\r\n\r\n").await;
        // While the stream is open.
        let document = documents.next().await;
        assert_eq!(document["http"]["response"], json!({"status": 200}), "{path}");
        // What the stream does later belongs to the trace.
        sender.send(Ok(Bytes::from_static(b"one"))).unwrap();
        read_until(&mut client, "one\r\n").await;
        assert_eq!(documents.next().await["name"], "event");
        // How it ends is not recorded.
        sender.send(Err("broken")).unwrap();
        sender.closed().await;
        documents.next().await;
        documents.assert_empty();
    }
}

#[tokio::test]
async fn other_responses_are_recorded_until_their_end() {
    for (path, kind) in [("/other", "text/plain"), ("/panics", "text/event-stream")] {
        let (xray, mut documents) = xray("shop");
        let (address, sender) = streaming(xray, kind);
        let mut client = send(address, &format!("GET {path}"), &[]).await;
        read_until(&mut client, "\r\n\r\n").await;
        sender.send(Ok(Bytes::from_static(b"one"))).unwrap();
        read_until(&mut client, "one\r\n").await;
        documents.assert_empty();
        sender.send(Err("broken")).unwrap();
        let document = documents.next().await;
        assert_eq!(document["fault"], true, "{path}");
        assert_eq!(document["cause"][0][1], "broken", "{path}");
    }
}
