//! The client that the layer creates.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;
use xray_core::Entity;
use xray_core::context::try_current;

use super::body::XRayBody;
use super::call::{Call, Target};
use super::config::ClientConfig;
use super::error::{AsError, Typed};
use super::extensions::CallParent;
use super::start::{AtFirstPoll, CallStart, Kinds, ResponseFuture, TracedRequest};

/// A client whose calls are recorded. Created by [`XRayClientLayer`](crate::XRayClientLayer).
pub struct XRayClient<S, C = Typed, B = Typed, W = AtFirstPoll> {
    pub(crate) inner: S,
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) kinds: Kinds<C, B, W>,
}

impl<S, C, B, W, ReqB, ResB> Service<Request<ReqB>> for XRayClient<S, C, B, W>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    C: AsError<S::Error>,
    W: CallStart<S>,
    ResB: Body,
{
    type Response = Response<XRayBody<ResB, B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request<ReqB>, C, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        ResponseFuture::new::<W>(&mut self.inner, request, &self.config)
    }
}

impl<T> TracedRequest for Request<T> {
    fn parent(&self) -> Option<Entity> {
        let given = self.extensions().get::<CallParent>().map(|parent| parent.0.clone());
        given.or_else(try_current)
    }

    fn start(&mut self, config: &ClientConfig, parent: Option<&Entity>) -> Option<Box<Call>> {
        let uri = self.uri();
        let target = uri.path_and_query().map_or("", |target| target.as_str());
        let to = match (uri.authority(), &config.origin) {
            (None, Some(origin)) => Target { scheme: &origin.scheme, authority: &origin.authority, target },
            (authority, _) => Target {
                scheme: uri.scheme_str().unwrap_or("http"),
                authority: authority.map_or("", |authority| authority.as_str()),
                target,
            },
        };
        let (headers, call) = config.start(self.method(), to, self.headers(), self.extensions(), parent);
        headers.apply_to(self.headers_mut());
        call
    }
}

impl<S: Clone, C, B, W> Clone for XRayClient<S, C, B, W> {
    fn clone(&self) -> XRayClient<S, C, B, W> {
        XRayClient { inner: self.inner.clone(), config: self.config.clone(), kinds: PhantomData }
    }
}

impl<S: fmt::Debug, C, B, W> fmt::Debug for XRayClient<S, C, B, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XRayClient").field("inner", &self.inner).field("config", &self.config).finish()
    }
}
