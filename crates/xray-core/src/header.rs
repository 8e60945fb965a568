//! The `X-Amzn-Trace-Id` header, which joins the parts of a trace in different services.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::id::{EntityId, TraceId};
use crate::w3c::TraceParent;

/// The name of the header, in lower case, as HTTP/2 sends it. AWS writes it `X-Amzn-Trace-Id`; HTTP ignores the case.
pub const TRACE_HEADER: &str = "x-amzn-trace-id";

/// The sampling decision in a header.
///
/// A `bool` converts into it: `true` is `Sampled`.
///
/// ```
/// use xray_core::{SamplingFlag, TraceHeader};
///
/// assert_eq!(TraceHeader::parse("Sampled=0").sampled(), Some(SamplingFlag::NotSampled));
/// assert_eq!(TraceHeader::default().with_sampled(true).to_string(), "Sampled=1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SamplingFlag {
    /// `Sampled=1`: the caller records this trace.
    Sampled,
    /// `Sampled=0`: the caller does not record this trace.
    NotSampled,
    /// `Sampled=?`: the caller leaves the decision to this service, and requests it in the response.
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

/// The `X-Amzn-Trace-Id` header, parsed or to be sent. It formats as the header's value.
///
/// Parsing never fails and never allocates: unusable fields are ignored. Fields that X-Ray does not reserve, such as
/// `Lineage` or those of an application, are kept in order and propagated. `Self`, which load balancers add for
/// themselves, is dropped.
///
/// | field | meaning |
/// |---|---|
/// | `Root` | the trace: [`trace_id`](TraceHeader::trace_id) |
/// | `Parent` | the entity that makes the call: [`parent`](TraceHeader::parent) |
/// | `Sampled` | the sampling decision, `1`, `0` or `?`: [`sampled`](TraceHeader::sampled) |
/// | `Self` | added by load balancers, and ignored |
/// | others | propagated to calls, up to 256 characters: [`fields`](TraceHeader::fields) |
///
/// Adapters parse and send this header. Use it directly to continue a trace over a transport without an adapter, such as
/// a message queue.
///
/// ```
/// use xray_core::{SamplingFlag, TraceHeader};
///
/// let header = TraceHeader::parse("Self=1-2;Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=?;Lineage=a87bd80c:1");
/// assert_eq!(header.sampled(), Some(SamplingFlag::Requested));
/// assert_eq!(header.to_string(), "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=?;Lineage=a87bd80c:1");
/// assert_eq!(TraceHeader::parse("garbage"), TraceHeader::default());
/// ```
///
/// The sender writes the header into a message, and the receiver continues the trace:
///
/// ```
/// use xray_core::{Recorder, TraceHeader};
///
/// let (recorder, traces) = Recorder::in_memory();
/// let sender = recorder.begin("orders");
/// let call = sender.subsegment("queue");
/// let header = call.trace_header().map(|header| header.to_string()).unwrap_or_default();
///
/// let receiver = recorder.begin_from("billing", &TraceHeader::parse(&header));
/// assert_eq!(receiver.trace_id(), sender.trace_id());
/// # drop((call, sender, receiver));
/// # assert_eq!(traces.take().single().tree(), "orders\n  queue\n    billing\n");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceHeader<'a> {
    root: Option<&'a str>,
    trace_id: Option<TraceId>,
    parent: Option<EntityId>,
    sampled: Option<SamplingFlag>,
    /// Header text with the unreserved fields, possibly among reserved ones; empty if there are none.
    fields: Cow<'a, str>,
    /// The `tracestate`, possibly empty, if the header was received as `traceparent`.
    w3c: Option<&'a str>,
    /// The other headers of the request, which were not used.
    rejected: Rejected,
}

/// Marks of the `X-Amzn-Trace-Id` and `traceparent` of a request that were not used, because they have no usable trace or
/// because the other header took precedence. Zero if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rejected {
    xray: u32,
    traceparent: u32,
}

/// Identifies the headers with which a trace was received. A proxy copies them to its calls, where they must be
/// recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    parent: Option<EntityId>,
    rejected: Rejected,
}

impl Received {
    /// Returns the same for a request that has headers of its own and is served within the trace, as in a Lambda function.
    pub(crate) fn with(self, xray: Option<&str>, traceparent: Option<&str>) -> Received {
        let rejected = Rejected { xray: xray.map_or(0, mark), traceparent: traceparent.map_or(0, mark) };
        Received { rejected, ..self }
    }

    /// Whether this `X-Amzn-Trace-Id`, on a call made in the trace `trace_id`, is the one that was received.
    pub(crate) fn is_xray(&self, trace_id: TraceId, header: &str) -> bool {
        let parsed = TraceHeader::parse(header);
        let follows = parsed.trace_id() == Some(trace_id) && parsed.parent().is_none_or(|id| Some(id) == self.parent);
        follows || (self.rejected.xray != 0 && self.rejected.xray == mark(header))
    }

