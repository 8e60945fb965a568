//! The `http` block of an entity: request and response.
//!
//! Adapters fill it in. Code that records calls of its own passes [`HttpRequest`] and [`HttpResponse`] to the setters
//! of [`Segment`](crate::Segment::set_http_request) and [`Subsegment`](crate::Subsegment::set_http_request).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::document::json;
use crate::flag::Flag;
use crate::scan;
use crate::url::{split, without_user};

/// Returns the flags for the status of a response.
///
/// | status | flags |
/// |---|---|
/// | 429 | error, throttle |
/// | other 4xx | error |
/// | 5xx | fault |
/// | all others | none |
///
/// ```
/// use xray_core::Flag;
/// use xray_core::http::flags_of_status;
///
/// assert_eq!(flags_of_status(404), [Flag::Error]);
/// assert_eq!(flags_of_status(503), [Flag::Fault]);
/// ```
pub fn flags_of_status(status: u16) -> &'static [Flag] {
    match status {
        429 => &[Flag::Error, Flag::Throttle],
        400..=499 => &[Flag::Error],
        500..=599 => &[Flag::Fault],
        _ => &[],
    }
}

/// The `http.request` block of a segment or subsegment.
///
/// User info and fragment of the URL are never recorded, its query string only with
/// [`keep_query`](HttpRequest::keep_query). URL, method and user agent keep 250 characters, X-Ray's limit. Absent
/// values are left out.
///
/// ```
/// use xray_core::http::HttpRequest;
///
/// let request = HttpRequest::new("POST", "https://inventory.example.com/reserve?token=secret").traced(true);
/// ```
///
/// On a server:
///
/// ```
/// # let (recorder, _traces) = xray_core::Recorder::in_memory();
/// use xray_core::http::HttpRequest;
///
/// let segment = recorder.begin("shop");
/// segment.set_http_request(
///     &HttpRequest::to_host("GET", "https", "shop.example.com", "/cart?page=2")
///         .user_agent("curl/8")
///         .client_ip("203.0.113.7")
///         .forwarded(true),
/// );
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpRequest<'a> {
    method: &'a str,
    url: Url<'a>,
    user_agent: Option<&'a str>,
    client_ip: Option<Address<'a>>,
    forwarded: bool,
    traced: bool,
    keep_query: bool,
}

/// A URL in one piece, or in the parts that a server knows.
#[derive(Clone, Copy, Debug)]
enum Url<'a> {
    Whole(&'a str),
    Parts { scheme: &'a str, host: &'a str, target: &'a str },
}

/// The client's address. A text is parsed only when it is written, because most requests are not recorded.
#[derive(Clone, Copy, Debug)]
enum Address<'a> {
    Text(&'a str),
    Ip(IpAddr),
}

impl Default for Url<'_> {
    fn default() -> Self {
        Url::Whole("")
    }
}

