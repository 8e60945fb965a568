//! Reads the facts of a request that are recorded.

use actix_web::dev::ServiceRequest;
use xray_core::adapter::{ServerRequestDetails, ServerRequestInfo};

/// Returns the facts of a request that decide whether it is recorded.
pub(crate) fn request_info(request: &ServiceRequest) -> ServerRequestInfo<'_> {
    let uri = request.uri();
    let mut info = ServerRequestInfo::from_headers(headers(request));
    info.method = request.method().as_str();
    let authority = uri.authority().map(|authority| authority.as_str());
    info.set_uri(authority, uri.path_and_query().map(|target| target.as_str()));
    info
}

/// Returns what only a recorded segment shows of a request.
pub(crate) fn request_details(request: &ServiceRequest) -> ServerRequestDetails<'_> {
    let mut details = ServerRequestDetails::from_headers(headers(request));
    details.scheme = request.uri().scheme_str();
    details.secure = request.app_config().secure();
    details.peer = request.peer_addr().map(|address| address.ip());
    details
}

fn headers(request: &ServiceRequest) -> impl Iterator<Item = (&str, &[u8])> {
    request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}
