//! Trims an entity that is too large for a datagram even without its children.
//!
//! The steps of [`trim`] remove, in this order, until the rest fits:
//!
//! 1. the ends of long lists in the parameters of AWS calls,
//! 2. metadata, the largest value first,
//! 3. stack frames,
//! 4. the ends of long texts in `sql` and `aws`, and of exception messages,
//! 5. all metadata,
//! 6. the blocks `sql` and `aws`, and the precursors,
//! 7. the texts of exceptions,
//! 8. `http`.
//!
//! Names, ids, times, flags and annotations always stay, and so do the ids of exceptions, to which other entities may
//! refer.

use serde_json::Value;

use crate::document::{MAX_DOCUMENT, json};
use crate::ledger::STANDALONE_MEMBERS;

use super::body::{Body, Member, removed};
use super::failure::{Cause, ExceptionRecord};

/// Room for a name of 200 characters, the id, the start and the end.
const MAX_HEAD: usize = 1024;
/// The size of the members that fit into a datagram after everything that must precede them.
pub(super) const MAX_MEMBERS: usize = MAX_DOCUMENT - STANDALONE_MEMBERS - MAX_HEAD;
/// Room for the report on what was removed.
const MAX_REPORT: usize = 1024;
/// Bytes of the report's text. Escaped, it may take twice as many.
const MAX_REPORT_TEXT: usize = 400;
/// The number of characters that a long text keeps.
const SHORTENED: usize = 200;
/// The number of bytes that a long list keeps.
const SHORTENED_LIST: usize = 2048;

/// One step: removes something from a body that is this many bytes too long, and adds to the report.
type Step = fn(&mut Body, usize, &mut Vec<String>);

/// Removes parts of `body` until the `members` that `write` appends fit. Returns a report on what was removed, which the
/// body's metadata also has.
pub(super) fn trim(members: &mut Vec<u8>, body: &mut Body, write: impl Fn(&mut Vec<u8>, &Body)) -> String {
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
    write(members, body);
    for step in steps {
        let excess = (members.len() + MAX_REPORT).saturating_sub(MAX_MEMBERS);
        if excess == 0 {
            break;
        }
        step(body, excess, &mut report);
        members.clear();
        write(members, body);
    }
    let mut text = report.join(", ");
    text.truncate((0..=MAX_REPORT_TEXT).rfind(|end| text.is_char_boundary(*end)).unwrap_or_default());
    let mut encoded = Vec::new();
    json::string(&mut encoded, &text);
    body.metadata("xray", "trimmed", &encoded);
    members.clear();
    write(members, body);
    text
}

/// Replaces the largest metadata values by markers.
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

/// Removes the stack frames of all exceptions.
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

/// Removes the ends of long lists and objects in the parameters of an AWS call.
fn trim_lists(body: &mut Body, _: usize, report: &mut Vec<String>) {
    let mut shortened = false;
    change_block(body, Member::Aws, |value| {
        shorten_lists(value, &mut shortened);
    });
    if shortened {
        report.push("long lists of aws".to_owned());
    }
}

/// Shortens all lists and objects in a value. Returns the bytes that are left.
fn shorten_lists(value: &mut Value, shortened: &mut bool) -> usize {
    // The first item always stays, however long: it is or contains a text, which a later step cuts.
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

/// Shortens long texts in the `sql` block and in the parameters of AWS calls.
fn trim_texts(body: &mut Body, _: usize, report: &mut Vec<String>) {
    for (block, name) in [(Member::Sql, "sql"), (Member::Aws, "aws")] {
        if change_block(body, block, shorten_texts) {
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

/// Changes each member of a block. Returns `false` if the block is too small to be worth it. A block that is nested too
/// deeply to be parsed is removed.
fn change_block(body: &mut Body, block: Member, mut change: impl FnMut(&mut Value)) -> bool {
    let members = body.block(block);
    if members.len() < SHORTENED {
        return false;
    }
    let object = [b"{", members, b"}"].concat();
    let members = match serde_json::from_slice::<Value>(&object) {
        Ok(Value::Object(mut members)) => {
            members.values_mut().for_each(&mut change);
            let text = Value::Object(members).to_string();
            // A comma precedes each member.
            text[..text.len() - 1].replacen('{', ",", 1)
        }
        _ => String::new(),
    };
    body.replace_block(block, members.as_bytes());
    true
}

/// Shortens the messages of all exceptions.
fn trim_messages(body: &mut Body, _: usize, report: &mut Vec<String>) {
    let Cause::Exceptions(all) = body.cause() else { return };
    for exception in all {
        exception.message.truncate(json::cut(&exception.message, SHORTENED).len());
    }
    report.push("long exception messages".to_owned());
}

/// Removes all metadata: what is left are many small values, which markers would not shorten.
fn remove_metadata(body: &mut Body, _: usize, report: &mut Vec<String>) {
    report.retain(|line| !line.starts_with("metadata "));
    report.push(format!("all metadata ({} values)", body.metadata_sizes().count()));
    body.clear_metadata();
}

/// Removes `sql` and `aws`, whose many members are short by now, and the precursors.
fn remove_blocks(body: &mut Body, _: usize, report: &mut Vec<String>) {
    report.push("the blocks sql and aws".to_owned());
    body.clear(Member::Sql);
    body.clear(Member::Aws);
    body.clear_precursors();
}

/// Removes the texts of all exceptions. Their ids stay, to which other entities may refer.
fn trim_exceptions(body: &mut Body, _: usize, report: &mut Vec<String>) {
    let Cause::Exceptions(all) = body.cause() else { return };
    report.push("texts of exceptions".to_owned());
    all.iter_mut().for_each(ExceptionRecord::clear_texts);
}

/// Removes the `http` block.
fn remove_http(body: &mut Body, _: usize, report: &mut Vec<String>) {
    report.push("http".to_owned());
    body.clear(Member::HttpRequest);
    body.clear(Member::HttpResponse);
}
