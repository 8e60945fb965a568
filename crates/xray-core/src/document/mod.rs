//! Documents: the JSON that the daemon receives, one in a datagram.

pub(crate) mod json;

use std::fmt;

use crate::diagnostics::{Cause, Diagnostics};
use crate::id::{EntityId, TraceId};

/// The line before each document: its format, for the daemon.
pub(crate) const HEADER: &[u8] = b"{\"format\":\"json\",\"version\":1}\n";

/// The longest document, in bytes: what fits into one UDP datagram (65,507 bytes on IPv4) after the header.
/// X-Ray's own limit of 64 KiB lies above it.
pub const MAX_DOCUMENT: usize = 65_507 - HEADER.len();

/// One finished segment or subsegment document, framed for the daemon.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    datagram: Vec<u8>,
    content: Content,
}

/// What a document holds. It displays as a log line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) trace_id: TraceId,
    /// The entity that all others are below.
    pub(crate) id: EntityId,
    pub(crate) is_segment: bool,
    pub(crate) entities: usize,
    /// Of the datagram.
    pub(crate) bytes: usize,
}

impl Content {
    /// Logs at debug that the document is dropped.
    pub(crate) fn dropped(&self, diagnostics: &Diagnostics, why: fmt::Arguments<'_>) {
        diagnostics.debug(Cause::Document, format_args!("dropping {self}: {why}"));
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Content { trace_id, id, entities, bytes, .. } = self;
        let kind = if self.is_segment { "segment" } else { "subsegment" };
        let noun = if *entities == 1 { "entity" } else { "entities" };
        write!(f, "{kind} {id} of trace {trace_id} ({bytes} bytes, {entities} {noun})")
    }
}

impl Document {
    /// Takes the header line and the JSON behind it, of which `content` tells, except for the size.
    pub(crate) fn new(datagram: Vec<u8>, content: Content) -> Document {
        debug_assert!(datagram.starts_with(HEADER));
        let bytes = datagram.len();
        Document { datagram, content: Content { bytes, ..content } }
    }

    /// A datagram of any content.
    #[cfg(test)]
    pub(crate) fn from_datagram(datagram: Vec<u8>) -> Document {
        let (trace_id, id) = ("1-5759e988-bd862e3fe1be46a994272793".parse(), "53995c3f42cd8ad8".parse());
        let (trace_id, id) = (trace_id.unwrap(), id.unwrap());
        Document::new(datagram, Content { trace_id, id, is_segment: true, entities: 1, bytes: 0 })
    }

    pub(crate) fn content(&self) -> Content {
        self.content
    }

    /// The datagram's payload: the header line and the JSON.
    pub fn datagram(&self) -> &[u8] {
        &self.datagram
    }

    /// The datagram's payload, without a copy.
    pub fn into_datagram(self) -> Vec<u8> {
        self.datagram
    }

    /// The JSON alone.
    pub fn json(&self) -> &str {
        std::str::from_utf8(&self.datagram[HEADER.len()..]).unwrap_or_default()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.json())
    }
}
