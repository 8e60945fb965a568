//! `PutTraceSegments`: documents by HTTP instead of UDP.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{ApiError, Arguments};
use crate::web::App;

pub(crate) fn trace_segments(app: &App, call: &Arguments) -> Result<Value, ApiError> {
    let texts = call.get("TraceSegmentDocuments").and_then(Value::as_array);
    let texts = texts.ok_or_else(|| ApiError::invalid("`TraceSegmentDocuments` is missing or invalid"))?;
    let (mut processed, mut unprocessed) = (Vec::new(), Vec::new());
    for text in texts {
        let Some(text) = text.as_str() else {
            return Err(ApiError::invalid("an element of `TraceSegmentDocuments` is not a string"));
        };
        for document in documents(text) {
            match app.store.accept_and_forward(document, &app.forward) {
                Ok(()) => processed.push(document),
                Err(_) => unprocessed.push(refusal(document)),
            }
        }
    }
    if let Err(failure) = app.store.persist() {
        // They can be seen, but a response without them would be a promise that the store file cannot keep.
        let message = format!("kept in memory only, because the store file cannot be written: {failure}");
        unprocessed.extend(processed.into_iter().map(|document| {
            let id = serde_json::from_str::<Value>(document).unwrap_or_default()["id"].take();
            json!({ "Id": id, "ErrorCode": "InternalFailure", "Message": message })
        }));
    }
    Ok(json!({ "UnprocessedTraceSegments": unprocessed }))
}

/// Returns the elements of an array of subsegments, or the text itself.
fn documents(text: &str) -> Vec<&str> {
    match serde_json::from_str::<Vec<&RawValue>>(text) {
        Ok(elements) => elements.into_iter().map(RawValue::get).collect(),
        Err(_) => vec![text],
    }
}

/// Says what is wrong with a document, in the words of the service.
fn refusal(document: &str) -> Value {
    let parsed: Value = serde_json::from_str(document).unwrap_or_default();
    let id = parsed["id"].as_str();
    let valid_trace = parsed["trace_id"].as_str().is_some_and(|id| id.parse::<crate::TraceId>().is_ok());
    let (code, message) = match (id, &parsed) {
        (_, Value::Null) => ("ParseError", "the document is not a JSON object"),
        (None, _) => ("MissingId", "the document has no id"),
        (Some(id), _) if id.parse::<crate::EntityId>().is_err() => ("InvalidId", "the id is not 16 hex digits"),
        _ if !valid_trace => ("InvalidTraceId", "the trace id is missing or invalid"),
        _ if !parsed["name"].is_string() => ("InvalidName", "the name is missing"),
        _ => ("InvalidDocument", "the document or one of its subsegments lacks a member or has an invalid one"),
    };
    match id {
        Some(id) => json!({ "Id": id, "ErrorCode": code, "Message": message }),
        None => json!({ "ErrorCode": code, "Message": message }),
    }
}
