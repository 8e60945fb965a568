//! The facts of a request that a client sends, and the trace headers that it carries already.

use std::borrow::Cow;

use crate::context::try_current;
use crate::entity::Entity;
use crate::header::TRACE_HEADER;
use crate::url::without_user;
use crate::w3c::{TRACEPARENT, TRACESTATE};

/// The name of a call that has no host.
const UNKNOWN: &str = "unknown";
/// The start of the content types of gRPC and gRPC-web.
const GRPC: &str = "application/grpc";

/// The facts that a client adapter knows about a request before it is sent.
///
/// ```
/// use xray_core::adapter::ClientRequestInfo;
///
/// let mut info = ClientRequestInfo::default();
/// info.method = "GET";
/// info.scheme = "https";
/// info.authority = "inventory.example.com";
/// info.target = "/items/7";
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ClientRequestInfo<'a> {
    /// The method.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and port, as in the URL or the `Host` header. User info is ignored, and a default port is left out.
    pub authority: &'a str,
    /// Path and query string.
    pub target: &'a str,
    /// The subsegment's name, if it is not the host.
    pub name: Option<&'a str>,
    /// The `Content-Type` header. A gRPC call without a host is named after its service, and its URL is its path.
    pub content_type: Option<&'a str>,
    /// The `X-Amzn-Trace-Id` that the request already carries. If this service received the same one, a proxy has
    /// copied it, and it is replaced. Otherwise someone else traces the call.
    pub trace_header: Option<&'a str>,
    /// The `traceparent` that the request already carries. It is replaced under the same condition.
    pub traceparent: Option<&'a str>,
    /// Whether the call is recorded but carries no header, so that the called service does not learn the trace id.
    pub without_header: bool,
}

impl<'a> ClientRequestInfo<'a> {
    /// Splits host and port. The colons of an IPv6 address are within brackets.
    fn split(&self) -> (&'a str, Option<&'a str>) {
        let authority = without_user(self.authority);
        match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        }
    }

    pub(super) fn port(&self) -> Option<&'a str> {
        self.split().1
    }

    pub(super) fn host_as_written(&self) -> &'a str {
        self.split().0
    }

    fn host(&self) -> Option<&'a str> {
        let host = self.host_as_written().trim_start_matches('[').trim_end_matches(']');
        Some(host).filter(|host| !host.is_empty())
    }

    /// Returns `package.Service` for a gRPC call, whose path is `/package.Service/Method`.
    pub(super) fn grpc_service(&self) -> Option<&'a str> {
        let is_grpc = |value: &str| value.get(..GRPC.len()).is_some_and(|start| start.eq_ignore_ascii_case(GRPC));
        self.content_type.filter(|value| is_grpc(value))?;
        let path = self.target.split('?').next()?;
        path.rsplit('/').nth(1).filter(|service| !service.is_empty())
    }

    /// Returns the subsegment's name. Host names are written in lower case, so that one host is one node on the service
    /// map.
    pub(super) fn name(&self) -> Cow<'a, str> {
        match (self.name, self.host()) {
            (Some(name), _) => Cow::Borrowed(name),
            (None, Some(host)) if host.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                host.to_ascii_lowercase().into()
            }
            (None, Some(host)) => Cow::Borrowed(host),
            (None, None) => Cow::Borrowed(self.grpc_service().unwrap_or(UNKNOWN)),
        }
    }

    /// Returns what the request carries of X-Ray's and the W3C's header, before a call in the trace of `parent`.
    pub(super) fn carries(&self, parent: &Entity) -> [Carries; 2] {
        if self.trace_header.is_none() && self.traceparent.is_none() {
            return [Carries::Nothing; 2];
        }
        let (received, trace_id) = (parent.handle().received(), parent.trace_id());
        [
            Carries::of(self.trace_header, |header| trace_id.is_some_and(|id| received.is_xray(id, header))),
            Carries::of(self.traceparent, |header| trace_id.is_some_and(|id| received.is_traceparent(id, header))),
        ]
    }
}

/// The trace header of one kind that a request carries before the call begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carries {
    Nothing,
    /// The header that this service received.
    Copied,
    /// A header that someone else added.
    Foreign,
}

impl Carries {
    fn of(header: Option<&str>, is_received: impl FnOnce(&str) -> bool) -> Carries {
        match header {
            None => Carries::Nothing,
            Some(header) if is_received(header) => Carries::Copied,
            Some(_) => Carries::Foreign,
        }
    }
}

/// Returns the names of the trace headers in `request` that are copies of headers that this service received.
///
/// A proxy makes such copies. An adapter must remove them from a request that carries no header: one that is not traced
/// at all, and one that is recorded [without a header](ClientRequestInfo::without_header). Headers of someone else must
/// stay.
pub fn copied_headers(
    parent: Option<&Entity>,
    request: &ClientRequestInfo<'_>,
) -> impl Iterator<Item = &'static str> + use<> {
    let carries = match parent {
        Some(parent) => request.carries(parent),
        None => try_current().map_or([Carries::Foreign; 2], |current| request.carries(&current)),
    };
    let [xray, traceparent] = carries.map(|carries| carries == Carries::Copied);
    [(TRACE_HEADER, xray), (TRACEPARENT, traceparent), (TRACESTATE, traceparent)]
        .into_iter()
        .filter_map(|(name, is_copied)| is_copied.then_some(name))
}
