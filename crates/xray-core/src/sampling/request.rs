//! The facts about a request that a sampler decides on.

use std::fmt;

use memchr::memchr;

/// The facts about a request that a sampler decides on, before anything is recorded.
///
/// Only the service is always known. Rules match an absent part with `*` only, except that an absent service type
/// matches every condition. The builder methods take a `&str` or an `Option<&str>`, and replace what was set before.
///
/// ```
/// use xray_core::sampling::SamplingRequest;
///
/// let request = SamplingRequest::new("shop").host("shop.example.com").method("GET").path("/orders/7?full=1");
/// assert_eq!(request.method, Some("GET"));
/// assert_eq!(request.host(None).host, None);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SamplingRequest<'a> {
    /// The name that the segment will have.
    pub service: &'a str,
    /// The requested host, including the port if the client sent one: the `Host` header or `:authority`.
    pub host: Option<&'a str>,
    /// The HTTP method.
    pub method: Option<&'a str>,
    /// The path of the URL. A query string may follow; rules ignore it.
    pub path: Option<&'a str>,
    /// The platform that the service runs on, as X-Ray spells it in `origin`: `AWS::ECS::Container`.
    pub service_type: Option<&'a str>,
    /// The application's own facts about the request, as pairs of name and value. Only rules of the X-Ray service
    /// with `Attributes` use them; without them such rules never match.
    pub attributes: &'a [(&'a str, &'a str)],
}

impl<'a> SamplingRequest<'a> {
    /// Creates a request to `service`, with all other parts absent.
    pub fn new(service: &'a str) -> SamplingRequest<'a> {
        SamplingRequest { service, ..SamplingRequest::default() }
    }

    /// Sets the requested host, with its port if there is one.
    #[must_use]
    pub fn host(mut self, host: impl Into<Option<&'a str>>) -> SamplingRequest<'a> {
        self.host = host.into();
        self
    }

    /// Sets the HTTP method.
    #[must_use]
    pub fn method(mut self, method: impl Into<Option<&'a str>>) -> SamplingRequest<'a> {
        self.method = method.into();
        self
    }

    /// Sets the path, with or without a query string.
    #[must_use]
    pub fn path(mut self, path: impl Into<Option<&'a str>>) -> SamplingRequest<'a> {
        self.path = path.into();
        self
    }

    /// Sets the platform that the service runs on, such as `AWS::EC2::Instance`.
    #[must_use]
    pub fn service_type(mut self, service_type: impl Into<Option<&'a str>>) -> SamplingRequest<'a> {
        self.service_type = service_type.into();
        self
    }

    /// Sets the application's own facts about the request, for rules with `Attributes`.
    ///
    /// ```
    /// use xray_core::sampling::SamplingRequest;
    ///
    /// let request = SamplingRequest::new("shop").path("/orders").attributes(&[("tier", "gold")]);
    /// assert_eq!(request.attributes, [("tier", "gold")]);
    /// ```
    #[must_use]
    pub fn attributes(mut self, attributes: &'a [(&'a str, &'a str)]) -> SamplingRequest<'a> {
        self.attributes = attributes;
        self
    }

    /// Returns the same request with the query string removed from its path.
    pub(super) fn without_query(mut self) -> SamplingRequest<'a> {
        self.path = self.path.map(|path| memchr(b'?', path.as_bytes()).map_or(path, |query| &path[..query]));
        self
    }
}

/// Formats the request for a log line, without the query string, which may contain secrets.
///
/// ```
/// use xray_core::sampling::SamplingRequest;
///
/// let request = SamplingRequest::new("shop").method("GET").host("shop.test").path("/orders?token=abc");
/// assert_eq!(request.to_string(), "GET shop.test/orders to \"shop\"");
/// ```
impl fmt::Display for SamplingRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = self.without_query();
        if let Some(method) = request.method {
            write!(f, "{} ", method.escape_debug())?;
        }
        let url = [request.host, request.path].into_iter().flatten();
        url.clone().try_for_each(|part| write!(f, "{}", part.escape_debug()))?;
        let to = if request.method.is_some() || url.count() > 0 { " to " } else { "" };
        write!(f, "{to}{:?}", request.service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_displays_without_its_query() {
        let request = SamplingRequest::new("shop");
        assert_eq!(request.to_string(), "\"shop\"");
        let request = request.method("GET").host("a.test:80").path("/orders?token=secret");
        assert_eq!(request.to_string(), "GET a.test:80/orders to \"shop\"");
    }

    #[test]
    fn the_query_is_cut_off_at_the_first_question_mark() {
        for (path, want) in [("/a", "/a"), ("/a?", "/a"), ("/a?b=1", "/a"), ("/a?b?c", "/a"), ("?b", ""), ("", "")] {
            assert_eq!(SamplingRequest::new("shop").path(path).without_query().path, Some(want), "{path:?}");
        }
        assert_eq!(SamplingRequest::new("shop").without_query().path, None);
    }
}
