//! Documents: the JSON that is sent to the daemon, one per datagram.

mod from_json;
pub(crate) mod json;

use std::fmt;

pub use self::from_json::InvalidDocument;
use crate::diagnostics::{Cause, Diagnostics};
use crate::id::{EntityId, TraceId};

/// The line before each document, which names its format.
pub(crate) const HEADER: &[u8] = b"{\"format\":\"json\",\"version\":1}\n";

/// The largest size of a document, in bytes: the size of a UDP datagram (65,507 bytes with IPv4) without the header. It is
/// below X-Ray's own limit of 64 KiB.
///
/// The SDK never exceeds it: the subsegments of a trace are split among several documents, and an entity that alone is too
/// large is trimmed. It never loses its name, ids, times, flags and annotations.
pub const MAX_DOCUMENT: usize = 65_507 - HEADER.len();

/// One finished document: a segment or subsegment with the subsegments below it, framed for the daemon.
///
/// An [`Emitter`](crate::emit::Emitter) receives it. It formats (with `{:?}`) as its JSON.
///
/// ```
/// use xray_core::Recorder;
///
/// let (recorder, traces) = Recorder::in_memory();
/// recorder.begin("shop").close();
/// let taken = traces.take();
/// let document = &taken.documents()[0];
/// assert!(document.json().starts_with(r#"{"name":"shop""#));
/// assert!(document.datagram().starts_with(b"{\"format\":\"json\",\"version\":1}\n"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    datagram: Vec<u8>,
    content: Content,
}

/// The content of a document, as log lines describe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) trace_id: TraceId,
    /// The entity at the top.
    pub(crate) id: EntityId,
    pub(crate) is_segment: bool,
    pub(crate) entities: usize,
    /// The size of the datagram.
    pub(crate) bytes: usize,
}

impl Content {
    /// Logs at `debug` that the document is dropped.
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
    /// Creates a document from the header line and the JSON. `content` describes the JSON; its size is set here.
    pub(crate) fn new(datagram: Vec<u8>, content: Content) -> Document {
        debug_assert!(datagram.starts_with(HEADER));
        let bytes = datagram.len();
        Document { datagram, content: Content { bytes, ..content } }
    }

    /// Creates a document from any datagram.
    #[cfg(test)]
    pub(crate) fn from_datagram(datagram: Vec<u8>) -> Document {
        let (trace_id, id) = ("1-5759e988-bd862e3fe1be46a994272793".parse(), "53995c3f42cd8ad8".parse());
        let (trace_id, id) = (trace_id.unwrap(), id.unwrap());
        Document::new(datagram, Content { trace_id, id, is_segment: true, entities: 1, bytes: 0 })
    }

    pub(crate) fn content(&self) -> Content {
        self.content
    }

    /// Returns the payload of the datagram: the header line and the JSON.
    pub fn datagram(&self) -> &[u8] {
        &self.datagram
    }

    /// Returns the payload of the datagram, without a copy.
    pub fn into_datagram(self) -> Vec<u8> {
        self.datagram
    }

    /// Returns the JSON, without the header line.
    pub fn json(&self) -> &str {
        std::str::from_utf8(&self.datagram[HEADER.len()..]).unwrap_or_default()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.json())
    }
}
