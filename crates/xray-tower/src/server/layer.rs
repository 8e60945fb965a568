//! The layer and its options, which all services of the layer share.

use std::sync::Arc;

use http::{Request, Response};
use tower_layer::Layer;
use xray_core::Naming;
use xray_core::adapter::{ServerConfig, server_option_methods};

use super::end_at_headers::Exchange;
use super::service::XRayService;

pub(crate) type Config = ServerConfig<Request<()>, Exchange>;

/// Records a segment for each request. The module [`server`](crate::server) lists what it records.
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
/// Inner layers run inside the segment. On an axum `Router`, the layer covers the routes that were added before it. Clones
/// share the configuration.
///
/// In a test, use a recorder that keeps traces in memory:
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use tower::{Layer, ServiceExt, service_fn};
/// use xray_core::Recorder;
/// use xray_tower::XRayLayer;
///
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// let (recorder, traces) = Recorder::in_memory();
/// let shop = XRayLayer::new("shop").recorder(recorder).layer(service_fn(async |request: Request<String>| {
///     xray_core::annotate("order_id", 7);
///     let response = Response::builder().status(StatusCode::NOT_FOUND);
///     response.body(request.into_body())
/// }));
///
/// let request = Request::get("http://shop.test/orders/7").body(String::new())?;
/// drop(shop.oneshot(request).await?);
/// let segment = traces.take().single();
/// assert_eq!(segment.tree(), "shop 404 error [order_id=7]\n");
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test()).unwrap();
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is applied"]
pub struct XRayLayer {
    config: Arc<Config>,
}

impl XRayLayer {
    /// Creates a layer whose segments have a fixed name, or a name that depends on the host of the request.
    ///
    /// The environment variable `AWS_XRAY_TRACING_NAME` overrides the name.
    pub fn new(naming: impl Into<Naming>) -> XRayLayer {
        XRayLayer { config: Arc::new(Config::new(naming)) }
    }

    server_option_methods! {
        request: Request<()>;
        /// Request targets include the scheme in HTTP/2. A server marks requests of TLS connections by inserting
        /// [`http::uri::Scheme::HTTPS`] into their extensions.
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

    /// Closes the segment at the response headers if `end_at_headers` returns true. Use it for streams that last for minutes
    /// or hours, such as server-sent events, long polling and a gRPC `Watch`.
    ///
    /// Default: every segment lasts until the end of the body. A second call replaces the function.
    ///
    /// The context stays current while the body is polled, so its calls belong to the trace. Errors of the body, unsent bytes
    /// and a `grpc-status` in the trailers are not recorded. If the option is set, the head of each recorded request is
    /// cloned.
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
