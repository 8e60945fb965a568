//! Trims an entity that alone is too large for a datagram.
//!
//! Long lists of the parameters of AWS calls go first. Metadata follow, the largest value first, then stack frames, the
//! ends of long texts, all metadata, the blocks `sql` and `aws`. Last come the texts of exceptions and `http`. Names, ids,
//! times, flags and annotations always stay, and so do the ids of exceptions, to which other entities may refer.

use serde_json::Value;

use crate::arena::Span;
use crate::document::{MAX_DOCUMENT, json};
use crate::ledger::STANDALONE_MEMBERS;

use super::body::{Body, removed};
use super::failure::{Cause, ExceptionRecord};

/// Room for a name of 200 characters, the id and the start.
const MAX_HEAD: usize = 1024;
/// The longest tail that fits into a datagram with everything that must stand before it.
pub(super) const MAX_TAIL: usize = MAX_DOCUMENT - STANDALONE_MEMBERS - MAX_HEAD;
/// Room for the report of what was trimmed.
const MAX_REPORT: usize = 1024;
/// Bytes of the report's text; escaped, it may take twice as many.
const MAX_REPORT_TEXT: usize = 400;
/// Characters that are left of a long text.
const SHORTENED: usize = 200;
/// Bytes that are left of a long list.
const SHORTENED_LIST: usize = 2048;

/// Removes something from a body that is this many bytes too long, and reports what.
type Step = fn(&mut Body, usize, &mut Vec<String>);

/// Removes parts of `body` until `write` makes a `tail` that fits, and says in the body's metadata and in the
/// returned text what it removed.
pub(super) fn trim(tail: &mut Vec<u8>, body: &mut Body, write: impl Fn(&mut Vec<u8>, &Body)) -> String {
    let mut report = Vec::new();
    let steps: [Step; 9] = [
        trim_lists,
        trim_metadata,
        trim_stacks,
        trim_texts,
        trim_messages,
        remove_metadata,
        remove_blocks,
        trim_exceptions,
        remove_http,
    ];
    for step in steps {
        let excess = (tail.len() + MAX_REPORT).saturating_sub(MAX_TAIL);
        if excess == 0 {
            break;
        }
        step(body, excess, &mut report);
        tail.clear();
        write(tail, body);
    }
    let mut text = report.join(", ");
    text.truncate((0..=MAX_REPORT_TEXT).rfind(|end| text.is_char_boundary(*end)).unwrap_or_default());
    let mut encoded = Vec::new();
    json::string(&mut encoded, &text);
    body.metadata("xray", "trimmed", &encoded);
    tail.clear();
    write(tail, body);
    text
}

fn trim_metadata(body: &mut Body, mut excess: usize, report: &mut Vec<String>) {
    let mut sizes: Vec<(usize, usize)> = body.metadata_sizes().enumerate().map(|(index, size)| (size, index)).collect();
    sizes.sort_unstable();
    while let (true, Some((size, index))) = (excess > 0, sizes.pop()) {
        let marker = removed(size);
        if size <= marker.len() {
            break;
        }
        report.push(format!("metadata {} ({size} bytes)", body.replace_metadata(index, marker.as_bytes())));
        excess = excess.saturating_sub(size - marker.len());
    }
}

fn trim_stacks(body: &mut Body, _: usize, report: &mut Vec<String>) {
    let Cause::Exceptions(all) = body.cause() else { return };
    let frames: usize = all.iter().map(|exception| exception.stack.len()).sum();
    for exception in all {
        exception.truncated += exception.stack.len();
        exception.stack.clear();
    }
    if frames > 0 {
        report.push(format!("{frames} stack frames"));
    }
}

/// Keeps the beginnings of the lists and objects that an AWS call was made with.
fn trim_lists(body: &mut Body, _: usize, report: &mut Vec<String>) {
    let mut shortened = false;
    change_block(body, "aws", |value| {
        shorten_lists(value, &mut shortened);
    });
    if shortened {
        report.push("long lists of aws".to_owned());
    }
}

