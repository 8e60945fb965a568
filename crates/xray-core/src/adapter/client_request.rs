//! A request that this service makes: what its subsegment records, and when it closes. Shared by all HTTP clients.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::panic::resume_unwind;

use crate::cause::{Exception, error_chain, is_time_limit, panic_exception};
use crate::context::{current_for_call, try_current};
use crate::entity::{Entity, Handle, Namespace, Subsegment};
use crate::grpc::GrpcStatus;
use crate::header::{SamplingFlag, TRACE_HEADER};
use crate::http::{HttpResponse, flags_of_status};
use crate::w3c::{TRACEPARENT, TRACESTATE, TraceParent};

use super::client_request_info::Carries;
use super::headers::is_visible;
use super::transfer::{Transfer, run_in};
use super::{BodyLength, ClientOptions, ClientRequestInfo, header_value};

/// The subsegment of one call, from the start of the request to the end of the response's body.
///
/// An adapter begins it for each call, adds the [`headers`](ClientRequest::headers) to the request, polls the call
/// within [`run`](ClientRequest::run), and reports what happens:
///
/// ```
/// use xray_core::Recorder;
/// use xray_core::adapter::{BodyLength, ClientOptions, ClientRequest, ClientRequestInfo};
/// use xray_core::http::HttpResponse;
///
/// let (recorder, traces) = Recorder::in_memory();
/// let segment = recorder.begin("shop");
///
/// let mut info = ClientRequestInfo::default();
/// info.method = "GET";
/// info.scheme = "https";
/// info.authority = "inventory.example.com";
/// info.target = "/items/7";
/// // Without a parent, the subsegment is below the current entity.
/// if let Some(mut call) = ClientRequest::begin(Some(&segment.entity()), &ClientOptions::new(), &info) {
///     let mut request = Vec::new();
///     request.extend(call.headers().map(|(name, value)| format!("{name}: {value}")));
///     assert!(request[0].starts_with("x-amzn-trace-id: Root=1-"));
///
///     // The client sends the request in here: all of it, or each poll of its future.
///     let status = call.run(|| 200);
///
///     call.head(HttpResponse::new(status), BodyLength::Exact(2));
///     call.received("ok".len());
///     call.end();
/// }
/// segment.close();
///
/// assert_eq!(traces.take().single().tree(), "shop\n  inventory.example.com remote 200\n");
/// ```
///
/// | what happens | what is recorded |
/// |---|---|
/// | the body ends | status, content length, flags of the status |
/// | no response: refused, no such host, TLS, timeout | fault, with the exception and its causes; no `http.response` |
/// | the body fails | fault, with the exception, `remote: true` unless a time limit of this side ended it |
/// | dropped before the response | fault, with an exception of type `Cancelled`, no `http.response` |
/// | dropped in the middle of the body | metadata `aborted: true` in the namespace `xray` |
/// | dropped before the body is read | status, content length, flags of the status: nothing was cut off |
///
/// The subsegment of a response without a body closes with the head.
///
/// If the trace is not sampled, only the headers matter: drop the value as soon as they are added.
#[derive(Debug)]
pub struct ClientRequest {
    subsegment: Subsegment,
    /// The context of the call while none of its code runs, and that of the thread while it does.
    context: Option<Handle>,
    transfer: Transfer,
    options: ClientOptions,
    /// The query string of the call's URL, if it may be recorded.
    kept_query: Option<Box<str>>,
    /// The caller has started to read the body.
    is_read: bool,
    xray: Carries,
    traceparent: Carries,
    without_header: bool,
}

