//! A request that a server received: what its segment says, and when it closes. All server adapters share it.

use std::any::Any;
use std::net::IpAddr;

use crate::cause::{Exception, panic_exception};
use crate::entity::Segment;
use crate::header::{SamplingFlag, TraceHeader};
use crate::naming::Naming;
use crate::recorder::Recorder;
use crate::sampling::SamplingRequest;

use super::{HttpRequest, HttpResponse, flags_of_status};

/// What an adapter knows of a request.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct IncomingRequest<'a> {
    /// The method, as in the request line.
    pub method: &'a str,
    /// `http` or `https`, as the server itself received it.
    pub scheme: &'a str,
    /// The `Host` header, or `:authority` in HTTP/2, with the port.
    pub host: Option<&'a str>,
    /// The target of the request line: path and query string.
    pub target: &'a str,
    /// The `User-Agent` header.
    pub user_agent: Option<&'a str>,
    /// The `X-Forwarded-For` header.
    pub forwarded_for: Option<&'a str>,
    /// The other end of the connection.
    pub peer: Option<IpAddr>,
    /// The `X-Amzn-Trace-Id` header.
    pub trace_header: Option<&'a str>,
}

/// How a server's requests are traced: the options that all adapters have in common.
#[derive(Clone, Debug)]
pub struct IncomingOptions {
    naming: Naming,
    trust_forwarded_for: bool,
    keep_query: bool,
    always_respond: bool,
}

impl IncomingOptions {
    /// The defaults, with this naming.
    pub fn new(naming: impl Into<Naming>) -> IncomingOptions {
        IncomingOptions { naming: naming.into(), trust_forwarded_for: true, keep_query: false, always_respond: false }
    }

    /// Whether `client_ip` is taken from `X-Forwarded-For` (default: yes, as in all X-Ray SDKs). Anybody can
    /// write that header; it never takes part in a decision.
    pub fn set_trust_forwarded_for(&mut self, trust: bool) {
        self.trust_forwarded_for = trust;
    }

    /// Whether the url keeps its query string (default: no, since it may hold secrets).
    pub fn set_keep_query(&mut self, keep: bool) {
        self.keep_query = keep;
    }

    /// Whether each response carries `X-Amzn-Trace-Id` (default: only when the caller asked by `Sampled=?`).
    pub fn set_always_respond(&mut self, always: bool) {
        self.always_respond = always;
    }
}

/// What is still to be sent when the head of a response is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyLength {
    /// Nothing: an empty body, the answer to `HEAD`, a status without a body, an upgraded connection.
    Nothing,
    /// So many bytes.
    Exact(u64),
    /// Until the stream ends.
    Unknown,
}

/// The segment of one request, from its head to the end of the response's body.
///
/// | what happens | what is recorded |
/// |---|---|
/// | the body ends | status, content length, flags of the status |
/// | the inner service fails, the body fails | fault, with the exception |
/// | the handler panics | fault, with an exception of type `panic` |
/// | dropped before the head: client gone, time-out outside | fault, with an exception of type `Cancelled`, no `http.response` |
/// | dropped in the middle of the body | metadata `aborted: true` in the namespace `xray` |
///
/// A response without a body, a `HEAD` request and an upgrade (status 101) close with the head.
#[derive(Debug)]
pub struct Incoming {
    segment: Segment,
    response_header: Option<TraceHeader<'static>>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The handler works.
    Handling,
    /// The body is being sent; so much is owed, if that is known.
    Sending { owed: Option<u64> },
    Done,
}

impl Incoming {
    /// Reads the header, decides, and begins the segment.
    pub fn begin(recorder: &Recorder, options: &IncomingOptions, request: &IncomingRequest<'_>) -> Incoming {
        let header = request.trace_header.map(TraceHeader::parse).unwrap_or_default();
        let host = request.host.filter(|host| !host.is_empty());
        let name = options.naming.resolve(host, recorder.tracing_name());
        let sampling = SamplingRequest {
            host,
            method: Some(request.method).filter(|method| !method.is_empty()),
            path: Some(request.target).filter(|target| !target.is_empty()),
            ..SamplingRequest::default()
        };
        let segment = recorder.begin_trace(name, &header, sampling);
        if segment.is_recording() {
            segment.set_http_request(&options.describe(request));
        }
        let asked = options.always_respond || header.sampled() == Some(SamplingFlag::Requested);
        let trace_id = if asked { segment.trace_id() } else { None };
        let response_header = trace_id.map(|trace_id| TraceHeader::new(trace_id).with_sampled(segment.is_sampled()));
        Incoming { segment, response_header, stage: Stage::Handling }
    }

    /// The request's segment.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// What the response's `X-Amzn-Trace-Id` header must say, if anything.
    pub fn response_header(&self) -> Option<TraceHeader<'static>> {
        self.response_header
    }

    /// The head of the response is known; `owed` is what follows.
    pub fn head(&mut self, response: HttpResponse, owed: BodyLength) {
        self.segment.set_http_response(&response);
        for flag in flags_of_status(response.status()) {
            self.segment.mark(*flag);
        }
        match owed {
            BodyLength::Nothing | BodyLength::Exact(0) => self.end(),
            BodyLength::Exact(bytes) => self.stage = Stage::Sending { owed: Some(bytes) },
            BodyLength::Unknown => self.stage = Stage::Sending { owed: None },
        }
    }

    /// So many bytes of the body went to the client.
    pub fn sent(&mut self, bytes: usize) {
        if let Stage::Sending { owed: Some(owed) } = &mut self.stage {
            *owed = owed.saturating_sub(bytes as u64);
        }
    }

    /// The response is complete.
    pub fn end(&mut self) {
        self.stage = Stage::Done;
        self.segment.close();
    }

    /// The inner service or the body failed instead of going on.
    pub fn failed(&mut self, error: impl Into<Exception>) {
        self.segment.fault(error);
        self.end();
    }

    /// The handler or the body panicked, with what the panic carries.
    pub fn panicked(&mut self, payload: &(dyn Any + Send)) {
        if self.segment.is_recording() {
            self.segment.fault(panic_exception(payload));
        }
        self.end();
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let complete = matches!(self.stage, Stage::Done | Stage::Sending { owed: Some(0) });
        if !complete && self.segment.is_recording() {
            match self.stage {
                _ if std::thread::panicking() => {
                    self.segment.fault(Exception::new("panic", "the task panicked"));
                }
                Stage::Handling => {
                    self.segment.fault(Exception::new("Cancelled", "the request was dropped before its response"));
                }
                Stage::Sending { .. } | Stage::Done => {
                    self.segment.metadata_in("xray", "aborted", &true);
                }
            }
        }
        self.segment.close();
    }
}

impl IncomingOptions {
    fn describe<'a>(&self, request: &IncomingRequest<'a>) -> HttpRequest<'a> {
        let mut described = HttpRequest::to_host(
            request.method,
            request.scheme,
            request.host.unwrap_or_default(),
            request.target,
        )
        .keep_query(self.keep_query)
        .user_agent(request.user_agent.unwrap_or_default());
        let forwarded = request.forwarded_for.filter(|_| self.trust_forwarded_for);
        let client = forwarded.and_then(|list| list.split(',').next()).map(str::trim).filter(|ip| !ip.is_empty());
        if let Some(client) = client {
            described = described.client_ip(client).forwarded(true);
        } else if let Some(peer) = request.peer {
            described = described.peer(peer);
        }
        described
    }
}
