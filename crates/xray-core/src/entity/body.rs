//! The members of an open entity, encoded as they are added.
//!
//! One buffer holds all encoded values, and [`Span`]s point into it, so that most entities need a single allocation.
//! When the entity closes, its members are written in the order of documents.
//!
//! Many subsegments have no members. So [`LazyBody`](super::lazy_body::LazyBody) creates a body with the first one.
//!
//! A new member that is encoded as one piece needs a variant of [`Member`], a setter and a line in
//! [`write_segment`](Body::write_segment) or [`write_subsegment`](Body::write_subsegment). A new flag needs a field
//! instead of the variant.

use std::borrow::Cow;

use crate::arena::{Arena, Span};
use crate::document::json;
use crate::flag::Flag;
use crate::id::{EntityId, TraceId};
use crate::service_info::ServiceInfo;

use super::failure::Cause;
use super::value::{AnnotationValue, clean_key};

/// The number of annotations that an entity keeps: X-Ray indexes this many per trace.
const MAX_ANNOTATIONS: usize = 50;

/// The bytes of all annotations that an entity keeps: they are never trimmed, and must fit into a document alongside
/// the members that always stay. Room for 50 texts of 1,000 letters.
const MAX_ANNOTATED: usize = 52 * 1024;

/// The number of metadata values that an entity keeps.
const MAX_METADATA: usize = 1000;

/// The bytes of all metadata that an entity keeps, with their keys. A document has room for a quarter of that: if there
/// is too much, the largest values are removed, which are not always the last ones.
const MAX_METADATA_BYTES: usize = 256 * 1024;

/// The namespace of the SDK's own metadata, and the number and bytes of them that are kept in addition.
const OWN_NAMESPACE: &str = "xray";
const OWN_METADATA: (usize, usize) = (8, 2048);

/// The number of precursors that an entity keeps.
const MAX_PRECURSORS: usize = 100;

/// The kind of call that a subsegment records.
///
/// Set it with [`Subsegment::set_namespace`](crate::Subsegment::set_namespace). X-Ray draws the called service as a
/// node of the service map, named by the subsegment.
///
/// ```
/// # let (recorder, _traces) = xray_core::Recorder::in_memory();
/// use xray_core::Namespace;
///
/// let segment = recorder.begin("shop");
/// segment.subsegment("inventory.example.com").set_namespace(Namespace::Remote);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Namespace {
    /// A call to an AWS service through an AWS SDK.
    Aws,
    /// Any other call to another process, such as HTTP or SQL.
    Remote,
}

/// Defines [`Member`] and counts its variants.
macro_rules! members {
    ($($member:ident),*) => {
        /// The members that are kept encoded, each in one piece. Those of blocks are lists of members, each after a comma.
        #[derive(Clone, Copy, Debug)]
        pub(super) enum Member {
            $($member),*
        }

        /// The number of [`Member`]s.
        const MEMBERS: usize = [$(Member::$member),*].len();
    };
}
members!(HttpRequest, HttpResponse, Sql, Aws, User);

/// One annotation.
#[derive(Debug)]
struct Annotation {
    /// The key in quotes, a colon and the encoded value.
    text: Span,
    /// The length of the key.
    key: usize,
}

/// One metadata value.
#[derive(Debug)]
struct Metadata {
    /// In quotes.
    namespace: Span,
    /// The key in quotes, a colon and the encoded value.
    text: Span,
    /// The length of the key with its quotes.
    key: usize,
    /// Distinguishes most keys without reading them.
    mark: u64,
    /// The index of the first entry in the same namespace.
    group: usize,
}

/// The members of an open entity: see the [module](self).
#[derive(Debug)]
pub(crate) struct Body {
    pub(super) text: Arena,
    annotations: Vec<Annotation>,
    /// Bytes of all annotations.
    annotated: usize,
    metadata: Vec<Metadata>,
    /// Bytes of all metadata.
    metadata_bytes: usize,
    /// By [`Member`].
    members: [Span; MEMBERS],
    /// What few entities have. Apart, because bodies are created and dropped often.
    rare: Option<Box<Rare>>,
    error: bool,
    fault: bool,
    throttle: bool,
    traced: bool,
    namespace: Option<Namespace>,
}

