//! The options of tracing a server's requests.

use crate::http::{HttpRequest, parse_ip};
use crate::recorder::Recorder;

use super::{Naming, Scheme, ServerRequestDetails, ServerRequestInfo};

/// The options of tracing a server's requests, which all adapters have in common.
///
/// Calling a setter again replaces the value.
///
/// ```
/// use xray_core::adapter::{Scheme, ServerOptions};
///
/// let mut options = ServerOptions::new("shop");
/// options.set_scheme(Scheme::Https); // behind a load balancer that ends TLS
/// options.set_keep_query(true);
/// ```
#[derive(Clone, Debug)]
pub struct ServerOptions {
    naming: Naming,
    scheme: Option<Scheme>,
    trust_forwarded_for: bool,
    trust_forwarded_proto: bool,
    keep_query: bool,
    pub(super) always_respond: bool,
}

impl ServerOptions {
    /// Creates the default options, with this naming.
    pub fn new(naming: impl Into<Naming>) -> ServerOptions {
        ServerOptions {
            naming: naming.into(),
            scheme: None,
            trust_forwarded_for: true,
            trust_forwarded_proto: false,
            keep_query: false,
            always_respond: false,
        }
    }

    /// Sets the scheme of all recorded URLs.
    ///
    /// By default, it is `https` if the server knows that the connection uses TLS. Otherwise it is the scheme of the
    /// request target, or `http`.
    pub fn set_scheme(&mut self, scheme: Scheme) {
        self.scheme = Some(scheme);
    }

    /// Sets whether the scheme is taken from the first entry of `X-Forwarded-Proto` (default: no, because any client
    /// can send that header).
    ///
    /// A scheme set by [`set_scheme`](ServerOptions::set_scheme) takes precedence.
    pub fn set_trust_forwarded_proto(&mut self, trust: bool) {
        self.trust_forwarded_proto = trust;
    }

    /// Sets whether `client_ip` is taken from the first entry of `X-Forwarded-For` (default: yes, as in all X-Ray
    /// SDKs).
    ///
    /// Any client can send that header. It never influences a decision.
    pub fn set_trust_forwarded_for(&mut self, trust: bool) {
        self.trust_forwarded_for = trust;
    }

    /// Sets whether URLs keep their query strings (default: no, because those may contain secrets).
    pub fn set_keep_query(&mut self, keep: bool) {
        self.keep_query = keep;
    }

    /// Sets whether every response carries `X-Amzn-Trace-Id` (default: only if the caller sent `Sampled=?`).
    pub fn set_respond_always(&mut self, always: bool) {
        self.always_respond = always;
    }

    /// Returns the name of the segment of a request to `host`.
    pub(super) fn name<'a>(&'a self, recorder: &'a Recorder, host: Option<&'a str>) -> &'a str {
        self.naming.check(recorder.diagnostics());
        self.naming.resolve(host, recorder.tracing_name())
    }

    /// Returns the `http.request` block.
    pub(super) fn describe<'a>(
        &self,
        request: &ServerRequestInfo<'a>,
        details: &ServerRequestDetails<'a>,
    ) -> HttpRequest<'a> {
        let scheme = self.scheme_of(details).as_str();
        let mut described =
            HttpRequest::to_host(request.method, scheme, request.host.unwrap_or_default(), request.target)
                .keep_query(self.keep_query)
                .user_agent(details.user_agent.unwrap_or_default());
        let forwarded = details.forwarded_for.filter(|_| self.trust_forwarded_for);
        // The first entry is the client. Anything but an address counts as absent.
        if let Some(client) = forwarded.and_then(|list| parse_ip(list.split(',').next()?)) {
            described = described.peer(client).forwarded(true);
        } else if let Some(peer) = details.peer {
            described = described.peer(peer);
        }
        described
    }

    /// Returns the scheme of the recorded URL.
    fn scheme_of(&self, details: &ServerRequestDetails<'_>) -> Scheme {
        let forwarded = || {
            let list = details.forwarded_proto.filter(|_| self.trust_forwarded_proto)?;
            // The first entry is the client's connection. Anything but a scheme counts as absent.
            Scheme::parse(list.split(',').next()?.trim())
        };
        let secure = details.secure.then_some(Scheme::Https);
        let target = || details.scheme.and_then(Scheme::parse);
        self.scheme.or_else(forwarded).or(secure).or_else(target).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_the_set_one_the_forwarded_one_that_of_the_connection_or_that_of_the_target() {
        use Scheme::{Http, Https};
        for (set, trust, forwarded, secure, target, scheme) in [
            (None, false, Some("https"), false, None, Http),
            (None, false, None, false, Some("https"), Https),
            (None, false, None, false, Some("HTTPS"), Https),
            (None, false, None, false, Some("ftp"), Http),
            // Any client can send any scheme in the target.
            (None, false, None, true, Some("http"), Https),
            (None, true, Some("https"), false, Some("http"), Https),
            (None, true, Some(" WSS , http"), false, None, Https),
            (None, true, Some("http,https"), true, None, Http),
            (None, true, Some("javascript"), true, None, Https),
            (None, true, Some(""), false, None, Http),
            (None, true, None, true, None, Https),
            (Some(Http), true, Some("https"), true, Some("https"), Http),
            (Some(Https), true, Some("http"), false, Some("http"), Https),
        ] {
            let mut options = ServerOptions::new("shop");
            options.set_trust_forwarded_proto(trust);
            if let Some(scheme) = set {
                options.set_scheme(scheme);
            }
            let details = ServerRequestDetails {
                forwarded_proto: forwarded,
                secure,
                scheme: target,
                ..ServerRequestDetails::default()
            };
            assert_eq!(options.scheme_of(&details), scheme, "{set:?} {trust} {forwarded:?} {secure} {target:?}");
        }
    }
}