    /// Whether this `traceparent` is the one that was received: see [`is_xray`](Received::is_xray).
    pub(crate) fn is_traceparent(&self, trace_id: TraceId, header: &str) -> bool {
        let follows = |sent: TraceParent| sent.trace_id() == trace_id && Some(sent.parent()) == self.parent;
        TraceParent::parse(header).is_some_and(follows)
            || (self.rejected.traceparent != 0 && self.rejected.traceparent == mark(header))
    }
}

/// Returns a hash that identifies a text without keeping it (FNV-1a). It is never zero.
fn mark(text: &str) -> u32 {
    let mix = |mark: u64, byte: u8| (mark ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mark = text.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    (mark ^ (mark >> 32)) as u32 | 1
}

/// The parts of a received header that all calls of its trace propagate.
#[derive(Debug)]
pub(crate) struct Passthrough {
    /// The unreserved fields: `key=value;key=value`.
    fields: Box<str>,
    /// The received `tracestate`.
    pub(crate) tracestate: Box<str>,
    /// Whether the trace was received by `traceparent`.
    pub(crate) w3c: bool,
}

/// The largest `tracestate` that is propagated, in bytes: the minimum that the W3C recommendation requires.
const TRACESTATE_BUDGET: usize = 512;

/// The largest length of all propagated unreserved keys and values together, in characters.
const FIELD_BUDGET: usize = 256;

impl<'a> TraceHeader<'a> {
    /// Creates a header that continues the trace `trace_id`. An id of zeros is ignored: other SDKs send it if there is no
    /// trace.
    ///
    /// ```
    /// use xray_core::TraceHeader;
    ///
    /// # fn main() -> Result<(), xray_core::ParseIdError> {
    /// let header = TraceHeader::new("1-5759e988-bd862e3fe1be46a994272793".parse()?)
    ///     .with_parent("53995c3f42cd8ad8".parse()?)
    ///     .with_sampled(true);
    /// let text = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    /// assert_eq!(header.to_string(), text);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(trace_id: TraceId) -> TraceHeader<'a> {
        TraceHeader { trace_id: joinable(trace_id), ..TraceHeader::default() }
    }

    /// Sets the entity that makes the call. Calling this again replaces it.
    #[must_use]
    pub fn with_parent(mut self, parent: EntityId) -> TraceHeader<'a> {
        self.parent = Some(parent);
        self
    }

    /// Sets the sampling decision, a `bool` or a [`SamplingFlag`]. Calling this again replaces it.
    #[must_use]
    pub fn with_sampled(mut self, sampled: impl Into<SamplingFlag>) -> TraceHeader<'a> {
        self.sampled = Some(sampled.into());
        self
    }

    /// Sets the unreserved fields, in the syntax of a header: `key=value;key=value`. Reserved fields in the text are
    /// ignored. Calling this again replaces the fields.
    #[must_use]
    pub fn with_fields(mut self, text: &'a str) -> TraceHeader<'a> {
        self.fields = Cow::Borrowed(text);
        self
    }

    /// Parses a header's value: pairs `key=value` separated by `;`, in any order. Reserved keys may have any case, and
    /// blanks around pairs, keys and values are ignored. The last of several equal keys is used.
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
        // A caller that records does so under the id that it sends, even if the id is zero.
        if header.sampled != Some(SamplingFlag::Sampled) {
            header.trace_id = header.trace_id.and_then(joinable);
        }
        header
    }

    /// Parses the field at `at` if it has the form in which X-Ray writes it, and returns its end.
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

    /// Returns the text of `Root` as received, whether it is usable or not.
    pub fn root(&self) -> Option<&'a str> {
        self.root
    }

    /// Returns the trace to continue: `Root`, if it is a trace id. An id of zeros is used only with `Sampled=1`, because
    /// other SDKs send it if they record nothing.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.trace_id
    }

    /// Returns the entity that made the call: `Parent`, if it is an entity id. It is meaningful only in the trace of
    /// [`trace_id`](TraceHeader::trace_id).
    pub fn parent(&self) -> Option<EntityId> {
        self.parent
    }

    /// Returns the sampling decision, or `None` if `Sampled` is absent or has another value.
    pub fn sampled(&self) -> Option<SamplingFlag> {
        self.sampled
    }

    /// Returns the unreserved fields, in order. Their keys and values together have at most 256 characters; a field that
    /// does not fit is left out.
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

    /// Creates the header from a received `traceparent` and its `tracestate`.
    pub(crate) fn from_w3c(parent: TraceParent, tracestate: &'a str) -> TraceHeader<'a> {
        TraceHeader {
            w3c: Some(tracestate),
            ..TraceHeader::new(parent.trace_id()).with_parent(parent.parent()).with_sampled(parent.is_sampled())
        }
    }

    /// Replaces the unreserved fields by those of another header.
    pub(crate) fn with_fields_of(self, other: &TraceHeader<'a>) -> TraceHeader<'a> {
        TraceHeader { fields: other.fields.clone(), ..self }
    }

    /// Records the other headers of the request, from which this one was chosen.
    pub(crate) fn chosen_from(mut self, xray: Option<&str>, traceparent: Option<&str>) -> TraceHeader<'a> {
        let is_this = |sent: TraceParent| Some(sent.trace_id()) == self.trace_id && Some(sent.parent()) == self.parent;
        let traceparent = traceparent.filter(|text| !TraceParent::parse(text).is_some_and(is_this));
        let xray = xray.filter(|_| self.w3c.is_some() || self.trace_id.is_none());
        self.rejected = Rejected { xray: xray.map_or(0, mark), traceparent: traceparent.map_or(0, mark) };
        self
    }

    /// Returns what the trace needs to recognise the headers with which it was received.
    pub(crate) fn received(&self) -> Received {
        Received { parent: self.parent.filter(|_| self.trace_id.is_some()), rejected: self.rejected }
    }

    /// Returns the parts that every call of the trace propagates, or `None` if there are none.
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

    /// Adds the parts returned by [`carried`](TraceHeader::carried) to the header of a call.
    pub(crate) fn with_carried(self, carried: Option<&'a Passthrough>) -> TraceHeader<'a> {
        self.with_fields(carried.map_or("", |carried| &carried.fields))
    }

    /// Returns the `X-Amzn-Trace-Id` header for the response: the trace and the decision, if this header requested it by
    /// `Sampled=?`. Otherwise returns `None`.
    ///
    /// ```
    /// use xray_core::TraceHeader;
    ///
    /// let request = TraceHeader::parse("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=?");
    /// let response = request.response(request.trace_id().unwrap(), true).unwrap();
    /// assert_eq!(response.to_string(), "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1");
    /// ```
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

/// Parses a header that owns its text. [`TraceHeader::parse`] borrows the text and never allocates.
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

/// Returns the id unless it is zero. Some SDKs (Go, Python) send zeros if they record nothing, and all such requests would
/// end up in one trace.
fn joinable(trace_id: TraceId) -> Option<TraceId> {
    Some(trace_id).filter(|trace_id| trace_id.to_u128() != 0)
}

/// Returns the key and value of a pair, if neither is empty.
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
    fn ids_of_zeros_are_ignored() {
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
        // The caller records under this id.
        assert_eq!(TraceHeader::parse(&format!("Root={zeros};Sampled=1")).trace_id(), Some(TraceId::from_u128(0)));
        assert_eq!(TraceHeader::new(TraceId::from_u128(0)), TraceHeader::default());
        let header = format!("Root={ROOT};Parent={no_parent}");
        assert_eq!((TraceHeader::parse(&header).root(), TraceHeader::parse(&header).parent()), (Some(ROOT), None));
    }

    #[test]
    fn usual_and_unusual_spellings_are_equivalent() {
        let usual = format!("Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1");
        let unusual = format!(" sampled =1;; PARENT= 53995C3F42CD8AD8;\troot={ROOT} ;Self=x");
        assert_eq!(TraceHeader::parse(&usual), TraceHeader::parse(&unusual));
    }

    #[test]
    fn fields_beyond_the_budget_are_left_out_and_smaller_ones_still_fit() {
        let text = format!("a={};b={};c=1", "x".repeat(200), "y".repeat(60));
        let header = TraceHeader::parse(&text);
        let keys: Vec<_> = header.fields().map(|(key, _)| key).collect();
        assert_eq!(keys, ["a", "c"]);
    }

    proptest! {
        #[test]
        fn a_header_that_owns_its_text_is_the_same(text in "(Root=|Parent=|Sampled=|[a-zA-Z=;? é0-9-]){0,12}") {
            let owned: TraceHeader<'static> = text.parse().unwrap();
            prop_assert_eq!(owned.to_string(), TraceHeader::parse(&text).to_string());
        }

        #[test]
        fn parsing_never_fails_and_formatting_is_stable(text in "(Root=|Parent=|Sampled=|[a-zA-Z=;? é0-9-]){0,12}") {
            let printed = TraceHeader::parse(&text).to_string();
            prop_assert_eq!(TraceHeader::parse(&printed).to_string(), printed);
        }

        #[test]
        fn a_formatted_header_is_parsed_back(trace in 1u128.., parent in 1u64.., sampled: bool) {
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
