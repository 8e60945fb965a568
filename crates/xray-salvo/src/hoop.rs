//! The hoop and its options.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use salvo_core::{Depot, FlowCtrl, Handler, Request, Response, async_trait};
use xray_core::Naming;
use xray_core::adapter::{ServerConfig, server_option_methods};

use crate::extract::XRaySegment;
use crate::request::{matched_route, request_details, request_info};
use crate::response::{Head, record_response};

pub(crate) type Config = ServerConfig<Request, Head>;

/// Records a segment for each request. The [crate's documentation](crate) lists what it records.
///
/// ```
/// use salvo::prelude::*;
/// use xray_salvo::{MatchedRoute, XRay};
///
/// let xray = XRay::dynamic("shop", "*.example.com")
///     .trust_forwarded_proto(true)
///     .matched_route(MatchedRoute::annotation("route"))
///     .ignore(|request| request.uri().path() == "/health");
/// let service = Service::new(Router::new()).hoop(xray);
/// ```
///
/// Clones share the configuration.
#[derive(Clone, Debug)]
#[must_use = "a hoop does nothing until it is added to a service or a router"]
pub struct XRay {
    config: Arc<Config>,
}

impl XRay {
    /// Creates a hoop whose segments all have this name. `AWS_XRAY_TRACING_NAME` overrides it.
    pub fn fixed(name: impl Into<String>) -> XRay {
        XRay::new(Naming::fixed(name))
    }

    /// Creates a hoop whose segments have the name of the requested host if it matches the pattern, and otherwise the name
    /// `default`, which `AWS_XRAY_TRACING_NAME` overrides.
    pub fn dynamic(default: impl Into<String>, pattern: &str) -> XRay {
        XRay::new(Naming::dynamic(default).matching(pattern))
    }

    /// Creates a hoop with a fixed name or a [`Naming`].
    pub fn new(naming: impl Into<Naming>) -> XRay {
        XRay { config: Arc::new(Config::new(naming)) }
    }

    server_option_methods! {
        request: Request;
        /// salvo recognises connections of its TLS listeners.
        ///
        /// ```
        /// # use xray_salvo::{Scheme, XRay};
        /// let hoop = XRay::fixed("shop").scheme(Scheme::Https);
        /// ```
        scheme;
        peer;
        /// ```
        /// # use xray_salvo::XRay;
        /// let hoop = XRay::fixed("shop").ignore(|request| request.uri().path().starts_with("/internal/"));
        /// ```
        ignore;
        /// ```
        /// # use xray_salvo::XRay;
        /// let hoop = XRay::fixed("shop").sampling_attributes(|request| {
        ///     let tier = request.headers().get("x-tier").and_then(|tier| tier.to_str().ok());
        ///     vec![("tier", tier.unwrap_or("free").to_owned())]
        /// });
        /// ```
        sampling_attributes;
        /// Nothing is recorded for a request that matches no route.
        ///
        /// ```
        /// # use xray_salvo::{MatchedRoute, XRay};
        /// let hoop = XRay::fixed("shop").matched_route(MatchedRoute::annotation("route"));
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
    /// # use xray_salvo::XRay;
    /// let hoop = XRay::fixed("shop").end_at_headers(|head| {
    ///     let is_event_stream = head.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
    ///     is_event_stream || head.uri.path() == "/poll"
    /// });
    /// ```
    pub fn end_at_headers(self, end_at_headers: impl Fn(&Head) -> bool + Send + Sync + 'static) -> XRay {
        self.configure(|config| config.set_end_at_headers(end_at_headers))
    }

    fn configure(mut self, change: impl FnOnce(&mut Config)) -> XRay {
        change(Arc::make_mut(&mut self.config));
        self
    }
}

#[async_trait]
impl Handler for XRay {
    async fn handle(&self, request: &mut Request, depot: &mut Depot, response: &mut Response, flow: &mut FlowCtrl) {
        let outer = depot.get_typed::<XRaySegment>().ok();
        let info = |request| {
            let mut info = request_info(request);
            info.segment = outer.map(|segment| &**segment);
            info
        };
        let mut traced = self.config.begin(request, info, request_details);
        let mut uri = None;
        if traced.segment().is_recording() {
            self.config.record_route(traced.segment(), || matched_route(request, response));
            depot.insert_typed(XRaySegment(traced.segment().downgrade()));
            uri = self.config.end_at_headers().map(|_| request.uri().clone());
        }
        {
            // Dropped before `traced`: what the handler has begun closes before its segment.
            let mut next = pin!(flow.call_next(request, depot, response));
            poll_fn(|cx| traced.run(|| next.as_mut().poll(cx))).await;
        }
        record_response(&self.config, traced, response, uri);
    }
}
