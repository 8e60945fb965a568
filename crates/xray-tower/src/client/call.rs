//! A single call: its headers, its subsegment, and the recording of its response.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Buf;
use http::header::{CONTENT_TYPE, HOST};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body::Frame;
use xray_core::Entity;
use xray_core::adapter::{self, BodyLength, ClientRequest, ClientRequestInfo, copied_headers, error_chain};

use super::config::{ClientConfig, OutcomeHook};
use super::extensions::{CallParent, SubsegmentName, Untraced, WithoutHeader};
use super::outcome::{Outcome, RequestHead};
use crate::response::{grpc_status, recorded_head};

const TRACE_HEADER: HeaderName = HeaderName::from_static(adapter::TRACE_HEADER);
const TRACEPARENT: HeaderName = HeaderName::from_static(adapter::TRACEPARENT);
const TRACESTATE: HeaderName = HeaderName::from_static(adapter::TRACESTATE);

/// The destination of a request from its URI. If the authority is empty, the `Host` header is used instead.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) authority: &'a str,
    pub(crate) target: &'a str,
}

/// A sampled call in progress.
pub struct Call {
    outgoing: ClientRequest,
    end_at_headers: bool,
    /// Taken when the function is called.
    hook: Option<(OutcomeHook, RequestHead)>,
}

/// The changes to the headers of a request.
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

    fn with_headers_of(mut self, outgoing: &ClientRequest) -> TraceHeaders {
        for (header, (name, value)) in self.set.iter_mut().zip(outgoing.headers()) {
            let name = match name {
                adapter::TRACEPARENT => TRACEPARENT,
                adapter::TRACESTATE => TRACESTATE,
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

impl ClientConfig {
    /// Begins the call of a request. Its parent is the entity of its extensions, else `current`, else the current entity.
    /// Returns the changes of its headers, and the recording if the call is sampled.
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
        let Some(outgoing) = ClientRequest::begin(parent, &self.options, &request) else {
            return (trace_headers, None);
        };
        let trace_headers = trace_headers.with_headers_of(&outgoing);
        if !outgoing.is_recording() {
            return (trace_headers, None);
        }
        let hook = self.on_outcome.clone().map(|hook| {
            let url = match authority {
                "" => to.target.to_owned(),
                _ => format!("{}://{authority}{}", to.scheme, to.target),
            };
            (hook, RequestHead { method: method.clone(), url, headers: headers.clone() })
        });
        (trace_headers, Some(Box::new(Call { outgoing, end_at_headers: self.end_at_headers, hook })))
    }
}

impl Call {
    /// Runs code of the client with the call's subsegment as the current entity.
    pub fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        self.outgoing.run(work)
    }

    /// Records the head of the response. Returns whether the body is still to be recorded.
    pub fn responded(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        extensions: &Extensions,
        body: BodyLength,
    ) -> bool {
        self.record_connection(extensions);
        self.call_hook(Ok((status, headers)));
        self.record_grpc_status(headers);
        let response = recorded_head(status, headers);
        let ends = self.end_at_headers || status == StatusCode::SWITCHING_PROTOCOLS;
        self.outgoing.head(response, if ends { BodyLength::Nothing } else { body });
        !self.outgoing.is_done()
    }

    /// Records that the call failed before its response.
    pub(crate) fn failed(&mut self, error: &(dyn Error + 'static)) {
        self.failed_as(error, error);
    }

    /// Records that the call failed before its response. The hook gets `error`, and `described` is recorded: the same
    /// error with the `source()` that it may lack.
    pub fn failed_as(&mut self, error: &(dyn Error + 'static), described: &(dyn Error + 'static)) {
        self.record_lost_connection(error);
        self.call_hook(Err(error));
        self.outgoing.failed(described);
    }

    /// Records that no connection was made.
    pub fn unreached(&mut self) {
        self.outgoing.unreached();
    }

    /// Records a frame of the body. `is_last` states that no other frame follows, as after trailers.
    pub(crate) fn received<D: Buf>(&mut self, frame: &Frame<D>, is_last: bool) {
        if let Some(data) = frame.data_ref() {
            self.outgoing.received(data.remaining());
        } else if let Some(trailers) = frame.trailers_ref() {
            self.record_grpc_status(trailers);
        }
        if is_last || frame.is_trailers() {
            self.outgoing.end();
        }
    }

    /// Records that this many bytes of the body were read.
    pub fn read(&mut self, bytes: usize) {
        self.outgoing.received(bytes);
    }

    /// Records the end of the body.
    pub fn ended(&mut self) {
        self.outgoing.end();
    }

    /// Records that the body failed.
    pub fn body_failed(&mut self, error: &(dyn Error + 'static)) {
        self.outgoing.failed(error);
    }

    /// Returns whether nothing is left to record.
    pub fn is_done(&self) -> bool {
        self.outgoing.is_done()
    }

    /// Calls the function of `on_outcome`, if set. A panic in it must not affect the call.
    fn call_hook(&mut self, result: Result<(StatusCode, &HeaderMap), &(dyn Error + 'static)>) {
        let Some((hook, request)) = self.hook.take() else { return };
        let subsegment = self.outgoing.subsegment();
        let outcome = Outcome { subsegment, request: &request, result };
        if catch_unwind(AssertUnwindSafe(|| (hook.0)(&outcome))).is_err() {
            subsegment.metadata_in("xray", "hook", "panicked");
        }
    }

    fn record_grpc_status(&mut self, headers: &HeaderMap) {
        if let Some(status) = grpc_status(headers) {
            self.outgoing.grpc_status(status);
        }
    }

    #[cfg(feature = "hyper")]
    fn record_connection(&mut self, extensions: &Extensions) {
        if let Some(dialed) = extensions.get::<super::connector::Dialed>() {
            dialed.used_by(self.outgoing.subsegment());
        }
    }

    #[cfg(not(feature = "hyper"))]
    fn record_connection(&mut self, _: &Extensions) {}

    /// Records how the connection of a failed call was opened, or that there was none.
    #[cfg_attr(not(any(feature = "reqwest", feature = "hyper")), allow(unused_variables))]
    fn record_lost_connection(&mut self, error: &(dyn Error + 'static)) {
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
                    self.record_connection(&extensions);
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
