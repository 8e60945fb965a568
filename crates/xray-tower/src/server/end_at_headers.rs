//! Decides which segments close at the response headers.

use http::{Request, Response};
use xray_core::adapter::Hook;

use super::layer::Config;

/// The heads of a request and of its response.
pub(crate) type Exchange = (Request<()>, Response<()>);

/// The rule of [`XRayLayer::end_at_headers`](crate::XRayLayer::end_at_headers) for the response to one request.
#[derive(Debug)]
pub(crate) struct EndAtHeaders {
    rule: Hook<Exchange, bool>,
    request: Request<()>,
}

impl EndAtHeaders {
    /// Returns the rule for the response to `request`, if one is set.
    pub(crate) fn of<B>(config: &Config, request: &Request<B>) -> Option<Box<EndAtHeaders>> {
        let rule = config.end_at_headers()?;
        Some(Box::new(EndAtHeaders { rule: rule.clone(), request: head_of(request) }))
    }

    /// Returns whether the segment closes at the headers of this response, and the response unchanged.
    pub(crate) fn covers<B>(self, response: Response<B>) -> (bool, Response<B>) {
        let (head, body) = response.into_parts();
        let exchange = (self.request, Response::from_parts(head, ()));
        let covers = self.rule.call(&exchange).unwrap_or(false);
        (covers, exchange.1.map(|()| body))
    }
}

/// Returns a copy of a request without its body.
fn head_of<B>(request: &Request<B>) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    *head.extensions_mut() = request.extensions().clone();
    head
}
