//! When a call begins: when the client is called, or when its future is first polled.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tower_service::Service;
use xray_core::Entity;

use super::call::Call;
use super::config::ClientConfig;
use super::error::{AsError, Typed};
use super::future::{RecordResponse, Recorded};

/// Selects when a call without a current entity begins.
///
/// The worker of a `Buffer` calls the client in another task, which has no context, and returns the future to the caller,
/// which has one. So by default such a call begins at the first poll of its future ([`AtFirstPoll`]). The future then
/// contains the client, which must be `Clone`. [`AtCall`] is for clients that are not.
#[diagnostic::on_unimplemented(
    message = "`{S}` is not `Clone`, so a call cannot wait for the context of its first poll",
    label = "this client is not `Clone`",
    note = "under a `Buffer`, put the layer outside of it: `.layer(XRayClientLayer::new().boxed_errors()).buffer(8)`",
    note = "elsewhere, call `.at_call()` on the layer"
)]
pub trait CallStart<S> {
    /// Takes the ready service out, if the call can wait.
    #[doc(hidden)]
    fn take(inner: &mut S) -> Option<S>;
}

/// A call without a current entity begins when its future is first polled.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AtFirstPoll;

/// Every call begins when the client is called.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AtCall;

#[diagnostic::do_not_recommend]
impl<S: Clone> CallStart<S> for AtFirstPoll {
    fn take(inner: &mut S) -> Option<S> {
        // The clone is not ready until the next `poll_ready`.
        let clone = inner.clone();
        Some(std::mem::replace(inner, clone))
    }
}

impl<S> CallStart<S> for AtCall {
    fn take(_: &mut S) -> Option<S> {
        None
    }
}

/// The type parameters of a client: how errors are described, and when calls begin.
pub(crate) type Kinds<C, B, W> = PhantomData<fn() -> (C, B, W)>;

/// A request to which the layer can add the trace headers.
pub trait TracedRequest {
    /// Returns the entity to which its call belongs, if it is known when the client is called.
    #[doc(hidden)]
    fn parent(&self) -> Option<Entity>;

    /// Adds the headers, below `parent` or the current entity. Returns the call if it is recorded.
    #[doc(hidden)]
    fn start(&mut self, config: &ClientConfig, parent: Option<&Entity>) -> Option<Box<Call>>;
}

pin_project! {
    /// The future of [`XRayClient`](crate::client::XRayClient).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, R, C = Typed, B = Typed>
    where
        S: Service<R>,
    {
        waiting: Option<Waiting<S, R>>,
        #[pin]
        started: Option<Recorded<S::Future, C, B>>,
    }
}

/// A call that waits for the first poll.
struct Waiting<S, R> {
    service: S,
    request: R,
    config: Arc<ClientConfig>,
}

impl<S: Service<R>, R: TracedRequest, C, B> ResponseFuture<S, R, C, B> {
    pub(crate) fn new<W: CallStart<S>>(service: &mut S, mut request: R, config: &Arc<ClientConfig>) -> Self {
        let parent = request.parent();
        if parent.is_none()
            && let Some(service) = W::take(service)
        {
            let waiting = Waiting { service, request, config: config.clone() };
            return ResponseFuture { waiting: Some(waiting), started: None };
        }
        let call = request.start(config, parent.as_ref());
        ResponseFuture { waiting: None, started: Some(Recorded::start(call, || service.call(request))) }
    }
}

impl<S, R, C, B> Future for ResponseFuture<S, R, C, B>
where
    S: Service<R, Response: RecordResponse<B>>,
    R: TracedRequest,
    C: AsError<S::Error>,
{
    type Output = Result<<S::Response as RecordResponse<B>>::Recorded, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(Waiting { mut service, mut request, config }) = this.waiting.take() {
            let call = request.start(&config, None);
            this.started.set(Some(Recorded::start(call, || service.call(request))));
        }
        match this.started.as_pin_mut() {
            Some(started) => started.poll(cx),
            // Happens only after the client has panicked.
            None => Poll::Pending,
        }
    }
}

impl<S: Service<R>, R, C, B> fmt::Debug for ResponseFuture<S, R, C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("started", &self.started).finish_non_exhaustive()
    }
}
