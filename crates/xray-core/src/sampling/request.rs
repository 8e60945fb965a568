//! What a sampler knows of a request.

use std::fmt;

/// What a sampler may know about a request when it decides: nothing is recorded yet.
///
/// Only the service is always known. A part that is absent matches every rule. The builder methods take a text
/// or an `Option` of one.
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
    /// The host that the client asked for, with its port if it gave one: the `Host` header or `:authority`.
    pub host: Option<&'a str>,
    /// The HTTP method.
    pub method: Option<&'a str>,
    /// The path of the URL. A query string may follow: rules do not see it.
    pub path: Option<&'a str>,
    /// What the service runs on, as X-Ray spells it in `origin`: `AWS::ECS::Container`.
    pub service_type: Option<&'a str>,
    /// What the application knows of the request, by name, for rules that ask for attributes.
    pub attributes: &'a [(&'a str, &'a str)],
}

impl<'a> SamplingRequest<'a> {
    /// A request to `service`, of which nothing else is known.
    pub fn new(service: &'a str) -> SamplingRequest<'a> {
        SamplingRequest { service, ..SamplingRequest::default() }
    }

    /// Sets the host that the client asked for.
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

    /// Sets what the service runs on.
    #[must_use]
    pub fn service_type(mut self, service_type: impl Into<Option<&'a str>>) -> SamplingRequest<'a> {
        self.service_type = service_type.into();
        self
    }

    /// Sets what the application knows of the request.
    #[must_use]
    pub fn attributes(mut self, attributes: &'a [(&'a str, &'a str)]) -> SamplingRequest<'a> {
        self.attributes = attributes;
        self
    }

    /// The same request, its path without the query string.
    pub(super) fn without_query(mut self) -> SamplingRequest<'a> {
        self.path = self.path.map(|path| path.split_once('?').map_or(path, |(path, _query)| path));
        self
    }
}

/// As in a log: what is known of it, without the query string, which may hold secrets.
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
