//! What is taken from a request.

use std::str::from_utf8;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HOST, HeaderName, USER_AGENT, X_FORWARDED_FOR, X_FORWARDED_PROTO};
use xray_core::adapter::ServerRequestInfo;

/// Also the name of the response's header.
pub(crate) const TRACE_HEADER: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const TRACEPARENT: HeaderName = HeaderName::from_static(xray_core::TRACEPARENT);
const TRACESTATE: HeaderName = HeaderName::from_static(xray_core::TRACESTATE);

/// The request as it was received.
pub(crate) fn request_info(request: &ServiceRequest) -> ServerRequestInfo<'_> {
    let headers = request.headers();
    // A header's text need not be ASCII; what is not UTF-8 is as if it were absent.
    let text = |name: HeaderName| headers.get(name).and_then(|value| from_utf8(value.as_bytes()).ok());
    let uri = request.uri();
    let mut request_info = ServerRequestInfo::default();
    request_info.method = request.method().as_str();
    request_info.scheme = uri.scheme_str();
    request_info.secure = request.app_config().secure();
    // A target with an authority (HTTP/2, a request to a proxy) has the last word over `Host`: RFC 9112, 3.2.2.
    request_info.host = uri.authority().map(|authority| authority.as_str()).or_else(|| text(HOST));
    // `OPTIONS *` asks for no path.
    request_info.target =
        uri.path_and_query().map(|target| target.as_str()).filter(|target| *target != "*").unwrap_or("");
    request_info.user_agent = text(USER_AGENT);
    request_info.forwarded_for = text(X_FORWARDED_FOR);
    request_info.forwarded_proto = text(X_FORWARDED_PROTO);
    request_info.peer = request.peer_addr().map(|address| address.ip());
    request_info.trace_header = text(TRACE_HEADER);
    request_info.traceparent = text(TRACEPARENT);
    request_info.tracestate = request_info.traceparent.and_then(|_| text(TRACESTATE));
    request_info
}
