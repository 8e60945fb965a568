//! The client that the layer makes.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::body::XRayBody;
use crate::call::{Call, Destination};
use crate::error::{AsError, Typed};
use crate::future::ResponseFuture;
use crate::options::Options;

/// A client whose calls are recorded: made by [`XRayClientLayer`](crate::XRayClientLayer).
pub struct XRayClient<S, C = Typed, B = Typed> {
    pub(crate) inner: S,
    pub(crate) options: Arc<Options>,
    pub(crate) errors: PhantomData<fn() -> (C, B)>,
}

impl<S, C, B, ReqB, ResB> Service<Request<ReqB>> for XRayClient<S, C, B>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    C: AsError<S::Error>,
    ResB: Body,
{
    type Response = Response<XRayBody<ResB, B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let call = depart(&self.options, &mut request);
        ResponseFuture::start(call, || self.inner.call(request))
    }
}

/// `reqwest::Client` is a service of its own kind of requests. It passes no extensions: such a request is always
/// named by its host and belongs to the current entity.
#[cfg(feature = "reqwest")]
impl<S, C, B> Service<reqwest::Request> for XRayClient<S, C, B>
where
    S: Service<reqwest::Request, Response = reqwest::Response>,
    C: AsError<S::Error>,
{
    type Response = reqwest::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: reqwest::Request) -> Self::Future {
        let call = crate::middleware::depart(&self.options, &mut request, &http::Extensions::new());
        ResponseFuture::start(call, || self.inner.call(request))
    }
}

/// Gives the request its header. Returns what there is to record.
fn depart<T>(options: &Options, request: &mut Request<T>) -> Option<Box<Call>> {
    let uri = request.uri();
    let to = Destination {
        scheme: uri.scheme_str().unwrap_or("http"),
        authority: uri.authority().map_or("", |authority| authority.as_str()),
        target: uri.path_and_query().map_or("", |target| target.as_str()),
    };
    let (headers, call) = options.depart(request.method(), to, request.headers(), request.extensions())?;
    headers.insert_into(request.headers_mut());
    call
}

impl<S: Clone, C, B> Clone for XRayClient<S, C, B> {
    fn clone(&self) -> XRayClient<S, C, B> {
        XRayClient { inner: self.inner.clone(), options: self.options.clone(), errors: PhantomData }
    }
}

impl<S: fmt::Debug, C, B> fmt::Debug for XRayClient<S, C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XRayClient").field("inner", &self.inner).field("options", &self.options).finish()
    }
}