/// The members that few entities have.
#[derive(Debug, Default)]
struct Rare {
    precursors: Vec<EntityId>,
    cause: Cause,
}

impl Metadata {
    /// The length of the encoded value.
    fn value_len(&self) -> usize {
        self.text.len() - self.key - 1
    }
}

/// The outcome of adding an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Annotated {
    Unchanged,
    /// Its key had characters that X-Ray does not allow.
    Renamed,
    /// The entity has no room.
    Dropped,
}

impl Body {
    /// A body without members.
    pub(super) const EMPTY: Body = Body {
        text: Arena::EMPTY,
        annotations: Vec::new(),
        annotated: 0,
        metadata: Vec::new(),
        metadata_bytes: 0,
        members: [Span::EMPTY; MEMBERS],
        rare: None,
        error: false,
        fault: false,
        throttle: false,
        traced: false,
        namespace: None,
    };

    /// Removes all members, and keeps the buffers for another entity.
    pub(super) fn reset(&mut self) {
        // All fields by name, so that the compiler asks for a new one.
        let Body {
            text,
            annotations,
            annotated,
            metadata,
            metadata_bytes,
            members,
            rare,
            error,
            fault,
            throttle,
            traced,
            namespace,
        } = self;
        text.clear();
        annotations.clear();
        metadata.clear();
        (*annotated, *metadata_bytes) = (0, 0);
        *members = [Span::EMPTY; MEMBERS];
        *rare = None;
        (*error, *fault, *throttle, *traced) = (false, false, false, false);
        *namespace = None;
    }

    /// The bytes that the buffers of the body occupy.
    pub(super) fn capacity(&self) -> usize {
        self.text.capacity() + size_of_val(&*self.metadata)
    }

    pub(crate) fn annotate(&mut self, key: &str, value: &AnnotationValue<'_>) -> Annotated {
        let cleaned = clean_key(key);
        let is_same = |known: &Annotation| self.text.get(known.text)[1..1 + known.key] == *cleaned.as_bytes();
        let known = self.annotations.iter().position(is_same);
        if known.is_none() && self.annotations.len() == MAX_ANNOTATIONS {
            return Annotated::Dropped;
        }
        let text = self.text.push_with(|out| {
            json::raw(out, "\"");
            json::raw(out, &cleaned);
            json::raw(out, "\":");
            value.write(out);
        });
        let before = known.map_or(0, |index| self.annotations[index].text.len());
        let annotated = self.annotated - before + text.len();
        if annotated > MAX_ANNOTATED {
            self.replaced(text);
            return Annotated::Dropped;
        }
        self.annotated = annotated;
        match known {
            Some(index) => {
                let old = std::mem::replace(&mut self.annotations[index].text, text);
                self.replaced(old);
            }
            None => self.annotations.push(Annotation { text, key: cleaned.len() }),
        }
        if matches!(cleaned, Cow::Borrowed(_)) { Annotated::Unchanged } else { Annotated::Renamed }
    }

