//! The service that the middleware creates.

use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};

use crate::body::XRayBody;
use crate::future::ResponseFuture;
use crate::transform::{Config, begin};

/// Records a segment for each request to the inner service. Created by [`XRay`](crate::XRay).
#[derive(Debug)]
pub struct XRayService<S> {
    pub(crate) inner: S,
    pub(crate) config: Arc<Config>,
}

impl<S, B> Service<ServiceRequest> for XRayService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<XRayBody<B>>;
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let mut incoming = begin(&self.config, &request);
        // The call is part of the request's work: a future that is recorded as a subsegment takes its parent when it is
        // created.
        let inner = incoming.run(|| self.inner.call(request));
        ResponseFuture { inner, incoming: Some(incoming), config: self.config.clone() }
    }
}
