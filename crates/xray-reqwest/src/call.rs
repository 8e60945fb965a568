//! One call: what both kinds of clients do with it.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Buf;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body::{Body, Frame};
use xray_core::Entity;
use xray_core::adapter::{BodyLength, ClientRequest, ClientRequestInfo, copied_headers, error_chain};
use xray_core::http::HttpResponse;

use crate::options::{CallParent, Hook, Options, SubsegmentName, Untraced, WithoutHeader};
use crate::outcome::{Outcome, RequestHead};

const TRACE_HEADER: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const TRACEPARENT: HeaderName = HeaderName::from_static(xray_core::TRACEPARENT);
const TRACESTATE: HeaderName = HeaderName::from_static(xray_core::TRACESTATE);

/// What a request says of its destination. Empty is unknown: then the `Host` header counts.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) authority: &'a str,
    pub(crate) target: &'a str,
}

/// A sampled call that is under way.
pub struct Call {
    outgoing: ClientRequest,
    end_at_headers: bool,
    watched: Option<(Hook, RequestHead)>,
}

/// What changes in the headers of a request.
#[derive(Default)]
pub(crate) struct TraceHeaders {
    removed: [Option<&'static str>; 3],
    set: [Option<(HeaderName, HeaderValue)>; 3],
}

impl TraceHeaders {
    fn without(mut self, names: impl Iterator<Item = &'static str>) -> TraceHeaders {
        for (removed, name) in self.removed.iter_mut().zip(names) {
            *removed = Some(name);
        }
        self
    }

    fn with_those_of(mut self, outgoing: &ClientRequest) -> TraceHeaders {
        for (header, (name, value)) in self.set.iter_mut().zip(outgoing.headers()) {
            let name = match name {
                xray_core::TRACEPARENT => TRACEPARENT,
                xray_core::TRACESTATE => TRACESTATE,
                _ => TRACE_HEADER,
            };
            *header = HeaderValue::try_from(value.into_owned()).ok().map(|value| (name, value));
        }
        self
    }

    pub(crate) fn apply_to(self, headers: &mut HeaderMap) {
        for name in self.removed.into_iter().flatten() {
            headers.remove(name);
        }
        for (name, value) in self.set.into_iter().flatten() {
            headers.insert(name, value);
        }
    }
}

impl Options {
    /// Begins the call of a request below the entity of its extensions, `current` or the current one. Returns how its
    /// headers change, and what there is to record if the call is sampled.
    pub(crate) fn start(
        &self,
        method: &Method,
        to: Target<'_>,
        headers: &HeaderMap,
        extensions: &Extensions,
        current: Option<&Entity>,
    ) -> (TraceHeaders, Option<Box<Call>>) {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let authority = if to.authority.is_empty() { text(HOST).unwrap_or_default() } else { to.authority };
        let mut request = ClientRequestInfo::default();
        request.method = method.as_str();
        request.scheme = to.scheme;
        request.authority = authority;
        request.target = to.target;
        request.name = extensions.get::<SubsegmentName>().map(|name| &*name.0);
        request.content_type = if authority.is_empty() { text(CONTENT_TYPE) } else { None };
        request.trace_header = text(TRACE_HEADER);
        request.traceparent = text(TRACEPARENT);
        request.without_header = extensions.get::<WithoutHeader>().is_some();
        let parent = extensions.get::<CallParent>().map(|parent| &parent.0).or(current);
        let is_untraced = extensions.get::<Untraced>().is_some();
        let mut trace_headers = TraceHeaders::default();
        if is_untraced || request.without_header {
            trace_headers = trace_headers.without(copied_headers(parent, &request));
        }
        if is_untraced {
            return (trace_headers, None);
        }
        let Some(outgoing) = ClientRequest::begin(parent, &self.outgoing, &request) else {
            return (trace_headers, None);
        };
        let trace_headers = trace_headers.with_those_of(&outgoing);
        if !outgoing.is_recording() {
            return (trace_headers, None);
        }
        let watched = self.hook.clone().map(|hook| {
            let url = format!("{}://{authority}{}", to.scheme, to.target);
            (hook, RequestHead { method: method.clone(), url, headers: headers.clone() })
        });
        (trace_headers, Some(Box::new(Call { outgoing, end_at_headers: self.end_at_headers, watched })))
    }
}

impl Call {
    /// Runs code of the client with the call's subsegment as the current entity.
    pub(crate) fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        self.outgoing.run(work)
    }

