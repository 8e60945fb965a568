//! The service around the handler, and its options.

use std::fmt;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use lambda_runtime::{Context, LambdaEvent};
use tower_service::Service;
use xray_core::{Recorder, TraceHeader};

use crate::deadline::Deadline;
use crate::future::InvocationFuture;
use crate::init::Init;
use crate::invocation::Invocation;
use crate::platform::Platform;

/// How long before the deadline open subsegments are announced. A function with little memory may wait for its
/// share of the processor for some 100 ms.
const MARGIN: Duration = Duration::from_millis(200);

/// Makes each invocation's place in its trace the context of the handler.
///
/// ```no_run
/// use lambda_runtime::{Error, LambdaEvent, service_fn};
/// use xray_lambda::XRayLambda;
///
/// async fn handler(event: LambdaEvent<String>) -> Result<String, Error> {
///     Ok(xray_core::capture("shout", |_| event.payload.to_uppercase()))
/// }
///
/// # async fn serve() -> Result<(), Error> {
/// lambda_runtime::run(XRayLambda::wrap(service_fn(handler)).handler_subsegment("handler")).await
/// # }
/// ```
///
/// Events, answers and errors pass unchanged. Clones share the configuration.
#[derive(Clone, Debug)]
#[must_use = "a service does nothing until it is run"]
pub struct XRayLambda<S> {
    inner: S,
    config: Arc<Config>,
}

#[derive(Clone, Debug)]
struct Config {
    /// `None`: the process's.
    recorder: Option<Recorder>,
    subsegment: Option<String>,
    margin: Duration,
    init: Option<Arc<Init>>,
    platform: Platform,
}

impl<S> XRayLambda<S> {
    /// Wraps a handler: what `service_fn` makes, or any other service that the runtime would run.
    ///
    /// On Lambda it also tells the platform that an X-Ray SDK is there, by the file `/tmp/.aws-xray/initialized`.
    pub fn wrap(inner: S) -> XRayLambda<S> {
        let platform = Platform::read();
        platform.initialized();
        let config = Config { recorder: None, subsegment: None, margin: MARGIN, init: None, platform };
        XRayLambda { inner, config: Arc::new(config) }
    }

    /// The recorder of the subsegments (default: [`Recorder::global`], which finds by `LAMBDA_TASK_ROOT` or
    /// `AWS_LAMBDA_RUNTIME_API` that it is on Lambda, and the daemon by `AWS_XRAY_DAEMON_ADDRESS`).
    pub fn recorder(self, recorder: Recorder) -> XRayLambda<S> {
        self.with(|config| config.recorder = Some(recorder))
    }

    /// Records the handler itself, as a subsegment of this name around all others (default: not, as in the other
    /// X-Ray SDKs, since the function's segment has the same times).
    ///
    /// It is the current entity of the handler, so `xray_core::annotate` works right there. An error that the
    /// handler returns and a panic make it a fault, with the exception: type, message and sources of
    /// `lambda_runtime::Error`, and of other types their name and `Debug` text, which is all that the runtime asks of
    /// them.
    pub fn handler_subsegment(self, name: impl Into<String>) -> XRayLambda<S> {
        let name = name.into();
        self.with(|config| config.subsegment = Some(name))
    }

    /// How long before the invocation's deadline open subsegments are sent, in progress, so that a time-out can be
    /// seen (default: 200 ms, and at most half of the time that the invocation has; zero: never).
    ///
    /// It is done by the task of the handler: code that blocks its thread beyond the deadline stays unseen. The
    /// runtime's timer is needed, which `#[tokio::main]` starts; without one (and with `panic = "abort"`, where its
    /// absence cannot be learnt) say zero.
    pub fn announce_before_deadline(self, margin: Duration) -> XRayLambda<S> {
        self.with(|config| config.margin = margin)
    }

    /// Adds to the first invocation what the function did before it: see [`Init`].
    pub fn init(self, init: Init) -> XRayLambda<S> {
        self.with(|config| config.init = Some(Arc::new(init)))
    }

    /// The handler.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The handler.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Gives the handler back.
    pub fn into_inner(self) -> S {
        self.inner
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> XRayLambda<S> {
        change(Arc::make_mut(&mut self.config));
        self
    }

    /// Calls the handler in the context of an invocation that has begun.
    fn call_in<F: Future>(
        &mut self,
        begun: (Invocation, Deadline),
        call: impl FnOnce(&mut S) -> F,
    ) -> InvocationFuture<F> {
        let (mut invocation, deadline) = begun;
        let entity = invocation.entity();
        // Part of the handler's work already: a future recorded as a subsegment takes its parent when it is made.
        let inner = invocation.run(|| {
            let _entered = entity.enter();
            call(&mut self.inner)
        });
        InvocationFuture::new(entity.scope(inner), deadline, invocation)
    }
}

impl Config {
    /// Begins what is recorded of an invocation.
    fn begin(&self, context: Option<&Context>) -> (Invocation, Deadline) {
        let recorder = self.recorder.as_ref().unwrap_or_else(|| Recorder::global());
        let header = self.platform.trace_header(context);
        let facade = recorder.facade(&TraceHeader::parse(&header));
        if let Some(init) = &self.init {
            init.replay(&facade, self.platform.waits_for_init());
        }
        let deadline = match context.filter(|_| facade.is_sampled()) {
            Some(context) => Deadline::before(context.deadline(), self.margin),
            None => Deadline::never(),
        };
        (Invocation::begin(facade, self.subsegment.as_deref()), deadline)
    }
}

/// A handler of `lambda_runtime`.
impl<S, P> Service<LambdaEvent<P>> for XRayLambda<S>
where
    S: Service<LambdaEvent<P>>,
    S::Error: fmt::Debug + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = InvocationFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, event: LambdaEvent<P>) -> Self::Future {
        let begun = self.config.begin(Some(&event.context));
        self.call_in(begun, |handler| handler.call(event))
    }
}

/// A handler of `lambda_http`: its requests bring the invocation's context along.
#[cfg(feature = "lambda_http")]
#[cfg_attr(docsrs, doc(cfg(feature = "lambda_http")))]
impl<S> Service<lambda_http::Request> for XRayLambda<S>
where
    S: Service<lambda_http::Request>,
    S::Error: fmt::Debug + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = InvocationFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: lambda_http::Request) -> Self::Future {
        use lambda_http::RequestExt;
        let begun = self.config.begin(request.lambda_context_ref());
        self.call_in(begun, |handler| handler.call(request))
    }
}
