//! What handlers respond, and how they fail.

use std::fmt;
use std::num::ParseIntError;
use std::sync::Arc;

use futures_util::stream;
use serde_json::json;
use tokio::sync::Notify;

use super::adapter::Adapter;
use super::{App, Response};
use crate::client::read_until;
use crate::documents::shop;

pub(super) async fn each_status_is_recorded_with_its_flags(adapter: &Adapter) {
    let app = App::new(|path| async move { Response::new(path[1..].parse().unwrap(), "body") });
    let (server, mut documents) = adapter.serve(app);
    for (status, flags) in [
        (200, json!({})),
        (201, json!({})),
        (302, json!({})),
        (404, json!({"error": true})),
        (429, json!({"error": true, "throttle": true})),
        (500, json!({"fault": true})),
        (503, json!({"fault": true})),
    ] {
        let path = format!("/{status}");
        assert_eq!(server.get(&path).await.status, status);
        let expected = shop(&path, json!({"status": status, "content_length": 4}), flags);
        assert_eq!(documents.next().await, expected);
    }
    // A request without a route is recorded as well. A framework may make its response outside of the adapter.
    assert_eq!(server.get("/no/route?token=s3cret").await.status, 404);
    let document = documents.next().await;
    assert_eq!(document["http"]["request"]["url"], "http://shop.test/no/route");
    assert_eq!((&document["http"]["response"]["status"], &document["error"]), (&json!(404), &json!(true)));
    documents.assert_empty();
}

pub(super) async fn responses_without_a_body_close_with_their_head(adapter: &Adapter) {
    let app = App::new(|path| async move {
        match &*path {
            "/ok" => Response::new(200, "ok"),
            "/empty" => Response::new(200, ""),
            "/stream" => Response::stream(stream::pending()),
            "/204" => Response::new(204, ""),
            _ => Response::new(304, "").with_header("etag", "\"7\""),
        }
    });
    let (server, mut documents) = adapter.serve(app);
    for (method, path, response) in [
        ("HEAD", "/ok", json!({"status": 200, "content_length": 2})),
        ("HEAD", "/stream", json!({"status": 200})),
        ("GET", "/empty", json!({"status": 200, "content_length": 0})),
        ("GET", "/204", json!({"status": 204})),
        ("GET", "/304", json!({"status": 304})),
    ] {
        // Only the head is read: the stream has no end.
        let mut stream = server.send(&format!("{method} {path}"), &[]).await;
        let head = read_until(&mut stream, "\r\n\r\n").await;
        assert_eq!(head.split(' ').nth(1), Some(&*response["status"].to_string()), "{method} {path}");
        let mut expected = shop(path, response, json!({}));
        expected["http"]["request"]["method"] = method.into();
        assert_eq!(documents.next().await, expected, "{method} {path}");
    }
    documents.assert_empty();
}

#[derive(Debug)]
struct ServiceError(ParseIntError);

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for ServiceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

pub(super) async fn an_error_that_a_handler_records_is_the_cause(adapter: &Adapter) {
    let app = App::new(|_| async {
        let error = ServiceError("x".parse::<u8>().unwrap_err());
        xray_core::current_segment().fault(&error);
        Response::new(500, "broken")
    });
    let (server, mut documents) = adapter.serve(app);
    assert_eq!(server.get("/error").await.status, 500);
    let cause = json!([["ServiceError", "broken"], ["ParseIntError", "invalid digit found in string"]]);
    let more = json!({"fault": true, "cause": cause});
    assert_eq!(documents.next().await, shop("/error", json!({"status": 500, "content_length": 6}), more));
}

pub(super) async fn a_panic_is_recorded_and_the_next_request_of_the_thread_is_served(adapter: &Adapter) {
    let app = App::new(|path| async move {
        if path == "/panic" {
            let _open = xray_core::subsegment("open");
            // Not even a guard that is never dropped may leave its entity in the thread's context.
            std::mem::forget(xray_core::current().enter());
            panic!("boom")
        }
        if xray_core::current().id() == xray_core::current_segment().id() { "clean" } else { "dirty" }
    });
    let (server, mut documents) = adapter.serve(app);
    for _ in 0..3 {
        // A framework may catch the panic outside of the adapter.
        assert_ends_without_response_or_fails(server.ask("GET /panic", &[]).await.map(|answer| answer.status));
        let document = documents.next().await;
        assert_eq!(document["fault"], true);
        assert_eq!(document["cause"], json!([["panic", "boom"]]));
        assert_eq!(document["subsegments"][0]["name"], "open");
        assert_eq!(document["http"].get("response"), None);
        assert_eq!(server.get("/clean").await.body, "clean");
        assert_eq!(documents.next().await, shop("/clean", json!({"status": 200, "content_length": 5}), json!({})));
    }
    documents.assert_empty();
}

fn assert_ends_without_response_or_fails(status: Option<u16>) {
    assert!(matches!(status, None | Some(500)), "{status:?}");
}

pub(super) async fn a_panic_of_one_request_does_not_touch_another_one_on_its_thread(adapter: &Adapter) {
    let (begun, proceed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let app = {
        let (begun, proceed) = (begun.clone(), proceed.clone());
        App::new(move |path| {
            let (begun, proceed) = (begun.clone(), proceed.clone());
            async move {
                assert!(path == "/waits", "boom");
                begun.notify_one();
                proceed.notified().await;
                xray_core::annotate("mine", true);
                "ok"
            }
        })
    };
    let (server, mut documents) = adapter.serve(app);
    let waiting = async {
        assert_eq!(server.get("/waits").await.body, "ok");
    };
    let panicking = async {
        begun.notified().await;
        assert_ends_without_response_or_fails(server.ask("GET /panic", &[]).await.map(|answer| answer.status));
        assert_eq!(documents.next().await["cause"], json!([["panic", "boom"]]));
        proceed.notify_one();
    };
    tokio::join!(waiting, panicking);
    let more = json!({"annotations": {"mine": true}});
    assert_eq!(documents.next().await, shop("/waits", json!({"status": 200, "content_length": 2}), more));
}
