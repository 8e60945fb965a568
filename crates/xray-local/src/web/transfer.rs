//! Traces out and in.
//!
//! `GET /api/export?filter=&timeRange=&id=` returns one line of JSON for each trace:
//! `{"trace_id": "1-…", "documents": ["{…}", …]}`, with the documents as they were received. With `id`, only that trace.
//!
//! `POST /api/import` accepts, one after the other: such lines, the output of `aws xray batch-get-traces`, documents, and
//! arrays of documents. It returns `{"accepted": 41, "refused": 0}`, in documents.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query as Parameters, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::pieces::{self, Frame};
use super::query::Query;
use super::respond::{self, error, text};
use super::traces::{matching, refuse};
use super::{App, blocking};
use crate::id::TraceId;
use crate::store::Packed;

pub(super) async fn export(
    State(app): State<Arc<App>>,
    Parameters(parameters): Parameters<HashMap<String, String>>,
) -> Response {
    let query = match Query::parse(app.store.groups(), &parameters) {
        Ok(query) => query,
        Err(invalid) => return refuse(&invalid),
    };
    let ids: Vec<TraceId> = match parameters.get("id") {
        Some(id) => id.parse().into_iter().collect(),
        None => {
            let source = Arc::clone(&app);
            let found = blocking(move || matching(&source.store, &query).1).await;
            found.into_iter().flatten().map(|trace| trace.id).collect()
        }
    };
    let frame = Frame { begin: String::new(), between: "", end: "" };
    text(StatusCode::OK, "application/x-ndjson", pieces::body(app, ids, line, frame))
}

fn line(app: &App, id: TraceId) -> Option<String> {
    let parts = app.store.parts(id)?;
    let documents: Vec<String> = parts.documents.iter().map(Packed::text).collect();
    Some(format!("{}\n", json!({ "trace_id": id.to_string(), "documents": documents })))
}

pub(super) async fn import(State(app): State<Arc<App>>, body: Bytes) -> Response {
    match blocking(move || read(&app, &body)).await {
        Some(Ok(body)) => respond::json(&body),
        Some(Err(message)) => error(StatusCode::BAD_REQUEST, &message),
        None => error(StatusCode::INTERNAL_SERVER_ERROR, "the import failed: see the output of xray-local"),
    }
}

fn read(app: &App, body: &[u8]) -> Result<Value, String> {
    let (mut accepted, mut refused) = (0_u64, 0_u64);
    let mut accept = |document: &str| match app.store.accept_document(document) {
        Ok(_) => accepted += 1,
        Err(_) => refused += 1,
    };
    for value in serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>() {
        let value = value.map_err(|error| format!("the body is not JSON: {error}"))?.get();
        if let Ok(documents) = serde_json::from_str::<Vec<&RawValue>>(value) {
            documents.into_iter().for_each(|document| accept(document.get()));
            continue;
        }
        // The members of a document are not parsed: it is passed on as it is.
        let Ok(members) = serde_json::from_str::<HashMap<String, &RawValue>>(value) else {
            accept(value);
            continue;
        };
        let member = |name: &str| members.get(name).and_then(|value| serde_json::from_str::<Value>(value.get()).ok());
        if let Some(Value::Array(documents)) = member("documents") {
            documents.iter().filter_map(Value::as_str).for_each(&mut accept);
        } else if let Some(Value::Array(traces)) = member("Traces") {
            let segments = traces.iter().filter_map(|trace| trace["Segments"].as_array()).flatten();
            segments.filter_map(|segment| segment["Document"].as_str()).for_each(&mut accept);
        } else {
            accept(value);
        }
    }
    app.store.persist().map_err(|failure| format!("imported into memory, but not into the store file: {failure}"))?;
    Ok(json!({ "accepted": accepted, "refused": refused }))
}
