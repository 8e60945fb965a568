//! Statuses other than OK: flags and exception on both sides.

use serde_json::{Value, json};
use tonic::Code;

use crate::service::serve;
use crate::{Caller, calling, serving};

/// Returns the members that a status adds to a document.
fn failed(flags: &[&str], kind: &str, message: &str) -> Value {
    let mut members = json!({"cause": [[kind, message]]});
    for flag in flags {
        members[flag] = json!(true);
    }
    members
}

/// Returns the members with the length of the response's body, which tonic knows if the status is in the headers.
fn in_headers(method: &str, mut members: Value) -> Value {
    if matches!(method, "Get" | "Collect") {
        members["response"] = json!({"content_length": 0});
    }
    members
}

#[tokio::test]
async fn each_code_sets_its_flags_and_its_exception_on_both_sides() {
    let mut service = serve().await;
    let mut caller = Caller::of(service.address);
    for (code, kind, flags) in [
        (1, "CANCELLED", &["error"][..]),
        (2, "UNKNOWN", &["fault"]),
        (3, "INVALID_ARGUMENT", &["error"]),
        (4, "DEADLINE_EXCEEDED", &["fault"]),
        (5, "NOT_FOUND", &["error"]),
        (6, "ALREADY_EXISTS", &["error"]),
        (7, "PERMISSION_DENIED", &["error"]),
        (8, "RESOURCE_EXHAUSTED", &["error", "throttle"]),
        (9, "FAILED_PRECONDITION", &["error"]),
        (10, "ABORTED", &["error"]),
        (11, "OUT_OF_RANGE", &["error"]),
        (12, "UNIMPLEMENTED", &["fault"]),
        (13, "INTERNAL", &["fault"]),
        (14, "UNAVAILABLE", &["fault"]),
        (15, "DATA_LOSS", &["fault"]),
        (16, "UNAUTHENTICATED", &["error"]),
    ] {
        let failure = format!("fail {code} out of paper");
        // In the headers of a response that has nothing else, and in the trailers.
        for (method, messages) in [("Get", &[&*failure][..]), ("List", &["a", &failure])] {
            let (result, document) = caller.call(method, messages).await;
            assert_eq!(result.unwrap_err().code(), Code::from(code));
            let failed = failed(flags, kind, "out of paper");
            assert_eq!(document, calling(service.address, method, failed.clone()), "{method}");
            let served = in_headers(method, failed);
            assert_eq!(service.document().await, serving(service.address, method, served), "{method}");
        }
    }
}

#[tokio::test]
async fn messages_are_decoded_and_lose_their_secrets() {
    let mut service = serve().await;
    let mut caller = Caller::of(service.address);
    for (message, recorded) in [
        ("kein Grüß Gott, 100%", "kein Grüß Gott, 100%"),
        ("a\nb", "a\nb"),
        ("https://app:s3cret@db/items?token=s3cret is down", "https://db/items is down"),
        ("login failed: password=s3cret", "login failed: password=***"),
        ("", ""),
    ] {
        for method in ["Get", "Collect", "Chat"] {
            let (result, document) = caller.call(method, &[&format!("fail 13 {message}")]).await;
            assert_eq!(result.unwrap_err().message(), message);
            let failed = failed(&["fault"], "INTERNAL", recorded);
            assert_eq!(document, calling(service.address, method, failed.clone()), "{method}");
            let served = in_headers(method, failed);
            assert_eq!(service.document().await, serving(service.address, method, served), "{method}");
        }
    }
}

#[tokio::test]
async fn the_exception_of_a_call_is_remote() {
    let mut service = serve().await;
    let mut caller = Caller::of(service.address);
    let segment = caller.recorder.begin("caller");
    let failed = segment.scope(crate::call(&mut caller.client, "Get", &["fail 5 no chair"])).await;
    failed.unwrap_err();
    segment.close();
    let raw = caller.documents.raw().await;
    assert_eq!(raw["subsegments"][0]["cause"]["exceptions"][0]["remote"], true);
    assert_eq!(service.documents.raw().await["cause"]["exceptions"][0]["remote"], false);
}

#[tokio::test]
async fn a_method_or_a_service_that_does_not_exist_is_unimplemented() {
    let mut service = serve().await;
    let mut caller = Caller::of(service.address);
    let (result, document) = caller.call("Order", &[]).await;
    assert_eq!(result.unwrap_err().code(), Code::Unimplemented);
    let failed = failed(&["fault"], "UNIMPLEMENTED", "");
    assert_eq!(document, calling(service.address, "Order", failed.clone()));
    let served = in_headers("Get", failed);
    assert_eq!(service.document().await, serving(service.address, "Order", served));
}
