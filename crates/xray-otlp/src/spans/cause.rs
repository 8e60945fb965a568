//! The `cause` block, whose exceptions become events.

use std::fmt::Write;

use crate::attributes::Attributes;
use crate::document::{Cause, Entity, Exception};
use crate::proto::Event;

/// The parts of a span that come from its cause.
#[derive(Debug, Default)]
pub(super) struct SpanCause {
    /// The message of the status: that of the first exception, or the ID of an exception recorded elsewhere.
    pub(super) message: String,
    pub(super) events: Vec<Event>,
}

/// Adds attributes and returns the other parts. Documents do not record the time of an exception, so its event gets the
/// end of the span.
pub(super) fn add(entity: &Entity<'_>, attributes: &mut Attributes, end: u64) -> SpanCause {
    match &entity.cause {
        None => SpanCause::default(),
        Some(Cause::Reference(id)) => SpanCause { message: id.to_string(), events: Vec::new() },
        Some(Cause::Block(block)) => {
            attributes.add("aws.xray.cause.working_directory", block.working_directory.as_ref());
            attributes.add("aws.xray.cause.paths", block.paths.as_slice());
            let first = block.exceptions.first().and_then(|exception| exception.message.as_deref());
            SpanCause {
                message: first.unwrap_or_default().to_owned(),
                events: block.exceptions.iter().map(|exception| event(exception, end)).collect(),
            }
        }
    }
}

fn event(exception: &Exception<'_>, time_unix_nano: u64) -> Event {
    let mut attributes = Attributes::default();
    attributes.add("exception.type", exception.kind.as_ref());
    attributes.add("exception.message", exception.message.as_ref());
    attributes.add("exception.stacktrace", stack(exception));
    attributes.add("aws.xray.exception.id", exception.id.as_ref());
    attributes.add("aws.xray.exception.remote", exception.remote);
    attributes.add("aws.xray.exception.truncated", exception.truncated);
    attributes.add("aws.xray.exception.skipped", exception.skipped);
    attributes.add("aws.xray.exception.cause", exception.cause.as_ref());
    Event { time_unix_nano, name: "exception".to_owned(), attributes: attributes.into_inner() }
}

/// Formats a stack in Java's form, which collectors read and write.
fn stack(exception: &Exception<'_>) -> Option<String> {
    if exception.stack.is_empty() {
        return None;
    }
    let kind = exception.kind.as_deref().unwrap_or_default();
    let message = exception.message.as_deref().unwrap_or_default();
    let mut text = format!("{kind}: {message}\n");
    for frame in &exception.stack {
        let (label, path) = (frame.label.as_deref().unwrap_or_default(), frame.path.as_deref().unwrap_or_default());
        let _ = match frame.line {
            Some(line) => writeln!(text, "\tat {label}({path}:{line})"),
            None => writeln!(text, "\tat {label}({path})"),
        };
    }
    Some(text)
}
