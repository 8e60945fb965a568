//! Error events: the exceptions that they describe.

use std::error::Error;
use std::fmt;

use tracing_core::Event;
use tracing_core::field::{Field, Visit};
use xray_core::{Entity, Exception};

use crate::fields::{NAMESPACE, Value};
use crate::targets::is_driver;

/// Records an event at the level `ERROR` as an exception of an entity.
pub(crate) fn record(event: &Event<'_>, entity: &Entity) {
    let mut failure = Failure::default();
    event.record(&mut failure);
    let Failure { exception, kind, text, message, .. } = failure;
    let exception = exception.or_else(|| {
        let exception = from_text(text.as_deref().or(message.as_deref())?);
        Some(match &kind {
            Some(kind) => exception.with_kind(kind.as_str()),
            None => exception,
        })
    });
    // Messages of databases quote the values of a query.
    let is_of_driver = is_driver(event.metadata().target());
    let exception = exception.unwrap_or_else(|| Exception::from_text(event.metadata().name()));
    entity.fault(if is_of_driver { exception.holding_values() } else { exception });
    // The message of an event whose exception is another one.
    if let (Some(message), true, false) = (message, text.is_some() || failure.has_error, is_of_driver) {
        entity.metadata_in(NAMESPACE, "message", &message);
    }
}

/// Whether an event is a line of the SDK's own log, which came through `tracing-log`.
pub(crate) fn is_own(event: &Event<'_>) -> bool {
    struct Target(bool);
    impl Visit for Target {
        fn record_str(&mut self, field: &Field, value: &str) {
            self.0 |= field.name() == "log.target" && value.starts_with("xray");
        }

        fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
    }
    if event.metadata().target() != "log" {
        return false;
    }
    let mut target = Target(false);
    event.record(&mut target);
    target.0
}

/// What the fields of an event say of a failure.
#[derive(Default)]
struct Failure {
    exception: Option<Exception>,
    has_error: bool,
    kind: Option<String>,
    text: Option<String>,
    message: Option<String>,
}

impl Failure {
    fn take(&mut self, field: &Field, value: Value<'_>) {
        let text = || Some(value.text().into_owned());
        match field.name() {
            "message" => self.message = text(),
            "error" | "err" | "e" | "exception.message" | "error.message" => self.text = text(),
            "exception.type" | "error.type" => self.kind = text(),
            _ => {}
        }
    }
}

impl Visit for Failure {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, Value::Debug(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, Value::Text(value));
    }

    fn record_error(&mut self, _: &Field, value: &(dyn Error + 'static)) {
        self.has_error = true;
        self.exception.get_or_insert_with(|| Exception::from(value));
    }
}

/// Describes a text, and the causes in it: reports of `anyhow` and `eyre` list them in their `Debug` text.
fn from_text(text: &str) -> Exception {
    let Some((message, causes)) = text.split_once("\n\nCaused by:\n") else {
        return Exception::from_text(text);
    };
    let causes = causes.split("\n\n").next().unwrap_or_default();
    causes.lines().map(without_number).fold(Exception::from_text(message), Exception::caused_by)
}

/// Removes the number of a cause: `    1: connection refused`.
fn without_number(line: &str) -> &str {
    let line = line.trim();
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    if rest.len() < line.len() { rest.strip_prefix(": ").unwrap_or(line) } else { line }
}
