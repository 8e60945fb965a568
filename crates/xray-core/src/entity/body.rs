//! The members of an open entity, as they are added.
//!
//! Values are encoded when they come and kept in one buffer, with a list of where each lies: most entities
//! need one allocation for all they say. At the close the members are written in the order of documents.

use std::sync::Arc;

use crate::arena::{Arena, Span};
use crate::document::json;
use crate::flag::Flag;
use crate::id::{EntityId, TraceId};
use crate::ledger::IN_PROGRESS;
use crate::service_info::ServiceInfo;
use crate::time::Timestamp;

use super::failure::Cause;
use super::value::{AnnotationValue, clean_key};

/// Annotations of an entity that are kept: X-Ray indexes so many in a trace.
const MAX_ANNOTATIONS: usize = 50;

/// Bytes of all annotations that are kept: they are never trimmed, and must fit into a document alongside the
/// members that always stay. Room for 50 texts of 1,000 letters.
const MAX_ANNOTATED: usize = 52 * 1024;

/// Metadata values of an entity that are kept.
const MAX_METADATA: usize = 1000;

/// Bytes of all metadata that are kept, with their keys. A document has room for a quarter of that: when there is too
/// much, the largest values are given up, and those are not always the last.
const MAX_METADATA_BYTES: usize = 256 * 1024;

/// The namespace of what the SDK itself says, and what more of it is kept.
const OWN_NAMESPACE: &str = "xray";
const OWN_METADATA: (usize, usize) = (8, 2048);

/// Precursors of an entity that are kept.
const MAX_PRECURSORS: usize = 100;

/// What kind of call a subsegment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Namespace {
    /// A call to an AWS service by an AWS SDK.
    Aws,
    /// Any other call to another process: HTTP, SQL.
    Remote,
}

/// Namespace, key and value are encoded.
#[derive(Debug)]
struct Metadata {
    namespace: Span,
    key: Span,
    value: Span,
    /// Tells most keys apart without reading them.
    mark: u64,
    /// The first entry of the namespace.
    group: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(super) text: Arena,
    annotations: Vec<(Span, Span)>,
    /// Bytes of all annotations.
    annotated: usize,
    metadata: Vec<Metadata>,
    /// Bytes of all metadata.
    metadata_bytes: usize,
    // Of blocks, the members, each after a comma.
    http_request: Span,
    http_response: Span,
    sql: Span,
    aws: Span,
    user: Span,
    /// What few entities have, apart: bodies are made and dropped often.
    rare: Option<Box<Rare>>,
    error: bool,
    fault: bool,
    throttle: bool,
    traced: bool,
    namespace: Option<Namespace>,
    /// The central rule that had the segment recorded.
    rule: Option<Arc<str>>,
}

#[derive(Debug, Default)]
struct Rare {
    precursors: Vec<EntityId>,
    cause: Cause,
}

/// What became of an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Annotated {
    AsGiven,
    Renamed,
    Dropped,
}

impl Body {
    pub(super) fn with_rule(rule: Option<Arc<str>>) -> Body {
        Body { rule, ..Body::default() }
    }

    pub(crate) fn annotate(&mut self, key: &str, value: &AnnotationValue<'_>) -> Annotated {
        let cleaned = clean_key(key);
        let known = self.annotations.iter().position(|(key, _)| self.text.get(*key) == cleaned.as_bytes());
        if known.is_none() && self.annotations.len() == MAX_ANNOTATIONS {
            return Annotated::Dropped;
        }
        let value = self.text.push_with(|out| value.write(out));
        let before = known.map_or(0, |index| cleaned.len() + self.annotations[index].1.len());
        let annotated = self.annotated - before + cleaned.len() + value.len();
        if annotated > MAX_ANNOTATED {
            self.replaced(value);
            return Annotated::Dropped;
        }
        self.annotated = annotated;
        match known {
            Some(index) => {
                let old = std::mem::replace(&mut self.annotations[index].1, value);
                self.replaced(old);
            }
            None => {
                let key = self.text.push(cleaned.as_bytes());
                if self.annotations.capacity() == 0 {
                    self.annotations = Vec::with_capacity(4);
                }
                self.annotations.push((key, value));
            }
        }
        if cleaned == key { Annotated::AsGiven } else { Annotated::Renamed }
    }

