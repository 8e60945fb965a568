//! Records the head of a response.

use salvo_core::Response;
use salvo_core::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use salvo_core::http::{HeaderMap, ResBody, StatusCode, uri::Uri};
use xray_core::adapter::{self, BodyLength, ServerRequest, content_length};
use xray_core::http::HttpResponse;

use crate::body::XRayBody;
use crate::hoop::Config;

const TRACE_HEADER: HeaderName = HeaderName::from_static(adapter::TRACE_HEADER);

/// The argument of a function passed to [`XRay::end_at_headers`](crate::XRay::end_at_headers).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Head {
    /// The URI of the request.
    pub uri: Uri,
    /// The status of the response.
    pub status: StatusCode,
    /// The headers of the response.
    pub headers: HeaderMap,
}

/// Records the head of the response. If the body is not complete yet, it records the rest.
pub(crate) fn record_response(config: &Config, mut traced: ServerRequest, response: &mut Response, uri: Option<Uri>) {
    let status = response.status_code.unwrap_or(StatusCode::OK);
    record_error(&traced, status, &response.body);
    if let Some(value) = trace_header(&traced) {
        response.headers_mut().insert(TRACE_HEADER, value);
    }
    let declared = response.headers().get(CONTENT_LENGTH).and_then(|value| content_length(value.as_bytes()));
    let head = HttpResponse::new(status.as_u16()).content_length(declared);
    let is_error = status.is_client_error() || status.is_server_error();
    match &response.body {
        // A catcher creates the body, outside of the hoops.
        ResBody::None | ResBody::Error(_) if is_error => {
            traced.head(head, BodyLength::Unknown);
            traced.end();
        }
        // These run no code of the application, and remain as they are for hoops that read or extend them.
        body @ (ResBody::None | ResBody::Error(_) | ResBody::Once(_) | ResBody::Chunks(_)) => {
            traced.head(head, BodyLength::from(body.size()));
            traced.end();
        }
        body => {
            traced.head(head, BodyLength::from(body.size()));
            if let (Some(rule), Some(uri)) = (config.end_at_headers(), uri) {
                let head = Head { uri, status, headers: std::mem::take(response.headers_mut()) };
                if rule.call(&head).unwrap_or(false) {
                    traced.end_at_headers();
                }
                *response.headers_mut() = head.headers;
            }
            if !traced.is_done() {
                let inner = response.take_body();
                response.body(ResBody::Boxed(Box::pin(XRayBody { inner, traced: Some(traced) })));
            }
        }
    }
}

/// Records the error that a handler has rendered.
fn record_error(traced: &ServerRequest, status: StatusCode, body: &ResBody) {
    if let ResBody::Error(error) = body
        && traced.segment().is_recording()
    {
        if status.is_server_error() {
            traced.segment().fault(error);
        } else if status.is_client_error() {
            traced.segment().error(error);
        }
    }
}

/// Returns the header with trace and decision, if the response should have it.
fn trace_header(traced: &ServerRequest) -> Option<HeaderValue> {
    let header = traced.response_header()?;
    HeaderValue::try_from(header.to_string()).ok()
}