impl ClientRequest {
    /// Begins the subsegment below `parent`, or below the current entity if that is `None`.
    ///
    /// Returns `None` if the request must be sent unchanged: it carries the header of someone else, or there is no
    /// trace to propagate (the SDK is disabled, or there is no current entity). If there is no current entity, the
    /// [context-missing strategy](crate::ContextMissing) applies; it never panics here.
    pub fn begin(
        parent: Option<&Entity>,
        options: &ClientOptions,
        request: &ClientRequestInfo<'_>,
    ) -> Option<ClientRequest> {
        let current;
        let parent = match (parent, request.trace_header) {
            (Some(parent), _) => parent,
            (None, None) => {
                current = current_for_call(&request.name());
                &current
            }
            // Someone else traces this call: no context is missing.
            (None, Some(_)) => {
                current = try_current()?;
                &current
            }
        };
        let [xray, traceparent] = request.carries(parent);
        if xray == Carries::Foreign {
            return None;
        }
        // A subsegment that is not recorded needs no name.
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
        let kept_query = match options.keep_query && subsegment.is_recording() {
            true => request.target.split_once('?').map(|(_, query)| query.into()),
            false => None,
        };
        let context = Some(subsegment.handle().clone());
        Some(ClientRequest {
            subsegment,
            context,
            transfer: Transfer::Waiting,
            options: *options,
            kept_query,
            is_read: false,
            xray,
            traceparent,
            without_header: request.without_header,
        })
    }

