//! Reads the head and the length of a response, on the server and on the client.

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, StatusCode};
use http_body::Body;
use xray_core::adapter::{self, BodyLength};
use xray_core::grpc::GrpcStatus;
use xray_core::http::HttpResponse;

/// Returns the recorded part of a response head.
pub(crate) fn recorded_head(status: StatusCode, headers: &HeaderMap) -> HttpResponse {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| adapter::content_length(value.as_bytes()));
    HttpResponse::new(status.as_u16()).content_length(length)
}

/// Returns the status of a gRPC call from its trailers, or from the headers if the response has nothing else. The HTTP
/// status of such a call is 200 in any case.
pub(crate) fn grpc_status(headers: &HeaderMap) -> Option<GrpcStatus<'_>> {
    const GRPC_STATUS: HeaderName = HeaderName::from_static(adapter::GRPC_STATUS);
    const GRPC_MESSAGE: HeaderName = HeaderName::from_static(adapter::GRPC_MESSAGE);
    let status = GrpcStatus::from_header(headers.get(GRPC_STATUS)?.as_bytes())?;
    Some(status.message(headers.get(GRPC_MESSAGE).map_or(b"", |message| message.as_bytes())))
}

/// Returns the length of a body, as far as it is known.
pub(crate) fn body_length(body: &impl Body) -> BodyLength {
    match body.size_hint().exact() {
        _ if body.is_end_stream() => BodyLength::Nothing,
        Some(bytes) => BodyLength::Exact(bytes),
        None => BodyLength::Unknown,
    }
}
