//! Reads the facts of a request that are recorded.

use salvo_core::http::uri::Scheme;
use salvo_core::{Request, Response};
use xray_core::adapter::{ServerRequestDetails, ServerRequestInfo};

/// Returns the facts of a request that decide whether it is recorded.
pub(crate) fn request_info(request: &Request) -> ServerRequestInfo<'_> {
    let uri = request.uri();
    let mut info = ServerRequestInfo::from_headers(headers(request));
    info.method = request.method().as_str();
    let authority = uri.authority().map(|authority| authority.as_str());
    info.set_uri(authority, uri.path_and_query().map(|target| target.as_str()));
    info
}

/// Returns what only a recorded segment shows of a request.
pub(crate) fn request_details(request: &Request) -> ServerRequestDetails<'_> {
    let mut details = ServerRequestDetails::from_headers(headers(request));
    details.scheme = request.uri().scheme_str();
    details.secure = *request.scheme() == Scheme::HTTPS;
    details.peer = request.remote_addr().ip();
    details
}

fn headers(request: &Request) -> impl Iterator<Item = (&str, &[u8])> {
    request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

/// Returns the pattern of the route that matched, such as `/orders/{id}`.
pub(crate) fn matched_route(request: &Request, response: &Response) -> Option<String> {
    let pattern = request.matched_path();
    // A route without a path has no pattern. If no route matched, there is none either, but the status is set.
    let is_root = pattern.is_empty() && response.status_code.is_none();
    (is_root || !pattern.is_empty()).then(|| format!("/{pattern}"))
}
