//! The `X-Amzn-Trace-Id` header: how a trace crosses from service to service.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::id::{EntityId, TraceId};
use crate::w3c::TraceParent;

/// The name of the header, in the spelling that AWS uses. HTTP does not care about its case.
pub const TRACE_HEADER: &str = "X-Amzn-Trace-Id";

/// What a header says about sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SamplingFlag {
    /// `Sampled=1`: the caller records this trace.
    Sampled,
    /// `Sampled=0`: the caller decided against recording it.
    NotSampled,
    /// `Sampled=?`: the caller leaves the decision to this service and wants to hear it in the response.
    Requested,
}

impl SamplingFlag {
    fn parse(text: &[u8]) -> Option<SamplingFlag> {
        match text {
            b"1" => Some(SamplingFlag::Sampled),
            b"0" => Some(SamplingFlag::NotSampled),
            b"?" => Some(SamplingFlag::Requested),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            SamplingFlag::Sampled => "1",
            SamplingFlag::NotSampled => "0",
            SamplingFlag::Requested => "?",
        }
    }
}

impl From<bool> for SamplingFlag {
    fn from(sampled: bool) -> SamplingFlag {
        if sampled { SamplingFlag::Sampled } else { SamplingFlag::NotSampled }
    }
}

/// The `X-Amzn-Trace-Id` header, parsed or to be sent. `Display` gives the header's value.
///
/// Parsing never fails and never allocates: what cannot be used is as if it were absent. Fields that X-Ray
/// does not reserve (`Lineage`, or an application's own) are kept in order and sent on; `Self`, which load
/// balancers add for themselves, is dropped.
///
/// ```
/// use xray_core::{SamplingFlag, TraceHeader};
///
/// let header = TraceHeader::parse("Self=1-2;Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=?;Lineage=a87bd80c:1");
/// assert_eq!(header.sampled(), Some(SamplingFlag::Requested));
/// assert_eq!(header.to_string(), "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=?;Lineage=a87bd80c:1");
/// assert_eq!(TraceHeader::parse("garbage"), TraceHeader::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceHeader<'a> {
    root: Option<&'a str>,
    trace_id: Option<TraceId>,
    parent: Option<EntityId>,
    sampled: Option<SamplingFlag>,
    /// Header text that holds unreserved fields, perhaps among reserved ones; empty when there are none.
    fields: Cow<'a, str>,
    /// It came as `traceparent`, with this `tracestate` (or an empty one).
    w3c: Option<&'a str>,
    /// The headers of the request that this one was chosen over.
    rejected: Rejected,
}

/// Marks of an `X-Amzn-Trace-Id` and of a `traceparent` that came with a request whose trace is another one: they
/// name none that can be joined, or the other header won. Zero where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rejected {
    xray: u32,
    traceparent: u32,
}

/// What a trace keeps of the headers that it came with, to know them again on a call: a proxy copies them there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    parent: Option<EntityId>,
    rejected: Rejected,
}

impl Received {
    /// The same where a request with headers of its own is served within the trace, as in a Lambda function.
    pub(crate) fn with(self, xray: Option<&str>, traceparent: Option<&str>) -> Received {
        let rejected = Rejected { xray: xray.map_or(0, mark), traceparent: traceparent.map_or(0, mark) };
        Received { rejected, ..self }
    }

    /// Whether this `X-Amzn-Trace-Id`, on a call made in the trace `trace_id`, is the one that came.
    pub(crate) fn is_xray(&self, trace_id: TraceId, header: &str) -> bool {
        let parsed = TraceHeader::parse(header);
        let follows = parsed.trace_id() == Some(trace_id) && parsed.parent().is_none_or(|id| Some(id) == self.parent);
        follows || (self.rejected.xray != 0 && self.rejected.xray == mark(header))
    }

    /// The same for `traceparent`.
    pub(crate) fn is_traceparent(&self, trace_id: TraceId, header: &str) -> bool {
        let follows = |sent: TraceParent| sent.trace_id() == trace_id && Some(sent.parent()) == self.parent;
        TraceParent::parse(header).is_some_and(follows)
            || (self.rejected.traceparent != 0 && self.rejected.traceparent == mark(header))
    }
}

