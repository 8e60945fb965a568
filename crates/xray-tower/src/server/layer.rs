//! The layer: what is configured once, shared by all services it makes.

use std::sync::Arc;

use http::{Request, Response};
use tower_layer::Layer;
use xray_core::Naming;
use xray_core::adapter::{ServerConfig, server_option_methods};

use super::end_at_headers::Exchange;
use super::service::XRayService;

pub(crate) type Config = ServerConfig<Request<()>, Exchange>;

/// Records a segment for each request that passes.
///
/// ```
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, service_fn};
/// use xray_tower::{Naming, XRayLayer};
///
/// let layer = XRayLayer::new(Naming::dynamic("shop").matching("*.example.com"))
///     .trust_forwarded_for(false)
///     .ignore(|request| request.uri().path() == "/health");
///
/// let service = ServiceBuilder::new().layer(layer).service(service_fn(async |request: Request<String>| {
///     Ok::<_, std::io::Error>(Response::new(request.into_body()))
/// }));
/// ```
///
/// Clones share the configuration. Layers inside of it run inside the segment. Added to an axum `Router`, it covers the
/// routes added before it.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is applied"]
pub struct XRayLayer {
    config: Arc<Config>,
}

impl XRayLayer {
    /// Creates a layer whose segments have this name: the same for all requests, or by their host.
    ///
    /// The environment variable `AWS_XRAY_TRACING_NAME` overrides it.
    pub fn new(naming: impl Into<Naming>) -> XRayLayer {
        XRayLayer { config: Arc::new(Config::new(naming)) }
    }

    server_option_methods! {
        request: Request<()>;
        /// A request target has a scheme in HTTP/2. A server knows that a connection is TLS if it inserts
        /// [`http::uri::Scheme::HTTPS`] into the extensions of its requests.
        ///
        /// ```
        /// # use xray_tower::{Scheme, XRayLayer};
        /// let layer = XRayLayer::new("shop").scheme(Scheme::Https);
        /// ```
        scheme;
        /// ```
        /// # use std::net::IpAddr;
        /// # use xray_tower::XRayLayer;
        /// #[derive(Clone)]
        /// struct Connection {
        ///     client: IpAddr,
        /// }
        ///
        /// let layer = XRayLayer::new("shop")
        ///     .peer(|request| request.extensions().get::<Connection>().map(|connection| connection.client));
        /// ```
        peer;
        /// ```
        /// # use xray_tower::XRayLayer;
        /// let layer = XRayLayer::new("shop").ignore(|request| request.uri().path().starts_with("/internal/"));
        /// ```
        ignore;
        /// ```
        /// # use xray_tower::XRayLayer;
        /// let layer = XRayLayer::new("shop").sampling_attributes(|request| {
        ///     let tier = request.headers().get("x-tier").and_then(|tier| tier.to_str().ok());
        ///     vec![("tier", tier.unwrap_or("free").to_owned())]
        /// });
        /// ```
        sampling_attributes;
    }

    /// Closes the segment at the headers of those responses for which `end_at_headers` returns true: for streams that last
    /// for minutes or hours, such as server-sent events, long polling and a gRPC `Watch`.
    ///
    /// Default: every segment lasts until the end of the body. A second call replaces the function.
    ///
    /// Code of the body keeps the context, so its calls belong to the trace. Errors of the body, bytes that were not sent and
    /// a `grpc-status` in the trailers are not recorded. While the option is set, the head of each recorded request is cloned.
    ///
    /// ```
    /// # use xray_tower::XRayLayer;
    /// let layer = XRayLayer::new("shop").end_at_headers(|request, response| {
    ///     let is_event_stream = response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
    ///     is_event_stream || request.uri().path() == "/grpc.health.v1.Health/Watch"
    /// });
    /// ```
    pub fn end_at_headers(
        self,
        end_at_headers: impl Fn(&Request<()>, &Response<()>) -> bool + Send + Sync + 'static,
    ) -> XRayLayer {
        self.configure(|config| {
            config.set_end_at_headers(move |(request, response): &Exchange| end_at_headers(request, response));
        })
    }

    pub(crate) fn configure(mut self, change: impl FnOnce(&mut Config)) -> XRayLayer {
        change(Arc::make_mut(&mut self.config));
        self
    }
}

impl<S> Layer<S> for XRayLayer {
    type Service = XRayService<S>;

    fn layer(&self, inner: S) -> XRayService<S> {
        XRayService { inner, config: self.config.clone() }
    }
}
