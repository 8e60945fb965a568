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

/// How long before the deadline open subsegments are announced. A function with little memory may wait about 100 ms
/// for its share of the processor.
const MARGIN: Duration = Duration::from_millis(200);

/// Wraps a handler, and runs it in the trace of each invocation.
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
/// Events, responses and errors pass through unchanged. Clones share the configuration. Each option replaces the value
/// of an earlier call.
///
/// In a test, use a recorder that keeps traces in memory, and call the service without a runtime:
///
/// ```
/// use lambda_runtime::{Context, Error, LambdaEvent, Service, service_fn};
/// use xray_core::Recorder;
/// use xray_lambda::XRayLambda;
///
/// # async fn test() -> Result<(), Error> {
/// async fn handler(event: LambdaEvent<String>) -> Result<String, Error> {
///     xray_core::annotate("length", event.payload.len() as u64);
///     Ok(event.payload.to_uppercase())
/// }
///
/// let (recorder, traces) = Recorder::in_memory();
/// let mut function = XRayLambda::wrap(service_fn(handler)).handler_subsegment("handler").recorder(recorder);
/// let mut context = Context::default();
/// let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
/// context.xray_trace_id = Some(header.to_owned());
/// assert_eq!(function.call(LambdaEvent::new("hello".to_owned(), context)).await?, "HELLO");
/// assert_eq!(traces.take().single().tree(), "handler [length=5]\n");
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test()).unwrap();
/// ```
#[derive(Clone, Debug)]
#[must_use = "a service does nothing until it is run"]
pub struct XRayLambda<S> {
    inner: S,
    config: Arc<Config>,
}

#[derive(Clone, Debug)]
struct Config {
    /// `None` means the global recorder.
    recorder: Option<Recorder>,
    subsegment: Option<String>,
    margin: Duration,
    init: Option<Arc<Init>>,
    platform: Platform,
}

impl<S> XRayLambda<S> {
    /// Wraps a handler: the result of `service_fn`, or any other service that the runtime accepts.
    ///
    /// On Lambda, this also announces the SDK to the platform by creating the file `/tmp/.aws-xray/initialized`.
    pub fn wrap(inner: S) -> XRayLambda<S> {
        let platform = Platform::read();
        platform.announce_sdk();
        let config = Config { recorder: None, subsegment: None, margin: MARGIN, init: None, platform };
        XRayLambda { inner, config: Arc::new(config) }
    }

    /// Sets the recorder (default: [`Recorder::global`], looked up on every invocation).
    ///
    /// The global recorder detects Lambda by `LAMBDA_TASK_ROOT` or `AWS_LAMBDA_RUNTIME_API`, and sends to the daemon at
    /// `AWS_XRAY_DAEMON_ADDRESS`. Lambda sets all three.
    pub fn recorder(self, recorder: Recorder) -> XRayLambda<S> {
        self.with(|config| config.recorder = Some(recorder))
    }

    /// Records the handler itself as a subsegment with this name, which contains all others (default: no such
    /// subsegment, as in the other X-Ray SDKs, since the function's segment has the same times).
    ///
    /// This subsegment is the current entity of the handler, so `xray_core::annotate` works there. If the handler
    /// returns an error or panics, the subsegment is a fault with the exception. For `lambda_runtime::Error` the
    /// exception has type, message and sources; for other types it has the name of the type and its `Debug` text, since
    /// the runtime requires no more of them.
    pub fn handler_subsegment(self, name: impl Into<String>) -> XRayLambda<S> {
        let name = name.into();
        self.with(|config| config.subsegment = Some(name))
    }

    /// Sets how long before the invocation's deadline open subsegments are sent in progress, so that the trace of a
    /// timeout shows what the function waited for (default: 200 ms, but at most half of the remaining time). Zero
    /// turns this off.
    ///
    /// The handler's own task sends them, so code that blocks its thread beyond the deadline is not shown. This needs
    /// the timer of the tokio runtime, which `#[tokio::main]` enables. Set zero if the runtime has no timer and the
    /// program is built with `panic = "abort"`, since only a panic reveals that the timer is missing.
    pub fn announce_before_deadline(self, margin: Duration) -> XRayLambda<S> {
        self.with(|config| config.margin = margin)
    }

    /// Adds the work of the init phase to the first invocation (default: none). See [`Init`].
    pub fn init(self, init: Init) -> XRayLambda<S> {
        self.with(|config| config.init = Some(Arc::new(init)))
    }

    /// Returns a reference to the handler.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the handler.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the handler.
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
        // The call is part of the handler's work: a future that is recorded as a subsegment takes its parent when it is
        // created.
        let inner = invocation.run(|| {
            let _entered = entity.enter();
            call(&mut self.inner)
        });
        InvocationFuture::new(entity.scope(inner), deadline, invocation)
    }
}

impl Config {
    /// Begins recording an invocation.
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

/// Handlers of `lambda_runtime`.
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

/// Handlers of `lambda_http`, whose requests contain the context of the invocation.
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
