//! A request that a server received: what its segment records, and when it closes. Shared by all server adapters.

use std::any::Any;
use std::panic::resume_unwind;

use crate::cause::Exception;
use crate::context::{ContextSwap, with_current};
use crate::entity::{Handle, Segment, Serves};
use crate::grpc::GrpcStatus;
use crate::header::{SamplingFlag, TraceHeader};
use crate::http::HttpResponse;
use crate::recorder::Recorder;
use crate::sampling::{SamplingRequest, TrackedRequest};

use super::observed::{Method, Observed};
use super::transfer::{Transfer, run_in};
use super::{ServerOptions, ServerRequestDetails, ServerRequestInfo};

/// The length of a response's body, as far as it is known with the head of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyLength {
    /// The body has ended: neither bytes nor trailers follow.
    Nothing,
    /// This many bytes follow.
    Exact(u64),
    /// The length is unknown: the body lasts until the stream ends.
    Unknown,
}

impl From<Option<u64>> for BodyLength {
    /// The length of a body that has no trailers, if it is known.
    fn from(bytes: Option<u64>) -> BodyLength {
        match bytes {
            Some(0) => BodyLength::Nothing,
            Some(bytes) => BodyLength::Exact(bytes),
            None => BodyLength::Unknown,
        }
    }
}

/// The segment of one request, from its head to the end of the response's body.
///
/// An adapter begins it for each request, passes everything that the framework runs for the request through
/// [`run`](ServerRequest::run), and reports what happens:
///
/// ```
/// use xray_core::Recorder;
/// use xray_core::adapter::{BodyLength, ServerOptions, ServerRequest, ServerRequestDetails, ServerRequestInfo};
/// use xray_core::http::HttpResponse;
///
/// let (recorder, traces) = Recorder::in_memory();
/// let options = ServerOptions::new("shop"); // once for a server
///
/// let headers = [("host", &b"shop.example.com"[..])];
/// let mut info = ServerRequestInfo::from_headers(headers);
/// info.method = "GET";
/// info.set_uri(None, Some("/orders/7"));
/// let mut request = ServerRequest::begin(&recorder, &options, &info, || ServerRequestDetails::from_headers(headers));
///
/// // The handler runs in here: all of it, or each poll of its future.
/// let body = request.run(|| xray_core::capture("load", |_| "order 7"));
///
/// request.head(HttpResponse::new(200), BodyLength::Exact(7));
/// request.sent(body.len());
/// request.end();
///
/// assert_eq!(traces.take().single().tree(), "shop 200\n  load\n");
/// ```
///
/// | what happens | what is recorded |
/// |---|---|
/// | the body ends | status, content length, flags of the status |
/// | the inner service or the body fails | fault, with the exception |
/// | the handler or the body panics | fault, with an exception of type `panic` |
/// | dropped before the head: a disconnect, a timeout outside | fault, with an exception of type `Cancelled`, no `http.response` |
/// | the body fails, panics or is dropped in the middle | also metadata `aborted: true` in the namespace `xray` |
/// | the body is dropped before it is polled: a layer outside replaced it | status, content length, flags of the status |
///
/// The segment closes with the head if the response has no body: an empty one, the response to `HEAD`, a status that
/// forbids a body (204, 304), an upgrade (101) and a tunnel (2xx to `CONNECT`).
/// [`end_at_headers`](ServerRequest::end_at_headers) closes others early.
///
/// All code of the request that the adapter calls must go through `run`: each poll of the handler's future and of the
/// body.
#[derive(Debug)]
pub struct ServerRequest {
    /// The context of the request while none of its code runs, and that of the thread while it does.
    context: Option<Handle>,
    /// In a box, because it is absent from most requests: those that are not sampled.
    observed: Option<Box<Observed>>,
}

