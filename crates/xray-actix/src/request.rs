//! Reads the facts of a request that are recorded.

use actix_web::dev::ServiceRequest;
use xray_core::adapter::ServerRequestInfo;

/// Returns the facts of a request as it was received.
pub(crate) fn request_info(request: &ServiceRequest) -> ServerRequestInfo<'_> {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let uri = request.uri();
    let mut request_info = ServerRequestInfo::from_headers(headers);
    request_info.method = request.method().as_str();
    request_info.secure = request.app_config().secure();
    request_info.peer = request.peer_addr().map(|address| address.ip());
    let authority = uri.authority().map(|authority| authority.as_str());
    request_info.set_uri(uri.scheme_str(), authority, uri.path_and_query().map(|target| target.as_str()));
    request_info
}
