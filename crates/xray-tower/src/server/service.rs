//! The service that the layer creates.

use std::fmt::Display;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;
use xray_core::adapter::ServerRequest;

use super::body::XRayBody;
use super::end_at_headers::EndAtHeaders;
use super::future::ResponseFuture;
use super::layer::Config;
use super::request::{request_details, request_info};
use super::segment::XRaySegment;

/// Records a segment for each request to the inner service. Created by [`XRayLayer`](crate::XRayLayer).
///
/// Errors of the inner service must implement `Display`, and pass through unchanged.
#[derive(Clone, Debug)]
pub struct XRayService<S> {
    pub(crate) inner: S,
    pub(crate) config: Arc<Config>,
}

impl<S> XRayService<S> {
    /// Returns a reference to the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service without the layer.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for XRayService<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>>,
    S::Error: Display + 'static,
    ResponseBody: Body,
{
    type Response = Response<XRayBody<ResponseBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        let config = &*self.config;
        let mut incoming = if config.sees_requests() {
            // The application's functions see a request without its body.
            let (head, body) = request.into_parts();
            let head = Request::from_parts(head, ());
            let incoming = config.begin(&head, request_info, request_details);
            request = head.map(|()| body);
            incoming
        } else {
            config.begin_from(&request_info(&request), || request_details(&request))
        };
        let end_at_headers = mark(config, &incoming, &mut request);
        // This is part of the request's work: a future recorded as a subsegment takes its parent when it is created.
        let inner = incoming.run(|| self.inner.call(request));
        ResponseFuture { inner, incoming: Some(incoming), end_at_headers }
    }
}

/// Inserts the segment of a recorded request into its extensions. Returns the rule for its response, if one is set.
fn mark<B>(config: &Config, incoming: &ServerRequest, request: &mut Request<B>) -> Option<Box<EndAtHeaders>> {
    // Inserting into the extensions allocates, so this happens only for recorded requests.
    if !incoming.segment().is_recording() {
        return None;
    }
    #[cfg(feature = "axum")]
    config.record_route(incoming.segment(), || super::axum::matched_path(request.extensions()));
    request.extensions_mut().insert(XRaySegment(incoming.segment().downgrade()));
    EndAtHeaders::of(config, request)
}
