//! The argument of a function passed to `on_outcome`.

use std::error::Error;

use http::{HeaderMap, Method, StatusCode};
use xray_core::Subsegment;

/// The outcome of a call, passed to [`XRayClientLayer::on_outcome`](crate::XRayClientLayer::on_outcome).
///
/// ```
/// let layer = xray_tower::XRayClientLayer::new().on_outcome(|outcome| {
///     let cache = outcome.response_headers().and_then(|headers| headers.get("x-cache"));
///     if let Some(cache) = cache.and_then(|value| value.to_str().ok()) {
///         outcome.subsegment().annotate("cache", cache);
///     }
/// });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    pub(crate) subsegment: &'a Subsegment,
    pub(crate) request: &'a RequestHead,
    pub(crate) result: Result<(StatusCode, &'a HeaderMap), &'a (dyn Error + 'static)>,
}

/// The head of a request, kept for the function.
#[derive(Clone, Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
}

impl<'a> Outcome<'a> {
    /// Returns the subsegment of the call, which is still open.
    pub fn subsegment(&self) -> &'a Subsegment {
        self.subsegment
    }

    /// Returns the method of the request.
    pub fn method(&self) -> &'a Method {
        &self.request.method
    }

    /// Returns the URL of the request, including its query string, which may contain secrets. If the host is unknown, this is
    /// the path.
    pub fn url(&self) -> &'a str {
        &self.request.url
    }

    /// Returns the headers of the request, before the layer changed them.
    pub fn request_headers(&self) -> &'a HeaderMap {
        &self.request.headers
    }

    /// Returns the status of the response, or `None` if the call failed.
    pub fn status(&self) -> Option<StatusCode> {
        self.result.ok().map(|(status, _)| status)
    }

    /// Returns the headers of the response, or `None` if the call failed.
    pub fn response_headers(&self) -> Option<&'a HeaderMap> {
        self.result.ok().map(|(_, headers)| headers)
    }

    /// Returns the error, or `None` if there is a response.
    pub fn error(&self) -> Option<&'a (dyn Error + 'static)> {
        self.result.err()
    }
}