    /// `json` is the encoded value. Returns whether it is kept: where bytes run out a marker is kept instead of the
    /// value, and where that has no room nothing.
    pub(crate) fn metadata(&mut self, namespace: &str, key: &str, json: &[u8]) -> bool {
        let own = if namespace == OWN_NAMESPACE { OWN_METADATA } else { (0, 0) };
        let (most, most_bytes) = (MAX_METADATA + own.0, MAX_METADATA_BYTES + own.1);
        let namespace = self.text.push_with(|out| json::string(out, json::cut(namespace, json::SHORT)));
        let key = self.text.push_with(|out| json::string(out, json::cut(key, json::SHORT)));
        let mark = self.mark_of(namespace, key);
        let same = |a: Span, b: Span| self.text.get(a) == self.text.get(b);
        let is_same = |entry: &Metadata| entry.mark == mark && same(entry.key, key) && same(entry.namespace, namespace);
        let known = self.metadata.iter().position(is_same);
        let (names, before) = match known {
            Some(index) => (0, self.metadata[index].value.len()),
            None => (namespace.len() + key.len(), 0),
        };
        let left = most_bytes.saturating_sub(self.metadata_bytes - before + names);
        let fits = json.len() <= left;
        let marker = if fits { String::new() } else { removed(json.len()) };
        let value = if fits { json } else { marker.as_bytes() };
        if value.len() > left || (known.is_none() && self.metadata.len() >= most) {
            self.text.release(namespace);
            self.replaced(key);
            return false;
        }
        self.metadata_bytes = self.metadata_bytes - before + names + value.len();
        let value = self.text.push(value);
        match known {
            Some(index) => {
                let old = std::mem::replace(&mut self.metadata[index].value, value);
                self.text.release(namespace);
                self.text.release(key);
                self.replaced(old);
            }
            None => {
                let same = |entry: &&Metadata| self.text.get(entry.namespace) == self.text.get(namespace);
                let group = self.metadata.iter().find(same).map_or(self.metadata.len(), |entry| entry.group);
                self.metadata.push(Metadata { namespace, key, value, mark, group });
            }
        }
        fits
    }

    /// From the last bytes of both, where keys that are counted differ.
    fn mark_of(&self, namespace: Span, key: Span) -> u64 {
        let [namespace, key] = [namespace, key].map(|span| {
            let text = self.text.get(span);
            let mut last = [0; 8];
            let end = &text[text.len().saturating_sub(8)..];
            last[..end.len()].copy_from_slice(end);
            u64::from_ne_bytes(last)
        });
        namespace.rotate_left(29) ^ key
    }

    pub(super) fn cause(&mut self) -> &mut Cause {
        &mut self.rare.get_or_insert_default().cause
    }

    pub(crate) fn mark(&mut self, flag: Flag) {
        match flag {
            Flag::Error => self.error = true,
            Flag::Fault => self.fault = true,
            Flag::Throttle => self.throttle = true,
        }
    }

    pub(crate) fn set_user(&mut self, user: &str) {
        self.set(|body| &mut body.user, |out| json::string(out, json::bounded(user, json::SHORT)));
    }

    pub(crate) fn set_http_request(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.set(|body| &mut body.http_request, write);
    }

    pub(crate) fn set_http_response(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.set(|body| &mut body.http_response, write);
    }

    pub(crate) fn set_sql(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.set(|body| &mut body.sql, write);
    }

    pub(crate) fn set_aws(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.set(|body| &mut body.aws, write);
    }

    pub(crate) fn set_traced(&mut self, traced: bool) {
        self.traced = traced;
    }

    pub(crate) fn set_namespace(&mut self, namespace: Namespace) {
        self.namespace = Some(namespace);
    }

