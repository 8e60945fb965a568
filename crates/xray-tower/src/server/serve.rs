//! Lets `axum::serve` serve a layer that wraps a whole router.

use std::any::Any;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::ServiceExt;
use axum::body::Body;
use axum::extract::connect_info::{ConnectInfo, IntoMakeServiceWithConnectInfo};
use axum::routing::IntoMakeService;
use axum::serve::{IncomingStream, Listener};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::future::ResponseFuture;
use super::service::XRayService;

/// A service inside the layer whose responses have axum's body type, which `axum::serve` requires.
/// [`XRayService::into_make_service`] creates it.
#[derive(Clone, Debug)]
pub struct AxumService<S> {
    service: XRayService<S>,
    peer: Option<SocketAddr>,
}

/// For `axum::serve` with a layer around the whole router, which also records requests that match no route.
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
impl<S> XRayService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    /// Converts the service to a make service for `axum::serve`.
    ///
    /// If you pass the service itself to `axum::serve` instead, segments also have the client's address.
    pub fn into_make_service(self) -> IntoMakeService<AxumService<S>> {
        ServiceExt::<Request<Body>>::into_make_service(AxumService { service: self, peer: None })
    }

    /// Converts the service to a make service for `axum::serve` that inserts `ConnectInfo<C>` into the extensions of each
    /// request. With `ConnectInfo<SocketAddr>`, segments have the client's address.
    pub fn into_make_service_with_connect_info<C>(self) -> IntoMakeServiceWithConnectInfo<AxumService<S>, C> {
        let service = AxumService { service: self, peer: None };
        ServiceExt::<Request<Body>>::into_make_service_with_connect_info(service)
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
impl<S, L> Service<IncomingStream<'_, L>> for XRayService<S>
where
    S: Clone,
    L: Listener,
    L::Addr: 'static,
{
    type Response = AxumService<S>;
    type Error = Infallible;
    type Future = Ready<Result<AxumService<S>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, stream: IncomingStream<'_, L>) -> Self::Future {
        let address: &dyn Any = stream.remote_addr();
        ready(Ok(AxumService { service: self.clone(), peer: address.downcast_ref().copied() }))
    }
}

impl<S> Service<Request<Body>> for AxumService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = AxumFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        AxumFuture { inner: self.service.call(request) }
    }
}

pin_project! {
    /// The future of [`AxumService`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct AxumFuture<F> {
        #[pin]
        inner: ResponseFuture<F>,
    }
}

impl<F> Future for AxumFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx).map_ok(|response| response.map(Body::new))
    }
}
