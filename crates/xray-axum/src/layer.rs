//! The layer: what is configured once, shared by all services it makes.

use std::net::IpAddr;
use std::sync::Arc;

use http::{Request, Response};
use tower_layer::Layer;
use xray_core::adapter::{Hook, Scheme, ServerOptions, ServerRequest};
use xray_core::{Naming, Recorder};

use crate::end_at_headers::{self, UntilHead};
use crate::extract::XRaySegment;
use crate::request;
use crate::service::XRayService;
#[cfg(feature = "axum")]
use xray_core::adapter::MatchedRoute;

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
            options: ServerOptions::new(naming),
            recorder: None,
            ignore: None,
            attributes: None,
            peer: None,
            end_at_headers: None,
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

    /// The client's address, for a server whose connections this crate does not know: custom connect info, Unix
    /// sockets, the PROXY protocol. Where the function returns `None`, the address is the one that the server says.
    /// `X-Forwarded-For` comes first, unless it is [not trusted](XRayLayer::trust_forwarded_for). The last of several
    /// counts.
    ///
    /// ```
    /// # use std::net::IpAddr;
    /// # use xray_axum::XRayLayer;
    /// #[derive(Clone)]
    /// struct Connection {
    ///     client: IpAddr,
    /// }
    ///
    /// let layer = XRayLayer::new("shop")
    ///     .peer(|request| request.extensions().get::<Connection>().map(|connection| connection.client));
    /// ```
    pub fn peer(self, peer: impl Fn(&Request<()>) -> Option<IpAddr> + Send + Sync + 'static) -> XRayLayer {
        self.with(|config| config.peer = Some(Hook::new(peer)))
    }

    /// The scheme of all recorded urls, for a server behind TLS of its own, which HTTP/1.1 requests do not tell
    /// (default: the scheme of the request target, as in HTTP/2; `https` where the extensions of the request hold
    /// [`http::uri::Scheme::HTTPS`]; else `http`). A second call replaces the first.
    ///
    /// ```
    /// # use xray_axum::{Scheme, XRayLayer};
    /// let layer = XRayLayer::new("shop").scheme(Scheme::Https);
    /// ```
    pub fn scheme(self, scheme: Scheme) -> XRayLayer {
        self.with(|config| config.options.set_scheme(scheme))
    }

    /// Whether the scheme of the recorded url is taken from `X-Forwarded-Proto`, as a load balancer that ends TLS
    /// sets it (default: no, since any client can write that header).
    pub fn trust_forwarded_proto(self, trust: bool) -> XRayLayer {
        self.with(|config| config.options.set_trust_forwarded_proto(trust))
    }

    /// Closes the segment with the head of the response, for those responses for which `end_at_headers` returns true
    /// (default: each segment lasts until the end of the body). It serves streams that last for minutes or hours:
    /// server-sent events, long polling, a gRPC `Watch`.
    ///
    /// The body's code keeps the context, so its calls belong to the trace. Errors of the body, bytes that were not
    /// sent and a `grpc-status` in the trailers are not recorded. While the option is set, the head of each recorded
    /// request is cloned. The last of several counts.
    ///
    /// ```
    /// # use xray_axum::XRayLayer;
    /// let layer = XRayLayer::new("shop").end_at_headers(|request, response| {
    ///     let is_event_stream = response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
    ///     is_event_stream || request.uri().path() == "/grpc.health.v1.Health/Watch"
    /// });
    /// ```
    pub fn end_at_headers(
        self,
        end_at_headers: impl Fn(&Request<()>, &Response<()>) -> bool + Send + Sync + 'static,
    ) -> XRayLayer {
        let end_at_headers =
            Hook::new(move |(request, response): &(Request<()>, Response<()>)| end_at_headers(request, response));
        self.with(|config| config.end_at_headers = Some(end_at_headers))
    }

    /// Whether the recorded url keeps its query string (default: no, since it may hold secrets).
    pub fn keep_query(self, keep: bool) -> XRayLayer {
        self.with(|config| config.options.set_keep_query(keep))
    }

    /// Whether each response carries `X-Amzn-Trace-Id` (default: only when the caller asked by `Sampled=?`).
    pub fn respond_always(self, always: bool) -> XRayLayer {
        self.with(|config| config.options.set_respond_always(always))
    }

    /// Leaves the requests alone for which `ignore` says so: no segment, no decision, and code that records
    /// something finds a context in which that does nothing. The last of several counts.
    ///
    /// ```
    /// # use xray_axum::XRayLayer;
    /// let layer = XRayLayer::new("shop").ignore(|request| request.uri().path().starts_with("/internal/"));
    /// ```
    pub fn ignore(self, ignore: impl Fn(&Request<()>) -> bool + Send + Sync + 'static) -> XRayLayer {
        self.with(|config| config.ignore = Some(Hook::new(ignore)))
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
        self.with(|config| config.attributes = Some(Hook::new(attributes)))
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
    options: ServerOptions,
    /// `None`: the process's.
    recorder: Option<Recorder>,
    ignore: Option<Hook<Request<()>, bool>>,
    attributes: Option<Hook<Request<()>, Attributes>>,
    peer: Option<Hook<Request<()>, Option<IpAddr>>>,
    end_at_headers: Option<end_at_headers::Rule>,
    #[cfg(feature = "axum")]
    matched_route: Option<MatchedRoute>,
}

impl Config {
    /// Begins what is recorded of a request, and returns it with the request as the inner service gets it.
    pub(crate) fn begin<B>(&self, request: Request<B>) -> (ServerRequest, Option<Box<UntilHead>>, Request<B>) {
        let (head, body) = request.into_parts();
        let mut head = Request::from_parts(head, ());
        let incoming = self.begin_head(&mut head);
        let rule = self.end_at_headers.as_ref().filter(|_| incoming.segment().is_recording());
        let end_at_headers = rule.map(|rule| UntilHead::new(rule, &head));
        (incoming, end_at_headers, head.map(|()| body))
    }

    fn begin_head(&self, request: &mut Request<()>) -> ServerRequest {
        if ask(&self.ignore, request).unwrap_or(false) {
            return ServerRequest::ignored();
        }
        let attributes = ask(&self.attributes, request).unwrap_or_default();
        let attributes: Vec<_> = attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let recorder = self.recorder.as_ref().unwrap_or_else(|| Recorder::global());
        let mut request_info =
            request::request_info(request.method(), request.uri(), request.headers(), request.extensions());
        request_info.attributes = &attributes;
        request_info.segment = request.extensions().get::<XRaySegment>().map(|segment| &**segment);
        if let Some(peer) = ask(&self.peer, request).flatten() {
            request_info.peer = Some(peer);
        }
        let incoming = ServerRequest::begin(recorder, &self.options, &request_info);
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
        incoming
    }
}

/// What the application says of the request, if it was given that option and does not panic.
fn ask<T>(question: &Option<Hook<Request<()>, T>>, request: &Request<()>) -> Option<T> {
    question.as_ref()?.call(request)
}

type Attributes = Vec<(&'static str, String)>;
