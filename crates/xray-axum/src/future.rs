//! The future of a response: the handler runs in it, in the context of its segment.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use xray_core::adapter::{BodyLength, ServerRequest};
use xray_core::http::HttpResponse;

use crate::body::XRayBody;
use crate::end_at_headers::UntilHead;
use crate::error::Failure;
use crate::request::TRACE_HEADER;

pin_project! {
    /// The future of [`XRayService`](crate::XRayService).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        // Dropped first: what the handler has begun closes before its segment.
        #[pin]
        pub(crate) inner: F,
        pub(crate) incoming: ServerRequest,
        // Where the option is set.
        pub(crate) end_at_headers: Option<Box<UntilHead>>,
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
        let result = ready!(this.incoming.run(|| this.inner.poll(cx)));
        let mut incoming = std::mem::replace(this.incoming, ServerRequest::ignored());
        Poll::Ready(match result {
            Ok(response) => Ok(answer(response, incoming, this.end_at_headers.take())),
            Err(error) => {
                incoming.failed(Failure(&error));
                Err(error)
            }
        })
    }
}

/// Records the head of the response; the rest is up to the body.
fn answer<B: Body>(
    mut response: Response<B>,
    mut incoming: ServerRequest,
    end_at_headers: Option<Box<UntilHead>>,
) -> Response<XRayBody<B>> {
    let header = incoming.response_header().map(|header| header.to_string());
    if let Some(value) = header.and_then(|text| HeaderValue::try_from(text).ok()) {
        response.headers_mut().insert(TRACE_HEADER, value);
    }
    // An answer of gRPC that is but a head.
    note_grpc_status(&mut incoming, response.headers());
    let head = HttpResponse::new(response.status().as_u16()).content_length(content_length(response.headers()));
    incoming.head(head, body_length(response.body()));
    if let Some(end_at_headers) = end_at_headers {
        let (covers, same) = end_at_headers.covers(response);
        response = same;
        if covers {
            incoming.end_at_headers();
        }
    }
    let incoming = (!incoming.is_done()).then_some(incoming);
    response.map(|inner| XRayBody { inner, incoming })
}

/// gRPC answers 200 in any case, and tells in the trailers, or in the head when there is nothing else, how it went.
pub(crate) fn note_grpc_status(incoming: &mut ServerRequest, headers: &HeaderMap) {
    const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
    if let Some(status) = headers.get(GRPC_STATUS) {
        incoming.grpc_status(status.as_bytes());
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn body_length(body: &impl Body) -> BodyLength {
    match body.size_hint().exact() {
        _ if body.is_end_stream() => BodyLength::Nothing,
        Some(bytes) => BodyLength::Exact(bytes),
        None => BodyLength::Unknown,
    }
}
