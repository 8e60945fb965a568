//! The middleware and its options.

use std::sync::Arc;

use ureq::http::{Extensions, HeaderMap, Method, Request, Response, StatusCode};
use ureq::middleware::{Middleware, MiddlewareNext};
use ureq::{Body, Error, SendBody};
use xray_core::adapter::BodyLength;
use xray_tower::client::parts::{Call, ClientConfig, TracedRequest, client_option_methods};

use crate::body::recorded;
use crate::error::{WithSource, is_unreached};

/// Records a subsegment for each call of an agent. The [crate's documentation](crate) lists what it records.
///
/// ```
/// use xray_ureq::XRayMiddleware;
///
/// let xray = XRayMiddleware::new().traced(true).on_outcome(|outcome| {
///     let request_id = outcome.response_headers().and_then(|headers| headers.get("x-request-id"));
///     if let Some(request_id) = request_id.and_then(|value| value.to_str().ok()) {
///         outcome.subsegment().annotate("request_id", request_id);
///     }
/// });
/// let agent: ureq::Agent = ureq::Agent::config_builder().middleware(xray).build().into();
/// ```
///
/// A call that ends in `ureq::Error::StatusCode` has an outcome with that status and no headers, since ureq drops them. With
/// `http_status_as_error(false)`, the outcome has the headers.
///
/// # Place among other middleware
///
/// Middleware that is added *after* this one runs inside the call, with its subsegment as the current entity.
///
/// # Redirects
///
/// ureq follows redirects inside the call, which remains one subsegment, with the URL of the original request and the status
/// of the last response. Each hop sends the header, also to other hosts: ureq removes only `Authorization` and `Cookie`.
///
/// # What the caller sees
///
/// Response and error are the same as without the middleware, unless [`record_body`](XRayMiddleware::record_body) is set.
#[derive(Clone, Debug)]
#[must_use = "a middleware does nothing until an agent is built with it"]
pub struct XRayMiddleware {
    config: Arc<ClientConfig>,
}

impl XRayMiddleware {
    /// Creates a middleware with the default options.
    pub fn new() -> XRayMiddleware {
        XRayMiddleware { config: Arc::default() }.record_body(false)
    }

    client_option_methods!(without_body);

    /// Sets whether subsegments last until the end of the response body, or until it is dropped.
    ///
    /// Default: false; they end at the response headers. A second call replaces the value.
    ///
    /// If it is set, the subsegment shows how long the whole response took, and failures of the body. To observe a body,
    /// the middleware must replace it, and ureq's public interface does not let it copy everything. The body of a sampled
    /// call therefore differs:
    ///
    /// - `content_length()` and `charset()` return `None`. The response headers are unchanged, and text is still decoded.
    /// - It cannot be sent as the body of another request: ureq would send no body. Use
    ///   `SendBody::from_owned_reader(body.into_reader())` for that.
    pub fn record_body(self, record: bool) -> XRayMiddleware {
        self.configure(|config| config.set_end_at_headers(!record))
    }

    fn configure(mut self, change: impl FnOnce(&mut ClientConfig)) -> XRayMiddleware {
        change(Arc::make_mut(&mut self.config));
        self
    }
}

impl Default for XRayMiddleware {
    fn default() -> XRayMiddleware {
        XRayMiddleware::new()
    }
}

impl Middleware for XRayMiddleware {
    fn handle(&self, mut request: Request<SendBody>, next: MiddlewareNext) -> Result<Response<Body>, Error> {
        let Some(mut call) = request.start(&self.config, None) else { return next.handle(request) };
        let is_head = request.method() == Method::HEAD;
        match call.run(|| next.handle(request)) {
            Ok(response) => Ok(record_response(call, response, is_head)),
            Err(error) => Err(record_error(call, error)),
        }
    }
}

/// Records the head of the response. If the body is to be recorded, it records the rest.
fn record_response(mut call: Box<Call>, response: Response<Body>, is_head: bool) -> Response<Body> {
    let length = match response.body().content_length() {
        _ if is_head || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) => {
            BodyLength::Nothing
        }
        length => BodyLength::from(length),
    };
    if call.responded(response.status(), response.headers(), response.extensions(), length) {
        response.map(|body| recorded(body, call))
    } else {
        response
    }
}

/// Records a failure, or the response that ureq has turned into an error. Returns the error unchanged.
fn record_error(mut call: Box<Call>, error: Error) -> Error {
    if let Error::StatusCode(status) = error
        && let Ok(status) = StatusCode::from_u16(status)
    {
        call.responded(status, &HeaderMap::new(), &Extensions::new(), BodyLength::Nothing);
        return error;
    }
    if is_unreached(&error) {
        call.unreached();
    }
    let described = WithSource(error);
    call.failed_as(&described.0, &described);
    described.0
}