/// Returns the bytes that are left.
fn shorten_lists(value: &mut Value, shortened: &mut bool) -> usize {
    // One item stays, however long: it is a text, which is cut later, or holds some.
    let mut fits = |total: &mut usize, bytes: usize| {
        let fits = *total == 0 || *total + bytes <= SHORTENED_LIST;
        *total += if fits { bytes } else { 0 };
        *shortened |= !fits;
        fits
    };
    let mut total = 0;
    match value {
        Value::Array(items) => {
            let mut inner = false;
            items.retain_mut(|item| {
                let bytes = shorten_lists(item, &mut inner) + 1;
                fits(&mut total, bytes)
            });
            *shortened |= inner;
        }
        Value::Object(members) => {
            let mut inner = false;
            members.retain(|name, value| {
                let bytes = name.len() + shorten_lists(value, &mut inner) + 4;
                fits(&mut total, bytes)
            });
            *shortened |= inner;
        }
        Value::String(text) => total = text.len() + 2,
        _ => total = 8,
    }
    total
}

/// Shortens the texts of SQL and of the parameters of AWS calls.
fn trim_texts(body: &mut Body, _: usize, report: &mut Vec<String>) {
    for name in ["sql", "aws"] {
        if change_block(body, name, shorten_texts) {
            report.push(format!("long texts of {name}"));
        }
    }
}

fn shorten_texts(value: &mut Value) {
    match value {
        Value::String(text) => text.truncate(json::cut(text, SHORTENED).len()),
        Value::Array(items) => items.iter_mut().for_each(shorten_texts),
        Value::Object(members) => members.values_mut().for_each(shorten_texts),
        _ => {}
    }
}

/// Changes each member of a block, if it is of a size that is worth it. Nothing stays of a block that is too deep to be
/// read.
fn change_block(body: &mut Body, name: &str, mut change: impl FnMut(&mut Value)) -> bool {
    let span = body.block(name);
    if span.len() <= SHORTENED {
        return false;
    }
    let object = [b"{", body.text(span).get(1..).unwrap_or_default(), b"}"].concat();
    let members = match serde_json::from_slice::<Value>(&object) {
        Ok(Value::Object(mut members)) => {
            members.values_mut().for_each(&mut change);
            let text = Value::Object(members).to_string();
            // Each member stands after a comma.
            text[..text.len() - 1].replacen('{', ",", 1)
        }
        _ => String::new(),
    };
    body.replace_block(name, members.as_bytes());
    true
}

fn trim_messages(body: &mut Body, _: usize, report: &mut Vec<String>) {
    let Cause::Exceptions(all) = body.cause() else { return };
    for exception in all {
        exception.message.truncate(json::cut(&exception.message, SHORTENED).len());
    }
    report.push("long exception messages".to_owned());
}

/// Removes all metadata: many small values, which markers would not make smaller.
fn remove_metadata(body: &mut Body, _: usize, report: &mut Vec<String>) {
    report.clear();
    report.push(format!("all metadata ({} values)", body.metadata_sizes().count()));
    body.clear_metadata();
}

/// Removes blocks of many short members.
fn remove_blocks(body: &mut Body, _: usize, report: &mut Vec<String>) {
    report.push("the blocks sql and aws".to_owned());
    body.clear_blocks();
}

/// Keeps the id of an exception, to which other entities may refer.
fn trim_exceptions(body: &mut Body, _: usize, report: &mut Vec<String>) {
    let Cause::Exceptions(all) = body.cause() else { return };
    report.push("texts of exceptions".to_owned());
    all.iter_mut().for_each(ExceptionRecord::clear_texts);
}

fn remove_http(body: &mut Body, _: usize, report: &mut Vec<String>) {
    report.push("http".to_owned());
    body.clear_http();
}

impl Body {
    fn text(&self, span: Span) -> &[u8] {
        self.text.get(span)
    }
}
