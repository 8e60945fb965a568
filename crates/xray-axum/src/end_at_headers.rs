//! The responses whose segments close with the head.

use http::{Request, Response};
use xray_core::adapter::Hook;

/// The rule of [`XRayLayer::end_at_headers`](crate::XRayLayer::end_at_headers).
pub(crate) type Rule = Hook<(Request<()>, Response<()>), bool>;

/// The rule for the response to one request.
#[derive(Debug)]
pub(crate) struct UntilHead {
    rule: Rule,
    request: Request<()>,
}

impl UntilHead {
    pub(crate) fn new(rule: &Rule, request: &Request<()>) -> Box<UntilHead> {
        Box::new(UntilHead { rule: rule.clone(), request: request.clone() })
    }

    /// Whether the segment closes with the head of this response, and the response as it was.
    pub(crate) fn covers<B>(self, response: Response<B>) -> (bool, Response<B>) {
        let (head, body) = response.into_parts();
        let exchange = (self.request, Response::from_parts(head, ()));
        let covers = self.rule.call(&exchange).unwrap_or(false);
        (covers, exchange.1.map(|()| body))
    }
}
