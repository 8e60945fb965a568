//! The facts of a request that a server received.

use crate::entity::Segment;
use crate::header::TraceHeader;
use crate::url::without_user;
use crate::w3c::{Propagation, TraceParent};

/// The facts about a request on which naming and sampling are decided.
///
/// All fields may be empty. The more an adapter fills in, the more sampling rules match. What only a recorded segment shows is
/// in [`ServerRequestDetails`](super::ServerRequestDetails).
///
/// ```
/// use xray_core::adapter::ServerRequestInfo;
///
/// let mut info = ServerRequestInfo::default();
/// info.method = "GET";
/// info.host = Some("shop.example.com");
/// info.target = "/cart?page=2";
/// info.trace_header = Some("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1");
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ServerRequestInfo<'a> {
    /// The method, as in the request line.
    pub method: &'a str,
    /// The `Host` header, or `:authority` in HTTP/2, with the port.
    pub host: Option<&'a str>,
    /// The target of the request line: path and query string. Empty for `OPTIONS *` and `CONNECT`.
    pub target: &'a str,
    /// The `X-Amzn-Trace-Id` header.
    pub trace_header: Option<&'a str>,
    /// The `traceparent` header.
    pub traceparent: Option<&'a str>,
    /// The `tracestate` header.
    pub tracestate: Option<&'a str>,
    /// The segment that an outer layer has begun for this request, from the request's extensions.
    pub segment: Option<&'a Segment>,
    /// Attributes of the request by name, from the application. Sampling rules with `Attributes` match them.
    pub attributes: &'a [(&'a str, &'a str)],
}

impl<'a> ServerRequestInfo<'a> {
    /// Returns the host that the client requested, without user info.
    pub(super) fn requested_host(&self) -> Option<&'a str> {
        self.host.map(without_user).filter(|host| !host.is_empty())
    }

    /// Returns the header to follow: X-Ray's, or the W3C's if that one is preferred or the only one with a trace.
    pub(super) fn header(&self, propagation: Propagation) -> TraceHeader<'a> {
        if self.trace_header.is_none() && self.traceparent.is_none() {
            return TraceHeader::default();
        }
        let xray = self.trace_header.map(TraceHeader::parse).unwrap_or_default();
        let w3c = if xray.trace_id().is_none() || propagation.prefers_w3c() { self.traceparent } else { None };
        let chosen = match w3c.and_then(TraceParent::parse) {
            Some(parent) => TraceHeader::from_w3c(parent, self.tracestate.unwrap_or_default()).with_fields_of(&xray),
            None => xray,
        };
        chosen.chosen_from(self.trace_header, self.traceparent)
    }
}
