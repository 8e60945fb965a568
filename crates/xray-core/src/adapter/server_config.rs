//! The configuration of a server adapter, and the methods by which its users set it.

use std::fmt;
use std::net::IpAddr;

use crate::entity::Segment;
use crate::recorder::Recorder;

use super::{Hook, MatchedRoute, Naming, ServerOptions, ServerRequest, ServerRequestDetails, ServerRequestInfo};

/// The configuration of a server adapter: options, recorder, and the application's functions.
///
/// The functions see requests of type `R`. Those that decide on a response see an `H`: the head of the response, and of
/// the request if the framework has both in one type. [`server_option_methods`](super::server_option_methods) generates
/// the methods by which users change it.
pub struct ServerConfig<R, H> {
    options: ServerOptions,
    recorder: Option<Recorder>,
    ignore: Option<Hook<R, bool>>,
    peer: Option<Hook<R, Option<IpAddr>>>,
    sampling_attributes: Option<Hook<R, Vec<(&'static str, String)>>>,
    matched_route: Option<MatchedRoute>,
    end_at_headers: Option<Hook<H, bool>>,
}

impl<R, H> ServerConfig<R, H> {
    /// Creates the default configuration, with this naming.
    pub fn new(naming: impl Into<Naming>) -> ServerConfig<R, H> {
        ServerConfig {
            options: ServerOptions::new(naming),
            recorder: None,
            ignore: None,
            peer: None,
            sampling_attributes: None,
            matched_route: None,
            end_at_headers: None,
        }
    }

    /// Returns the options that need no function, to change them.
    pub fn options(&mut self) -> &mut ServerOptions {
        &mut self.options
    }

    /// Sets the recorder (default: [`Recorder::global`], looked up on every request).
    pub fn set_recorder(&mut self, recorder: Recorder) {
        self.recorder = Some(recorder);
    }

    /// Skips requests for which `ignore` returns true (default: none).
    pub fn set_ignore(&mut self, ignore: impl Fn(&R) -> bool + Send + Sync + 'static) {
        self.ignore = Some(Hook::new(ignore));
    }

    /// Takes the client's address from `peer`; where it returns `None`, from the adapter (default: always).
    pub fn set_peer(&mut self, peer: impl Fn(&R) -> Option<IpAddr> + Send + Sync + 'static) {
        self.peer = Some(Hook::new(peer));
    }

    /// Sets the function whose result sampling rules with `Attributes` are matched against (default: no attributes).
    pub fn set_sampling_attributes(
        &mut self,
        attributes: impl Fn(&R) -> Vec<(&'static str, String)> + Send + Sync + 'static,
    ) {
        self.sampling_attributes = Some(Hook::new(attributes));
    }

    /// Sets where [`record_route`](ServerConfig::record_route) puts a pattern (default: nowhere).
    pub fn set_matched_route(&mut self, matched_route: MatchedRoute) {
        self.matched_route = Some(matched_route);
    }

    /// Closes the segment at the headers of those responses for which `end_at_headers` returns true (default: none).
    pub fn set_end_at_headers(&mut self, end_at_headers: impl Fn(&H) -> bool + Send + Sync + 'static) {
        self.end_at_headers = Some(Hook::new(end_at_headers));
    }

    /// Returns whether a function of the application's sees requests before they begin.
    ///
    /// If not, [`begin_from`](ServerConfig::begin_from) saves an adapter from making an `R`.
    pub fn sees_requests(&self) -> bool {
        self.ignore.is_some() || self.peer.is_some() || self.sampling_attributes.is_some()
    }

    /// Begins what is recorded of a request, from its facts alone. This calls no function of the application, and `details`
    /// only if the request is recorded.
    pub fn begin_from<'a>(
        &self,
        info: &ServerRequestInfo<'a>,
        details: impl FnOnce() -> ServerRequestDetails<'a>,
    ) -> ServerRequest {
        let recorder = self.recorder.as_ref().unwrap_or_else(|| Recorder::global());
        ServerRequest::begin(recorder, &self.options, info, details)
    }

