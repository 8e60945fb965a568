//! The client that the layer makes.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;
use xray_core::Entity;
use xray_core::context::try_current;

use crate::body::XRayBody;
use crate::call::{Call, Target};
use crate::error::{AsError, Typed};
use crate::options::{CallParent, Options};
use crate::start::{AtFirstPoll, CallStart, Departing, Kinds, ResponseFuture};

/// A client whose calls are recorded: made by [`XRayClientLayer`](crate::XRayClientLayer).
pub struct XRayClient<S, C = Typed, B = Typed, W = AtFirstPoll> {
    pub(crate) inner: S,
    pub(crate) options: Arc<Options>,
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
        ResponseFuture::new::<W>(&mut self.inner, request, &self.options)
    }
}

/// `reqwest::Client` is a service of its own kind of requests. It passes no extensions: such a request is always
/// named by its host and belongs to the current entity.
#[cfg(feature = "reqwest")]
impl<S, C, B, W> Service<reqwest::Request> for XRayClient<S, C, B, W>
where
    S: Service<reqwest::Request, Response = reqwest::Response>,
    C: AsError<S::Error>,
    W: CallStart<S>,
{
    type Response = reqwest::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, reqwest::Request, C, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: reqwest::Request) -> Self::Future {
        ResponseFuture::new::<W>(&mut self.inner, request, &self.options)
    }
}

impl<T> Departing for Request<T> {
    fn parent(&self) -> Option<Entity> {
        let given = self.extensions().get::<CallParent>().map(|parent| parent.0.clone());
        given.or_else(try_current)
    }

    fn start(&mut self, options: &Options, parent: Option<&Entity>) -> Option<Box<Call>> {
        let uri = self.uri();
        let target = uri.path_and_query().map_or("", |target| target.as_str());
        let to = match (uri.authority(), &options.origin) {
            (None, Some(origin)) => Target { scheme: &origin.scheme, authority: &origin.authority, target },
            (authority, _) => Target {
                scheme: uri.scheme_str().unwrap_or("http"),
                authority: authority.map_or("", |authority| authority.as_str()),
                target,
            },
        };
        let (headers, call) = options.start(self.method(), to, self.headers(), self.extensions(), parent);
        headers.apply_to(self.headers_mut());
        call
    }
}

#[cfg(feature = "reqwest")]
impl Departing for reqwest::Request {
    fn parent(&self) -> Option<Entity> {
        try_current()
    }

    fn start(&mut self, options: &Options, parent: Option<&Entity>) -> Option<Box<Call>> {
        crate::middleware::start(options, self, &http::Extensions::new(), parent)
    }
}

impl<S: Clone, C, B, W> Clone for XRayClient<S, C, B, W> {
    fn clone(&self) -> XRayClient<S, C, B, W> {
        XRayClient { inner: self.inner.clone(), options: self.options.clone(), kinds: PhantomData }
    }
}

impl<S: fmt::Debug, C, B, W> fmt::Debug for XRayClient<S, C, B, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XRayClient").field("inner", &self.inner).field("options", &self.options).finish()
    }
}