/// A number that tells texts apart without keeping them (FNV-1a), never zero.
fn mark(text: &str) -> u32 {
    let mix = |mark: u64, byte: u8| (mark ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mark = text.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    (mark ^ (mark >> 32)) as u32 | 1
}

/// What an incoming header hands to all exits of its trace.
#[derive(Debug)]
pub(crate) struct Passthrough {
    /// The unreserved fields: `key=value;key=value`.
    fields: Box<str>,
    /// The `tracestate` that came.
    pub(crate) tracestate: Box<str>,
    /// The trace came by `traceparent`.
    pub(crate) w3c: bool,
}

/// Bytes of a `tracestate` that are sent on: what the W3C recommendation asks for at least.
const TRACESTATE_BUDGET: usize = 512;

/// Characters of all unreserved keys and values together that are sent on.
const FIELD_BUDGET: usize = 256;

impl<'a> TraceHeader<'a> {
    /// A header that continues the trace `trace_id`, unless all bits of the id are zero: other SDKs write that where
    /// there is no trace.
    pub fn new(trace_id: TraceId) -> TraceHeader<'a> {
        TraceHeader { trace_id: joinable(trace_id), ..TraceHeader::default() }
    }

    /// Sets the entity that makes the call.
    #[must_use]
    pub fn with_parent(mut self, parent: EntityId) -> TraceHeader<'a> {
        self.parent = Some(parent);
        self
    }

    /// Sets the sampling decision.
    #[must_use]
    pub fn with_sampled(mut self, sampled: impl Into<SamplingFlag>) -> TraceHeader<'a> {
        self.sampled = Some(sampled.into());
        self
    }

    /// Adds the unreserved fields of `text`, written as in a header: `key=value;key=value`.
    #[must_use]
    pub fn with_fields(mut self, text: &'a str) -> TraceHeader<'a> {
        self.fields = Cow::Borrowed(text);
        self
    }

    /// Reads a header's value: pairs `key=value` joined by `;`, reserved keys in any case and order, blanks
    /// around pairs, keys and values ignored. The last of several equal keys counts.
    pub fn parse(text: &'a str) -> TraceHeader<'a> {
        let mut header = TraceHeader::default();
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if let Some(end) = header.take_usual(text, at) {
                at = end + 1;
                continue;
            }
            let end = at + bytes[at..].iter().position(|byte| *byte == b';').unwrap_or(bytes.len() - at);
            if let Some((key, value)) = split(&text[at..end]) {
                match Key::of(key) {
                    Key::Root => {
                        (header.root, header.trace_id) = (Some(value), value.parse().ok());
                    }
                    Key::Parent => header.parent = value.parse().ok(),
                    Key::Sampled => header.sampled = SamplingFlag::parse(value.as_bytes()),
                    Key::Own => {}
                    Key::Other => header.fields = Cow::Borrowed(text),
                }
            }
            at = end + 1;
        }
        // A caller that has decided to record does so under the id that it sends, whatever that is.
        if header.sampled != Some(SamplingFlag::Sampled) {
            header.trace_id = header.trace_id.and_then(joinable);
        }
        header
    }

    /// Takes the field at `at` when it looks as X-Ray itself writes it, and returns where it ends.
    #[inline]
    fn take_usual(&mut self, text: &'a str, at: usize) -> Option<usize> {
        let rest = &text.as_bytes()[at..];
        let value = |key: &[u8], len: usize| {
            let end = key.len() + len;
            (rest.starts_with(key) && rest.get(end).is_none_or(|byte| *byte == b';'))
                .then(|| rest.get(key.len()..end))?
        };
        match rest[0] {
            b'R' => {
                self.trace_id = Some(TraceId::parse_bytes(value(b"Root=", TraceId::LEN)?)?);
                self.root = text.get(at + 5..at + 5 + TraceId::LEN);
                Some(at + 5 + TraceId::LEN)
            }
            b'P' => {
                self.parent = Some(EntityId::parse_bytes(value(b"Parent=", 16)?)?);
                Some(at + 7 + 16)
            }
            b'S' => {
                self.sampled = Some(SamplingFlag::parse(value(b"Sampled=", 1)?)?);
                Some(at + 8 + 1)
            }
            _ => None,
        }
    }

    /// The text of `Root` as received, usable or not.
    pub fn root(&self) -> Option<&'a str> {
        self.root
    }

    /// The trace to continue: `Root`, when it is a trace id. One that is all zero counts only with `Sampled=1`: other
    /// SDKs send it where they record nothing.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.trace_id
    }

    /// The entity that made the call: `Parent`, when it is an entity id. It means something only in the
    /// trace of [`trace_id`](TraceHeader::trace_id).
    pub fn parent(&self) -> Option<EntityId> {
        self.parent
    }

    /// What `Sampled` says; `None` when it is absent or says something else.
    pub fn sampled(&self) -> Option<SamplingFlag> {
        self.sampled
    }

    /// The unreserved fields, in order, as far as their keys and values together have at most 256
    /// characters: a field that does not fit any more is left out.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut left = FIELD_BUDGET;
        self.fields.split(';').filter_map(split).filter(|(key, _)| matches!(Key::of(key), Key::Other)).filter(
            move |(key, value)| {
                let need = key.chars().count() + value.chars().count();
                let fits = need <= left;
                left -= if fits { need } else { 0 };
                fits
            },
        )
    }

    /// The same by a `traceparent`, which `tracestate` came with.
    pub(crate) fn from_w3c(parent: TraceParent, tracestate: &'a str) -> TraceHeader<'a> {
        TraceHeader {
            w3c: Some(tracestate),
            ..TraceHeader::new(parent.trace_id()).with_parent(parent.parent()).with_sampled(parent.is_sampled())
        }
    }

    /// Takes the unreserved fields of another header over.
    pub(crate) fn with_fields_of(self, other: &TraceHeader<'a>) -> TraceHeader<'a> {
        TraceHeader { fields: other.fields.clone(), ..self }
    }

    /// Notes the headers of the request that this one, which was chosen, is not.
    pub(crate) fn chosen_from(mut self, xray: Option<&str>, traceparent: Option<&str>) -> TraceHeader<'a> {
        let is_this = |sent: TraceParent| Some(sent.trace_id()) == self.trace_id && Some(sent.parent()) == self.parent;
        let traceparent = traceparent.filter(|text| !TraceParent::parse(text).is_some_and(is_this));
        let xray = xray.filter(|_| self.w3c.is_some() || self.trace_id.is_none());
        self.rejected = Rejected { xray: xray.map_or(0, mark), traceparent: traceparent.map_or(0, mark) };
        self
    }

    /// How the trace that continues this header knows what it came with.
    pub(crate) fn received(&self) -> Received {
        Received { parent: self.parent.filter(|_| self.trace_id.is_some()), rejected: self.rejected }
    }

    /// What every exit sends on; `None` when there is nothing of the kind.
    pub(crate) fn carried(&self) -> Option<Arc<Passthrough>> {
        if self.fields.is_empty() && self.w3c.is_none() {
            return None;
        }
        let mut fields = String::new();
        for (key, value) in self.fields() {
            let separator = if fields.is_empty() { "" } else { ";" };
            fields.extend([separator, key, "=", value]);
        }
        let tracestate = self.w3c.filter(|text| text.len() <= TRACESTATE_BUDGET).unwrap_or_default();
        Some(Arc::new(Passthrough { fields: fields.into(), tracestate: tracestate.into(), w3c: self.w3c.is_some() }))
    }

    /// The calling side of [`carried`](TraceHeader::carried).
    pub(crate) fn with_carried(self, carried: Option<&'a Passthrough>) -> TraceHeader<'a> {
        self.with_fields(carried.map_or("", |carried| &carried.fields))
    }

    /// What to answer in the response's own `X-Amzn-Trace-Id` header: the trace and the decision, when this
    /// header asked for it by `Sampled=?`.
    pub fn response(&self, trace_id: TraceId, sampled: bool) -> Option<TraceHeader<'static>> {
        (self.sampled == Some(SamplingFlag::Requested)).then(|| TraceHeader::new(trace_id).with_sampled(sampled))
    }
}