    /// Begins what is recorded of `request`, unless the application ignores it. `info` is not called then, and `details` only
    /// if the request is recorded.
    ///
    /// A function of the application's that panics counts as one that is not set.
    pub fn begin<'a>(
        &self,
        request: &'a R,
        info: impl FnOnce(&'a R) -> ServerRequestInfo<'a>,
        details: impl FnOnce(&'a R) -> ServerRequestDetails<'a>,
    ) -> ServerRequest {
        if ask(&self.ignore, request).unwrap_or(false) {
            return ServerRequest::ignored();
        }
        let attributes = ask(&self.sampling_attributes, request).unwrap_or_default();
        let attributes: Vec<_> = attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut info: ServerRequestInfo<'_> = info(request);
        info.attributes = &attributes;
        self.begin_from(&info, || {
            let mut details: ServerRequestDetails<'_> = details(request);
            details.peer = ask(&self.peer, request).flatten().or(details.peer);
            details
        })
    }

    /// Records the pattern of the matched route, such as `/orders/{id}`, if that is configured and `segment` is recorded.
    /// `pattern` is not called otherwise.
    pub fn record_route<P: AsRef<str>>(&self, segment: &Segment, pattern: impl FnOnce() -> Option<P>) {
        if let Some(route) = &self.matched_route
            && segment.is_recording()
            && let Some(pattern) = pattern()
        {
            route.record(pattern.as_ref(), segment);
        }
    }

    /// Returns the rule that says whether the segment closes at the headers of a response, if one is set.
    pub fn end_at_headers(&self) -> Option<&Hook<H, bool>> {
        self.end_at_headers.as_ref()
    }
}

/// What the application says of the request, if the function is set and does not panic.
fn ask<R, T>(hook: &Option<Hook<R, T>>, request: &R) -> Option<T> {
    hook.as_ref()?.call(request)
}

// Written out, since derived they would ask the same of `R` and `H`.
impl<R, H> Clone for ServerConfig<R, H> {
    fn clone(&self) -> ServerConfig<R, H> {
        ServerConfig {
            options: self.options.clone(),
            recorder: self.recorder.clone(),
            ignore: self.ignore.clone(),
            peer: self.peer.clone(),
            sampling_attributes: self.sampling_attributes.clone(),
            matched_route: self.matched_route.clone(),
            end_at_headers: self.end_at_headers.clone(),
        }
    }
}

impl<R, H> fmt::Debug for ServerConfig<R, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("options", &self.options)
            .field("recorder", &self.recorder)
            .field("matched_route", &self.matched_route)
            .finish_non_exhaustive()
    }
}

