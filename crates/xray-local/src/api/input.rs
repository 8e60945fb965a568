//! Members of calls, and pages of lists.

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{ApiError, Arguments};
use crate::TraceId;
use crate::filter::{Group, Groups};
use crate::time;

/// Microseconds of a second.
pub(super) const SECOND: u64 = 1_000_000;

/// Returns a text; `None` if it is absent or null.
pub(super) fn text<'a>(call: &'a Arguments, name: &str) -> Result<Option<&'a str>, ApiError> {
    match call.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ApiError::invalid(format!("`{name}` is not a string"))),
    }
}

pub(super) fn required<'a>(call: &'a Arguments, name: &str) -> Result<&'a str, ApiError> {
    text(call, name)?.ok_or_else(|| ApiError::invalid(format!("`{name}` is missing")))
}

/// Returns a list of texts.
pub(super) fn texts<'a>(call: &'a Arguments, name: &str) -> Result<Vec<&'a str>, ApiError> {
    let list = call.get(name).and_then(Value::as_array);
    let list = list.ok_or_else(|| ApiError::invalid(format!("the list `{name}` is missing")))?;
    let element = |value: &'a Value| {
        value.as_str().ok_or_else(|| ApiError::invalid(format!("an element of `{name}` is not a string")))
    };
    list.iter().map(element).collect()
}

/// Returns the traces of `TraceIds`: those that are valid, and the others.
pub(super) fn trace_ids(call: &Arguments) -> Result<(Vec<TraceId>, Vec<&str>), ApiError> {
    let (mut valid, mut others) = (Vec::new(), Vec::new());
    for text in texts(call, "TraceIds")? {
        match text.parse() {
            Ok(id) if valid.contains(&id) => {}
            Ok(id) => valid.push(id),
            Err(_) => others.push(text),
        }
    }
    Ok((valid, others))
}

/// Returns the range from `StartTime` to `EndTime` in microseconds since the epoch.
///
/// The end does not belong to it. Some clients cut times to seconds, and a test that asks for everything until now must
/// find what it has just sent: an end without a fraction includes that second.
pub(super) fn range(call: &Arguments) -> Result<Range<u64>, ApiError> {
    let (start, end) = (moment(call, "StartTime")?, moment(call, "EndTime")?);
    if start > end {
        return Err(ApiError::invalid("`StartTime` is after `EndTime`"));
    }
    let end = if end.is_multiple_of(SECOND) { end.saturating_add(SECOND) } else { end };
    Ok(start..end)
}

fn moment(call: &Arguments, name: &str) -> Result<u64, ApiError> {
    let micros = match call.get(name) {
        // The cast saturates.
        Some(Value::Number(seconds)) => seconds.as_f64().map(|seconds| (seconds * SECOND as f64).round() as u64),
        Some(Value::String(text)) => time::moment(text),
        _ => None,
    };
    micros.ok_or_else(|| ApiError::invalid(format!("`{name}` is missing, or no time in seconds since the epoch")))
}

/// Converts microseconds to seconds with a fraction.
pub(super) fn seconds(micros: u64) -> f64 {
    micros as f64 / SECOND as f64
}

/// Refuses a token, for lists that have one page.
pub(super) fn no_token(call: &Arguments) -> Result<(), ApiError> {
    match text(call, "NextToken")? {
        None | Some("") => Ok(()),
        Some(_) => Err(ApiError::invalid("`NextToken` is invalid: use the token of another page")),
    }
}

/// Returns the page of a list that `NextToken` asks for, and the token of the next page.
pub(crate) fn page<'a, T>(call: &Arguments, list: &'a [T], size: usize) -> Result<(&'a [T], Value), ApiError> {
    let first = match text(call, "NextToken")? {
        None | Some("") => 0,
        Some(token) => {
            let index = token.parse().ok().filter(|index| (1..list.len()).contains(index));
            index.ok_or_else(|| ApiError::invalid("`NextToken` is invalid: use the token of another page"))?
        }
    };
    let end = list.len().min(first + size);
    let next = if end < list.len() { json!(end.to_string()) } else { Value::Null };
    Ok((&list[first..end], next))
}

/// Returns the group that a call names.
pub(super) fn group(call: &Arguments, groups: &Groups) -> Result<Option<Arc<Group>>, ApiError> {
    let key = match text(call, "GroupName")? {
        Some(name) => Some(name),
        None => text(call, "GroupARN")?,
    };
    let Some(key) = key else { return Ok(None) };
    groups.get(key).map(Some).ok_or_else(|| ApiError::invalid(format!("there is no group {key:?}")))
}
