//! What is taken from a request.

use std::net::{IpAddr, SocketAddr};
use std::str::from_utf8;

use http::header::{HOST, USER_AGENT};
use http::uri::Scheme;
use http::{Extensions, HeaderMap, HeaderName, Method, Uri};
use xray_core::adapter::ServerRequestInfo;

/// Also the name of the response's header.
pub(crate) const TRACE_HEADER: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const TRACEPARENT: HeaderName = HeaderName::from_static(xray_core::TRACEPARENT);
const TRACESTATE: HeaderName = HeaderName::from_static(xray_core::TRACESTATE);
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The request as it was received, whatever a router has made of it.
pub(crate) fn request_info<'a>(
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
) -> ServerRequestInfo<'a> {
    // A header's text need not be ASCII; what is not UTF-8 is as if it were absent.
    let text = |name: HeaderName| headers.get(name).and_then(|value| from_utf8(value.as_bytes()).ok());
    let uri = original_uri(extensions).unwrap_or(uri);
    let mut request_info = ServerRequestInfo::default();
    request_info.method = method.as_str();
    request_info.scheme = uri.scheme_str();
    request_info.secure = extensions.get::<Scheme>() == Some(&Scheme::HTTPS);
    // A target with an authority (HTTP/2, a request to a proxy) has the last word over `Host`: RFC 9112, 3.2.2.
    request_info.host = uri.authority().map(|authority| authority.as_str()).or_else(|| text(HOST));
    // `OPTIONS *` asks for no path.
    request_info.target =
        uri.path_and_query().map(|target| target.as_str()).filter(|target| *target != "*").unwrap_or("");
    request_info.user_agent = text(USER_AGENT);
    request_info.forwarded_for = text(FORWARDED_FOR);
    request_info.forwarded_proto = text(FORWARDED_PROTO);
    request_info.peer = peer(extensions);
    request_info.trace_header = text(TRACE_HEADER);
    request_info.traceparent = text(TRACEPARENT);
    request_info.tracestate = request_info.traceparent.and_then(|_| text(TRACESTATE));
    request_info
}

/// The target before a nested router cut its prefix off.
#[cfg(feature = "axum")]
fn original_uri(extensions: &Extensions) -> Option<&Uri> {
    extensions.get::<axum::extract::OriginalUri>().map(|original| &original.0)
}

#[cfg(not(feature = "axum"))]
fn original_uri(_: &Extensions) -> Option<&Uri> {
    None
}

/// The other end of the connection, where the server says it.
fn peer(extensions: &Extensions) -> Option<IpAddr> {
    #[cfg(feature = "axum")]
    if let Some(info) = extensions.get::<axum::extract::ConnectInfo<SocketAddr>>() {
        return Some(info.0.ip());
    }
    // With TLS as well: tonic puts in what it knows of the connection below.
    #[cfg(feature = "tonic")]
    if let Some(info) = extensions.get::<tonic::transport::server::TcpConnectInfo>() {
        return info.remote_addr().map(|address| address.ip());
    }
    extensions.get::<SocketAddr>().map(SocketAddr::ip)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn the_host_is_that_of_the_target_or_of_the_header() {
        for (uri, header, scheme, host, target) in [
            ("/p?q=1", Some("h:1"), None, Some("h:1"), "/p?q=1"),
            ("/p", None, None, None, "/p"),
            ("https://h2:3/p", None, Some("https"), Some("h2:3"), "/p"),
            ("http://target/p", Some("header"), Some("http"), Some("target"), "/p"),
            ("proxied:443", Some("header"), None, Some("proxied:443"), ""),
            ("*", Some("h"), None, Some("h"), ""),
        ] {
            let mut request = Request::builder().uri(uri);
            if let Some(host) = header {
                request = request.header(HOST, host);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let request_info = request_info(&parts.method, &parts.uri, &parts.headers, &parts.extensions);
            assert_eq!(
                (request_info.scheme, request_info.host, request_info.target),
                (scheme, host, target),
                "{uri} {header:?}"
            );
        }
    }

    #[test]
    fn a_header_that_is_not_utf_8_is_as_if_absent() {
        let request = Request::builder()
            .header(USER_AGENT, "agent \u{e9}")
            .header(TRACE_HEADER, http::HeaderValue::from_bytes(b"Root=\xff").unwrap())
            .extension("192.0.2.7:80".parse::<SocketAddr>().unwrap());
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let request_info = request_info(&parts.method, &parts.uri, &parts.headers, &parts.extensions);
        assert_eq!((request_info.user_agent, request_info.trace_header), (Some("agent \u{e9}"), None));
        assert_eq!(request_info.peer, Some([192, 0, 2, 7].into()));
    }
}