/// Generates the option methods that layers and middlewares of servers have in common, with their documentation.
///
/// The type has a method `configure(self, change: impl FnOnce(&mut ServerConfig<..>)) -> Self`. What is written in front of
/// a name is added to the documentation of that option: an example, or what is special about the framework.
/// `matched_route` may be omitted.
///
/// ```
/// use std::sync::Arc;
/// use xray_core::adapter::{ServerConfig, server_option_methods};
///
/// pub struct Request {
///     path: String,
/// }
/// pub struct Response;
///
/// /// Records a segment for each request.
/// #[derive(Clone)]
/// pub struct XRay {
///     config: Arc<ServerConfig<Request, Response>>,
/// }
///
/// impl XRay {
///     server_option_methods! {
///         request: Request;
///         scheme;
///         peer;
///         /// ```text
///         /// XRay::new("shop").ignore(|request| request.path == "/health")
///         /// ```
///         ignore;
///         sampling_attributes;
///     }
///
///     pub fn new(name: &str) -> XRay {
///         XRay { config: Arc::new(ServerConfig::new(name)) }
///     }
///
///     fn configure(mut self, change: impl FnOnce(&mut ServerConfig<Request, Response>)) -> XRay {
///         change(Arc::make_mut(&mut self.config));
///         self
///     }
/// }
///
/// let middleware = XRay::new("shop").keep_query(true).ignore(|request| request.path == "/health");
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __server_option_methods {
    (
        request: $request:ty;
        $(#[$scheme:meta])* scheme;
        $(#[$peer:meta])* peer;
        $(#[$ignore:meta])* ignore;
        $(#[$sampling_attributes:meta])* sampling_attributes;
        $($(#[$matched_route:meta])* matched_route;)?
    ) => {
        /// Sets the recorder of the segments.
        ///
        /// Default: [`Recorder::global`](xray_core::Recorder::global), looked up on every request, so it may be installed
        /// later. A second call replaces the recorder.
        pub fn recorder(self, recorder: $crate::Recorder) -> Self {
            self.configure(|config| config.set_recorder(recorder))
        }

        /// Sets whether `client_ip` is taken from `X-Forwarded-For`.
        ///
        /// Default: true, as in all X-Ray SDKs. Any client can write that header; it never influences a sampling decision.
        /// A second call replaces the value.
        pub fn trust_forwarded_for(self, trust: bool) -> Self {
            self.configure(|config| config.options().set_trust_forwarded_for(trust))
        }

        /// Sets whether the scheme of the recorded URL is taken from `X-Forwarded-Proto`, which a load balancer that ends
        /// TLS adds.
        ///
        /// Default: false, since any client can write that header. A second call replaces the value.
        pub fn trust_forwarded_proto(self, trust: bool) -> Self {
            self.configure(|config| config.options().set_trust_forwarded_proto(trust))
        }

        /// Sets the scheme of all recorded URLs. It takes precedence over `X-Forwarded-Proto`.
        ///
        /// Default: `https` if the server knows that the connection is TLS, otherwise the scheme of the request target, or
        /// `http`. A second call replaces the scheme.
        ///
        $(#[$scheme])*
        pub fn scheme(self, scheme: $crate::adapter::Scheme) -> Self {
            self.configure(|config| config.options().set_scheme(scheme))
        }

        /// Sets whether the recorded URL keeps its query string.
        ///
        /// Default: false, since it may hold secrets. A second call replaces the value.
        pub fn keep_query(self, keep: bool) -> Self {
            self.configure(|config| config.options().set_keep_query(keep))
        }

        /// Sets whether every response carries `X-Amzn-Trace-Id`.
        ///
        /// Default: false, which means that responses carry it if the caller sent `Sampled=?`. A second call replaces the value.
        pub fn respond_always(self, always: bool) -> Self {
            self.configure(|config| config.options().set_respond_always(always))
        }

        /// Takes the client's address from `peer`, for connections whose address the adapter cannot determine: Unix
        /// sockets, the PROXY protocol.
        ///
        /// Default: the address of the connection, which is also used when `peer` returns `None`. `X-Forwarded-For` takes
        /// precedence unless it is [not trusted](Self::trust_forwarded_for). The function is called for every request that is
        /// recorded. A second call replaces it.
        ///
        $(#[$peer])*
        pub fn peer(
            self,
            peer: impl Fn(&$request) -> Option<std::net::IpAddr> + Send + Sync + 'static,
        ) -> Self {
            self.configure(|config| config.set_peer(peer))
        }

        /// Skips requests for which `ignore` returns true: no segment and no sampling decision. Recording calls in their
        /// code are no-ops, and no missing-context warning is logged.
        ///
        /// Default: no request is skipped. A second call replaces the function.
        ///
        $(#[$ignore])*
        pub fn ignore(self, ignore: impl Fn(&$request) -> bool + Send + Sync + 'static) -> Self {
            self.configure(|config| config.set_ignore(ignore))
        }

        /// Sets the function that returns the attributes of a request, by name. Sampling rules of the X-Ray service with
        /// `Attributes` are matched against them.
        ///
        /// Default: no attributes, so such rules never match. The function is called for every request that is not
        /// ignored. A second call replaces it.
        ///
        $(#[$sampling_attributes])*
        pub fn sampling_attributes(
            self,
            attributes: impl Fn(&$request) -> Vec<(&'static str, String)> + Send + Sync + 'static,
        ) -> Self {
            self.configure(|config| config.set_sampling_attributes(attributes))
        }

        $(
            /// Records the pattern of the route that matched, such as `/orders/{id}`.
            ///
            /// Default: it is not recorded. A second call replaces the destination.
            ///
            $(#[$matched_route])*
            pub fn matched_route(self, matched_route: $crate::adapter::MatchedRoute) -> Self {
                self.configure(|config| config.set_matched_route(matched_route))
            }
        )?
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Request {
        path: &'static str,
        peer: Option<IpAddr>,
    }

    fn config() -> (ServerConfig<Request, ()>, crate::testing::Traces) {
        let (recorder, traces) = Recorder::in_memory();
        let mut config = ServerConfig::new("shop");
        config.set_recorder(recorder);
        (config, traces)
    }

    fn info(_: &Request) -> ServerRequestInfo<'_> {
        ServerRequestInfo { host: Some("h"), ..ServerRequestInfo::default() }
    }

    fn details(_: &Request) -> ServerRequestDetails<'_> {
        ServerRequestDetails { peer: Some([192, 0, 2, 1].into()), ..ServerRequestDetails::default() }
    }

    #[test]
    fn an_ignored_request_is_not_read() {
        let (mut config, traces) = config();
        config.set_ignore(|request| request.path == "/health");
        drop(config.begin(&Request { path: "/health", peer: None }, |_| panic!("it was read"), details));
        assert!(traces.take().is_empty());
    }

    #[test]
    fn the_application_s_address_takes_precedence_over_the_adapter_s() {
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        for (peer, want) in [(Some(address(7)), "192.0.2.7"), (None, "192.0.2.1")] {
            let (mut config, traces) = config();
            config.set_peer(|request| request.peer);
            drop(config.clone().begin(&Request { path: "/", peer }, info, details));
            assert_eq!(traces.take().single().root().json()["http"]["request"]["client_ip"], want);
        }
    }

    #[test]
    fn functions_that_panic_count_as_not_set() {
        let (mut config, traces) = config();
        config.set_ignore(|_| panic!("boom"));
        config.set_peer(|_| panic!("boom"));
        config.set_sampling_attributes(|_| panic!("boom"));
        drop(config.begin(&Request { path: "/", peer: None }, info, details));
        assert_eq!(traces.take().single().root().json()["http"]["request"]["client_ip"], "192.0.2.1");
    }

    #[test]
    fn requests_are_seen_once_a_function_is_set() {
        let sees = |set: fn(&mut ServerConfig<Request, ()>)| {
            let (mut config, traces) = config();
            set(&mut config);
            let request = &Request { path: "/", peer: None };
            drop(config.begin_from(&info(request), || details(request)));
            assert_eq!(traces.take().single().root().json()["http"]["request"]["client_ip"], "192.0.2.1");
            config.sees_requests()
        };
        assert!(!sees(|config| config.set_end_at_headers(|()| true)));
        assert!(sees(|config| config.set_ignore(|_| true)));
        assert!(sees(|config| config.set_peer(|request| request.peer)));
        assert!(sees(|config| config.set_sampling_attributes(|_| vec![])));
    }

    #[test]
    fn a_route_is_recorded_where_it_is_configured() {
        let (mut config, traces) = config();
        let request = config.begin(&Request { path: "/", peer: None }, info, details);
        config.record_route(request.segment(), || -> Option<&str> { panic!("nothing is configured") });
        config.set_matched_route(MatchedRoute::annotation("route"));
        config.record_route(request.segment(), || Some("/orders/{id}"));
        config.record_route(ServerRequest::ignored().segment(), || -> Option<&str> { panic!("not recorded") });
        drop(request);
        assert_eq!(traces.take().single().root().json()["annotations"]["route"], "/orders/{id}");
    }
}
