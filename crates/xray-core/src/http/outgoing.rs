//! A request that this service makes: what its subsegment says, and when it closes. All HTTP clients share it.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::panic::resume_unwind;

use crate::cause::{Exception, error_chain, panic_exception};
use crate::context::current_for_call;
use crate::entity::{Entity, Namespace, Subsegment};
use crate::header::SamplingFlag::Sampled;
use crate::header::{TRACE_HEADER, TraceHeader};
use crate::id::TraceId;
use crate::url::without_user;
use crate::w3c::{TRACEPARENT, TRACESTATE, TraceParent};

use super::exchange::Exchange;
use super::{BodyLength, HttpRequest, HttpResponse, flags_of_grpc_status, flags_of_status};

/// The name of a call that has no host.
const UNKNOWN: &str = "unknown";

/// What an adapter knows of a request that is about to leave.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct OutgoingRequest<'a> {
    /// The method.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and port, as in the url or the `Host` header. User info is ignored, a default port left out.
    pub authority: &'a str,
    /// Path and query string.
    pub target: &'a str,
    /// The subsegment's name, when it is not to be the host.
    pub name: Option<&'a str>,
    /// Whether the request carries `X-Amzn-Trace-Id` already: then somebody else traces it.
    pub has_trace_header: bool,
    /// Whether the request carries `traceparent` already: then that stays as it is.
    pub has_traceparent: bool,
}

/// How calls are traced: the options that all clients have in common.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutgoingOptions {
    traced: bool,
    keep_query: bool,
}

impl OutgoingOptions {
    /// The defaults.
    pub fn new() -> OutgoingOptions {
        OutgoingOptions::default()
    }

    /// Whether the called service sends a segment of its own, for which X-Ray then waits (default: not known).
    pub fn set_traced(&mut self, traced: bool) {
        self.traced = traced;
    }

    /// Whether the url keeps its query string (default: no, since it may hold secrets).
    pub fn set_keep_query(&mut self, keep: bool) {
        self.keep_query = keep;
    }
}

/// The subsegment of one call, from the request's departure to the end of the response's body.
///
/// | what happens | what is recorded |
/// |---|---|
/// | the body ends | status, content length, flags of the status |
/// | no answer: refused, no such host, TLS, time-out | fault, with the exception and its causes; no `http.response` |
/// | the body fails | fault, with the exception, `remote: true` |
/// | dropped before the answer | fault, with an exception of type `Cancelled`, no `http.response` |
/// | dropped in the middle of the body | metadata `aborted: true` in the namespace `xray` |
///
/// A response without a body closes with its head. The client's code that the adapter calls goes through
/// [`run`](Outgoing::run): each poll of the call.
///
/// In a trace that is not sampled only the header is of use: drop the value once that is written.
#[derive(Debug)]
pub struct Outgoing {
    subsegment: Subsegment,
    exchange: Exchange,
    options: OutgoingOptions,
    has_traceparent: bool,
}

impl Outgoing {
    /// Begins the subsegment under `parent`, or under the current entity.
    ///
    /// `None` means that the request passes untouched: it carries a header already, or there is no trace to
    /// tell of (SDK disabled, no current entity, a trace that Lambda only passes through).
    pub fn begin(
        parent: Option<&Entity>,
        options: &OutgoingOptions,
        request: &OutgoingRequest<'_>,
    ) -> Option<Outgoing> {
        if request.has_trace_header {
            return None;
        }
        let current;
        let parent = match parent {
            Some(parent) => parent,
            None => {
                current = current_for_call(request.host());
                &current
            }
        };
        // What is not recorded needs no name.
        let subsegment = match parent.is_sampled() {
            true => parent.subsegment(request.name()),
            false => parent.subsegment(""),
        };
        subsegment.trace_id()?;
        if subsegment.is_recording() {
            subsegment.set_namespace(Namespace::Remote).set_http_request(&options.describe(request));
            if options.traced {
                subsegment.set_traced(true);
            }
        }
        let exchange = Exchange::new(subsegment.handle().clone());
        let has_traceparent = request.has_traceparent;
        Some(Outgoing { subsegment, exchange, options: *options, has_traceparent })
    }

