//! The layer: what is configured once, shared by all services it makes.

use std::sync::Arc;

use http::Request;
use tower_layer::Layer;
use xray_core::http::{Incoming, IncomingOptions, Question};
use xray_core::{Naming, Recorder};

use crate::extract::XRaySegment;
use crate::request;
use crate::service::XRayService;
#[cfg(feature = "axum")]
use xray_core::http::MatchedRoute;

/// Records a segment for each request that passes.
///
/// ```
/// use axum::Router;
/// use xray_axum::XRayLayer;
/// use xray_axum::Naming;
///
/// let fixed = XRayLayer::new("shop");
/// let by_host = XRayLayer::new(Naming::dynamic("shop").matching("*.example.com"))
///     .trust_forwarded_for(false)
///     .ignore(|request| request.uri().path() == "/health");
///
/// let app: Router = Router::new().layer(by_host);
/// ```
///
/// Clones share the configuration. A layer added to a router covers the routes added before it, and the
/// middleware added before it runs inside the segment.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is applied"]
pub struct XRayLayer {
    config: Arc<Config>,
}

impl XRayLayer {
    /// A layer whose segments have this name: the same for all requests, or by their host.
    /// `AWS_XRAY_TRACING_NAME` overrides it.
    pub fn new(naming: impl Into<Naming>) -> XRayLayer {
        let config = Config {
            options: IncomingOptions::new(naming),
            recorder: None,
            ignore: None,
            attributes: None,
            #[cfg(feature = "axum")]
            matched_route: None,
        };
        XRayLayer { config: Arc::new(config) }
    }

    /// The recorder of the segments (default: [`Recorder::global`], asked for with each request; so it may be
    /// installed after the layer is made).
    pub fn recorder(self, recorder: Recorder) -> XRayLayer {
        self.with(|config| config.recorder = Some(recorder))
    }

    /// Whether `client_ip` is taken from `X-Forwarded-For` (default: yes, as in all X-Ray SDKs). Anybody can
    /// write that header; it never takes part in a decision.
    pub fn trust_forwarded_for(self, trust: bool) -> XRayLayer {
        self.with(|config| config.options.set_trust_forwarded_for(trust))
    }

    /// Whether the recorded url keeps its query string (default: no, since it may hold secrets).
    pub fn keep_query(self, keep: bool) -> XRayLayer {
        self.with(|config| config.options.set_keep_query(keep))
    }

    /// Whether each response carries `X-Amzn-Trace-Id` (default: only when the caller asked by `Sampled=?`).
    pub fn respond_always(self, always: bool) -> XRayLayer {
        self.with(|config| config.options.set_always_respond(always))
    }

    /// Leaves the requests alone for which `ignore` says so: no segment, no decision, and code that records
    /// something finds a context in which that does nothing. The last of several counts.
    ///
    /// ```
    /// # use xray_axum::XRayLayer;
    /// let layer = XRayLayer::new("shop").ignore(|request| request.uri().path().starts_with("/internal/"));
    /// ```
    pub fn ignore(self, ignore: impl Fn(&Request<()>) -> bool + Send + Sync + 'static) -> XRayLayer {
        self.with(|config| config.ignore = Some(Question::new(ignore)))
    }

    /// What the application knows of a request, by name, for those sampling rules of the X-Ray service that ask for
    /// `Attributes` (default: nothing, so such rules are for no request). It is asked for
    /// each request that is not ignored.
    ///
    /// ```
    /// # use xray_axum::XRayLayer;
    /// let layer = XRayLayer::new("shop").sampling_attributes(|request| {
    ///     let tier = request.headers().get("x-tier").and_then(|tier| tier.to_str().ok());
    ///     vec![("tier", tier.unwrap_or("free").to_owned())]
    /// });
    /// ```
    pub fn sampling_attributes(
        self,
        attributes: impl Fn(&Request<()>) -> Vec<(&'static str, String)> + Send + Sync + 'static,
    ) -> XRayLayer {
        self.with(|config| config.attributes = Some(Question::new(attributes)))
    }

    /// Records the pattern of the route that matched, such as `/orders/{id}` (default: not). The router tells
    /// it to layers added by [`Router::layer`](axum::Router::layer) and `route_layer`, not to one around the
    /// whole router; a fallback has none.
    ///
    /// ```
    /// # use xray_axum::{MatchedRoute, XRayLayer};
    /// let layer = XRayLayer::new("shop").matched_route(MatchedRoute::annotation("route"));
    /// ```
    #[cfg(feature = "axum")]
    #[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
    pub fn matched_route(self, matched_route: MatchedRoute) -> XRayLayer {
        self.with(|config| config.matched_route = Some(matched_route))
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> XRayLayer {
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

#[derive(Clone, Debug)]
pub(crate) struct Config {
    options: IncomingOptions,
    /// `None`: the process's.
    recorder: Option<Recorder>,
    ignore: Option<Question<Request<()>, bool>>,
    attributes: Option<Question<Request<()>, Attributes>>,
    #[cfg(feature = "axum")]
    matched_route: Option<MatchedRoute>,
}

impl Config {
    /// Begins what is recorded of a request, and returns the request as the inner service gets it.
    pub(crate) fn begin<B>(&self, request: Request<B>) -> (Incoming, Request<B>) {
        let (attributes, mut request) = self.ask(request);
        let Some(attributes) = attributes else { return (Incoming::ignored(), request) };
        let attributes: Vec<_> = attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let recorder = self.recorder.as_ref().unwrap_or_else(|| Recorder::global());
        let mut facts = request::facts(request.method(), request.uri(), request.headers(), request.extensions());
        facts.attributes = &attributes;
        facts.segment = request.extensions().get::<XRaySegment>().map(|segment| &**segment);
        let incoming = Incoming::begin(recorder, &self.options, &facts);
        // The extensions of a request allocate: they are spared when there is nothing to record.
        if incoming.segment().is_recording() {
            #[cfg(feature = "axum")]
            if let Some(route) = &self.matched_route
                && let Some(path) = request.extensions().get::<axum::extract::MatchedPath>()
            {
                route.record(path.as_str(), incoming.segment());
            }
            request.extensions_mut().insert(XRaySegment(incoming.segment().downgrade()));
        }
        (incoming, request)
    }

    /// What the application says of the request: its attributes, or `None` if it is to be ignored.
    fn ask<B>(&self, request: Request<B>) -> (Option<Attributes>, Request<B>) {
        if self.ignore.is_none() && self.attributes.is_none() {
            return (Some(Attributes::new()), request);
        }
        let (head, body) = request.into_parts();
        let head = Request::from_parts(head, ());
        let ignored = self.ignore.as_ref().and_then(|ignore| ignore.ask(&head)).unwrap_or(false);
        let attributes = || self.attributes.as_ref().and_then(|attributes| attributes.ask(&head)).unwrap_or_default();
        ((!ignored).then(attributes), head.map(|()| body))
    }
}

type Attributes = Vec<(&'static str, String)>;