impl fmt::Display for TraceHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(root) = self.trace_id {
            write!(f, "Root={root}")?;
            separator = ";";
        }
        if let Some(parent) = self.parent {
            write!(f, "{separator}Parent={parent}")?;
            separator = ";";
        }
        if let Some(sampled) = self.sampled {
            write!(f, "{separator}Sampled={}", sampled.as_str())?;
            separator = ";";
        }
        for (key, value) in self.fields() {
            write!(f, "{separator}{key}={value}")?;
            separator = ";";
        }
        Ok(())
    }
}

/// As [`TraceHeader::parse`], which borrows the text and never allocates, for a header that outlives its text.
///
/// ```
/// use xray_core::TraceHeader;
///
/// let header: TraceHeader = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1;Lineage=a87bd80c:1".parse()?;
/// assert_eq!(header.to_string(), "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1;Lineage=a87bd80c:1");
/// # Ok::<(), std::convert::Infallible>(())
/// ```
impl FromStr for TraceHeader<'static> {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<TraceHeader<'static>, Infallible> {
        let TraceHeader { trace_id, parent, sampled, fields, .. } = TraceHeader::parse(text);
        let fields = Cow::Owned(fields.into_owned());
        Ok(TraceHeader { trace_id, parent, sampled, fields, ..TraceHeader::default() })
    }
}

