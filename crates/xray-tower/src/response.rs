//! What the head and the body of a response say, to a server and to a client.

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, StatusCode};
use http_body::Body;
use xray_core::adapter::{self, BodyLength};
use xray_core::http::HttpResponse;

/// Returns the head as it is recorded.
pub(crate) fn recorded_head(status: StatusCode, headers: &HeaderMap) -> HttpResponse {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| adapter::content_length(value.as_bytes()));
    HttpResponse::new(status.as_u16()).content_length(length)
}

/// Returns how a gRPC call ended, from its trailers, or from its headers if nothing follows. The HTTP status is 200.
pub(crate) fn grpc_status(headers: &HeaderMap) -> Option<&[u8]> {
    const GRPC_STATUS: HeaderName = HeaderName::from_static(adapter::GRPC_STATUS);
    headers.get(GRPC_STATUS).map(|status| status.as_bytes())
}

/// Returns what a body says of its length.
pub(crate) fn body_length(body: &impl Body) -> BodyLength {
    match body.size_hint().exact() {
        _ if body.is_end_stream() => BodyLength::Nothing,
        Some(bytes) => BodyLength::Exact(bytes),
        None => BodyLength::Unknown,
    }
}
