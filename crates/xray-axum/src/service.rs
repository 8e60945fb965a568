//! The service that the layer makes.

use std::fmt::Display;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::body::XRayBody;
use crate::future::ResponseFuture;
use crate::layer::Config;

/// Records a segment for each request to the inner service: see [`XRayLayer`](crate::XRayLayer), which makes it.
///
/// Errors of the inner service pass unchanged; they need a text to be recorded by.
#[derive(Clone, Debug)]
pub struct XRayService<S> {
    pub(crate) inner: S,
    pub(crate) config: Arc<Config>,
}

impl<S> XRayService<S> {
    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Gives the inner service back.
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

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let (mut incoming, end_at_headers, request) = self.config.begin(request);
        // Part of the request's work already: a future recorded as a subsegment takes its parent when it is made.
        let inner = incoming.run(|| self.inner.call(request));
        ResponseFuture { inner, incoming, end_at_headers }
    }
}
