//! `reqwest::Client` as a tower client, and the parts that the reqwest middleware shares.

use std::task::{Context, Poll};

use http::Extensions;
use reqwest::{Body, Request, Response, ResponseBuilderExt};
use tower_service::Service;
use xray_core::Entity;
use xray_core::adapter::BodyLength;
use xray_core::context::try_current;

use super::body::XRayBody;
use super::call::{Call, Target};
use super::config::ClientConfig;
use super::error::{AsError, Typed};
use super::future::RecordResponse;
use super::service::XRayClient;
use super::start::{CallStart, ResponseFuture, TracedRequest};

/// `reqwest::Client` is a service for its own request type, which has no extensions. So calls are always named by their
/// host, and belong to the current entity.
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
impl<S, C, B, W> Service<Request> for XRayClient<S, C, B, W>
where
    S: Service<Request, Response = Response>,
    C: AsError<S::Error>,
    W: CallStart<S>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request, C, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        ResponseFuture::new::<W>(&mut self.inner, request, &self.config)
    }
}

impl TracedRequest for Request {
    fn parent(&self) -> Option<Entity> {
        try_current()
    }

    fn start(&mut self, config: &ClientConfig, parent: Option<&Entity>) -> Option<Box<Call>> {
        config.start_reqwest(self, &Extensions::new(), parent)
    }
}

impl ClientConfig {
    /// Begins a call and sets the trace headers. Returns the recording, if the call is sampled.
    pub fn start_reqwest(
        &self,
        request: &mut Request,
        extensions: &Extensions,
        current: Option<&Entity>,
    ) -> Option<Box<Call>> {
        let url = request.url();
        let (scheme, authority) = (url.scheme(), url.authority());
        let target = url.as_str().get(scheme.len() + "://".len() + authority.len()..).unwrap_or_default();
        let to = Target { scheme, authority, target };
        let (headers, call) = self.start(request.method(), to, request.headers(), extensions, current);
        headers.apply_to(request.headers_mut());
        call
    }
}

impl<B> RecordResponse<B> for Response {
    type Recorded = Response;

    fn recorded(self, call: Option<Box<Call>>) -> Response {
        let Some(mut call) = call else { return self };
        let length = match self.content_length() {
            Some(0) => BodyLength::Nothing,
            Some(bytes) => BodyLength::Exact(bytes),
            None => BodyLength::Unknown,
        };
        if !call.responded(self.status(), self.headers(), self.extensions(), length) {
            return self;
        }
        // The conversion loses reqwest's URL of the response unless it is an extension.
        let url = self.url().clone();
        let with_url = http::Response::builder().url(url).body(()).map(|response| response.into_parts().0.extensions);
        let (mut parts, body) = http::Response::<Body>::from(self).into_parts();
        parts.extensions.extend(with_url.unwrap_or_default());
        let body = Body::wrap(XRayBody::<Body, Typed>::new(body, Some(call)));
        http::Response::from_parts(parts, body).into()
    }
}
