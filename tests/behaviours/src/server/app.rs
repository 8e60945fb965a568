//! The application that an adapter serves for a behaviour.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, Stream, StreamExt};
use xray_core::adapter::Scheme;
use xray_core::{Naming, Recorder};

/// An application, and the options of the adapter in front of it.
///
/// The fields are options by the names that adapters have for them; [`options!`](crate::options) sets them. The methods
/// are the application's part: its functions and its only handler.
#[derive(Clone)]
#[non_exhaustive]
pub struct App {
    /// How many layers or middlewares of the adapter surround the routes: 0, 1 or 2.
    pub layers: usize,
    /// How many threads the server has, if it starts its own. The runtime that calls `serve` has this many.
    pub threads: usize,
    /// The naming of segments.
    pub naming: Naming,
    /// The recorder. `None` leaves the adapter's default, which is the recorder of the process.
    pub recorder: Option<Recorder>,
    /// The scheme of recorded URLs. `None` leaves the adapter's default.
    pub scheme: Option<Scheme>,
    /// Whether `X-Forwarded-For` is trusted.
    pub trust_forwarded_for: bool,
    /// Whether `X-Forwarded-Proto` is trusted.
    pub trust_forwarded_proto: bool,
    /// Whether recorded URLs keep their query strings.
    pub keep_query: bool,
    /// Whether every response carries `X-Amzn-Trace-Id`.
    pub respond_always: bool,
    pub(super) handler: Arc<dyn Fn(String) -> BoxFuture<'static, Response> + Send + Sync>,
}

impl App {
    /// Creates an application whose handler receives the path. All options have their defaults.
    pub(super) fn new<R: Into<Response>, F: Future<Output = R> + Send + 'static>(
        handler: impl Fn(String) -> F + Send + Sync + 'static,
    ) -> App {
        let handler = move |path| -> BoxFuture<'static, Response> {
            let response = handler(path);
            Box::pin(async move { response.await.into() })
        };
        App {
            layers: 1,
            threads: 1,
            naming: Naming::fixed("shop"),
            recorder: None,
            scheme: None,
            trust_forwarded_for: true,
            trust_forwarded_proto: false,
            keep_query: false,
            respond_always: false,
            handler: Arc::new(handler),
        }
    }

    /// Creates an application that responds `ok` to everything.
    pub(super) fn ok() -> App {
        App::new(|_| async { "ok" })
    }

    /// The handler of all routes, which are the paths of one segment, such as `/orders`, for every method. The framework
    /// itself responds to other paths.
    pub async fn respond(&self, path: &str) -> Response {
        (self.handler)(path.to_owned()).await
    }

    /// The function for the option `ignore`. It panics for some paths, which the adapter must tolerate.
    pub fn ignores(&self, path: &str) -> bool {
        assert_ne!(path, "/ignore-panics", "in the function of the application");
        path == "/health"
    }

    /// The function for the option `sampling_attributes`, which reads the header `x-tier`. It panics for some values, which
    /// the adapter must tolerate.
    pub fn attributes(&self, tier: Option<&[u8]>) -> Vec<(&'static str, String)> {
        let attribute = |tier: &[u8]| {
            assert!(tier.is_ascii(), "in the function of the application");
            ("tier", String::from_utf8_lossy(tier).into_owned())
        };
        tier.map(attribute).into_iter().collect()
    }

    /// The function for the option `end_at_headers`, which reads the response's `content-type`. It panics for some paths,
    /// which the adapter must tolerate.
    pub fn ends_at_headers(&self, path: &str, content_type: Option<&[u8]>) -> bool {
        assert_ne!(path, "/end-panics", "in the function of the application");
        content_type == Some(b"text/event-stream") || path == "/poll"
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("layers", &self.layers).field("threads", &self.threads).finish_non_exhaustive()
    }
}

/// Sets the options of an [`App`](crate::server::App) on a layer or middleware: `options!(XRay::new(app.naming.clone()), app)`.
///
/// The methods are those that `xray_core::adapter::server_option_methods!` generates. Options with a function of the
/// application are left to the adapter's test, since their parameters are the framework's types.
#[macro_export]
macro_rules! options {
    ($layer:expr, $app:expr) => {{
        let mut layer = $layer
            .trust_forwarded_for($app.trust_forwarded_for)
            .trust_forwarded_proto($app.trust_forwarded_proto)
            .keep_query($app.keep_query)
            .respond_always($app.respond_always);
        if let ::core::option::Option::Some(recorder) = &$app.recorder {
            layer = layer.recorder(recorder.clone());
        }
        if let ::core::option::Option::Some(scheme) = $app.scheme {
            layer = layer.scheme(scheme);
        }
        layer
    }};
}

/// The response of a handler, which the adapter's test translates into one of its framework.
#[derive(Debug)]
#[non_exhaustive]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers, besides those that the framework adds.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: Body,
}

/// The body of a [`Response`].
#[non_exhaustive]
pub enum Body {
    /// Bytes, whose length is sent as `Content-Length`.
    Full(Bytes),
    /// A stream, whose length is unknown.
    Stream(BoxStream<'static, io::Result<Bytes>>),
}

impl Response {
    pub(super) fn new(status: u16, body: impl Into<Bytes>) -> Response {
        Response { status, headers: Vec::new(), body: Body::Full(body.into()) }
    }

    pub(super) fn stream(stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Response {
        Response { status: 200, headers: Vec::new(), body: Body::Stream(stream.boxed()) }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: &'static str) -> Response {
        self.headers.push((name, value));
        self
    }
}

impl From<&'static str> for Response {
    fn from(text: &'static str) -> Response {
        Response::new(200, text)
    }
}

impl From<String> for Response {
    fn from(text: String) -> Response {
        Response::new(200, text)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Body::Stream(_) => f.write_str("Stream(..)"),
        }
    }
}
