//! What is taken from a request.

use std::str::from_utf8;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HOST, HeaderName, USER_AGENT, X_FORWARDED_FOR, X_FORWARDED_PROTO};
use xray_core::http::IncomingRequest;

/// Also the name of the response's header.
pub(crate) const TRACE_HEADER: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const TRACEPARENT: HeaderName = HeaderName::from_static(xray_core::TRACEPARENT);
const TRACESTATE: HeaderName = HeaderName::from_static(xray_core::TRACESTATE);

/// The request as it was received.
pub(crate) fn facts(request: &ServiceRequest) -> IncomingRequest<'_> {
    let headers = request.headers();
    // A header's text need not be ASCII; what is not UTF-8 is as if it were absent.
    let text = |name: HeaderName| headers.get(name).and_then(|value| from_utf8(value.as_bytes()).ok());
    let uri = request.uri();
    let mut facts = IncomingRequest::default();
    facts.method = request.method().as_str();
    facts.scheme = uri.scheme_str();
    facts.secure = request.app_config().secure();
    // A target with an authority (HTTP/2, a request to a proxy) has the last word over `Host`: RFC 9112, 3.2.2.
    facts.host = uri.authority().map(|authority| authority.as_str()).or_else(|| text(HOST));
    // `OPTIONS *` asks for no path.
    facts.target = uri.path_and_query().map(|target| target.as_str()).filter(|target| *target != "*").unwrap_or("");
    facts.user_agent = text(USER_AGENT);
    facts.forwarded_for = text(X_FORWARDED_FOR);
    facts.forwarded_proto = text(X_FORWARDED_PROTO);
    facts.peer = request.peer_addr().map(|address| address.ip());
    facts.trace_header = text(TRACE_HEADER);
    facts.traceparent = text(TRACEPARENT);
    facts.tracestate = facts.traceparent.and_then(|_| text(TRACESTATE));
    facts
}