impl<'a> HttpRequest<'a> {
    /// Creates a request for an absolute URL.
    pub fn new(method: &'a str, url: &'a str) -> HttpRequest<'a> {
        HttpRequest { method, url: Url::Whole(url), ..HttpRequest::default() }
    }

    /// Creates a request as a server sees it: scheme, requested host and the target of the request line.
    ///
    /// If `host` is empty, the block has no URL.
    pub fn to_host(method: &'a str, scheme: &'a str, host: &'a str, target: &'a str) -> HttpRequest<'a> {
        HttpRequest { method, url: Url::Parts { scheme, host, target }, ..HttpRequest::default() }
    }

    /// Sets the client's `User-Agent` (default: none).
    #[must_use]
    pub fn user_agent(mut self, user_agent: &'a str) -> HttpRequest<'a> {
        self.user_agent = Some(user_agent);
        self
    }

    /// Sets the client's address from a text, as in `X-Forwarded-For` (default: none).
    ///
    /// Reads `192.0.2.1`, `192.0.2.1:51234` and `[2001:db8::1]:443`; port, brackets and zone are removed. Any other
    /// text leaves the address out. Calling this or [`peer`](HttpRequest::peer) again replaces the address.
    #[must_use]
    pub fn client_ip(mut self, address: &'a str) -> HttpRequest<'a> {
        self.client_ip = Some(Address::Text(address));
        self
    }

    /// Sets the client's address from its socket (default: none).
    ///
    /// An IPv4 address in IPv6 form is written as IPv4. Calling this or [`client_ip`](HttpRequest::client_ip) again
    /// replaces the address.
    #[must_use]
    pub fn peer(mut self, address: IpAddr) -> HttpRequest<'a> {
        self.client_ip = Some(Address::Ip(address.to_canonical()));
        self
    }

    /// Sets whether the client's address came from `X-Forwarded-For`, which any client can send (default: no).
    #[must_use]
    pub fn forwarded(mut self, forwarded: bool) -> HttpRequest<'a> {
        self.forwarded = forwarded;
        self
    }

    /// Sets whether the called service sends a segment of its own (default: no). For subsegments.
    #[must_use]
    pub fn traced(mut self, traced: bool) -> HttpRequest<'a> {
        self.traced = traced;
        self
    }

    /// Sets whether the URL's query string is recorded, which may contain secrets (default: no).
    #[must_use]
    pub fn keep_query(mut self, keep: bool) -> HttpRequest<'a> {
        self.keep_query = keep;
        self
    }

    /// Writes the members, each after a comma.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if !self.method.is_empty() {
            json::text_after(out, ",\"method\":\"", json::cut(self.method, json::SHORT));
        }
        self.write_url(out);
        if let Some(user_agent) = self.user_agent.filter(|text| !text.is_empty()) {
            json::text_after(out, ",\"user_agent\":\"", json::cut(user_agent, json::SHORT));
        }
        self.write_client(out);
        if self.forwarded {
            json::raw(out, ",\"x_forwarded_for\":true");
        }
        if self.traced {
            json::raw(out, ",\"traced\":true");
        }
    }

    fn write_client(&self, out: &mut Vec<u8>) {
        let address = match self.client_ip {
            // Nearly every text is an IPv4 address, and parsing accepts no other form of it than that of documents.
            Some(Address::Text(text)) if text.parse::<Ipv4Addr>().is_ok() => {
                json::raw(out, ",\"client_ip\":\"");
                json::raw(out, text);
                return json::raw(out, "\"");
            }
            Some(Address::Text(text)) => parse_ip(text),
            Some(Address::Ip(address)) => Some(address),
            None => None,
        };
        if let Some(address) = address {
            json::raw(out, ",\"client_ip\":\"");
            json::address(out, address);
            out.push(b'"');
        }
    }

    fn write_url(&self, out: &mut Vec<u8>) {
        let (Url::Whole(target) | Url::Parts { target, .. }) = self.url;
        let (scheme, separator, authority, target) = match (split(target), self.url) {
            (None, Url::Whole("")) => return,
            // `http:///path` would name no host.
            (None, Url::Parts { host, .. }) if without_user(host).is_empty() => return,
            // A target in absolute form, as proxies receive it, has scheme and host.
            (Some([scheme, authority, target]), _) => (scheme, "", authority, target),
            (None, Url::Whole(_)) => ("", "", "", target),
            (None, Url::Parts { scheme, host, .. }) => match without_user(host) {
                "" => return,
                host => (scheme, "://", host, target),
            },
        };
        let query = if self.keep_query { b'#' } else { b'?' };
        let is_end = |byte| (byte == b'#') | (byte == query);
        let dropped = scan::position(target.as_bytes(), is_end).map_or(0, |end| target.len() - end);
        json::raw(out, ",\"url\":\"");
        match self.url {
            // In one piece, as no user info is left out.
            Url::Whole(url) if scheme.len() + authority.len() + target.len() == url.len() => {
                json::escaped(out, json::cut(&url[..url.len() - dropped], json::SHORT));
            }
            _ => {
                let mut left = json::SHORT;
                for part in [scheme, separator, authority, &target[..target.len() - dropped]] {
                    let part = json::cut(part, left);
                    json::escaped(out, part);
                    // A text of fewer than `left` bytes has fewer characters, too, and leaves room.
                    left -= if part.len() < left { part.len() } else { part.chars().count() };
                }
            }
        }
        json::raw(out, "\"");
    }
}

/// Parses an address from an untrusted text, which may have a port, brackets, quotes or a zone.
pub(crate) fn parse_ip(text: &str) -> Option<IpAddr> {
    // Nearly every text is a plain address.
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let text = text.trim().trim_matches('"');
    let address = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
            address.split('%').next().filter(|_| is_port)?.parse::<std::net::Ipv6Addr>().ok()?.into()
        }
        None => match text.parse::<SocketAddr>() {
            Ok(address) => address.ip(),
            // Only IPv6 has zones.
            Err(_) => match text.split_once('%') {
                Some((address, _zone)) => address.parse::<std::net::Ipv6Addr>().ok()?.into(),
                None => text.parse::<IpAddr>().ok()?,
            },
        },
    };
    Some(address.to_canonical())
}

/// The `http.response` block of a segment or subsegment.
///
/// ```
/// use xray_core::http::HttpResponse;
///
/// let response = HttpResponse::new(200).content_length(1_204);
/// assert_eq!(response.status(), 200);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    status: u16,
    pub(crate) content_length: Option<u64>,
}

