//! `BatchGetTraces`: whole traces, one document for each segment.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::input::{page, seconds, text, trace_ids};
use super::{ApiError, Arguments};
use crate::TraceId;
use crate::trace::{Detailed, Entity, Node, hash};
use crate::web::App;

/// The service returns at most this many traces at once.
const MAX_TRACES: usize = 5;

/// Traces on one page.
const PAGE: usize = 100;

pub(super) fn traces(app: &App, call: &Arguments) -> Result<Value, ApiError> {
    let (ids, mut unprocessed) = trace_ids(call)?;
    if app.settings.strict {
        if ids.len() > MAX_TRACES {
            return Err(ApiError::invalid(format!("Exceeding maximum query size: {MAX_TRACES}")));
        }
        if text(call, "NextToken")?.is_some() {
            return Err(ApiError::invalid("NextToken is currently not supported"));
        }
    }
    let (ids, next) = page(call, &ids, PAGE)?;
    let mut missing = Vec::new();
    let mut traces = Vec::new();
    for &id in ids {
        match app.store.detailed(id) {
            Some(detailed) => traces.push(trace(id, &detailed)),
            None => missing.push(id.to_string()),
        }
    }
    unprocessed.extend(missing.iter().map(String::as_str));
    Ok(json!({ "Traces": traces, "UnprocessedTraceIds": unprocessed, "NextToken": next }))
}

fn trace(id: TraceId, detailed: &Detailed) -> Value {
    let mut segments = Vec::new();
    for node in detailed.trace.nodes() {
        // A subsegment is part of its segment's document, unless the segment has not arrived.
        if node.is_segment() || node.depth() == 0 {
            segments.push(json!({ "Id": node.id().to_string(), "Document": document(id, node) }));
        }
    }
    for (index, passed) in detailed.summary.services.iter().enumerate() {
        let call = detailed.entity(index);
        if passed.inferred && !call.is_segment() {
            let (inferred, document) = inferred(id, call, &passed.service.kind);
            segments.push(json!({ "Id": inferred, "Document": document }));
        }
    }
    json!({
        "Id": id.to_string(),
        "Duration": seconds(detailed.summary.duration),
        "LimitExceeded": false,
        "Segments": segments,
    })
}

type Members = BTreeMap<String, Box<RawValue>>;

/// Joins a segment and its subsegments, which may have arrived in several documents. Uses no recursion, whatever the
/// depth.
fn document(id: TraceId, top: Node<'_>) -> String {
    let mut out = String::new();
    // The depths of the objects that are open, and whether their arrays of subsegments are.
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut hidden = usize::MAX;
    for node in top.subtree() {
        if node.depth() > hidden {
            continue;
        }
        // Another segment has a document of its own.
        hidden = if node.is_segment() && node.index() != top.index() { node.depth() } else { usize::MAX };
        if hidden < usize::MAX {
            continue;
        }
        close(&mut out, &mut open, node.depth());
        if let Some((_, children)) = open.last_mut() {
            out.push_str(if *children { "," } else { ",\"subsegments\":[" });
            *children = true;
        }
        let mut members: Members = serde_json::from_str(node.json()).unwrap_or_default();
        members.remove("subsegments");
        if open.is_empty() {
            insert(&mut members, "trace_id", &json!(id.to_string()));
        } else {
            members.retain(|member, _| !matches!(member.as_str(), "trace_id" | "parent_id" | "type"));
        }
        let text = serde_json::to_string(&members).unwrap_or_default();
        out.push_str(text.strip_suffix('}').unwrap_or(&text));
        open.push((node.depth(), false));
    }
    close(&mut out, &mut open, 0);
    out
}

/// Closes the objects that are at least this deep.
fn close(out: &mut String, open: &mut Vec<(usize, bool)>, depth: usize) {
    while let Some((_, children)) = open.pop_if(|(own, _)| *own >= depth) {
        out.push_str(if children { "]}" } else { "}" });
    }
}

/// Returns the segment of a service that sends none, as the service would infer it from a call: its id and document.
fn inferred(id: TraceId, call: &Entity, origin: &str) -> (String, String) {
    let own: Members = serde_json::from_str(call.json()).unwrap_or_default();
    // The same at each call.
    let inferred = format!("{:016x}", hash(&(id, call.id())));
    let kept = ["name", "start_time", "end_time", "in_progress", "http", "aws", "sql", "error", "throttle", "fault"];
    let mut members: Members = own.into_iter().filter(|(member, _)| kept.contains(&member.as_str())).collect();
    insert(&mut members, "id", &json!(inferred));
    insert(&mut members, "trace_id", &json!(id.to_string()));
    insert(&mut members, "parent_id", &json!(call.id().to_string()));
    insert(&mut members, "inferred", &json!(true));
    if origin != "remote" {
        insert(&mut members, "origin", &json!(origin));
    }
    (inferred, serde_json::to_string(&members).unwrap_or_default())
}

fn insert(members: &mut Members, name: &str, value: &Value) {
    if let Ok(raw) = serde_json::value::to_raw_value(value) {
        members.insert(name.to_owned(), raw);
    }
}
