//! Clients that do not wait for the response.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::Notify;
use xray_core::FutureExt;

use super::adapter::Adapter;
use super::{App, Response};
use crate::client::{read_until, reset};
use crate::documents::shop;

pub(super) async fn a_client_that_resets_before_the_head_cancels_the_request(adapter: &Adapter) {
    let (begun, proceed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let app = {
        let (begun, proceed) = (begun.clone(), proceed.clone());
        App::new(move |_| {
            let (begun, proceed) = (begun.clone(), proceed.clone());
            async move {
                begun.notify_one();
                proceed.notified().in_subsegment("waiting").await;
                "ok"
            }
        })
    };
    let (server, mut documents) = adapter.serve(app);
    let stream = server.send("GET /slow", &[]).await;
    begun.notified().await;
    documents.assert_empty();
    reset(stream);
    let more = json!({
        "fault": true,
        "cause": [["Cancelled", "the request was dropped before its response"]],
        "subsegments": [{"name": "waiting", "metadata": {"xray": {"cancelled": true}}}],
    });
    assert_eq!(documents.next().await, shop("/slow", Value::Null, more));
    documents.assert_empty();
    // The server keeps serving.
    proceed.notify_one();
    assert_eq!(server.get("/slow").await.body, "ok");
    assert_eq!(documents.next().await["http"]["response"]["status"], 200);
}

pub(super) async fn a_client_that_leaves_in_the_middle_of_the_body_aborts_it(adapter: &Adapter) {
    let app = App::new(|_| async {
        let first = stream::iter([Ok::<_, io::Error>(Bytes::from("first"))]);
        Response::stream(first.chain(stream::pending()))
    });
    let (server, mut documents) = adapter.serve(app);
    let mut stream = server.send("GET /endless", &[]).await;
    read_until(&mut stream, "first").await;
    documents.assert_empty();
    reset(stream);
    let more = json!({"metadata": {"xray": {"aborted": true}}});
    assert_eq!(documents.next().await, shop("/endless", json!({"status": 200}), more));
    documents.assert_empty();
}

pub(super) async fn a_client_that_closes_while_bytes_are_written_aborts_the_body(adapter: &Adapter) {
    let app = App::new(|_| async { Response::stream(stream::repeat_with(|| Ok(Bytes::from_static(&[b'x'; 4096])))) });
    let (server, mut documents) = adapter.serve(app);
    let mut stream = server.send("GET /endless", &[]).await;
    read_until(&mut stream, "xxx").await;
    documents.assert_empty();
    drop(stream);
    let more = json!({"metadata": {"xray": {"aborted": true}}});
    assert_eq!(documents.next().await, shop("/endless", json!({"status": 200}), more));
}
