//! Reads the facts of a request that are recorded.

use std::net::{IpAddr, SocketAddr};

use http::uri::Scheme;
use http::{Extensions, Request};
use xray_core::adapter::ServerRequestInfo;

#[cfg(feature = "axum")]
use super::axum;
use super::segment::XRaySegment;

/// Returns the facts of a request as it was received, before routers rewrote its URI.
pub(crate) fn request_info<B>(request: &Request<B>) -> ServerRequestInfo<'_> {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let extensions = request.extensions();
    #[cfg(feature = "axum")]
    let uri = axum::original_uri(extensions).unwrap_or(request.uri());
    #[cfg(not(feature = "axum"))]
    let uri = request.uri();
    let mut info = ServerRequestInfo::from_headers(headers);
    info.method = request.method().as_str();
    info.secure = extensions.get::<Scheme>() == Some(&Scheme::HTTPS);
    info.peer = peer(extensions);
    info.segment = extensions.get::<XRaySegment>().map(|segment| &**segment);
    let authority = uri.authority().map(|authority| authority.as_str());
    info.set_uri(uri.scheme_str(), authority, uri.path_and_query().map(|target| target.as_str()));
    info
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
        assert_eq!((info.method, info.secure), ("PUT", true));
        assert_eq!((info.scheme, info.host, info.target), (Some("https"), Some("h2:3"), "/p?q=1"));
        assert_eq!((info.user_agent, info.trace_header), (Some("agent \u{e9}"), None));
        assert_eq!(info.peer, Some([192, 0, 2, 7].into()));
    }
}