enum Key {
    Root,
    Parent,
    Sampled,
    /// `Self`.
    Own,
    Other,
}

impl Key {
    fn of(key: &str) -> Key {
        let is = |name: &str| key.eq_ignore_ascii_case(name);
        match key.len() {
            4 if is("Root") => Key::Root,
            4 if is("Self") => Key::Own,
            6 if is("Parent") => Key::Parent,
            7 if is("Sampled") => Key::Sampled,
            _ => Key::Other,
        }
    }
}

/// The id of a trace that can be continued. Some SDKs (Go, Python) send zeros where they record nothing: all such
/// requests would end up in one trace.
fn joinable(trace_id: TraceId) -> Option<TraceId> {
    Some(trace_id).filter(|trace_id| trace_id.to_u128() != 0)
}

/// A pair's key and value, when both are there.
fn split(pair: &str) -> Option<(&str, &str)> {
    let (key, value) = pair.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    (!key.is_empty() && !value.is_empty()).then_some((key, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";

    #[test]
    fn a_later_unusable_root_replaces_a_usable_one() {
        let text = format!("Root={ROOT};Root=nonsense");
        assert_eq!(TraceHeader::parse(&text).trace_id(), None);
        assert_eq!(TraceHeader::parse(&text).root(), Some("nonsense"));
    }

    #[test]
    fn ids_of_zeros_are_as_if_absent() {
        let (zeros, no_parent) = ("1-00000000-000000000000000000000000", "0000000000000000");
        for text in [
            format!("Root={zeros}"),
            format!("root = {zeros}"),
            format!("Root={zeros};Parent=53995c3f42cd8ad8;Sampled=0"),
            format!("Root={zeros};Parent=53995c3f42cd8ad8;Sampled=?"),
            format!("Root={ROOT};Root={zeros}"),
        ] {
            let header = TraceHeader::parse(&text);
            assert_eq!((header.trace_id(), header.root()), (None, Some(zeros)), "{text}");
        }
        // Its caller records under it.
        assert_eq!(TraceHeader::parse(&format!("Root={zeros};Sampled=1")).trace_id(), Some(TraceId::from_u128(0)));
        assert_eq!(TraceHeader::new(TraceId::from_u128(0)), TraceHeader::default());
        let header = format!("Root={ROOT};Parent={no_parent}");
        assert_eq!((TraceHeader::parse(&header).root(), TraceHeader::parse(&header).parent()), (Some(ROOT), None));
    }

    #[test]
    fn usual_and_unusual_spellings_mean_the_same() {
        let usual = format!("Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1");
        let unusual = format!(" sampled =1;; PARENT= 53995C3F42CD8AD8;\troot={ROOT} ;Self=x");
        assert_eq!(TraceHeader::parse(&usual), TraceHeader::parse(&unusual));
    }

    #[test]
    fn fields_past_the_budget_are_left_out_and_smaller_ones_still_fit() {
        let text = format!("a={};b={};c=1", "x".repeat(200), "y".repeat(60));
        let header = TraceHeader::parse(&text);
        let keys: Vec<_> = header.fields().map(|(key, _)| key).collect();
        assert_eq!(keys, ["a", "c"]);
    }

    proptest! {
        #[test]
        fn a_header_that_owns_its_text_says_the_same(text in "(Root=|Parent=|Sampled=|[a-zA-Z=;? é0-9-]){0,12}") {
            let owned: TraceHeader<'static> = text.parse().unwrap();
            prop_assert_eq!(owned.to_string(), TraceHeader::parse(&text).to_string());
        }

        #[test]
        fn parsing_never_fails_and_printing_is_stable(text in "(Root=|Parent=|Sampled=|[a-zA-Z=;? é0-9-]){0,12}") {
            let printed = TraceHeader::parse(&text).to_string();
            prop_assert_eq!(TraceHeader::parse(&printed).to_string(), printed);
        }

        #[test]
        fn what_is_printed_is_parsed_back(trace in 1u128.., parent in 1u64.., sampled: bool) {
            let header = TraceHeader::new(TraceId::from_u128(trace))
                .with_parent(EntityId::from_u64(parent).unwrap())
                .with_sampled(sampled)
                .with_fields("Lineage=a87bd80c:1|68fd508a:5;x=1");
            let text = header.to_string();
            let parsed = TraceHeader::parse(&text);
            prop_assert_eq!(parsed.trace_id(), header.trace_id());
            prop_assert_eq!(parsed.parent(), header.parent());
            prop_assert_eq!(parsed.sampled(), header.sampled());
            prop_assert!(parsed.fields().eq(header.fields()));
        }
    }
}