impl HttpResponse {
    /// Creates a response with this status. A status outside 100 to 999 is left out of the document.
    pub fn new(status: u16) -> HttpResponse {
        HttpResponse { status, content_length: None }
    }

    /// Sets the length of the body in bytes (default: none). `None` if it is not known.
    #[must_use]
    pub fn content_length(mut self, bytes: impl Into<Option<u64>>) -> HttpResponse {
        self.content_length = bytes.into();
        self
    }

    /// Returns the status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Writes the members, each after a comma.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if (100..=999).contains(&self.status) {
            json::raw(out, ",\"status\":");
            json::unsigned(out, self.status.into());
        }
        if let Some(bytes) = self.content_length {
            json::raw(out, ",\"content_length\":");
            json::unsigned(out, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(request: HttpRequest<'_>) -> serde_json::Value {
        let mut out = b"{\"x\":0".to_vec();
        request.write(&mut out);
        out.push(b'}');
        let mut value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        value.as_object_mut().unwrap().remove("x");
        value
    }

    #[test]
    fn urls_lose_what_may_be_secret() {
        for (url, want) in [
            ("http://h/p?q=1#f", "http://h/p"),
            ("https://user:pass@h:8443/p", "https://h:8443/p"),
            ("http://h", "http://h"),
            ("http://h?q=a@b", "http://h"),
            ("http://a@b@h/x@y", "http://h/x@y"),
            ("http://user:pa/s3cret@h/p", "http://h/p"),
            ("http://user:pa?s3cret@h:8080/p?q", "http://h:8080/p"),
            ("http://[::1]/x@y", "http://[::1]/x@y"),
            ("http://h:8080/x@y", "http://h:8080/x@y"),
            ("http://h:/x@y", "http://h:/x@y"),
            ("/only/a/path?q", "/only/a/path"),
            ("/login?next=http://h/p", "/login"),
            ("http://h/login?next=http://other/p", "http://h/login"),
            ("http://h/\"quoted\"", "http://h/\"quoted\""),
        ] {
            assert_eq!(written(HttpRequest::new("GET", url))["url"], want, "{url}");
        }
        assert_eq!(written(HttpRequest::new("GET", "http://u@h/p?q=1#f").keep_query(true))["url"], "http://h/p?q=1");
        assert_eq!(written(HttpRequest::to_host("GET", "http", "u@h:1", "/p?q=1"))["url"], "http://h:1/p");
        for host in ["", "u:p@"] {
            assert_eq!(written(HttpRequest::to_host("GET", "http", host, "/p")), serde_json::json!({"method": "GET"}));
        }
        assert_eq!(written(HttpRequest::to_host("GET", "http", "proxy", "http://h/p?q"))["url"], "http://h/p");
        assert_eq!(written(HttpRequest::to_host("GET", "http", "h", "/p?next=http://o/"))["url"], "http://h/p");
    }

    #[test]
    fn long_texts_are_cut_at_the_limit_of_the_schema() {
        let path = format!("/{}", "ä".repeat(300));
        let url = written(HttpRequest::to_host("GET", "http", "h", &path))["url"].as_str().unwrap().to_owned();
        assert_eq!((url.chars().count(), url.starts_with("http://h/ä")), (250, true));
        let url = format!("http://{}/", "h".repeat(400));
        assert_eq!(written(HttpRequest::new(&"G".repeat(300), &url))["url"].as_str().unwrap().len(), 250);
    }

    #[test]
    fn what_is_absent_is_left_out() {
        assert_eq!(written(HttpRequest::default()), serde_json::json!({}));
        let peer = HttpRequest::new("GET", "").user_agent("").peer("::ffff:1.2.3.4".parse().unwrap());
        assert_eq!(written(peer), serde_json::json!({"method": "GET", "client_ip": "1.2.3.4"}));
    }

    #[test]
    fn a_client_is_an_address_or_absent() {
        for (text, want) in [
            ("192.0.2.1", Some("192.0.2.1")),
            (" 192.0.2.1:51234 ", Some("192.0.2.1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("\"[2001:db8::1]:443\"", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("[fe80::1%25eth0]:443", Some("fe80::1")),
            ("192.0.2.1%27 OR 1=1", None),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("[::1]x", None),
            ("[::1]:99999", None),
            ("192.0.2.1:x", None),
            ("unknown", None),
            ("_hidden", None),
            ("<script>", None),
            ("", None),
        ] {
            let request = HttpRequest::new("GET", "http://h/p").client_ip(text);
            assert_eq!(written(request)["client_ip"].as_str(), want, "{text}");
        }
    }
}