    /// Runs code of the call, such as one poll of its future, with the subsegment as the current entity.
    ///
    /// # Panics
    ///
    /// A panic of `work` is recorded and propagates.
    pub fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        self.is_read |= self.transfer.is_moving();
        self.transfer.polled();
        run_in(&mut self.context, work).unwrap_or_else(|payload| {
            self.panicked(&*payload);
            resume_unwind(payload)
        })
    }

    /// Returns the subsegment of the call.
    pub fn subsegment(&self) -> &Subsegment {
        &self.subsegment
    }

    /// Returns whether the subsegment is recorded and open.
    pub fn is_recording(&self) -> bool {
        self.subsegment.is_recording()
    }

    /// Returns the headers that the request must carry, as names and values.
    ///
    /// The recorder's [`Propagation`](crate::Propagation) chooses among `X-Amzn-Trace-Id` and `traceparent` with
    /// `tracestate`. Copies of received headers are always replaced. Values are visible ASCII; that of X-Ray takes one
    /// allocation of its exact size.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let (propagation, carried) = self.subsegment.handle().propagation();
        let header = self.subsegment.trace_header().filter(|_| !self.without_header);
        let sends_xray = propagation.sends_xray() || self.xray == Carries::Copied;
        let sends_w3c = match self.traceparent {
            Carries::Nothing => propagation.sends_w3c(carried.is_some_and(|carried| carried.w3c)),
            Carries::Copied => true,
            Carries::Foreign => false,
        };
        let xray = header.as_ref().filter(|_| sends_xray).map(|header| Cow::Owned(header_value(header)));
        // From the same header, because both must name the same trace.
        let w3c = header.filter(|_| sends_w3c).and_then(|header| {
            let is_sampled = header.sampled() == Some(SamplingFlag::Sampled);
            Some(TraceParent::new(header.trace_id()?, header.parent()?, is_sampled))
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

    /// Records that the request did not reach the service, because no connection was made. No segment will follow.
    pub fn unreached(&mut self) {
        if self.options.traced && self.is_recording() {
            self.subsegment.set_traced(false);
        }
    }

    /// Records the head of the response. `body` is the length that follows; the subsegment closes if nothing does.
    pub fn head(&mut self, response: HttpResponse, body: BodyLength) {
        self.subsegment.set_http_response(&response);
        for flag in flags_of_status(response.status()) {
            self.subsegment.mark(*flag);
        }
        match body {
            BodyLength::Nothing => self.end(),
            // Trailers may follow even if no bytes do.
            BodyLength::Exact(bytes) => self.transfer.expect(Some(bytes)),
            BodyLength::Unknown => self.transfer.expect(None),
        }
    }

    /// Records the status of a gRPC call, from the head (before [`head`](ClientRequest::head)) or the trailers: its flags,
    /// and its exception as `remote`, unless the subsegment has one already.
    pub fn grpc_status(&mut self, status: GrpcStatus<'_>) {
        let exception = || Some(status.exception()?.remote(true));
        self.subsegment.handle().fail_unless_described(status.flags(), exception);
    }

    /// Records that this many bytes of the body were read.
    pub fn received(&mut self, bytes: usize) {
        self.transfer.moved(bytes);
    }

    /// Returns whether the subsegment is closed, so that nothing is left to record.
    pub fn is_done(&self) -> bool {
        self.transfer.is_done()
    }

    /// Closes the subsegment: the call is complete.
    pub fn end(&mut self) {
        self.transfer.finish();
        self.subsegment.close();
    }

    /// Records that the call failed, before or during its response, and closes the subsegment.
    ///
    /// URLs in the error's messages lose their secrets. If the query string of the call's own URL is kept, it is also
    /// kept in the messages.
    pub fn failed(&mut self, error: &(dyn Error + 'static)) {
        if self.is_recording() {
            let has_response = self.transfer.is_moving();
            if !has_response && is_refused(error) {
                self.unreached();
            }
            let exception = match &self.kept_query {
                Some(query) => Exception::keeping_query(error, query),
                None => Exception::from(error),
            };
            self.subsegment.fault(exception.remote(has_response && !is_time_limit(error)));
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

impl Drop for ClientRequest {
    fn drop(&mut self) {
        // A body that was never read was not cut off.
        let is_unread = self.transfer.is_moving() && !self.is_read;
        if self.is_recording() && !is_unread {
            self.transfer.note_dropped(self.subsegment.entity(), "the call was dropped before its response");
        }
        self.subsegment.close();
    }
}

/// Whether an error in the chain of causes says that the other side refused the connection.
fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let is_refusal = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    error_chain(error).any(|error| error.downcast_ref().is_some_and(is_refusal))
}

/// Returns the exception for a response's body that failed. It is `remote`, unless a time limit of this side ended the
/// transfer. For clients that do not use [`ClientRequest`].
///
/// ```
/// use std::io;
///
/// let timeout = io::Error::new(io::ErrorKind::TimedOut, "no data for 30 s");
/// let exception = xray_core::adapter::body_failure(&timeout);
/// assert_eq!(exception.message(), "no data for 30 s");
/// ```
pub fn body_failure(error: &(dyn Error + 'static)) -> Exception {
    Exception::from(error).remote(!is_time_limit(error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::adapter::{ServerOptions, ServerRequest, ServerRequestDetails, ServerRequestInfo};
    use crate::emit::MemoryEmitter;
    use crate::recorder::Recorder;
    use crate::sampling::{Always, Never, TailSampler};
    use crate::w3c::Propagation;

    use super::*;
    use crate::adapter::copied_headers;
    use crate::header::TraceHeader;

    fn request<'a>(scheme: &'a str, authority: &'a str, target: &'a str) -> ClientRequestInfo<'a> {
        ClientRequestInfo { method: "GET", scheme, authority, target, ..ClientRequestInfo::default() }
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
        ] {
            let (recorder, traces) = Recorder::in_memory();
            let segment = recorder.begin("shop");
            let parent = segment.entity();
            let options = ClientOptions::new();
            let mut call =
                ClientRequest::begin(Some(&parent), &options, &request(scheme, authority, "/p?q#f")).unwrap();
            call.head(HttpResponse::new(200), BodyLength::Nothing);
            segment.close();
            let trace = traces.take().single();
            assert_eq!(trace.find(name).json()["http"]["request"], json!({"method": "GET", "url": url}), "{authority}");
        }
    }

    #[test]
    fn a_grpc_call_without_a_host_has_the_name_of_its_service_and_its_path() {
        for (content_type, target, name, url) in [
            (Some("application/grpc"), "/shop.Orders/Place", "shop.Orders", Some("/shop.Orders/Place")),
            (Some("Application/GRPC-web+proto"), "/shop.Orders/Place?q", "shop.Orders", Some("/shop.Orders/Place")),
            (Some("application/grpc"), "/prefix/shop.Orders/Place", "shop.Orders", Some("/prefix/shop.Orders/Place")),
            (Some("application/grpc"), "/", "unknown", None),
            (Some("application/grpc"), "", "unknown", None),
            (Some("application/json"), "/shop.Orders/Place", "unknown", None),
            (Some("é"), "/shop.Orders/Place", "unknown", None),
            (None, "/p", "unknown", None),
        ] {
            let (recorder, traces) = Recorder::in_memory();
            let segment = recorder.begin("shop");
            let call = ClientRequestInfo { content_type, ..request("http", "", target) };
            drop(ClientRequest::begin(Some(&segment.entity()), &ClientOptions::new(), &call));
            segment.close();
            let trace = traces.take().single();
            let request = &trace.find(name).json()["http"]["request"];
            assert_eq!(
                (&request["method"], request["url"].as_str()),
                (&"GET".into(), url),
                "{content_type:?} {target}"
            );
        }
    }

    #[test]
    fn a_grpc_status_is_a_remote_exception() {
        for (code, flags, kind) in [
            (0, [false, false, false], None),
            (5, [true, false, false], Some("NOT_FOUND")),
            (8, [true, true, false], Some("RESOURCE_EXHAUSTED")),
            (14, [false, false, true], Some("UNAVAILABLE")),
        ] {
            let (recorder, traces) = Recorder::in_memory();
            let segment = recorder.begin("shop");
            let call =
                ClientRequest::begin(Some(&segment.entity()), &ClientOptions::new(), &request("http", "h", "/p"));
            let mut call = call.unwrap();
            call.grpc_status(GrpcStatus::new(code).message(b"no%20paper"));
            call.head(HttpResponse::new(200), BodyLength::Nothing);
            segment.close();
            let trace = traces.take().single();
            let recorded = trace.find("h").json();
            assert_eq!(["error", "throttle", "fault"].map(|flag| recorded[flag] == true), flags, "{code}");
            let exception = &recorded["cause"]["exceptions"][0];
            assert_eq!(exception["type"].as_str(), kind);
            assert!(kind.is_none() || (exception["message"] == "no paper" && exception["remote"] == true));
        }
    }

    #[test]
    fn the_header_is_what_display_writes() {
        let (recorder, _) = Recorder::in_memory();
        let unsampled = Recorder::builder().sampling(Never).build().unwrap();
        let incoming = TraceHeader::parse("Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=a:1|b:2;bad=\n\u{e4}x");
        for segment in [recorder.begin("a"), unsampled.begin("a"), recorder.begin_from("a", &incoming)] {
            let call = ClientRequest::begin(Some(&segment.entity()), &ClientOptions::new(), &request("http", "h", "/"));
            let call = call.unwrap();
            let display = call.subsegment().trace_header().unwrap().to_string();
            let headers: Vec<_> = call.headers().collect();
            assert_eq!(headers, [("x-amzn-trace-id", display.replace(";bad=\u{e4}x", "").into())]);
        }
    }

    #[test]
    fn a_trace_that_came_by_traceparent_is_sent_on_in_both_forms() {
        let came = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-0";
        let foreign = Some("00-5759e988bd862e3fe1be46a994272793-0000000000000001-01");
        let copied = Some("00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01");
        let no_w3c = Propagation::default().send_w3c(false);
        for (propagation, sampled, traceparent, names) in [
            (Propagation::default(), "1", None, &[TRACE_HEADER, TRACEPARENT, TRACESTATE][..]),
            (Propagation::default(), "0", None, &[TRACE_HEADER, TRACEPARENT, TRACESTATE]),
            (Propagation::default(), "1", foreign, &[TRACE_HEADER]),
            (Propagation::default(), "1", copied, &[TRACE_HEADER, TRACEPARENT, TRACESTATE]),
            (no_w3c, "1", None, &[TRACE_HEADER]),
            (no_w3c, "1", copied, &[TRACE_HEADER, TRACEPARENT, TRACESTATE]),
            (Propagation::default().send_xray(false), "1", None, &[TRACEPARENT, TRACESTATE]),
        ] {
            let recorder = Recorder::builder().emitter(MemoryEmitter::new()).propagation(propagation).build().unwrap();
            let came = format!("{came}{sampled}");
            let mut facts = ServerRequestInfo::default();
            (facts.traceparent, facts.tracestate) = (Some(&*came), Some("vendor=1"));
            let details = ServerRequestDetails::default;
            let mut incoming = ServerRequest::begin(&recorder, &ServerOptions::new("shop"), &facts, details);
            let parent = incoming.run(crate::current);
            let outgoing = ClientRequestInfo { traceparent, ..request("http", "h", "/") };
            let call = ClientRequest::begin(Some(&parent), &ClientOptions::new(), &outgoing).unwrap();
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

    const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";

    /// Serves a request with these headers, and makes a call several subsegments below.
    fn served<T>(recorder: &Recorder, [xray, traceparent]: [Option<&str>; 2], call: impl FnOnce(&Entity) -> T) -> T {
        let mut facts = ServerRequestInfo::default();
        (facts.trace_header, facts.traceparent) = (xray, traceparent);
        let details = ServerRequestDetails::default;
        let mut incoming = ServerRequest::begin(recorder, &ServerOptions::new("shop"), &facts, details);
        let above = incoming.run(|| crate::subsegment("a"));
        let deep = above.subsegment("b");
        call(&deep.entity())
    }

    fn recorder(sampler: impl crate::sampling::Sampler) -> Recorder {
        Recorder::builder().environment(|_| None).emitter(MemoryEmitter::new()).sampling(sampler).build().unwrap()
    }

    #[test]
    fn a_header_that_a_proxy_copied_is_replaced() {
        let with_all = format!("Self=1-2;{ROOT};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a:1");
        let unsampled = format!("{ROOT};Parent=53995c3f42cd8ad8;Sampled=0");
        for received in [
            ROOT,
            &with_all,
            &unsampled,
            "root=1-5759E988-bd862e3fe1be46a994272793",
            // No trace that can be joined: a new one begins.
            "Sampled=1",
            "Sampled=?",
            "Root=1-00000000-000000000000000000000000",
            "Root=nonsense;Parent=53995c3f42cd8ad8",
            "garbage",
            "",
        ] {
            for recorder in [recorder(Always), recorder(Never), recorder(TailSampler::failures())] {
                served(&recorder, [Some(received), None], |entity| {
                    let copy = ClientRequestInfo { trace_header: Some(received), ..request("http", "h", "/") };
                    let call = ClientRequest::begin(Some(entity), &ClientOptions::new(), &copy).expect(received);
                    let headers: Vec<_> = call.headers().collect();
                    let [(TRACE_HEADER, header)] = &headers[..] else { panic!("{received}: {headers:?}") };
                    let header = TraceHeader::parse(header);
                    assert_eq!(header.trace_id(), entity.trace_id(), "{received}");
                    assert_eq!(header.parent(), call.subsegment().id(), "{received}");
                    assert_eq!(copied_headers(Some(entity), &copy).collect::<Vec<_>>(), [TRACE_HEADER]);
                });
            }
        }
    }

    #[test]
    fn a_proxy_in_a_lambda_function_recognizes_the_headers_of_its_event() {
        let recorder = recorder(Always);
        let facade = recorder.facade(&TraceHeader::parse(&format!("{ROOT};Parent=53995c3f42cd8ad8;Sampled=1")));
        let _in = facade.enter();
        // As a load balancer and a gateway send them, whose ids are not those of the invocation.
        let of_gateway = format!("{ROOT};Parent=0000000000000001;Sampled=1");
        for received in ["Root=1-5759e988-000000000000000000000001", &of_gateway, ROOT] {
            served(&recorder, [Some(received), None], |entity| {
                assert_eq!(entity.trace_id().unwrap().to_string(), "1-5759e988-bd862e3fe1be46a994272793");
                let begin = |header| {
                    let call = ClientRequestInfo { trace_header: Some(header), ..request("http", "h", "/") };
                    ClientRequest::begin(Some(entity), &ClientOptions::new(), &call).is_some()
                };
                assert!(begin(received), "{received}");
                assert!(!begin("Root=1-5759e988-000000000000000000000002"));
            });
        }
    }

    #[test]
    fn the_header_of_someone_else_stays() {
        let parented = format!("{ROOT};Parent=53995c3f42cd8ad8");
        let of_another = format!("{ROOT};Parent=0000000000000001;Sampled=1");
        for (received, sent) in [
            (None, "Root=own"),
            (None, "garbage"),
            (None, ROOT),
            (Some(ROOT), of_another.as_str()),
            (Some(parented.as_str()), &of_another),
            (Some(&parented), "Root=1-5759e988-000000000000000000000001"),
            (Some("garbage"), "other garbage"),
            (Some("Sampled=1"), ROOT),
        ] {
            for recorder in [recorder(Always), recorder(Never)] {
                served(&recorder, [received, None], |entity| {
                    let call = ClientRequestInfo { trace_header: Some(sent), ..request("http", "h", "/") };
                    let begun = ClientRequest::begin(Some(entity), &ClientOptions::new(), &call);
                    assert!(begun.is_none(), "{received:?} {sent}");
                    assert_eq!(copied_headers(Some(entity), &call).count(), 0);
                });
            }
        }
    }

    #[test]
    fn copies_of_both_headers_are_recognized_whichever_is_followed() {
        let traceparent = "00-11111111111111111111111111111111-53995c3f42cd8ad8-01";
        for prefer_w3c in [false, true] {
            let propagation = Propagation::default().prefer_w3c(prefer_w3c);
            let recorder = Recorder::builder().environment(|_| None).emitter(MemoryEmitter::new());
            let recorder = recorder.propagation(propagation).sampling(Always).build().unwrap();
            served(&recorder, [Some(ROOT), Some(traceparent)], |entity| {
                let mut copy = request("http", "h", "/");
                (copy.trace_header, copy.traceparent) = (Some(ROOT), Some(traceparent));
                let call = ClientRequest::begin(Some(entity), &ClientOptions::new(), &copy).unwrap();
                let (trace_id, id) = (entity.trace_id().unwrap(), call.subsegment().id().unwrap());
                let want = [
                    (TRACE_HEADER, format!("Root={trace_id};Parent={id};Sampled=1").into()),
                    (TRACEPARENT, TraceParent::new(trace_id, id, true).to_string().into()),
                ];
                assert_eq!(call.headers().collect::<Vec<_>>(), want, "{prefer_w3c}");
                let names: Vec<_> = copied_headers(Some(entity), &copy).collect();
                assert_eq!(names, [TRACE_HEADER, TRACEPARENT, TRACESTATE]);
            });
        }
    }

    #[test]
    fn a_call_without_a_header_is_recorded_and_sends_none() {
        let (recorder, traces) = Recorder::in_memory();
        served(&recorder, [Some(ROOT), None], |entity| {
            for trace_header in [None, Some(ROOT)] {
                let call = ClientRequestInfo { without_header: true, trace_header, ..request("http", "h", "/") };
                let mut call = ClientRequest::begin(Some(entity), &ClientOptions::new(), &call).unwrap();
                assert_eq!(call.headers().count(), 0);
                call.head(HttpResponse::new(200), BodyLength::Nothing);
            }
        });
        let tree = traces.take().single().tree();
        assert!(tree.ends_with("    b\n      h remote 200\n      h remote 200\n"), "{tree}");
    }

    #[test]
    fn an_undecided_trace_leaves_the_decision_to_the_called_service() {
        let recorder = recorder(TailSampler::failures());
        let segment = recorder.begin("shop");
        let begin = || {
            ClientRequest::begin(Some(&segment.entity()), &ClientOptions::new(), &request("http", "h", "/")).unwrap()
        };
        let flags = |call: &ClientRequest| {
            let header = call.headers().next().unwrap().1;
            (TraceHeader::parse(&header).sampled(), call.subsegment().traceparent().unwrap().is_sampled())
        };
        assert_eq!(flags(&begin()), (Some(SamplingFlag::Requested), false));
        segment.mark(crate::Flag::Fault);
        segment.close();
        assert_eq!(flags(&begin()), (Some(SamplingFlag::Sampled), true));
    }

    #[test]
    fn a_body_is_aborted_when_it_is_dropped_while_it_is_read() {
        for (owed, reads, aborted) in [
            (BodyLength::Unknown, &[][..], false),
            (BodyLength::Exact(10), &[], false),
            (BodyLength::Exact(0), &[], false),
            (BodyLength::Exact(10), &[0], true),
            (BodyLength::Exact(10), &[4, 5], true),
            (BodyLength::Exact(10), &[4, 6], false),
            (BodyLength::Unknown, &[4], true),
        ] {
            let (recorder, traces) = Recorder::in_memory();
            let segment = recorder.begin("shop");
            let call = ClientRequest::begin(Some(&segment.entity()), &ClientOptions::new(), &request("http", "h", "/"));
            let mut call = call.unwrap();
            call.run(|| {});
            call.head(HttpResponse::new(503), owed);
            for bytes in reads {
                call.run(|| {});
                call.received(*bytes);
            }
            drop(call);
            segment.close();
            let trace = traces.take().single();
            let recorded = trace.find("h");
            assert_eq!(recorded.metadata("xray", "aborted") == true, aborted, "{owed:?} {reads:?}");
            assert_eq!(recorded.json()["fault"], true);
            assert_eq!(recorded.json()["cause"], json!(null), "{owed:?} {reads:?}");
        }
    }

    #[test]
    fn a_panic_elsewhere_is_no_fault_of_a_body_that_is_not_read() {
        let (recorder, traces) = Recorder::in_memory();
        let segment = recorder.begin("shop");
        let mut call =
            ClientRequest::begin(Some(&segment.entity()), &ClientOptions::new(), &request("http", "h", "/")).unwrap();
        call.head(HttpResponse::new(200), BodyLength::Unknown);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _held = call;
            panic!("of the handler");
        }));
        assert!(panicked.is_err());
        segment.close();
        assert_eq!(traces.take().single().tree(), "shop\n  h remote 200\n");
    }

    #[derive(Debug)]
    struct TimeoutExpired(io::Error);

    impl std::fmt::Display for TimeoutExpired {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("limit")
        }
    }

    impl Error for TimeoutExpired {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_body_fails_remotely_unless_a_limit_of_this_side_ended_it() {
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        let timeout = || io::Error::from(io::ErrorKind::TimedOut);
        let wrapped = |error: Box<dyn Error + Send + Sync>| Box::new(io::Error::other(error));
        for (error, remote) in [
            (Box::new(reset()) as Box<dyn Error>, true),
            (wrapped(Box::new(reset())), true),
            (Box::new(timeout()), false),
            (wrapped(Box::new(timeout())), false),
            (Box::new(TimeoutExpired(reset())), false),
            (wrapped(Box::new(TimeoutExpired(reset()))), false),
        ] {
            for answered in [false, true] {
                let (recorder, traces) = Recorder::in_memory();
                let segment = recorder.begin("shop");
                let call =
                    ClientRequest::begin(Some(&segment.entity()), &ClientOptions::new(), &request("http", "h", "/"));
                let mut call = call.unwrap();
                if answered {
                    call.head(HttpResponse::new(200), BodyLength::Unknown);
                }
                call.failed(&*error);
                segment.close();
                let trace = traces.take().single();
                let exceptions = trace.find("h").json()["cause"]["exceptions"].as_array().unwrap();
                assert!(
                    exceptions.iter().all(|one| one["remote"] == (answered && remote)),
                    "{answered} {exceptions:?}"
                );
            }
            assert_eq!(body_failure(&*error).is_remote(), remote, "{error:?}");
        }
    }

    #[test]
    fn a_request_that_is_traced_elsewhere_or_not_at_all_is_unchanged() {
        let (recorder, _) = Recorder::in_memory();
        let options = ClientOptions::new();
        let carrying = ClientRequestInfo { trace_header: Some(ROOT), ..request("http", "h", "/") };
        assert!(ClientRequest::begin(Some(&recorder.begin("a").entity()), &options, &carrying).is_none());
        // No context is missing if someone else traces the call.
        assert!(ClientRequest::begin(None, &options, &carrying).is_none());
        for entity in [Recorder::disabled().begin("a").entity(), Entity::default()] {
            assert!(ClientRequest::begin(Some(&entity), &options, &request("http", "h", "/")).is_none());
        }
    }
}
