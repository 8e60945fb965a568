//! Responses in JSON.

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::ApiError;
use crate::filter::FilterError;

/// Responds with JSON that must not be cached, because the next trace changes it.
pub(super) fn json(body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => text(StatusCode::OK, "application/json", body),
        Err(failure) => error(StatusCode::INTERNAL_SERVER_ERROR, &format!("the response cannot be written: {failure}")),
    }
}

/// Responds with `{"message": …}`.
pub(super) fn error(status: StatusCode, message: &str) -> Response {
    text(status, "application/json", json!({ "message": message }).to_string())
}

/// Responds to a filter expression that cannot be used.
pub(super) fn filter_error(error: &FilterError) -> Response {
    let body = json!({ "message": error.message, "at": error.at });
    text(StatusCode::BAD_REQUEST, "application/json", body.to_string())
}

/// Responds to a call of the X-Ray API.
pub(super) fn operation(result: Result<Value, ApiError>) -> Response {
    let failure = match result {
        Ok(body) => return json(&body),
        Err(failure) => failure,
    };
    let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::BAD_REQUEST);
    let body = json!({ "__type": failure.kind, "message": failure.message });
    let mut response = text(status, "application/json", body.to_string());
    let kind = HeaderValue::from_static(failure.kind);
    response.headers_mut().insert(HeaderName::from_static("x-amzn-errortype"), kind);
    response
}

pub(super) fn text(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