    pub(crate) fn add_precursor(&mut self, id: EntityId) {
        let precursors = &mut self.rare.get_or_insert_default().precursors;
        if precursors.len() < MAX_PRECURSORS {
            precursors.push(id);
        }
    }

    fn set(&mut self, field: impl Fn(&mut Body) -> &mut Span, write: impl FnOnce(&mut Vec<u8>)) {
        let new = self.text.push_with(write);
        let old = std::mem::replace(field(self), new);
        self.replaced(old);
    }

    /// A value that is set again and again must not fill the memory with its old forms.
    fn replaced(&mut self, old: Span) {
        self.text.release(old);
        if self.text.is_wasteful() {
            // All fields by name: a span that is left out would point into what was moved.
            let Body {
                text,
                annotations,
                annotated: _,
                metadata,
                metadata_bytes: _,
                http_request,
                http_response,
                sql,
                aws,
                user,
                rare: _,
                error: _,
                fault: _,
                throttle: _,
                traced: _,
                namespace: _,
                rule: _,
            } = self;
            let annotations = annotations.iter_mut().flat_map(|(key, value)| [key, value]);
            let metadata = metadata
                .iter_mut()
                .flat_map(|Metadata { namespace, key, value, mark: _, group: _ }| [namespace, key, value]);
            text.compact(annotations.chain(metadata).chain([http_request, http_response, sql, aws, user]));
        }
    }

    /// The encoded size of each metadata value.
    pub(super) fn metadata_sizes(&self) -> impl Iterator<Item = usize> {
        self.metadata.iter().map(|entry| entry.value.len())
    }

    /// Puts another encoded value in the place of one; returns its full key.
    pub(super) fn replace_metadata(&mut self, index: usize, json: &[u8]) -> String {
        self.metadata_bytes = self.metadata_bytes - self.metadata[index].value.len() + json.len();
        self.metadata[index].value = self.text.push(json);
        let Metadata { namespace, key, .. } = &self.metadata[index];
        format!("{}.{}", json::utf8(self.text.get(*namespace)), json::utf8(self.text.get(*key)))
    }

    pub(super) fn clear_metadata(&mut self) {
        self.metadata.clear();
        self.metadata_bytes = 0;
    }

    /// The encoded members of `sql` or `aws`.
    pub(super) fn block(&self, name: &str) -> Span {
        if name == "sql" { self.sql } else { self.aws }
    }

    /// Puts other encoded members in a [`block`](Body::block).
    pub(super) fn replace_block(&mut self, name: &str, members: &[u8]) {
        let members = self.text.push(members);
        if name == "sql" {
            self.sql = members;
        } else {
            self.aws = members;
        }
    }

    /// Removes `sql`, `aws` and the precursors.
    pub(super) fn clear_blocks(&mut self) {
        (self.sql, self.aws) = Default::default();
        if let Some(rare) = &mut self.rare {
            rare.precursors.clear();
        }
    }

    pub(super) fn clear_http(&mut self) {
        (self.http_request, self.http_response) = Default::default();
    }

    /// Everything after the head, for the document of a subsegment.
    pub(crate) fn write_subsegment(&self, out: &mut Vec<u8>, end: Option<Timestamp>, service: &ServiceInfo) {
        write_end(out, end);
        self.write_flags(out);
        match self.namespace {
            Some(Namespace::Aws) => json::raw(out, ",\"namespace\":\"aws\""),
            Some(Namespace::Remote) => json::raw(out, ",\"namespace\":\"remote\""),
            None => {}
        }
        if self.traced {
            json::raw(out, ",\"traced\":true");
        }
        if let Some(rare) = self.rare.as_ref().filter(|rare| !rare.precursors.is_empty()) {
            json::raw(out, ",\"precursor_ids\":");
            json::list(out, &rare.precursors, |out, id| json::id(out, *id));
        }
        self.write_object(out, "aws", self.aws);
        self.write_object(out, "sql", self.sql);
        self.write_rest(out, service);
    }

