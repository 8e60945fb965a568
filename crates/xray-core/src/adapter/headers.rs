//! The headers that adapters read and write, and what they say.

use std::str::from_utf8;

use super::{ServerRequestDetails, ServerRequestInfo};
use crate::header::{SamplingFlag, TraceHeader};
use crate::id::TraceId;

pub use crate::header::TRACE_HEADER;
pub use crate::w3c::{TRACEPARENT, TRACESTATE};

/// `Content-Length` in lower case.
pub const CONTENT_LENGTH: &str = "content-length";
/// The status of a gRPC call: in the trailers, or in the headers of a response without a body.
pub const GRPC_STATUS: &str = "grpc-status";
/// The message of a gRPC status, percent-encoded.
pub const GRPC_MESSAGE: &str = "grpc-message";

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";
const HOST: &str = "host";
const USER_AGENT: &str = "user-agent";

/// Parses the value of a `Content-Length` header. Returns `None` for anything other than a number of bytes.
///
/// ```
/// use xray_core::adapter::content_length;
///
/// assert_eq!(content_length(b"1024"), Some(1024));
/// assert_eq!(content_length(b"-1"), None);
/// ```
pub fn content_length(value: &[u8]) -> Option<u64> {
    let text = from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}

/// Returns the value of an `X-Amzn-Trace-Id` header in visible ASCII. For clients that do not use [`ClientRequest`](super::ClientRequest).
///
/// It is what `Display` writes, without the fields that an HTTP header cannot carry, in one allocation of its exact
/// size.
///
/// ```
/// use xray_core::{TraceHeader, adapter::header_value};
///
/// let header = TraceHeader::parse("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1");
/// assert_eq!(header_value(&header), header.to_string());
/// ```
pub fn header_value(header: &TraceHeader<'_>) -> String {
    // Fields may come from the attribute of a message, which allows more characters than a header.
    let fields = || header.fields().filter(|(key, value)| is_visible(key) && is_visible(value));
    let (Some(trace_id), Some(parent)) = (header.trace_id(), header.parent()) else { return header.to_string() };
    let sampled = match header.sampled() {
        Some(SamplingFlag::Sampled) => ";Sampled=1",
        Some(SamplingFlag::Requested) => ";Sampled=?",
        Some(SamplingFlag::NotSampled) | None => ";Sampled=0",
    };
    let of_fields: usize = fields().map(|(key, value)| key.len() + value.len() + 2).sum();
    let mut text = Vec::with_capacity("Root=".len() + TraceId::LEN + ";Parent=".len() + 16 + sampled.len() + of_fields);
    text.extend_from_slice(b"Root=");
    text.extend_from_slice(&trace_id.to_ascii());
    text.extend_from_slice(b";Parent=");
    text.extend_from_slice(&parent.to_ascii());
    text.extend_from_slice(sampled.as_bytes());
    for (key, value) in fields() {
        for part in [";", key, "=", value] {
            text.extend_from_slice(part.as_bytes());
        }
    }
    String::from_utf8(text).unwrap_or_default()
}

/// Whether an HTTP header can carry a text.
pub(super) fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

impl<'a> ServerRequestInfo<'a> {
    /// Creates the facts that headers hold: the host and the trace headers. The other fields are empty.
    ///
    /// Names must be in lower case. Of several headers with one name the first counts, as long as it is UTF-8.
    ///
    /// ```
    /// use xray_core::adapter::ServerRequestInfo;
    ///
    /// let headers = [("host", "shop.example.com"), ("user-agent", "curl/8.5.0"), ("accept", "*/*")];
    /// let mut info = ServerRequestInfo::from_headers(headers.map(|(name, value)| (name, value.as_bytes())));
    /// info.method = "GET";
    /// info.set_uri(None, Some("/orders/7?sort=date"));
    ///
    /// assert_eq!((info.host, info.target), (Some("shop.example.com"), "/orders/7?sort=date"));
    /// ```
    // One pass is faster than a look-up for each name.
    pub fn from_headers(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> ServerRequestInfo<'a> {
        let mut info = ServerRequestInfo::default();
        for (name, value) in headers {
            let field = match name {
                HOST => &mut info.host,
                TRACE_HEADER => &mut info.trace_header,
                TRACEPARENT => &mut info.traceparent,
                TRACESTATE => &mut info.tracestate,
                _ => continue,
            };
            set_first(field, value);
        }
        info
    }