    /// Adds the encoded value `json`. Returns whether it was kept. If there is no room for it, a marker is kept
    /// instead, and if there is no room for that, nothing.
    pub(crate) fn metadata(&mut self, namespace: &str, key: &str, json: &[u8]) -> bool {
        let own = if namespace == OWN_NAMESPACE { OWN_METADATA } else { (0, 0) };
        let (most, most_bytes) = (MAX_METADATA + own.0, MAX_METADATA_BYTES + own.1);
        let namespace = self.text.push_with(|out| json::string(out, json::cut(namespace, json::SHORT)));
        let key = self.text.push_with(|out| json::string(out, json::cut(key, json::SHORT)));
        let mark = self.mark_of(namespace, key);
        let is_same = |known: &Metadata| {
            known.mark == mark
                && self.text.get(known.text)[..known.key] == *self.text.get(key)
                && self.text.get(known.namespace) == self.text.get(namespace)
        };
        let known = self.metadata.iter().position(is_same);
        let (names, before) = match known {
            Some(index) => (0, self.metadata[index].value_len()),
            None => (namespace.len() + key.len() + 1, 0),
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
        let text = self.text.extend(key, |out| {
            json::raw(out, ":");
            out.extend_from_slice(value);
        });
        match known {
            Some(index) => {
                let old = std::mem::replace(&mut self.metadata[index].text, text);
                self.text.release(namespace);
                self.replaced(old);
            }
            None => {
                let same = |known: &&Metadata| self.text.get(known.namespace) == self.text.get(namespace);
                let group = self.metadata.iter().find(same).map_or(self.metadata.len(), |known| known.group);
                self.metadata.push(Metadata { namespace, text, key: key.len(), mark, group });
            }
        }
        fits
    }

    /// Computes the mark from the last bytes of both: numbered keys differ there.
    fn mark_of(&self, namespace: Span, key: Span) -> u64 {
        let [namespace, key] = [namespace, key].map(|span| {
            let text = self.text.get(span);
            let short = || text.iter().fold(0, |mark, byte| mark << 8 | u64::from(*byte));
            text.last_chunk().map_or_else(short, |last| u64::from_be_bytes(*last))
        });
        namespace.rotate_left(29) ^ key
    }

    /// Returns whether the body has a cause.
    pub(super) fn is_described(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !matches!(rare.cause, Cause::None))
    }

