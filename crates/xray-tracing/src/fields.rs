//! Fields of spans: which become annotations, metadata, or members of the document.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use tracing_core::field::{Field, Visit};
use xray_core::serde::{Serialize, Serializer};
use xray_core::{Entity, Exception};

use crate::members::Members;

/// The metadata namespace of fields.
pub(crate) const NAMESPACE: &str = "tracing";

/// How a field of a span is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldUse {
    /// As an annotation, which X-Ray indexes for search.
    Annotation,
    /// As metadata in the namespace `tracing`.
    Metadata,
    /// Not at all.
    Skip,
}

/// The function of [`SubsegmentLayer::fields`](crate::SubsegmentLayer::fields).
pub(crate) type FieldRule = Box<dyn Fn(&str) -> FieldUse + Send + Sync>;

/// Which fields become annotations.
#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) annotations: Vec<Box<str>>,
    pub(crate) rule: Option<FieldRule>,
}

impl Fields {
    /// Returns how a field is recorded that is not a member of the document, and under which key.
    fn usage<'f>(&self, name: &'f str) -> (FieldUse, &'f str) {
        if let Some(key) = name.strip_prefix("annotation.") {
            return (FieldUse::Annotation, key);
        }
        if self.annotations.iter().any(|annotation| **annotation == *name) {
            return (FieldUse::Annotation, name);
        }
        (self.rule.as_ref().map_or(FieldUse::Metadata, |rule| rule(name)), name)
    }
}

/// The value of a field.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Bool(bool),
    Debug(&'a dyn fmt::Debug),
}

impl<'a> Value<'a> {
    pub(crate) fn text(self) -> Cow<'a, str> {
        match self {
            Value::Text(text) => Cow::Borrowed(text),
            Value::Signed(number) => Cow::Owned(number.to_string()),
            Value::Unsigned(number) => Cow::Owned(number.to_string()),
            Value::Float(number) => Cow::Owned(number.to_string()),
            Value::Bool(value) => Cow::Owned(value.to_string()),
            Value::Debug(value) => Cow::Owned(format!("{value:?}")),
        }
    }

    pub(crate) fn number(self) -> Option<u64> {
        match self {
            Value::Unsigned(number) => Some(number),
            Value::Signed(number) => number.try_into().ok(),
            other => other.text().parse().ok(),
        }
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Text(text) => serializer.serialize_str(text),
            Value::Signed(number) => serializer.serialize_i64(*number),
            Value::Unsigned(number) => serializer.serialize_u64(*number),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Debug(value) => serializer.collect_str(&format_args!("{value:?}")),
        }
    }
}

/// Records the fields of a span on its entity, and collects those that make up members.
pub(crate) struct Recording<'a> {
    pub(crate) fields: &'a Fields,
    pub(crate) entity: &'a Entity,
    pub(crate) members: Members,
}

impl Recording<'_> {
    fn record(&mut self, field: &Field, value: Value<'_>) {
        let name = field.name();
        if self.members.take(name, value) {
            return;
        }
        match self.fields.usage(name) {
            (FieldUse::Annotation, key) => {
                _ = match value {
                    Value::Signed(number) => self.entity.annotate(key, number),
                    Value::Unsigned(number) => self.entity.annotate(key, number),
                    Value::Float(number) => self.entity.annotate(key, number),
                    Value::Bool(value) => self.entity.annotate(key, value),
                    other => self.entity.annotate(key, &*other.text()),
                }
            }
            (FieldUse::Metadata, key) => _ = self.entity.metadata_in(NAMESPACE, key, &value),
            (FieldUse::Skip, _) => {}
        }
    }
}

impl Visit for Recording<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, Value::Debug(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, Value::Text(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, Value::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, Value::Unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record(field, Value::Float(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, Value::Bool(value));
    }

    /// An error among the fields of a span is its failure.
    fn record_error(&mut self, _: &Field, value: &(dyn Error + 'static)) {
        self.entity.fault(Exception::from(value));
    }
}
