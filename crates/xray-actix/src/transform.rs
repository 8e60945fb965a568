//! The middleware and its options.

use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{Error, HttpMessage, HttpRequest};
use xray_core::adapter::{Hook, MatchedRoute, Scheme, ServerOptions, ServerRequest};
use xray_core::{Naming, Recorder, Segment};

use crate::body::XRayBody;
use crate::extract::XRaySegment;
use crate::request;
use crate::service::XRayService;

/// Records a segment for each request that passes.
///
/// ```
/// use actix_web::App;
/// use xray_actix::XRay;
///
/// let app = App::new().wrap(XRay::fixed("shop").ignore(|request| request.path() == "/health"));
/// ```
///
/// Clones share the configuration: make one outside of `HttpServer::new` and clone it for each worker.
#[derive(Clone, Debug)]
#[must_use = "a middleware does nothing until it is wrapped around an app"]
pub struct XRay {
    config: Arc<Config>,
}

impl XRay {
    /// All segments have this name. `AWS_XRAY_TRACING_NAME` overrides it.
    pub fn fixed(name: impl Into<String>) -> XRay {
        XRay::new(Naming::fixed(name))
    }

    /// Segments are named by the host that the client asked for, if it matches the pattern, else by `default`,
    /// which `AWS_XRAY_TRACING_NAME` overrides.
    pub fn dynamic(default: impl Into<String>, pattern: &str) -> XRay {
        XRay::new(Naming::dynamic(default).matching(pattern))
    }

    /// Segments are named by these rules.
    pub fn new(naming: impl Into<Naming>) -> XRay {
        let options = ServerOptions::new(naming);
        let config = Config {
            options,
            recorder: None,
            ignore: None,
            attributes: None,
            matched_route: None,
            peer: None,
            end_at_headers: None,
        };
        XRay { config: Arc::new(config) }
    }

    /// The recorder of the segments (default: [`Recorder::global`], asked for with each request; so it may be
    /// installed after the middleware is made).
    pub fn recorder(self, recorder: Recorder) -> XRay {
        self.with(|config| config.recorder = Some(recorder))
    }

    /// Whether `client_ip` is taken from `X-Forwarded-For` (default: yes, as in all X-Ray SDKs). Anybody can
    /// write that header; it never takes part in a decision.
    pub fn trust_forwarded_for(self, trust: bool) -> XRay {
        self.with(|config| config.options.set_trust_forwarded_for(trust))
    }

    /// The client's address, for a server whose connections actix-web does not know: Unix sockets, the PROXY
    /// protocol. Where the function returns `None`, the address is the one that actix-web says. `X-Forwarded-For`
    /// comes first, unless it is [not trusted](XRay::trust_forwarded_for). The last of several counts.
    pub fn peer(self, peer: impl Fn(&ServiceRequest) -> Option<IpAddr> + Send + Sync + 'static) -> XRay {
        self.with(|config| config.peer = Some(Hook::new(peer)))
    }

    /// The scheme of all recorded urls (default: `https` on connections of `bind_rustls` and `bind_openssl`, else that
    /// of the request target, else `http`). A second call replaces the first.
    ///
    /// ```
    /// # use xray_actix::{Scheme, XRay};
    /// let middleware = XRay::fixed("shop").scheme(Scheme::Https);
    /// ```
    pub fn scheme(self, scheme: Scheme) -> XRay {
        self.with(|config| config.options.set_scheme(scheme))
    }

    /// Whether the scheme of the recorded url is taken from `X-Forwarded-Proto`, as a load balancer that ends TLS
    /// sets it (default: no, since any client can write that header).
    pub fn trust_forwarded_proto(self, trust: bool) -> XRay {
        self.with(|config| config.options.set_trust_forwarded_proto(trust))
    }

    /// Closes the segment with the head of the response, for those responses for which `end_at_headers` returns true
    /// (default: each segment lasts until the end of the body). It serves streams that last for minutes or hours:
    /// server-sent events and long polling.
    ///
    /// The body's code keeps the context, so its calls belong to the trace. Errors of the body and bytes that were not
    /// sent are not recorded. The last of several counts.
    ///
    /// ```
    /// # use xray_actix::XRay;
    /// let middleware = XRay::fixed("shop").end_at_headers(|response| {
    ///     let is_event_stream = response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
    ///     is_event_stream || response.request().path() == "/poll"
    /// });
    /// ```
    pub fn end_at_headers(self, end_at_headers: impl Fn(&ServiceResponse<()>) -> bool + Send + Sync + 'static) -> XRay {
        self.with(|config| config.end_at_headers = Some(Hook::new(end_at_headers)))
    }

