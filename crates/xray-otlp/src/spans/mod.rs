//! Maps segment documents to spans, by the table of `docs/otlp.md`.

mod aws;
mod cause;
mod http;
mod resource;
mod sql;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

use crate::attributes::{Attributes, Json};
use crate::document::{Entity, Link as EntityLink};
use crate::proto::{ERROR, ExportRequest, Kind, Link, Resource, ResourceSpans, Scope, ScopeSpans, Span, Status};

/// How many groups of spans are searched for the resource of a document. A process usually has one resource, or one for
/// each name of its segments.
const RECENT_GROUPS: usize = 8;

/// Bits of a span's flags: the trace is sampled; the location of the parent is known; the parent is in another process.
const SAMPLED: u32 = 0x01;
const PARENT_KNOWN: u32 = 0x100;
const PARENT_REMOTE: u32 = 0x200;

/// Maps documents to requests.
#[derive(Debug)]
pub(crate) struct Mapper {
    /// The resource of subsegments whose segment is unknown.
    fallback: Resource,
}

/// A request made from documents.
#[derive(Debug, Default)]
pub(crate) struct Mapped {
    pub(crate) request: ExportRequest,
    /// The number of spans of each document, in order.
    pub(crate) spans: Vec<Result<usize, Unreadable>>,
}

/// Why a document could not be mapped.
#[derive(Debug)]
pub(crate) struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Unreadable {
        Unreadable(error.to_string())
    }
}

impl Mapper {
    /// Creates a mapper that assigns subsegments whose segment is unknown to the service `name`.
    pub(crate) fn new(name: &str) -> Mapper {
        Mapper { fallback: resource::unknown(name) }
    }

    /// Maps documents in their order. Entities in progress are left out, since OTLP cannot replace a span later; their
    /// finished children become spans.
    pub(crate) fn map<'a>(&mut self, documents: impl IntoIterator<Item = &'a str>) -> Mapped {
        let read: Vec<_> = documents.into_iter().map(Entity::read).collect();
        // A streamed subsegment names no resource. It gets that of its segment, or of the last segment.
        let mut of_trace = HashMap::new();
        for entity in read.iter().flatten().filter(|entity| entity.is_segment()) {
            let resource = resource::of(entity);
            if let Some(trace) = &entity.trace_id {
                of_trace.insert(&**trace, resource);
            }
        }
        let mut mapped = Mapped::default();
        for entity in &read {
            let spans = match entity {
                Err(error) => Err(Unreadable(error.to_string())),
                Ok(entity) => {
                    let known = entity.trace_id.as_ref().and_then(|trace| of_trace.get(&**trace));
                    // Resources rarely change, and comparing them allocates nothing.
                    if let Some(resource) = known.filter(|resource| entity.is_segment() && **resource != self.fallback)
                    {
                        self.fallback.clone_from(resource);
                    }
                    let resource = known.unwrap_or(&self.fallback);
                    spans_of(entity).map(|spans| {
                        let count = spans.len();
                        if count > 0 {
                            push(&mut mapped.request, resource, spans);
                        }
                        count
                    })
                }
            };
            mapped.spans.push(spans);
        }
        mapped
    }
}

/// Adds spans to the group of their resource.
fn push(request: &mut ExportRequest, resource: &Resource, mut spans: Vec<Span>) {
    let recent = request.resource_spans.iter_mut().rev().take(RECENT_GROUPS);
    for group in recent {
        if group.resource.as_ref() == Some(resource) {
            group.scope_spans[0].spans.append(&mut spans);
            return;
        }
    }
    let scope = Scope { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans }];
    request.resource_spans.push(ResourceSpans { resource: Some(resource.clone()), scope_spans });
}

/// Returns the spans of a document: parents before children, siblings in order.
fn spans_of(root: &Entity<'_>) -> Result<Vec<Span>, Unreadable> {
    let Some(trace) = root.trace_id.as_deref() else { return Err(Unreadable("it has no trace_id".to_owned())) };
    let trace = trace_id(trace).ok_or_else(|| Unreadable(format!("`{trace}` is not a trace ID")))?;
    let parent = match root.parent_id.as_deref().filter(|parent| !parent.is_empty()) {
        Some(parent) => Some(entity_id(parent)?),
        None => None,
    };
    let mut spans = Vec::new();
    let place = Place { trace, parent, is_segment: root.is_segment() };
    // An explicit stack, since a document may be deeper than the thread's stack allows.
    let mut waiting = Vec::new();
    let mut add = |entity: &Entity<'_>, place: Place| -> Result<[u8; 8], Unreadable> {
        let id = entity_id(&entity.id)?;
        if let Some(end) = entity.end_time {
            spans.push(span(entity, place, id, end.0));
        }
        Ok(id)
    };
    let id = add(root, place)?;
    waiting.extend(root.subsegments.iter().rev().map(|child| (id, *child)));
    while let Some((parent, child)) = waiting.pop() {
        let child = Entity::read(child.get())?;
        let id = add(&child, Place { trace, parent: Some(parent), is_segment: false })?;
        waiting.extend(child.subsegments.iter().rev().map(|grandchild| (id, *grandchild)));
    }
    Ok(spans)
}