    /// The head of the response is there. Says whether the body is still to be recorded.
    pub(crate) fn answered(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        extensions: &Extensions,
        body: BodyLength,
    ) -> bool {
        self.note_connection(extensions);
        self.show(Ok((status, headers)));
        // gRPC answers 200 in any case, and tells here how it went when nothing follows.
        self.note_grpc_status(headers);
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let response = HttpResponse::new(status.as_u16()).content_length(length);
        let ends = self.end_at_headers || status == StatusCode::SWITCHING_PROTOCOLS;
        self.outgoing.head(response, if ends { BodyLength::Nothing } else { body });
        !self.outgoing.is_done()
    }

    /// The call failed before its response.
    pub(crate) fn failed(&mut self, error: &(dyn Error + 'static)) {
        self.note_lost_connection(error);
        self.show(Err(error));
        self.outgoing.failed(error);
    }

    /// A frame of the body was read; `is_last` if it is known that none follows.
    pub(crate) fn received<D: Buf>(&mut self, frame: &Frame<D>, is_last: bool) {
        if let Some(data) = frame.data_ref() {
            self.outgoing.received(data.remaining());
        } else if let Some(trailers) = frame.trailers_ref() {
            self.note_grpc_status(trailers);
        }
        if is_last {
            self.outgoing.end();
        }
    }

    /// The body ended.
    pub(crate) fn ended(&mut self) {
        self.outgoing.end();
    }

    /// The body failed.
    pub(crate) fn body_failed(&mut self, error: &(dyn Error + 'static)) {
        self.outgoing.failed(error);
    }

    pub(crate) fn is_done(&self) -> bool {
        self.outgoing.is_done()
    }

    fn show(&mut self, result: Result<(StatusCode, &HeaderMap), &(dyn Error + 'static)>) {
        let Some((hook, request)) = self.watched.take() else { return };
        let subsegment = self.outgoing.subsegment();
        let outcome = Outcome { subsegment, request: &request, result };
        // The call must not suffer from what is only told about it.
        if catch_unwind(AssertUnwindSafe(|| (hook.0)(&outcome))).is_err() {
            subsegment.metadata_in("xray", "hook", "panicked");
        }
    }

    fn note_grpc_status(&mut self, headers: &HeaderMap) {
        if let Some(status) = headers.get("grpc-status") {
            self.outgoing.grpc_status(status.as_bytes());
        }
    }

    #[cfg(feature = "hyper")]
    fn note_connection(&mut self, extensions: &Extensions) {
        if let Some(dialed) = extensions.get::<crate::connector::Dialed>() {
            dialed.used_by(self.outgoing.subsegment());
        }
    }

    #[cfg(not(feature = "hyper"))]
    fn note_connection(&mut self, _: &Extensions) {}

    /// Notes of the connection on which a call failed what it can: how it came to be, or that there was none.
    #[cfg_attr(not(any(feature = "reqwest", feature = "hyper")), allow(unused_variables))]
    fn note_lost_connection(&mut self, error: &(dyn Error + 'static)) {
        for error in error_chain(error) {
            #[cfg(feature = "reqwest")]
            if error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect) {
                return self.outgoing.unreached();
            }
            #[cfg(feature = "hyper")]
            if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
                if let Some(connected) = error.connect_info() {
                    let mut extensions = Extensions::new();
                    connected.get_extras(&mut extensions);
                    self.note_connection(&extensions);
                }
                if error.is_connect() {
                    return self.outgoing.unreached();
                }
            }
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.outgoing.subsegment(), f)
    }
}

/// What a body says of its length.
pub(crate) fn length_of(body: &impl Body) -> BodyLength {
    match body.size_hint().exact() {
        _ if body.is_end_stream() => BodyLength::Nothing,
        Some(bytes) => BodyLength::Exact(bytes),
        None => BodyLength::Unknown,
    }
}
