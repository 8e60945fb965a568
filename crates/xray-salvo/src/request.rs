//! Reads the facts of a request that are recorded.

use salvo_core::http::uri::Scheme;
use salvo_core::{Request, Response};
use xray_core::adapter::ServerRequestInfo;

/// Returns the facts of a request as it was received.
pub(crate) fn request_info(request: &Request) -> ServerRequestInfo<'_> {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let uri = request.uri();
    let mut info = ServerRequestInfo::from_headers(headers);
    info.method = request.method().as_str();
    info.secure = *request.scheme() == Scheme::HTTPS;
    info.peer = request.remote_addr().ip();
    let authority = uri.authority().map(|authority| authority.as_str());
    info.set_uri(uri.scheme_str(), authority, uri.path_and_query().map(|target| target.as_str()));
    info
}

/// Returns the pattern of the route that matched, such as `/orders/{id}`.
pub(crate) fn matched_route(request: &Request, response: &Response) -> Option<String> {
    let pattern = request.matched_path();
    // A route without a path has no pattern. If no route matched, there is none either, but the status is set.
    let is_root = pattern.is_empty() && response.status_code.is_none();
    (is_root || !pattern.is_empty()).then(|| format!("/{pattern}"))
}
