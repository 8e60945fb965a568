//! The future of a response, which runs the handler in the context of its segment.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderName, HeaderValue, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use xray_core::adapter::{self, ServerRequest};

use super::body::XRayBody;
use super::end_at_headers::EndAtHeaders;
use super::error::ServiceError;
use crate::response::{body_length, grpc_status, recorded_head};

const TRACE_HEADER: HeaderName = HeaderName::from_static(adapter::TRACE_HEADER);

pin_project! {
    /// The future of [`XRayService`](crate::server::XRayService).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        // Dropped first, so the handler's open subsegments close before the segment.
        #[pin]
        pub(crate) inner: F,
        // Taken with the result.
        pub(crate) incoming: Option<ServerRequest>,
        // `Some` if the option is set.
        pub(crate) end_at_headers: Option<Box<EndAtHeaders>>,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: Display + 'static,
{
    type Output = Result<Response<XRayBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(match this.incoming {
            Some(incoming) => incoming.run(|| this.inner.poll(cx)),
            None => this.inner.poll(cx),
        });
        Poll::Ready(match result {
            Ok(mut response) => {
                if let Some(incoming) = this.incoming {
                    response = record_response(response, incoming, this.end_at_headers.take());
                }
                Ok(response.map(|inner| XRayBody {
                    inner,
                    incoming: this.incoming.take().filter(|incoming| !incoming.is_done()),
                }))
            }
            Err(error) => {
                if let Some(mut incoming) = this.incoming.take() {
                    incoming.failed(ServiceError(&error));
                }
                Err(error)
            }
        })
    }
}

/// Records the head of the response. The body records the rest.
fn record_response<B: Body>(
    mut response: Response<B>,
    incoming: &mut ServerRequest,
    end_at_headers: Option<Box<EndAtHeaders>>,
) -> Response<B> {
    let header = incoming.response_header().map(|header| header.to_string());
    if let Some(value) = header.and_then(|text| HeaderValue::try_from(text).ok()) {
        response.headers_mut().insert(TRACE_HEADER, value);
    }
    if !incoming.observes_response() {
        return response;
    }
    // A gRPC response that has only headers.
    if let Some(status) = grpc_status(response.headers()) {
        incoming.grpc_status(status);
    }
    incoming.head(recorded_head(response.status(), response.headers()), body_length(response.body()));
    if let Some(end_at_headers) = end_at_headers {
        let (covers, unchanged) = end_at_headers.covers(response);
        response = unchanged;
        if covers {
            incoming.end_at_headers();
        }
    }
    response
}