    /// Sets host and target from the parts of the request's URI.
    ///
    /// An authority, which HTTP/2 and requests to a proxy have, takes precedence over the `Host` header (RFC 9112, 3.2.2).
    /// The target of `OPTIONS *` is empty, since `*` is no path.
    pub fn set_uri(&mut self, authority: Option<&'a str>, path_and_query: Option<&'a str>) {
        self.host = authority.or(self.host);
        self.target = path_and_query.filter(|target| *target != "*").unwrap_or_default();
    }
}

impl<'a> ServerRequestDetails<'a> {
    /// Creates the details that headers hold: the user agent and the `X-Forwarded-*` headers. The other fields are empty.
    ///
    /// The same applies to the headers as in [`ServerRequestInfo::from_headers`].
    ///
    /// ```
    /// use xray_core::adapter::ServerRequestDetails;
    ///
    /// let mut details = ServerRequestDetails::from_headers([("user-agent", &b"curl/8.5.0"[..])]);
    /// details.peer = Some([192, 0, 2, 7].into());
    ///
    /// assert_eq!(details.user_agent, Some("curl/8.5.0"));
    /// ```
    pub fn from_headers(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> ServerRequestDetails<'a> {
        let mut details = ServerRequestDetails::default();
        for (name, value) in headers {
            let field = match name {
                USER_AGENT => &mut details.user_agent,
                FORWARDED_FOR => &mut details.forwarded_for,
                FORWARDED_PROTO => &mut details.forwarded_proto,
                _ => continue,
            };
            set_first(field, value);
        }
        details
    }
}

/// Sets the field of a header that may occur several times.
fn set_first<'a>(field: &mut Option<&'a str>, value: &'a [u8]) {
    if field.is_none() {
        *field = from_utf8(value).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_length_is_a_number_of_bytes() {
        for (value, want) in [
            (&b"0"[..], Some(0)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"+1", None),
            (b"1, 1", None),
            (b"", None),
            (b"\xff", None),
        ] {
            assert_eq!(content_length(value), want, "{value:?}");
        }
    }

    #[test]
    fn each_header_reaches_its_field() {
        let names = [HOST, USER_AGENT, FORWARDED_FOR, FORWARDED_PROTO, TRACE_HEADER, TRACEPARENT, TRACESTATE];
        let headers = names.map(|name| (name, name.as_bytes()));
        let info = ServerRequestInfo::from_headers(headers);
        let details = ServerRequestDetails::from_headers(headers);
        let fields = [
            info.host,
            details.user_agent,
            details.forwarded_for,
            details.forwarded_proto,
            info.trace_header,
            info.traceparent,
            info.tracestate,
        ];
        assert_eq!(fields, names.map(Some));
    }

    #[test]
    fn the_first_header_that_is_utf_8_counts() {
        let headers = [
            (USER_AGENT, &b"agent \xff"[..]),
            (HOST, b"first"),
            (HOST, b"second"),
            ("Host", b"third"),
            (USER_AGENT, "agent \u{e9}".as_bytes()),
        ];
        assert_eq!(ServerRequestInfo::from_headers(headers).host, Some("first"));
        assert_eq!(ServerRequestDetails::from_headers(headers).user_agent, Some("agent \u{e9}"));
    }

    #[test]
    fn the_authority_of_a_uri_takes_precedence_over_the_host_header() {
        for (header, authority, path_and_query, host, target) in [
            (Some("h:1"), None, Some("/p?q=1"), Some("h:1"), "/p?q=1"),
            (None, None, Some("/p"), None, "/p"),
            (None, Some("h2:3"), Some("/p"), Some("h2:3"), "/p"),
            (Some("header"), Some("target"), Some("/p"), Some("target"), "/p"),
            (Some("header"), Some("proxied:443"), None, Some("proxied:443"), ""),
            (Some("h"), None, Some("*"), Some("h"), ""),
        ] {
            let mut info = ServerRequestInfo::from_headers(header.map(|value| (HOST, value.as_bytes())));
            info.set_uri(authority, path_and_query);
            assert_eq!((info.host, info.target), (host, target), "{header:?} {authority:?}");
        }
    }
}
