//! What an entity gives up when it alone is too large for a datagram.
//!
//! Metadata goes first, the largest value first, then stack frames, then long SQL and URLs, then long
//! messages, at last all blocks and causes. Names, ids, times, flags and annotations always stay.

use serde_json::Value;

use crate::arena::Span;
use crate::document::{MAX_DOCUMENT, json};
use crate::ledger::STANDALONE_MEMBERS;

use super::body::{Body, removed};
use super::failure::Cause;

/// Room for a name of 200 characters, the id and the start.
const MAX_HEAD: usize = 1024;
/// The longest tail that fits into a datagram with everything that must stand before it.
pub(super) const MAX_TAIL: usize = MAX_DOCUMENT - STANDALONE_MEMBERS - MAX_HEAD;
/// Room for the report of what was shed.
const MAX_REPORT: usize = 1024;
/// Bytes of the report's text; escaped, it may take twice as many.
const MAX_REPORT_TEXT: usize = 400;
/// Characters that are left of a long text.
const SHORTENED: usize = 200;

/// Removes parts of `body` until `write` makes a `tail` that fits, and says in the body's metadata and in the
/// returned text what it removed.
pub(super) fn shed(tail: &mut Vec<u8>, body: &mut Body, write: impl Fn(&mut Vec<u8>, &Body)) -> String {
    let mut report = Vec::new();
    let steps: [fn(&mut Body, usize, &mut Vec<String>); 6] =
        [shed_metadata, shed_stacks, shed_texts, shed_messages, shed_all_metadata, shed_details];
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
    body.metadata("xray", "shed", &encoded);
    tail.clear();
    write(tail, body);
    text
}

fn shed_metadata(body: &mut Body, mut excess: usize, report: &mut Vec<String>) {
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

fn shed_stacks(body: &mut Body, _excess: usize, report: &mut Vec<String>) {
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

/// SQL, URLs, and what an AWS call was made with.
fn shed_texts(body: &mut Body, _excess: usize, report: &mut Vec<String>) {
    for (name, span) in body.blocks() {
        if span.len() > SHORTENED {
            let members = shortened(body.text(span));
            report.push(format!("long texts of {name}"));
            body.replace_block(name, &members);
        }
    }
}

/// Members of an object, each after a comma, all texts in them shortened; nothing of what is too deep to be read.
fn shortened(members: &[u8]) -> Vec<u8> {
    fn shorten(value: &mut Value) {
        match value {
            Value::String(text) => text.truncate(json::cut(text, SHORTENED).len()),
            Value::Array(items) => items.iter_mut().for_each(shorten),
            Value::Object(members) => members.values_mut().for_each(shorten),
            _ => {}
        }
    }
    let object = [b"{", members.get(1..).unwrap_or_default(), b"}"].concat();
    let Ok(mut value) = serde_json::from_slice::<Value>(&object) else { return Vec::new() };
    shorten(&mut value);
    let mut text = value.to_string();
    text.truncate(text.len() - 1);
    text.replacen('{', ",", 1).into_bytes()
}

fn shed_messages(body: &mut Body, _excess: usize, report: &mut Vec<String>) {
    let Cause::Exceptions(all) = body.cause() else { return };
    for exception in all {
        exception.message.truncate(json::cut(&exception.message, SHORTENED).len());
    }
    report.push("long exception messages".to_owned());
}

/// So many small values that markers in their place would not help.
fn shed_all_metadata(body: &mut Body, _excess: usize, report: &mut Vec<String>) {
    report.clear();
    report.push(format!("all metadata ({} values)", body.metadata_sizes().count()));
    body.clear_metadata();
}

/// Long lists, and many members that are not long themselves.
fn shed_details(body: &mut Body, _excess: usize, report: &mut Vec<String>) {
    report.push("all blocks and causes".to_owned());
    body.clear_details();
}

impl Body {
    fn text(&self, span: Span) -> &[u8] {
        self.text.get(span)
    }
}