    /// Returns the cause, to add to it or to trim it.
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
        self.set(Member::User, |out| json::string(out, json::bounded(user, json::SHORT)));
    }

    pub(crate) fn set_http_request(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.set(Member::HttpRequest, write);
    }

    pub(crate) fn set_http_response(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.set(Member::HttpResponse, write);
    }

    pub(crate) fn set_sql(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.set(Member::Sql, write);
    }

    pub(crate) fn set_aws(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.set(Member::Aws, write);
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

    /// Sets a member to what `write` appends. Setting it again replaces it.
    fn set(&mut self, member: Member, write: impl FnOnce(&mut Vec<u8>)) {
        let new = self.text.push_with(write);
        let old = std::mem::replace(&mut self.members[member as usize], new);
        self.replaced(old);
    }

    /// Returns the span of a member.
    pub(super) fn member(&self, member: Member) -> Span {
        self.members[member as usize]
    }

    /// Releases a replaced value, and compacts the buffer when old values take up most of it: a value that is set again
    /// and again must not fill the memory.
    #[inline]
    fn replaced(&mut self, old: Span) {
        self.text.release(old);
        if self.text.is_wasteful() {
            self.compact();
        }
    }

    #[cold]
    fn compact(&mut self) {
        // All fields by name, so that the compiler asks for a new one: a span that is not updated would point to
        // bytes that have moved.
        let Body {
            text,
            annotations,
            annotated: _,
            metadata,
            metadata_bytes: _,
            members,
            rare: _,
            error: _,
            fault: _,
            throttle: _,
            traced: _,
            namespace: _,
        } = self;
        let annotations = annotations.iter_mut().map(|Annotation { text, key: _ }| text);
        let metadata =
            metadata.iter_mut().flat_map(|Metadata { namespace, text, key: _, mark: _, group: _ }| [namespace, text]);
        text.compact(annotations.chain(metadata).chain(members));
    }

    /// Returns the encoded size of each metadata value.
    pub(super) fn metadata_sizes(&self) -> impl Iterator<Item = usize> {
        self.metadata.iter().map(Metadata::value_len)
    }

    /// Replaces a metadata value by another encoded value. Returns its full key.
    pub(super) fn replace_metadata(&mut self, index: usize, json: &[u8]) -> String {
        let metadata = &mut self.metadata[index];
        let namespace = json::utf8(self.text.get(metadata.namespace)).to_owned();
        let key = json::utf8(&self.text.get(metadata.text)[..metadata.key]).to_owned();
        self.metadata_bytes = self.metadata_bytes - metadata.value_len() + json.len();
        metadata.text = self.text.push_with(|out| {
            json::raw(out, &key);
            json::raw(out, ":");
            out.extend_from_slice(json);
        });
        format!("{namespace}.{key}")
    }

    pub(super) fn clear_metadata(&mut self) {
        self.metadata.clear();
        self.metadata_bytes = 0;
    }

    /// Replaces the encoded members of a block.
    pub(super) fn replace_block(&mut self, block: Member, members: &[u8]) {
        self.members[block as usize] = self.text.push(members);
    }

    /// Removes a member.
    pub(super) fn clear(&mut self, member: Member) {
        self.members[member as usize] = Span::EMPTY;
    }

    pub(super) fn clear_precursors(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.precursors.clear();
        }
    }

    /// Writes the members of a subsegment, each after a comma.
    pub(crate) fn write_subsegment(&self, out: &mut Vec<u8>, service: &ServiceInfo) {
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
        self.write_object(out, "aws", Member::Aws);
        self.write_object(out, "sql", Member::Sql);
        self.write_rest(out, service);
    }

    /// Writes the members of a segment, each after a comma.
    pub(crate) fn write_segment(
        &self,
        out: &mut Vec<u8>,
        trace_id: TraceId,
        parent: Option<EntityId>,
        rule: Option<&str>,
        service: &ServiceInfo,
    ) {
        let mut member = *b",\"trace_id\":\"...................................\"";
        member[13..48].copy_from_slice(&trace_id.to_ascii());
        out.extend_from_slice(&member);
        if let Some(parent) = parent {
            json::raw(out, ",\"parent_id\":");
            json::id(out, parent);
        }
        self.write_flags(out);
        let user = self.member(Member::User);
        if !user.is_empty() {
            json::raw(out, ",\"user\":");
            out.extend_from_slice(self.text.get(user));
        }
        service.write(out, rule);
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

    fn write_object(&self, out: &mut Vec<u8>, name: &'static str, block: Member) {
        if !self.member(block).is_empty() {
            json::member(out, name);
            json::raw(out, "{");
            out.extend_from_slice(self.block(block));
            json::raw(out, "}");
        }
    }

    /// Returns the encoded members of a block, without the first comma.
    pub(super) fn block(&self, block: Member) -> &[u8] {
        self.text.get(self.member(block)).get(1..).unwrap_or_default()
    }

    /// Writes what the documents of segments and subsegments have in common.
    fn write_rest(&self, out: &mut Vec<u8>, service: &ServiceInfo) {
        self.write_http(out);
        if !self.annotations.is_empty() {
            json::raw(out, ",\"annotations\":{");
            for (index, annotation) in self.annotations.iter().enumerate() {
                if index > 0 {
                    json::raw(out, ",");
                }
                out.extend_from_slice(self.text.get(annotation.text));
            }
            json::raw(out, "}");
        }
        self.write_metadata(out);
        if let Some(rare) = &self.rare {
            rare.cause.write(out, service);
        }
    }

    fn write_http(&self, out: &mut Vec<u8>) {
        let (request, response) = (self.block(Member::HttpRequest), self.block(Member::HttpResponse));
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

    /// Writes one object for each namespace, in the order of their first use.
    fn write_metadata(&self, out: &mut Vec<u8>) {
        for (index, first) in self.metadata.iter().enumerate().filter(|(index, entry)| entry.group == *index) {
            json::raw(out, if index == 0 { ",\"metadata\":{" } else { "}," });
            out.extend_from_slice(self.text.get(first.namespace));
            let mut before = ":{";
            for entry in self.metadata[index..].iter().filter(|entry| entry.group == index) {
                json::raw(out, before);
                out.extend_from_slice(self.text.get(entry.text));
                before = ",";
            }
        }
        if !self.metadata.is_empty() {
            json::raw(out, "}}");
        }
    }
}

/// Returns the encoded marker that is recorded instead of a metadata value that is too large.
pub(super) fn removed(bytes: usize) -> String {
    format!("\"removed: {bytes} bytes\"")
}