    /// Whether the recorded url keeps its query string (default: no, since it may hold secrets).
    pub fn keep_query(self, keep: bool) -> XRay {
        self.with(|config| config.options.set_keep_query(keep))
    }

    /// Whether each response carries `X-Amzn-Trace-Id` (default: only when the caller asked by `Sampled=?`).
    pub fn respond_always(self, always: bool) -> XRay {
        self.with(|config| config.options.set_respond_always(always))
    }

    /// Leaves the requests alone for which `ignore` says so: no segment, no decision, and code that records
    /// something finds a context in which that does nothing. The last of several counts.
    pub fn ignore(self, ignore: impl Fn(&ServiceRequest) -> bool + Send + Sync + 'static) -> XRay {
        self.with(|config| config.ignore = Some(Hook::new(ignore)))
    }

    /// What the application knows of a request, by name, for those sampling rules of the X-Ray service that ask for
    /// `Attributes` (default: nothing, so such rules are for no request). It is asked for
    /// each request that is not ignored.
    ///
    /// ```
    /// # use xray_actix::XRay;
    /// let middleware = XRay::fixed("shop").sampling_attributes(|request| {
    ///     let tier = request.headers().get("x-tier").and_then(|tier| tier.to_str().ok());
    ///     vec![("tier", tier.unwrap_or("free").to_owned())]
    /// });
    /// ```
    pub fn sampling_attributes(
        self,
        attributes: impl Fn(&ServiceRequest) -> Vec<(&'static str, String)> + Send + Sync + 'static,
    ) -> XRay {
        self.with(|config| config.attributes = Some(Hook::new(attributes)))
    }

    /// Records the pattern of the route that matched, such as `/orders/{id}` (default: not). A request that
    /// matches no route has none.
    pub fn matched_route(self, matched_route: MatchedRoute) -> XRay {
        self.with(|config| config.matched_route = Some(matched_route))
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> XRay {
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

#[derive(Clone, Debug)]
pub(crate) struct Config {
    options: ServerOptions,
    /// `None`: the process's.
    recorder: Option<Recorder>,
    ignore: Option<Hook<ServiceRequest, bool>>,
    attributes: Option<Hook<ServiceRequest, Attributes>>,
    matched_route: Option<MatchedRoute>,
    peer: Option<Hook<ServiceRequest, Option<IpAddr>>>,
    end_at_headers: Option<Hook<ServiceResponse<()>, bool>>,
}

impl Config {
    /// Records the route that matched, once that is known.
    pub(crate) fn record_route(&self, request: &HttpRequest, segment: &Segment) {
        if let Some(route) = &self.matched_route
            && segment.is_recording()
            && let Some(pattern) = request.match_pattern()
        {
            route.record(&pattern, segment);
        }
    }

    /// Whether the segment closes with the head of this response, and the response as it was.
    pub(crate) fn ends_at_head<B>(&self, response: ServiceResponse<B>) -> (bool, ServiceResponse<B>) {
        let Some(rule) = &self.end_at_headers else { return (false, response) };
        let (request, response) = response.into_parts();
        let (head, body) = response.into_parts();
        let head = ServiceResponse::new(request, head);
        let covers = rule.call(&head).unwrap_or(false);
        (covers, head.map_body(|_, ()| body))
    }

    /// Begins what is recorded of a request.
    pub(crate) fn begin(&self, request: &ServiceRequest) -> ServerRequest {
        if self.ignore.as_ref().and_then(|ignore| ignore.call(request)).unwrap_or(false) {
            return ServerRequest::ignored();
        }
        let attributes = self.attributes.as_ref().and_then(|attributes| attributes.call(request)).unwrap_or_default();
        let attributes: Vec<_> = attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut request_info = request::request_info(request);
        request_info.attributes = &attributes;
        if let Some(peer) = self.peer.as_ref().and_then(|peer| peer.call(request).flatten()) {
            request_info.peer = Some(peer);
        }
        let around = request.extensions().get::<XRaySegment>().cloned();
        request_info.segment = around.as_deref();
        let recorder = self.recorder.as_ref().unwrap_or_else(|| Recorder::global());
        let incoming = ServerRequest::begin(recorder, &self.options, &request_info);
        let segment = incoming.segment();
        if segment.is_recording() {
            // Also before the call, in case that it fails and gives the request away.
            self.record_route(request.request(), segment);
            request.extensions_mut().insert(XRaySegment(segment.downgrade()));
        }
        incoming
    }
}

type Attributes = Vec<(&'static str, String)>;