impl ServerRequest {
    /// Reads the trace header, decides and begins the segment.
    ///
    /// A request that is already traced gets no second root:
    ///
    /// - Within an invocation of a Lambda function, this begins a subsegment of the function's segment, by Lambda's
    ///   decision. If Lambda records nothing, neither does this.
    /// - Within the segment of an outer layer for the same request, this adds nothing.
    ///
    /// If the recorder is disabled, the request is [ignored](ServerRequest::ignored).
    ///
    /// `details` is called only if the segment is recorded.
    pub fn begin<'a>(
        recorder: &Recorder,
        options: &ServerOptions,
        request: &ServerRequestInfo<'a>,
        details: impl FnOnce() -> ServerRequestDetails<'a>,
    ) -> ServerRequest {
        let begun = ServerRequest::begin_undescribed(recorder, options, request);
        if begun.segment().is_recording() {
            begun.segment().set_http_request(&options.describe(request, &details()));
        }
        begun
    }

    fn begin_undescribed(
        recorder: &Recorder,
        options: &ServerOptions,
        request: &ServerRequestInfo<'_>,
    ) -> ServerRequest {
        if !recorder.is_enabled() {
            return ServerRequest::ignored();
        }
        let header = request.header(recorder.propagation());
        match with_current(|current| Around::of(current, request.segment, &header)) {
            Around::Nothing => ServerRequest::begin_segment(recorder, options, request, &header),
            Around::Function(parent) => ServerRequest::begin_in_function(&parent, recorder, options, request, &header),
            Around::Request(handle) => ServerRequest::transparent(handle),
        }
    }

    /// Begins a subsegment of a Lambda function's segment, which Lambda sends.
    fn begin_in_function(
        parent: &Handle,
        recorder: &Recorder,
        options: &ServerOptions,
        request: &ServerRequestInfo<'_>,
        header: &TraceHeader<'_>,
    ) -> ServerRequest {
        let name = options.name(recorder, request.requested_host());
        let handle = parent.begin_request(name, request.trace_header, request.traceparent);
        ServerRequest::new(handle, options, request, header, None)
    }

    /// Begins the segment of a request that is not part of anything traced.
    fn begin_segment(
        recorder: &Recorder,
        options: &ServerOptions,
        request: &ServerRequestInfo<'_>,
        header: &TraceHeader<'_>,
    ) -> ServerRequest {
        let host = request.requested_host();
        let name = options.name(recorder, host);
        let sampling = SamplingRequest {
            host,
            method: Some(request.method).filter(|method| !method.is_empty()),
            path: Some(request.target).filter(|target| !target.is_empty()),
            attributes: request.attributes,
            ..SamplingRequest::new(name)
        };
        let (handle, tracker) = recorder.begin_tracked(&sampling, header, Serves::Request);
        let tracked = tracker.map(|tracker| tracker.begin(&sampling, handle.recorded().is_some(), recorder.clock()));
        ServerRequest::new(handle, options, request, header, tracked)
    }

    fn new(
        handle: Handle,
        options: &ServerOptions,
        request: &ServerRequestInfo<'_>,
        header: &TraceHeader<'_>,
        tracked: Option<TrackedRequest>,
    ) -> ServerRequest {
        let respond = options.always_respond || header.sampled() == Some(SamplingFlag::Requested);
        if handle.recorded().is_none() && !respond && tracked.is_none() {
            return ServerRequest::transparent(handle);
        }
        let context = Some(handle.clone());
        let segment = Segment::begun(handle);
        let (method, transfer) = (Method::of(request.method), Transfer::Waiting);
        let observed = Observed { segment, transfer, method, outlived: false, respond, tracked };
        ServerRequest { context, observed: Some(Box::new(observed)) }
    }

    /// Returns a request that is not traced. Recording calls in its code are no-ops, and no missing context is logged.
    ///
    /// For requests that the application excludes, such as health checks.
    pub fn ignored() -> ServerRequest {
        ServerRequest::transparent(Handle::Noop)
    }

    /// Returns a request for which nothing is recorded here. Its code runs in the context of `handle`.
    fn transparent(handle: Handle) -> ServerRequest {
        ServerRequest { context: Some(handle), observed: None }
    }

    /// Runs code of the request, such as one poll of its future, with the segment as the current entity.
    ///
    /// # Panics
    ///
    /// A panic of `work` is recorded and propagates.
    pub fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let Some(observed) = &mut self.observed else {
            let _swap = ContextSwap::new(&mut self.context);
            return work();
        };
        observed.transfer.polled();
        run_in(&mut self.context, work).unwrap_or_else(|payload| {
            observed.panicked(&*payload);
            resume_unwind(payload)
        })
    }

    /// Returns the request's segment. If nothing is [observed](ServerRequest::observes_response), it is a segment that does
    /// nothing and has no trace.
    pub fn segment(&self) -> &Segment {
        static NOOP: Segment = Segment::noop();
        self.observed.as_ref().map_or(&NOOP, |observed| &observed.segment)
    }

    /// Returns the `X-Amzn-Trace-Id` header that the response must carry, if any.
    pub fn response_header(&self) -> Option<TraceHeader<'static>> {
        let observed = self.observed.as_ref().filter(|observed| observed.respond)?;
        let header = observed.segment.trace_header()?;
        Some(TraceHeader::new(header.trace_id()?).with_sampled(header.sampled()?))
    }

    /// Returns whether the response matters: the segment is recorded, the sampler observes the request, or the response must
    /// carry a header.
    ///
    /// For other requests, which are most of them, an adapter need not read the head of the response for
    /// [`head`](ServerRequest::head) and [`grpc_status`](ServerRequest::grpc_status). Their code still runs through
    /// [`run`](ServerRequest::run).
    pub fn observes_response(&self) -> bool {
        self.observed.is_some()
    }

    /// Records the head of the response. The segment closes if no body follows.
    ///
    /// `response` has the length from the `Content-Length` header, if there is one; `body` is the length that the
    /// framework's body type reports.
    pub fn head(&mut self, response: HttpResponse, body: BodyLength) {
        if let Some(observed) = &mut self.observed {
            observed.head(response, body);
        }
    }

    /// Closes the segment after [`head`](ServerRequest::head), without waiting for the body.
    ///
    /// For streams that last for hours. What happens to the body is not recorded on the segment; its code still runs in
    /// the context of the request.
    pub fn end_at_headers(&mut self) {
        if let Some(observed) = &mut self.observed {
            observed.end_at_headers();
        }
    }

    /// Records the status of a gRPC call, from the head (before [`head`](ServerRequest::head)) or the trailers: its flags,
    /// and its exception unless the segment has one already.
    pub fn grpc_status(&mut self, status: GrpcStatus<'_>) {
        if let Some(observed) = &mut self.observed {
            observed.grpc_status(status);
        }
    }

    /// Records that this many bytes of the body were sent to the client.
    pub fn sent(&mut self, bytes: usize) {
        if let Some(observed) = &mut self.observed {
            observed.transfer.moved(bytes);
        }
    }

    /// Returns whether nothing is left to record, and no code of the request needs the context. Code of a request that is not
    /// observed always needs it.
    pub fn is_done(&self) -> bool {
        self.observed.as_ref().is_some_and(|observed| observed.is_done())
    }

    /// Closes the segment: the response is complete.
    pub fn end(&mut self) {
        if let Some(observed) = &mut self.observed {
            observed.end();
        }
    }

    /// Records that the inner service or the body failed, and closes the segment.
    pub fn failed(&mut self, error: impl Into<Exception>) {
        if let Some(observed) = &mut self.observed {
            observed.failed(error);
        }
    }

    /// Records that the handler or the body panicked with this payload, and closes the segment.
    pub fn panicked(&mut self, payload: &(dyn Any + Send)) {
        if let Some(observed) = &mut self.observed {
            observed.panicked(payload);
        }
    }
}