    /// Everything after the head, for the document of a segment.
    pub(crate) fn write_segment(
        &self,
        out: &mut Vec<u8>,
        end: Option<Timestamp>,
        trace_id: TraceId,
        parent: Option<EntityId>,
        service: &ServiceInfo,
    ) {
        write_end(out, end);
        json::raw(out, ",\"trace_id\":\"");
        out.extend_from_slice(&trace_id.to_ascii());
        out.push(b'"');
        if let Some(parent) = parent {
            json::raw(out, ",\"parent_id\":");
            json::id(out, parent);
        }
        self.write_flags(out);
        if !self.user.is_empty() {
            json::raw(out, ",\"user\":");
            out.extend_from_slice(self.text.get(self.user));
        }
        service.write(out, self.rule.as_deref());
        self.write_rest(out, service);
    }

    fn write_flags(&self, out: &mut Vec<u8>) {
        if self.error {
            json::raw(out, ",\"error\":true");
        }
        if self.throttle {
            json::raw(out, ",\"throttle\":true");
        }
        if self.fault {
            json::raw(out, ",\"fault\":true");
        }
    }

    fn write_object(&self, out: &mut Vec<u8>, name: &'static str, members: Span) {
        if !members.is_empty() {
            json::member(out, name);
            out.push(b'{');
            out.extend_from_slice(self.members(members));
            out.push(b'}');
        }
    }

    /// Members of a block, each but the first after a comma.
    fn members(&self, span: Span) -> &[u8] {
        self.text.get(span).get(1..).unwrap_or_default()
    }

    fn write_rest(&self, out: &mut Vec<u8>, service: &ServiceInfo) {
        self.write_http(out);
        if !self.annotations.is_empty() {
            json::raw(out, ",\"annotations\":{");
            for (index, (key, value)) in self.annotations.iter().enumerate() {
                json::raw(out, if index == 0 { "\"" } else { ",\"" });
                out.extend_from_slice(self.text.get(*key));
                json::raw(out, "\":");
                out.extend_from_slice(self.text.get(*value));
            }
            out.push(b'}');
        }
        self.write_metadata(out);
        if let Some(rare) = &self.rare {
            rare.cause.write(out, service);
        }
    }

    fn write_http(&self, out: &mut Vec<u8>) {
        let (request, response) = (self.members(self.http_request), self.members(self.http_response));
        if !request.is_empty() {
            json::raw(out, ",\"http\":{\"request\":{");
            out.extend_from_slice(request);
            if response.is_empty() {
                return json::raw(out, "}}");
            }
            json::raw(out, "},\"response\":{");
        } else if !response.is_empty() {
            json::raw(out, ",\"http\":{\"response\":{");
        } else {
            return;
        }
        out.extend_from_slice(response);
        json::raw(out, "}}");
    }

    /// One object for each namespace, in the order of their first use.
    fn write_metadata(&self, out: &mut Vec<u8>) {
        for (index, first) in self.metadata.iter().enumerate().filter(|(index, entry)| entry.group == *index) {
            json::raw(out, if index == 0 { ",\"metadata\":{" } else { "}," });
            out.extend_from_slice(self.text.get(first.namespace));
            let mut before = ":{";
            for entry in self.metadata[index..].iter().filter(|entry| entry.group == index) {
                json::raw(out, before);
                out.extend_from_slice(self.text.get(entry.key));
                out.push(b':');
                out.extend_from_slice(self.text.get(entry.value));
                before = ",";
            }
        }
        if !self.metadata.is_empty() {
            json::raw(out, "}}");
        }
    }
}

/// What is recorded instead of metadata that are too large, encoded.
pub(super) fn removed(bytes: usize) -> String {
    format!("\"removed: {bytes} bytes\"")
}

/// An entity that has not ended is in progress.
fn write_end(out: &mut Vec<u8>, end: Option<Timestamp>) {
    match end {
        Some(end) => {
            json::raw(out, ",\"end_time\":");
            json::time(out, end);
        }
        None => out.extend_from_slice(IN_PROGRESS),
    }
}