/// The place of an entity in its trace.
#[derive(Clone, Copy)]
struct Place {
    trace: [u8; 16],
    parent: Option<[u8; 8]>,
    is_segment: bool,
}

fn span(entity: &Entity<'_>, place: Place, id: [u8; 8], end: u64) -> Span {
    let kind = match entity.namespace {
        _ if place.is_segment => Kind::Server,
        Some(_) => Kind::Client,
        None => Kind::Internal,
    };
    let mut attributes = Attributes::default();
    if let Some(http) = &entity.http {
        http::add(http, &mut attributes);
    }
    match entity.namespace.as_deref() {
        Some("aws") => aws::add_service(&entity.name, &mut attributes),
        // Without this attribute, a collector names the subsegment after its database or host.
        _ if kind == Kind::Client || entity.sql.is_some() => attributes.add("peer.service", &entity.name),
        _ => {}
    }
    match place.is_segment {
        true => aws::add_recording(&entity.aws, &mut attributes),
        false => aws::add_call(&entity.aws, &mut attributes),
    }
    if let Some(sql) = &entity.sql {
        sql::add(sql, &mut attributes);
    }
    attributes.add("enduser.id", entity.user.as_ref());
    let traced = entity.traced.or_else(|| entity.http.as_ref()?.request.traced);
    attributes.add("aws.xray.traced", traced);
    let flags = [("fault", entity.fault), ("error", entity.error), ("throttle", entity.throttle)];
    let flags: Vec<_> = flags.into_iter().filter_map(|(name, is_set)| is_set.then_some(name)).collect();
    attributes.add("aws.xray.flags", flags.as_slice());
    let cause = cause::add(entity, &mut attributes, end);
    annotations(entity, &mut attributes);
    let known = if place.is_segment { PARENT_KNOWN | PARENT_REMOTE } else { PARENT_KNOWN };
    Span {
        trace_id: place.trace.to_vec(),
        span_id: id.to_vec(),
        parent_span_id: place.parent.map(Vec::from).unwrap_or_default(),
        name: entity.name.to_string(),
        kind: kind.into(),
        start_time_unix_nano: entity.start_time.0,
        end_time_unix_nano: end,
        status: has_failed(entity, place).then_some(Status { message: cause.message, code: ERROR }),
        attributes: attributes.into_inner(),
        events: cause.events,
        links: links(entity, place.trace),
        flags: SAMPLED | if place.parent.is_some() { known } else { PARENT_KNOWN },
    }
}

/// Returns whether a span's status is an error. In OpenTelemetry, a server that responds with 4xx has not failed.
fn has_failed(entity: &Entity<'_>, place: Place) -> bool {
    let status = entity.http.as_ref().and_then(|http| http.response.status);
    let is_client_error = place.is_segment && status.is_some_and(|status| (400..500).contains(&status));
    entity.fault || ((entity.error || entity.cause.is_some()) && !is_client_error)
}

/// Adds annotations, the list of their keys, and the metadata of each namespace.
fn annotations(entity: &Entity<'_>, attributes: &mut Attributes) {
    let mut keys = Vec::new();
    for (key, value) in entity.annotations.iter() {
        attributes.set(key, Json(value));
        if attributes.has(key) && !keys.contains(&key) {
            keys.push(key);
        }
    }
    attributes.add("aws.xray.annotations", keys.as_slice());
    for (namespace, values) in entity.metadata.iter() {
        attributes.set(&format!("aws.xray.metadata.{namespace}"), values);
    }
}

/// Returns the links to other traces and to precursors.
fn links(entity: &Entity<'_>, trace: [u8; 16]) -> Vec<Link> {
    let other = |link: &EntityLink<'_>| {
        let mut attributes = Attributes::default();
        link.attributes.iter().for_each(|(key, value)| attributes.set(key, Json(value)));
        let (trace_id, span_id) = (trace_id(&link.trace_id)?.to_vec(), hexadecimal::<8>(&link.id)?.to_vec());
        Some(Link { trace_id, span_id, attributes: attributes.into_inner() })
    };
    let precursor = |id: &str| {
        let mut attributes = Attributes::default();
        attributes.add("aws.xray.link", "precursor");
        let (trace_id, span_id) = (trace.to_vec(), hexadecimal::<8>(id)?.to_vec());
        Some(Link { trace_id, span_id, attributes: attributes.into_inner() })
    };
    let precursors = entity.precursor_ids.iter().filter_map(|id| precursor(id));
    entity.links.iter().filter_map(other).chain(precursors).collect()
}

/// Parses a trace ID such as `1-5759e988-bd862e3fe1be46a994272793`.
fn trace_id(text: &str) -> Option<[u8; 16]> {
    let (time, rest) = text.strip_prefix("1-")?.split_once('-')?;
    let (time, rest) = (hexadecimal::<4>(time)?, hexadecimal::<12>(rest)?);
    let mut id = [0; 16];
    id[..4].copy_from_slice(&time);
    id[4..].copy_from_slice(&rest);
    Some(id)
}

fn entity_id(text: &str) -> Result<[u8; 8], Unreadable> {
    hexadecimal(text).ok_or_else(|| Unreadable(format!("`{text}` is not an entity ID")))
}

/// Parses exactly `BYTES` bytes in hexadecimal.
fn hexadecimal<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * BYTES {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}
