//! The future of a response, which runs the handler in the context of its segment.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::Error;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use pin_project_lite::pin_project;
use xray_core::adapter::{self, BodyLength, ServerRequest, content_length};
use xray_core::http::HttpResponse;

use crate::body::XRayBody;
use crate::error;
use crate::transform::{Config, record_route};

const TRACE_HEADER: HeaderName = HeaderName::from_static(adapter::TRACE_HEADER);

pin_project! {
    /// The future of [`XRayService`](crate::XRayService).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        // Dropped first, so the handler's open subsegments close before the segment.
        #[pin]
        pub(crate) inner: F,
        // Taken with the result.
        pub(crate) incoming: Option<ServerRequest>,
        pub(crate) config: Arc<Config>,
    }
}

impl<F, B> Future for ResponseFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<XRayBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(match this.incoming {
            Some(incoming) => incoming.run(|| this.inner.poll(cx)),
            None => this.inner.poll(cx),
        });
        let incoming = this.incoming.take().unwrap_or_else(ServerRequest::ignored);
        Poll::Ready(match result {
            Ok(response) => {
                // Recorded after the call as well, because an inner middleware may have changed the path before routing.
                record_route(this.config, response.request(), incoming.segment());
                Ok(record_response(response, incoming, this.config))
            }
            Err(error) => Err(record_error(error, incoming)),
        })
    }
}

/// Records the head of the response. The body records the rest.
fn record_response<B: MessageBody>(
    mut response: ServiceResponse<B>,
    mut incoming: ServerRequest,
    config: &Config,
) -> ServiceResponse<XRayBody<B>> {
    // A response made from a handler's error still contains the error.
    if let Some(error) = response.response().error() {
        error::record(&incoming, error, response.status());
    }
    if let Some(value) = trace_header(&incoming) {
        response.headers_mut().insert(TRACE_HEADER, value);
    }
    if !incoming.observes_response() {
        return response.map_body(|_, inner| XRayBody { inner, incoming: Some(incoming) });
    }
    let length = response.headers().get(CONTENT_LENGTH).and_then(|value| content_length(value.as_bytes()));
    let head = HttpResponse::new(response.status().as_u16()).content_length(length);
    let size = match response.response().body().size() {
        BodySize::None => Some(0),
        BodySize::Sized(bytes) => Some(bytes),
        BodySize::Stream => None,
    };
    incoming.head(head, BodyLength::from(size));
    if let Some(rule) = config.end_at_headers()
        && incoming.segment().is_recording()
    {
        let (ends, unchanged) = without_body(response, |response| rule.call(response));
        response = unchanged;
        if ends.unwrap_or(false) {
            incoming.end_at_headers();
        }
    }
    let incoming = (!incoming.is_done()).then_some(incoming);
    response.map_body(|_, inner| XRayBody { inner, incoming })
}

/// Calls a function with the response without its body, and returns its result and the whole response.
fn without_body<B, T>(
    response: ServiceResponse<B>,
    call: impl FnOnce(&ServiceResponse<()>) -> T,
) -> (T, ServiceResponse<B>) {
    let (request, response) = response.into_parts();
    let (head, body) = response.into_parts();
    let head = ServiceResponse::new(request, head);
    let result = call(&head);
    (result, head.map_body(|_, ()| body))
}

/// Records an error of an inner middleware. actix-web converts it to a response outside of this middleware, so the body is
/// not known here.
fn record_error(mut error: Error, mut incoming: ServerRequest) -> Error {
    let status = error.as_response_error().status_code();
    error::record(&incoming, &error, status);
    if let Some(value) = trace_header(&incoming) {
        error.add_response_mapper(move |mut response| {
            response.headers_mut().insert(TRACE_HEADER, value.clone());
            response
        });
    }
    incoming.head(HttpResponse::new(status.as_u16()), BodyLength::Unknown);
    incoming.end();
    error
}

/// Returns the header with trace and decision, if the response should have it.
fn trace_header(incoming: &ServerRequest) -> Option<HeaderValue> {
    let header = incoming.response_header()?;
    HeaderValue::try_from(header.to_string()).ok()
}
