//! The layer that adds the current entity to requests.

use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;
use xray_core::context::try_current;

use super::extensions::CallParent;

/// Adds the current entity to each request as its [`CallParent`]. Put it around a layer that makes the call in another task or
/// thread, which has no context.
///
/// ```no_run
/// # #[cfg(feature = "hyper")]
/// # async fn handler() {
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use tower::ServiceBuilder;
/// use xray_tower::XRayClientLayer;
/// use xray_tower::client::CallParentLayer;
///
/// let hyper = Client::builder(TokioExecutor::new()).build_http::<http_body_util::Empty<bytes::Bytes>>();
/// let client = ServiceBuilder::new()
///     .layer(CallParentLayer::new())
///     .buffer(8) // or any layer that spawns
///     .layer(XRayClientLayer::new().at_call())
///     .service(hyper);
/// # tower::ServiceExt::oneshot(client, http::Request::new(http_body_util::Empty::new())).await;
/// # }
/// ```
///
/// A request that already has a [`CallParent`] keeps it. Without a current entity, requests pass through unchanged.
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "a layer does nothing until it is applied"]
#[non_exhaustive]
pub struct CallParentLayer;

impl CallParentLayer {
    /// Creates the layer; it has no options.
    pub fn new() -> CallParentLayer {
        CallParentLayer
    }
}

impl<S> Layer<S> for CallParentLayer {
    type Service = WithCallParent<S>;

    fn layer(&self, inner: S) -> WithCallParent<S> {
        WithCallParent { inner }
    }
}

/// A service that adds the current entity to its requests. Created by [`CallParentLayer`].
#[derive(Clone, Copy, Debug)]
pub struct WithCallParent<S> {
    inner: S,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for WithCallParent<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if request.extensions().get::<CallParent>().is_none()
            && let Some(current) = try_current()
        {
            request.extensions_mut().insert(CallParent(current));
        }
        self.inner.call(request)
    }
}
