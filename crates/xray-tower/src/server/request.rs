//! Reads the facts of a request that are recorded.

use std::net::{IpAddr, SocketAddr};

use http::uri::Scheme;
use http::{Extensions, Request, Uri};
use xray_core::adapter::{ServerRequestDetails, ServerRequestInfo};

#[cfg(feature = "axum")]
use super::axum;
use super::segment::XRaySegment;

/// Returns the facts of a request that decide whether it is recorded.
pub(crate) fn request_info<B>(request: &Request<B>) -> ServerRequestInfo<'_> {
    let uri = received_uri(request);
    let mut info = ServerRequestInfo::from_headers(headers(request));
    info.method = request.method().as_str();
    info.segment = request.extensions().get::<XRaySegment>().map(|segment| &**segment);
    let authority = uri.authority().map(|authority| authority.as_str());
    info.set_uri(authority, uri.path_and_query().map(|target| target.as_str()));
    info
}

/// Returns what only a recorded segment shows of a request.
pub(crate) fn request_details<B>(request: &Request<B>) -> ServerRequestDetails<'_> {
    let mut details = ServerRequestDetails::from_headers(headers(request));
    details.scheme = received_uri(request).scheme_str();
    details.secure = request.extensions().get::<Scheme>() == Some(&Scheme::HTTPS);
    details.peer = peer(request.extensions());
    details
}

fn headers<B>(request: &Request<B>) -> impl Iterator<Item = (&str, &[u8])> {
    request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

/// Returns the URI as it was received, before routers rewrote it.
fn received_uri<B>(request: &Request<B>) -> &Uri {
    #[cfg(feature = "axum")]
    if let Some(uri) = axum::original_uri(request.extensions()) {
        return uri;
    }
    request.uri()
}

/// Returns the address of the other end of the connection, if the server provides it.
fn peer(extensions: &Extensions) -> Option<IpAddr> {
    #[cfg(feature = "axum")]
    if let Some(address) = axum::peer(extensions) {
        return Some(address);
    }
    // Present with TLS as well, since tonic also inserts the info of the underlying TCP connection.
    #[cfg(feature = "tonic")]
    if let Some(info) = extensions.get::<tonic::transport::server::TcpConnectInfo>() {
        return info.remote_addr().map(|address| address.ip());
    }
    extensions.get::<SocketAddr>().map(SocketAddr::ip)
}

#[cfg(test)]
mod tests {
    use http::header::{HOST, HeaderValue, USER_AGENT};

    use super::*;

    #[test]
    fn a_request_is_described_as_it_was_received() {
        let request = Request::builder()
            .method("PUT")
            .uri("https://h2:3/p?q=1")
            .header(HOST, "header")
            .header(USER_AGENT, "agent \u{e9}")
            .header("x-amzn-trace-id", HeaderValue::from_bytes(b"Root=\xff").unwrap())
            .extension("192.0.2.7:80".parse::<SocketAddr>().unwrap())
            .extension(Scheme::HTTPS);
        let request = request.body(()).unwrap();
        let info = request_info(&request);
        assert_eq!((info.method, info.host, info.target), ("PUT", Some("h2:3"), "/p?q=1"));
        assert_eq!(info.trace_header, None);
        let details = request_details(&request);
        assert_eq!((details.scheme, details.secure), (Some("https"), true));
        assert_eq!((details.user_agent, details.peer), (Some("agent \u{e9}"), Some([192, 0, 2, 7].into())));
    }
}
