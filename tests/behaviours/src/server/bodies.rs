//! The bodies of responses: the segment lasts as long as they do, unless the option says otherwise.

use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::sync::mpsc;

use super::adapter::Adapter;
use super::{App, Response};
use crate::client::{Answer, read_until};
use crate::documents::shop;

type Items = mpsc::UnboundedSender<io::Result<&'static str>>;

/// Returns an application that streams what the sender sends, in its first response. It makes each item in a subsegment.
fn streaming(content_type: &'static str) -> (App, Items) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let app = App::new(move |_| {
        let receiver = receiver.lock().unwrap().take().unwrap();
        let items = stream::unfold(receiver, |mut receiver: mpsc::UnboundedReceiver<_>| async {
            let item: io::Result<&'static str> = receiver.recv().await?;
            Some((item, receiver))
        });
        let items = items.map(|item| xray_core::capture("item", |_| item.map(Bytes::from)));
        async move { Response::stream(items).with_header("content-type", content_type) }
    });
    (app, sender)
}

pub(super) async fn a_streamed_body_belongs_to_the_request_until_its_end(adapter: &Adapter) {
    let (app, sender) = streaming("text/plain");
    let (server, mut documents) = adapter.serve(app);
    let mut stream = server.send("GET /stream", &[]).await;
    assert!(read_until(&mut stream, "\r\n\r\n").await.to_ascii_lowercase().contains("transfer-encoding: chunked"));
    for item in ["one", "two"] {
        sender.send(Ok(item)).unwrap();
        read_until(&mut stream, &format!("{item}\r\n")).await;
        documents.assert_empty();
    }
    drop(sender);
    read_until(&mut stream, "0\r\n\r\n").await;
    let more = json!({"subsegments": [{"name": "item"}, {"name": "item"}]});
    assert_eq!(documents.next().await, shop("/stream", json!({"status": 200}), more));
}

pub(super) async fn a_body_that_fails_is_a_fault_and_aborted(adapter: &Adapter) {
    let app = || {
        App::new(|_| async {
            Response::stream(stream::iter([Ok(Bytes::from("part")), Err(io::Error::other("disk on fire"))]))
        })
    };
    let seems_complete = |answer: Option<Answer>| answer.is_some_and(|answer| answer.body.ends_with("0\r\n\r\n"));
    let (server, mut documents) = adapter.serve(app());
    let with = seems_complete(server.ask("GET /fails", &[]).await);
    let without = seems_complete(adapter.start(App { layers: 0, ..app() }).ask("GET /fails", &[]).await);
    assert_eq!(with, without, "whether the client notices");
    let more = json!({
        "fault": true,
        "cause": [[adapter.body_errors, "disk on fire"]],
        "metadata": {"xray": {"aborted": true}},
    });
    assert_eq!(documents.next().await, shop("/fails", json!({"status": 200}), more));
    documents.assert_empty();
}

pub(super) async fn a_body_that_panics_is_a_fault_and_the_thread_stays_clean(adapter: &Adapter) {
    let app = App::new(|path| async move {
        if path == "/ok" {
            return Response::from("ok");
        }
        Response::stream(stream::poll_fn(|_| -> std::task::Poll<Option<io::Result<Bytes>>> { panic!("in the body") }))
    });
    let (server, mut documents) = adapter.serve(app);
    server.ask("GET /panics", &[]).await;
    let more = json!({
        "fault": true,
        "cause": [["panic", "in the body"]],
        "metadata": {"xray": {"aborted": true}},
    });
    assert_eq!(documents.next().await, shop("/panics", json!({"status": 200}), more));
    assert_eq!(server.get("/ok").await.body, "ok");
    assert_eq!(documents.next().await, shop("/ok", json!({"status": 200, "content_length": 2}), json!({})));
    documents.assert_empty();
}

pub(super) async fn a_segment_of_an_event_stream_closes_with_the_head(adapter: &Adapter) {
    for (path, content_type) in [("/events", "text/event-stream"), ("/poll", "text/plain")] {
        let (app, sender) = streaming(content_type);
        let (server, mut documents) = adapter.serve(app);
        let mut client = server.send(&format!("GET {path}"), &[]).await;
        read_until(&mut client, "\r\n\r\n").await;
        // While the stream is open.
        let document = documents.next().await;
        assert_eq!(document["http"]["response"], json!({"status": 200}), "{path}");
        assert_eq!(document.get("metadata"), None);
        // What the stream does later belongs to the trace.
        sender.send(Ok("one")).unwrap();
        read_until(&mut client, "one\r\n").await;
        assert_eq!(documents.next().await["name"], "item");
        // How it ends is not recorded.
        sender.send(Err(io::Error::other("broken"))).unwrap();
        sender.closed().await;
        documents.next().await;
        documents.assert_empty();
    }
}

pub(super) async fn other_responses_are_recorded_until_their_end(adapter: &Adapter) {
    // A function that panics ends no segment early, and changes no response.
    for (path, content_type) in [("/other", "text/plain"), ("/end-panics", "text/event-stream")] {
        let (app, sender) = streaming(content_type);
        let (server, mut documents) = adapter.serve(app);
        let mut client = server.send(&format!("GET {path}"), &[]).await;
        read_until(&mut client, "\r\n\r\n").await;
        sender.send(Ok("one")).unwrap();
        read_until(&mut client, "one\r\n").await;
        documents.assert_empty();
        sender.send(Err(io::Error::other("broken"))).unwrap();
        let document = documents.next().await;
        assert_eq!(document["fault"], true, "{path}");
        assert_eq!(document["cause"], json!([[adapter.body_errors, "broken"]]), "{path}");
    }
}