    /// Runs code of the call, one poll of its future for instance, with the subsegment as the current entity. A
    /// panic is recorded, and goes on.
    pub fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        self.exchange.run(work).unwrap_or_else(|payload| {
            self.panicked(&*payload);
            resume_unwind(payload)
        })
    }

    /// The subsegment of the call.
    pub fn subsegment(&self) -> &Subsegment {
        &self.subsegment
    }

    /// Whether anything that follows will be recorded.
    pub fn is_recording(&self) -> bool {
        self.subsegment.is_recording()
    }

    /// The headers that the request must get, by the recorder's [`Propagation`](crate::Propagation):
    /// `X-Amzn-Trace-Id`, and `traceparent` with `tracestate`. Values are visible ASCII; X-Ray's takes one
    /// allocation of its size.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let (propagation, carried) = self.subsegment.handle().propagation();
        let header = self.subsegment.trace_header();
        let xray = header.as_ref().filter(|_| propagation.sends_xray()).map(|header| Cow::Owned(header_value(header)));
        let came = carried.is_some_and(|carried| carried.w3c);
        // From the same header: both must name the same trace.
        let w3c = header.filter(|_| propagation.sends_w3c(came) && !self.has_traceparent).and_then(|header| {
            Some(TraceParent::new(header.trace_id()?, header.parent()?, header.sampled() == Some(Sampled)))
        });
        let tracestate = carried.map(|carried| &*carried.tracestate).filter(|text| w3c.is_some() && is_visible(text));
        [
            (TRACE_HEADER, xray),
            (TRACEPARENT, w3c.map(|parent| Cow::Owned(parent.to_string()))),
            (TRACESTATE, tracestate.filter(|text| !text.is_empty()).map(Cow::Borrowed)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }

    /// The request certainly did not arrive (no connection was made): nobody will send a segment for it.
    pub fn unreached(&mut self) {
        if self.options.traced && self.is_recording() {
            self.subsegment.set_traced(false);
        }
    }

    /// The head of the response is known; `owed` is what follows.
    pub fn head(&mut self, response: HttpResponse, owed: BodyLength) {
        self.subsegment.set_http_response(&response);
        for flag in flags_of_status(response.status()) {
            self.subsegment.mark(*flag);
        }
        match owed {
            BodyLength::Nothing => self.end(),
            // Trailers may follow even when no byte does.
            BodyLength::Exact(bytes) => self.exchange.expect(Some(bytes)),
            BodyLength::Unknown => self.exchange.expect(None),
        }
    }

    /// The `grpc-status` of the head or of the trailers.
    pub fn grpc_status(&mut self, status: &[u8]) {
        for flag in flags_of_grpc_status(status) {
            self.subsegment.mark(*flag);
        }
    }

    /// So many bytes of the body were read.
    pub fn received(&mut self, bytes: usize) {
        self.exchange.moved(bytes);
    }

    /// Whether the subsegment is closed: nothing of the call is left to be recorded.
    pub fn is_done(&self) -> bool {
        self.exchange.is_done()
    }

    /// The call is complete.
    pub fn end(&mut self) {
        self.exchange.finish();
        self.subsegment.close();
    }

    /// The call failed: before its answer, or in the middle of it. Urls in the error's messages lose their
    /// secrets as the request's own does.
    pub fn failed(&mut self, error: &(dyn Error + 'static)) {
        if self.is_recording() {
            let answered = self.exchange.is_moving();
            if !answered && is_refused(error) {
                self.unreached();
            }
            let exception = match self.options.keep_query {
                true => Exception::keeping_queries(error),
                false => Exception::from(error),
            };
            self.subsegment.fault(exception.remote(answered));
        }
        self.end();
    }

    fn panicked(&mut self, payload: &(dyn Any + Send)) {
        if self.is_recording() {
            self.subsegment.fault(panic_exception(payload));
        }
        self.end();
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if self.is_recording() {
            self.exchange.note_dropped(self.subsegment.entity(), "the call was dropped before its response");
        }
        self.subsegment.close();
    }
}

impl OutgoingOptions {
    fn describe<'a>(&self, request: &OutgoingRequest<'a>) -> HttpRequest<'a> {
        let authority = match (request.scheme, request.port()) {
            ("http" | "ws", Some("80" | "")) | ("https" | "wss", Some("443" | "")) => request.host_as_written(),
            _ => request.authority,
        };
        HttpRequest::to_host(request.method, request.scheme, authority, request.target).keep_query(self.keep_query)
    }
}

