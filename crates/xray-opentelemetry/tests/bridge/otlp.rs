//! Both sides as OpenTelemetry's backends see them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use opentelemetry::trace::{FutureExt as _, SpanId, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use xray_core::emit::Flushed;
use xray_core::sampling::Always;
use xray_core::serde_json::{Value, from_slice, json};
use xray_core::{FutureExt as _, Recorder};
use xray_opentelemetry::in_span;
use xray_otlp::{Compression, Encoding, Otlp};

use crate::support::{Otel, tree};

/// Returns the spans of an export request in the form of documents.
fn documents(request: &Value) -> Vec<Value> {
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let resources = list(request, "resourceSpans").into_iter();
    let scopes = resources.flat_map(|resource| list(&resource, "scopeSpans"));
    let document = |span: Value| {
        json!({
            "name": span["name"],
            "id": span["spanId"],
            "parent_id": span["parentSpanId"].as_str().filter(|parent| !parent.is_empty()),
            "trace_id": format!("1-{}", span["traceId"].as_str().unwrap()),
        })
    };
    scopes.flat_map(|scope| list(&scope, "spans")).map(document).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn exported_to_one_collector_both_are_one_tree() {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let received = requests.clone();
    let collector = Router::new().route(
        "/v1/traces",
        post(async move |body: Bytes| {
            received.lock().unwrap().push(from_slice::<Value>(&body).unwrap());
            "{}"
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, collector).await });

    let emitter = Otlp::builder().endpoint(endpoint).encoding(Encoding::Json).compression(Compression::None);
    let recorder = Recorder::builder().environment(|_| None).sampling(Always).emitter(emitter.build().unwrap());
    let recorder = recorder.build().unwrap();
    let otel = Otel::new();
    let tracer = otel.tracer();
    let load = async {
        let span = tracer.start("query");
        let cx = Context::current_with_span(span);
        in_span(cx.clone(), async { async {}.in_subsegment("connect").await }).await;
        async { tracer.in_span("rows", |cx| cx.span().set_attribute(KeyValue::new("rows", 3))) }.with_context(cx).await;
    };
    recorder.begin("shop").scope(async { load.in_subsegment("load order").await }).await;
    let flushed = spawn_blocking(move || recorder.flush(Duration::from_secs(20))).await.unwrap();
    assert_eq!(flushed, Flushed::All);

    let documents: Vec<Value> = requests.lock().unwrap().iter().flat_map(documents).collect();
    let expected = "shop\n  load order\n    [query]\n      [rows]\n      connect\n";
    assert_eq!(tree(&documents, &otel.spans()), expected);
    assert!(otel.spans().iter().all(|span| span.parent_span_id != SpanId::INVALID));
}
