//! Fields as annotations, metadata and members of the document.

use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Span, info_span};
use xray_core::serde_json;
use xray_tracing::{FieldUse, SubsegmentLayer};

use crate::{Traced, install};

/// Records one span, and returns its document.
fn recorded(layer: SubsegmentLayer, span: impl FnOnce() -> Span) -> Value {
    let _subscriber = install(layer);
    let traced = Traced::begin();
    traced.run(|| drop(span()));
    traced.finish().find("span").json().clone()
}

#[test]
fn fields_are_metadata_unless_they_are_named() {
    let document = recorded(
        SubsegmentLayer::new().annotate(["order_id", "paid"]),
        || info_span!("span", order_id = 7, paid = true, annotation.tier = "gold", items = 3u64, note = "fragile", share = 0.5, who = ?("a", 1)),
    );
    assert_eq!(document["annotations"], json!({"order_id": 7, "paid": true, "tier": "gold"}));
    assert_eq!(
        document["metadata"]["tracing"],
        json!({"items": 3, "note": "fragile", "share": 0.5, "who": "(\"a\", 1)"})
    );
}

#[test]
fn a_rule_decides_on_fields() {
    let layer = SubsegmentLayer::new().fields(|name| match name {
        "card" => FieldUse::Skip,
        id if id.ends_with("_id") => FieldUse::Annotation,
        _ => FieldUse::Metadata,
    });
    let document = recorded(layer, || info_span!("span", order_id = 7, card = "4111", items = 3));
    assert_eq!(document["annotations"], json!({"order_id": 7}));
    assert_eq!(document["metadata"]["tracing"], json!({"items": 3}));
}

#[test]
fn fields_may_come_until_the_span_closes() {
    let document = recorded(SubsegmentLayer::new().annotate(["rows"]), || {
        let span = info_span!("span", rows = Empty, state = "begun");
        span.in_scope(|| span.record("rows", 12));
        span.record("state", "done");
        span
    });
    assert_eq!(document["annotations"], json!({"rows": 12}));
    assert_eq!(document["metadata"]["tracing"]["state"], "done");
}

#[test]
fn database_fields_make_a_sql_block_without_literals() {
    let document = recorded(SubsegmentLayer::new(), || {
        info_span!(
            "span",
            otel.kind = "client",
            db.system = "postgresql",
            db.name = "shop",
            db.user = "app",
            db.statement = "SELECT * FROM orders WHERE card = 's3cret'",
            db.query.parameter.card = "s3cret",
            db.operation = "SELECT",
            server.address = "db.internal",
            server.port = 5432,
        )
    });
    assert_eq!(document["namespace"], "remote");
    assert_eq!(
        document["sql"],
        json!({"url": "postgresql://db.internal:5432/shop", "user": "app", "database_type": "PostgreSQL"})
    );
    assert_eq!(document["metadata"]["tracing"], json!({"db.operation": "SELECT"}));
}

#[test]
fn http_fields_make_an_http_block_without_query_strings() {
    let document = recorded(SubsegmentLayer::new(), || {
        let span = info_span!(
            "span",
            otel.kind = "client",
            http.request.method = "GET",
            url.full = "https://app:s3cret@api.test/orders?token=s3cret",
            url.query = "token=s3cret",
            http.request.header.authorization = "Bearer s3cret",
            http.response.status_code = Empty,
        );
        span.record("http.response.status_code", 429);
        span
    });
    assert_eq!(
        document["http"],
        json!({"request": {"method": "GET", "url": "https://api.test/orders"}, "response": {"status": 429}})
    );
    assert_eq!((&document["error"], &document["throttle"]), (&json!(true), &json!(true)));
    assert!(document["metadata"].is_null(), "{document}");
}

#[test]
fn statuses_of_opentelemetry_and_grpc_set_flags() {
    for (span, flag) in [
        (info_span as fn() -> Span, "fault"),
        (grpc_not_found as fn() -> Span, "error"),
        (failed as fn() -> Span, "fault"),
    ] {
        let document = recorded(SubsegmentLayer::new(), span);
        assert_eq!(document[flag], true, "{document}");
    }
}

fn info_span() -> Span {
    info_span!("span", otel.status_code = "ERROR", otel.status_message = "out of stock")
}

fn grpc_not_found() -> Span {
    info_span!("span", rpc.grpc.status_code = 5)
}

fn failed() -> Span {
    info_span!("span", error = true)
}