/// What a request is part of when a layer receives it.
enum Around {
    /// Nothing that is traced.
    Nothing,
    /// An invocation of a Lambda function.
    Function(Handle),
    /// The segment that an outer layer has begun for the same request.
    Request(Handle),
}

impl Around {
    /// `segment` is in the extensions of the request.
    fn of(current: Option<&Handle>, segment: Option<&Segment>, header: &TraceHeader<'_>) -> Around {
        match (current, segment) {
            // A service between the layers may have moved the request to a task with another context, or none. Then the
            // segment counts, and not that context.
            (current, Some(segment)) => {
                let around = current.filter(|handle| handle.is_around(segment.handle()));
                Around::Request(around.unwrap_or(segment.handle()).clone())
            }
            (Some(handle), None) if handle.is_below_facade() => Around::Function(handle.clone()),
            (Some(handle), None) if handle.serves(header) => Around::Request(handle.clone()),
            (_, None) => Around::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::adapter::Naming;
    use crate::adapter::{ClientOptions, ClientRequest, ClientRequestInfo};
    use crate::http::HttpResponse;
    use crate::sampling::Never;

    /// Returns what a request by `method` records after `respond` has run and the request is dropped.
    fn recorded(method: &'static str, respond: impl FnOnce(&mut ServerRequest)) -> serde_json::Value {
        let (recorder, traces) = Recorder::in_memory();
        let request = ServerRequestInfo { method, target: "/", ..ServerRequestInfo::default() };
        let mut incoming =
            ServerRequest::begin(&recorder, &ServerOptions::new("shop"), &request, ServerRequestDetails::default);
        respond(&mut incoming);
        drop(incoming);
        traces.take().single().root().json().clone()
    }

    #[test]
    fn a_response_without_a_body_closes_with_its_head() {
        use BodyLength::{Exact, Nothing, Unknown};
        for (method, status, declared, body, done, length) in [
            ("GET", 200, None, Nothing, true, Some(0)),
            ("GET", 200, None, Exact(2), false, Some(2)),
            ("GET", 200, None, Exact(0), false, Some(0)),
            ("GET", 200, None, Unknown, false, None),
            ("GET", 200, Some(7), Unknown, false, Some(7)),
            ("HEAD", 200, Some(7), Unknown, true, Some(7)),
            ("HEAD", 200, None, Exact(7), true, Some(7)),
            ("GET", 101, None, Nothing, true, None),
            ("GET", 204, None, Nothing, true, None),
            ("GET", 304, None, Unknown, true, None),
            ("GET", 304, Some(7), Nothing, true, Some(7)),
            ("CONNECT", 200, None, Unknown, true, None),
            ("CONNECT", 403, None, Exact(9), false, Some(9)),
        ] {
            let case = format!("{method} {status} {declared:?} {body:?}");
            let mut closed = false;
            let json = recorded(method, |incoming| {
                incoming.head(HttpResponse::new(status).content_length(declared), body);
                closed = incoming.is_done();
                incoming.end();
            });
            assert_eq!(closed, done, "{case}");
            let mut response = serde_json::json!({"status": status});
            if let Some(length) = length {
                response["content_length"] = length.into();
            }
            assert_eq!(json["http"]["response"], response, "{case}");
        }
    }

    #[test]
    fn a_request_that_is_not_recorded_has_a_context_and_nothing_else() {
        let recorder = Recorder::builder().environment(|_| None).sampling(Never).build().unwrap();
        let request = ServerRequestInfo { method: "GET", target: "/", ..ServerRequestInfo::default() };
        let options = ServerOptions::new("shop");
        let mut incoming = ServerRequest::begin(&recorder, &options, &request, || panic!("the details are read"));
        assert!(!incoming.observes_response() && !incoming.segment().is_recording());
        assert_eq!((incoming.segment().trace_id(), incoming.response_header()), (None, None));
        let trace_id = incoming.run(|| crate::current().trace_id());
        assert!(trace_id.is_some());
        let panic = catch_unwind(AssertUnwindSafe(|| incoming.run(|| panic!("boom"))));
        assert!(panic.is_err() && crate::try_current().is_none());
        incoming.head(HttpResponse::new(200), BodyLength::Nothing);
        incoming.end();
        // A body may still be polled.
        assert!(!incoming.is_done());
        assert_eq!(incoming.run(|| crate::current().trace_id()), trace_id);
    }

    #[test]
    fn a_request_in_an_invocation_that_lambda_does_not_record_is_not_recorded() {
        const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";
        const OF_GATEWAY: &str = "Root=1-5759e988-000000000000000000000001;Sampled=1";
        let (recorder, traces) = Recorder::in_memory();
        let facade = |rest: &str| recorder.facade(&TraceHeader::parse(&format!("{ROOT}{rest}"))).entity();
        let sampled = facade(";Parent=53995c3f42cd8ad8;Sampled=1");
        let unsampled = sampled.unsampled_subsegment();
        for (around, carried_end) in [
            (facade(";Parent=53995c3f42cd8ad8;Sampled=0"), ";Sampled=0"),
            (unsampled.entity(), ";Sampled=0"),
            (facade(";Lineage=1:a87bd80c:0"), "272793;Lineage=1:a87bd80c:0"),
        ] {
            let _entered = around.enter();
            let trace_header = Some(OF_GATEWAY);
            let request =
                ServerRequestInfo { method: "GET", target: "/", trace_header, ..ServerRequestInfo::default() };
            // Two layers in one stack.
            let mut outer =
                ServerRequest::begin(&recorder, &ServerOptions::new("shop"), &request, ServerRequestDetails::default);
            outer.run(|| {
                let mut inner = ServerRequest::begin(
                    &recorder,
                    &ServerOptions::new("inner"),
                    &request,
                    ServerRequestDetails::default,
                );
                let call = ClientRequestInfo { trace_header, ..ClientRequestInfo::default() };
                // The application forwards the headers that the gateway sent.
                let call = inner.run(|| ClientRequest::begin(None, &ClientOptions::new(), &call)).unwrap();
                let (name, value) = call.headers().next().unwrap();
                assert_eq!(name, "x-amzn-trace-id");
                assert!(value.starts_with(ROOT) && value.ends_with(carried_end), "{value}");
            });
        }
        assert!(traces.take().is_empty());
    }

    #[test]
    fn a_body_dropped_in_the_middle_is_aborted_only_if_bytes_were_owed() {
        use BodyLength::{Exact, Unknown};
        for (declared, body, sent, aborted) in [
            (None, Exact(3), 3, false),
            (None, Exact(3), 2, true),
            (Some(3), Unknown, 3, false),
            (Some(3), Unknown, 2, true),
            (None, Exact(0), 0, false),
            (None, Unknown, 3, true),
        ] {
            let json = recorded("GET", |incoming| {
                incoming.head(HttpResponse::new(200).content_length(declared), body);
                incoming.sent(sent);
            });
            assert_eq!(json["metadata"]["xray"]["aborted"] == true, aborted, "{declared:?} {body:?} {sent}");
            assert_eq!(json.get("fault"), None);
        }
    }

    #[test]
    fn a_segment_closed_at_the_head_records_nothing_of_the_body_whose_code_keeps_the_context() {
        let (recorder, traces) = Recorder::in_memory();
        let request = ServerRequestInfo { method: "GET", ..ServerRequestInfo::default() };
        let mut incoming =
            ServerRequest::begin(&recorder, &ServerOptions::new("shop"), &request, ServerRequestDetails::default);
        incoming.head(HttpResponse::new(200), BodyLength::Unknown);
        incoming.end_at_headers();
        assert_eq!(traces.take().single().tree(), "shop 200\n");
        assert!(!incoming.is_done());
        let trace_id = incoming.segment().trace_id();
        assert_eq!(incoming.run(|| crate::current().trace_id()), trace_id);
        incoming.sent(3);
        incoming.grpc_status(GrpcStatus::new(13));
        incoming.failed(Exception::new("Broken", "broken"));
        assert!(incoming.is_done());
        drop(incoming);
        assert!(traces.take().documents().is_empty());
        assert_eq!(recorder.stats().late_writes, 0);
        // A response without a body is closed by its head already.
        let mut incoming =
            ServerRequest::begin(&recorder, &ServerOptions::new("shop"), &request, ServerRequestDetails::default);
        incoming.head(HttpResponse::new(204), BodyLength::Nothing);
        incoming.end_at_headers();
        assert!(incoming.is_done());
    }

    #[test]
    fn a_grpc_status_is_described_once() {
        let own = || Some(Exception::new("NoPaper", "tray 2"));
        for (before, code, flags, [kind, message]) in [
            (None, 5, [true, false, false], ["NOT_FOUND", "no paper"]),
            (own(), 8, [true, true, true], ["NoPaper", "tray 2"]),
            (own(), 0, [false, false, true], ["NoPaper", "tray 2"]),
        ] {
            let json = recorded("POST", |incoming| {
                if let Some(before) = before {
                    incoming.segment().fault(before);
                }
                // Servers may send the status in the headers and again in the trailers.
                for _ in 0..2 {
                    incoming.grpc_status(GrpcStatus::new(code).message(b"no%20paper"));
                }
                incoming.head(HttpResponse::new(200), BodyLength::Nothing);
            });
            assert_eq!(["error", "throttle", "fault"].map(|flag| json[flag] == true), flags, "{code}");
            let exceptions = json["cause"]["exceptions"].as_array().unwrap();
            let [only] = &exceptions[..] else { panic!("{exceptions:?}") };
            assert_eq!([&only["type"], &only["message"]], [kind, message]);
            assert_eq!(only["remote"], false);
        }
    }

    #[test]
    fn only_code_of_a_request_runs_in_its_context() {
        let (recorder, traces) = Recorder::in_memory();
        let request = ServerRequestInfo { host: Some("u:p@h"), ..ServerRequestInfo::default() };
        let mut incoming = ServerRequest::begin(
            &recorder,
            &ServerOptions::new(Naming::dynamic("shop")),
            &request,
            ServerRequestDetails::default,
        );
        let id = incoming.segment().id();
        assert_eq!(incoming.run(|| crate::current().id()), id);
        // A leaked guard changes the context of its own request only.
        incoming.run(|| std::mem::forget(crate::subsegment("leaked").entity().enter()));
        assert!(crate::try_current().is_none());
        assert_ne!(incoming.run(|| crate::current().id()), id);
        let mut ignored = ServerRequest::ignored();
        assert_eq!(ignored.run(|| crate::current().trace_id()), None);
        let panic = catch_unwind(AssertUnwindSafe(|| incoming.run(|| panic!("boom"))));
        assert!(panic.is_err() && crate::try_current().is_none() && incoming.is_done());
        let trace = traces.take().single();
        assert_eq!(trace.tree(), "h fault\n  leaked\n");
        assert_eq!(trace.root().json()["cause"]["exceptions"][0]["message"], "boom");
    }
}
