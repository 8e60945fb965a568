//! The middleware and its options.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{Error, HttpMessage, HttpRequest};
use xray_core::adapter::{ServerConfig, ServerRequest, server_option_methods};
use xray_core::{Naming, Segment};

use crate::body::XRayBody;
use crate::extract::XRaySegment;
use crate::request::{request_details, request_info};
use crate::service::XRayService;

/// Records a segment for each request. The [crate's documentation](crate) lists what it records.
///
/// ```
/// use actix_web::App;
/// use xray_actix::XRay;
///
/// let app = App::new().wrap(XRay::fixed("shop").ignore(|request| request.path() == "/health"));
/// ```
///
/// Clones share the configuration: create one outside of `HttpServer::new`, and clone it for each worker.
///
/// ```no_run
/// use actix_web::{App, HttpServer};
/// use xray_actix::{MatchedRoute, XRay};
///
/// # async fn serve() -> std::io::Result<()> {
/// let xray = XRay::dynamic("shop", "*.example.com")
///     .trust_forwarded_proto(true)
///     .matched_route(MatchedRoute::annotation("route"));
/// HttpServer::new(move || App::new().wrap(xray.clone())).bind("127.0.0.1:8080")?.run().await
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a middleware does nothing until it is wrapped around an app"]
pub struct XRay {
    config: Arc<Config>,
}

impl XRay {
    /// Creates a middleware whose segments all have this name. `AWS_XRAY_TRACING_NAME` overrides it.
    pub fn fixed(name: impl Into<String>) -> XRay {
        XRay::new(Naming::fixed(name))
    }

    /// Creates a middleware whose segments have the name of the requested host if it matches the pattern, and otherwise the
    /// name `default`, which `AWS_XRAY_TRACING_NAME` overrides.
    pub fn dynamic(default: impl Into<String>, pattern: &str) -> XRay {
        XRay::new(Naming::dynamic(default).matching(pattern))
    }

    /// Creates a middleware with a fixed name or a [`Naming`].
    pub fn new(naming: impl Into<Naming>) -> XRay {
        XRay { config: Arc::new(Config::new(naming)) }
    }

    server_option_methods! {
        request: ServiceRequest;
        /// actix-web recognises connections of `bind_rustls` and `bind_openssl` as TLS.
        ///
        /// ```
        /// # use xray_actix::{Scheme, XRay};
        /// let middleware = XRay::fixed("shop").scheme(Scheme::Https);
        /// ```
        scheme;
        peer;
        /// ```
        /// # use xray_actix::XRay;
        /// let middleware = XRay::fixed("shop").ignore(|request| request.path().starts_with("/internal/"));
        /// ```
        ignore;
        /// ```
        /// # use xray_actix::XRay;
        /// let middleware = XRay::fixed("shop").sampling_attributes(|request| {
        ///     let tier = request.headers().get("x-tier").and_then(|tier| tier.to_str().ok());
        ///     vec![("tier", tier.unwrap_or("free").to_owned())]
        /// });
        /// ```
        sampling_attributes;
        /// Nothing is recorded for a request that matches no route.
        ///
        /// ```
        /// # use xray_actix::{MatchedRoute, XRay};
        /// let middleware = XRay::fixed("shop").matched_route(MatchedRoute::annotation("route"));
        /// ```
        matched_route;
    }

    /// Closes the segment at the response headers if `end_at_headers` returns true. Use it for streams that last for minutes
    /// or hours, such as server-sent events and long polling.
    ///
    /// Default: every segment lasts until the end of the body. A second call replaces the function.
    ///
    /// The context stays current while the body is polled, so its calls belong to the trace. Errors of the body and unsent
    /// bytes are not recorded.
    ///
    /// ```
    /// # use xray_actix::XRay;
    /// let middleware = XRay::fixed("shop").end_at_headers(|response| {
    ///     let is_event_stream = response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
    ///     is_event_stream || response.request().path() == "/poll"
    /// });
    /// ```
    pub fn end_at_headers(self, end_at_headers: impl Fn(&ServiceResponse<()>) -> bool + Send + Sync + 'static) -> XRay {
        self.configure(|config| config.set_end_at_headers(end_at_headers))
    }

    fn configure(mut self, change: impl FnOnce(&mut Config)) -> XRay {
        change(Arc::make_mut(&mut self.config));
        self
    }
}

impl<S, B> Transform<S, ServiceRequest> for XRay
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<XRayBody<B>>;
    type Error = Error;
    type Transform = XRayService<S>;
    type InitError = ();
    type Future = Ready<Result<XRayService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(XRayService { inner, config: self.config.clone() }))
    }
}

pub(crate) type Config = ServerConfig<ServiceRequest, ServiceResponse<()>>;

/// Begins recording a request.
pub(crate) fn begin(config: &Config, request: &ServiceRequest) -> ServerRequest {
    let around = request.extensions().get::<XRaySegment>().cloned();
    let info = |request| {
        let mut info = request_info(request);
        info.segment = around.as_deref();
        info
    };
    let incoming = config.begin(request, info, request_details);
    let segment = incoming.segment();
    if segment.is_recording() {
        // Recorded before the call as well, because the call may fail without returning the request.
        record_route(config, request.request(), segment);
        request.extensions_mut().insert(XRaySegment(segment.downgrade()));
    }
    incoming
}

/// Records the matched route, if there is one.
pub(crate) fn record_route(config: &Config, request: &HttpRequest, segment: &Segment) {
    config.record_route(segment, || request.match_pattern());
}