impl<'a> OutgoingRequest<'a> {
    /// Host and port apart. The colons of an IPv6 address stand in brackets.
    fn split(&self) -> (&'a str, Option<&'a str>) {
        let authority = without_user(self.authority);
        match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        }
    }

    fn port(&self) -> Option<&'a str> {
        self.split().1
    }

    fn host_as_written(&self) -> &'a str {
        self.split().0
    }

    fn host(&self) -> &'a str {
        match self.host_as_written().trim_start_matches('[').trim_end_matches(']') {
            "" => UNKNOWN,
            host => host,
        }
    }

    /// Hosts are the same in any case: one node on the service map.
    fn name(&self) -> Cow<'a, str> {
        match self.name {
            Some(name) => Cow::Borrowed(name),
            None if self.host().bytes().any(|byte| byte.is_ascii_uppercase()) => {
                self.host().to_ascii_lowercase().into()
            }
            None => Cow::Borrowed(self.host()),
        }
    }
}

/// `X-Amzn-Trace-Id` as an HTTP request carries it, in visible ASCII. For clients that do not use [`Outgoing`].
///
/// One allocation of its size: `Display` would write the same, but with its machinery.
pub fn header_value(header: &TraceHeader<'_>) -> String {
    // Fields may come from a message's attribute: what a header cannot carry is left out.
    let fields = || header.fields().filter(|(key, value)| is_visible(key) && is_visible(value));
    let (Some(trace_id), Some(parent)) = (header.trace_id(), header.parent()) else { return header.to_string() };
    let sampled = if header.sampled() == Some(Sampled) { ";Sampled=1" } else { ";Sampled=0" };
    let of_fields: usize = fields().map(|(key, value)| key.len() + value.len() + 2).sum();
    let mut text = Vec::with_capacity("Root=".len() + TraceId::LEN + ";Parent=".len() + 16 + sampled.len() + of_fields);
    text.extend_from_slice(b"Root=");
    text.extend_from_slice(&trace_id.to_ascii());
    text.extend_from_slice(b";Parent=");
    text.extend_from_slice(&parent.to_ascii());
    text.extend_from_slice(sampled.as_bytes());
    for (key, value) in fields() {
        for part in [";", key, "=", value] {
            text.extend_from_slice(part.as_bytes());
        }
    }
    String::from_utf8(text).unwrap_or_default()
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Whether the other side refused the connection, somewhere in the chain of causes.
fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let is_refusal = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    error_chain(error).any(|error| error.downcast_ref().is_some_and(is_refusal))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::emit::MemoryEmitter;
    use crate::http::{Incoming, IncomingOptions, IncomingRequest};
    use crate::recorder::Recorder;
    use crate::sampling::Never;
    use crate::w3c::Propagation;

    use super::*;

    fn request<'a>(scheme: &'a str, authority: &'a str, target: &'a str) -> OutgoingRequest<'a> {
        OutgoingRequest { method: "GET", scheme, authority, target, ..OutgoingRequest::default() }
    }

    #[test]
    fn names_and_urls_follow_the_host() {
        for (scheme, authority, name, url) in [
            ("http", "h:80", "h", "http://h/p"),
            ("https", "h:443", "h", "https://h/p"),
            ("https", "h:80", "h", "https://h:80/p"),
            ("http", "u:p@H.Example:8080", "h.example", "http://H.Example:8080/p"),
            ("http", "[::1]:80", "::1", "http://[::1]/p"),
            ("http", "[::1]", "::1", "http://[::1]/p"),
            ("http", "", "unknown", "http:///p"),
        ] {
            let (recorder, traces) = Recorder::in_memory();
            let segment = recorder.begin("shop");
            let parent = segment.entity();
            let options = OutgoingOptions::new();
            let mut call = Outgoing::begin(Some(&parent), &options, &request(scheme, authority, "/p?q#f")).unwrap();
            call.head(HttpResponse::new(200), BodyLength::Nothing);
            segment.close();
            let trace = traces.take().one();
            assert_eq!(trace.find(name).json()["http"]["request"], json!({"method": "GET", "url": url}), "{authority}");
        }
    }

    #[test]
    fn the_header_is_what_display_writes() {
        let (recorder, _) = Recorder::in_memory();
        let unsampled = Recorder::builder().sampling(Never).build().unwrap();
        let incoming = TraceHeader::parse("Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=a:1|b:2;bad=\n\u{e4}x");
        for segment in [recorder.begin("a"), unsampled.begin("a"), recorder.begin_from("a", &incoming)] {
            let call = Outgoing::begin(Some(&segment.entity()), &OutgoingOptions::new(), &request("http", "h", "/"));
            let call = call.unwrap();
            let display = call.subsegment().trace_header().unwrap().to_string();
            let headers: Vec<_> = call.headers().collect();
            assert_eq!(headers, [("X-Amzn-Trace-Id", display.replace(";bad=\u{e4}x", "").into())]);
        }
    }

    #[test]
    fn a_trace_that_came_by_traceparent_is_sent_on_in_both_forms() {
        let came = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-0";
        for (propagation, sampled, has_traceparent, names) in [
            (Propagation::default(), "1", false, &[TRACE_HEADER, TRACEPARENT, TRACESTATE][..]),
            (Propagation::default(), "0", false, &[TRACE_HEADER, TRACEPARENT, TRACESTATE]),
            (Propagation::default(), "1", true, &[TRACE_HEADER]),
            (Propagation::default().send_w3c(false), "1", false, &[TRACE_HEADER]),
            (Propagation::default().send_xray(false), "1", false, &[TRACEPARENT, TRACESTATE]),
        ] {
            let recorder = Recorder::builder().emitter(MemoryEmitter::new()).propagation(propagation).build().unwrap();
            let came = format!("{came}{sampled}");
            let mut facts = IncomingRequest::default();
            (facts.traceparent, facts.tracestate) = (Some(&*came), Some("vendor=1"));
            let incoming = Incoming::begin(&recorder, &IncomingOptions::new("shop"), &facts);
            let parent = incoming.segment().entity();
            let outgoing = OutgoingRequest { has_traceparent, ..request("http", "h", "/") };
            let call = Outgoing::begin(Some(&parent), &OutgoingOptions::new(), &outgoing).unwrap();
            let headers: Vec<_> = call.headers().collect();
            assert_eq!(headers.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
            for (name, value) in headers {
                let id = call.subsegment().id().unwrap();
                match name {
                    TRACE_HEADER => {
                        let want = format!("Root=1-5759e988-bd862e3fe1be46a994272793;Parent={id};Sampled={sampled}");
                        assert_eq!(value, want);
                    }
                    TRACEPARENT => {
                        assert_eq!(value, format!("00-5759e988bd862e3fe1be46a994272793-{id}-0{sampled}"));
                    }
                    _ => assert_eq!(value, "vendor=1"),
                }
            }
        }
    }

    #[test]
    fn what_is_traced_elsewhere_or_not_at_all_passes_untouched() {
        let (recorder, _) = Recorder::in_memory();
        let options = OutgoingOptions::new();
        let carrying = OutgoingRequest { has_trace_header: true, ..request("http", "h", "/") };
        assert!(Outgoing::begin(Some(&recorder.begin("a").entity()), &options, &carrying).is_none());
        for entity in [Recorder::disabled().begin("a").entity(), Entity::default()] {
            assert!(Outgoing::begin(Some(&entity), &options, &request("http", "h", "/")).is_none());
        }
    }
}
