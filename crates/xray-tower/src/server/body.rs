//! The body of a response, whose end closes the segment.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use xray_core::adapter::ServerRequest;

use super::error::ServiceError;
use crate::response::grpc_status;

pin_project! {
    /// The body of a response of [`XRayService`](crate::server::XRayService). It passes the inner body through unchanged.
    ///
    /// The segment is current while the body is polled, and closes at the end of the body.
    #[derive(Debug, Default)]
    pub struct XRayBody<B> {
        // Dropped first, so the body's open subsegments close before the segment.
        #[pin]
        pub(crate) inner: B,
        // Taken when the segment closes.
        pub(crate) incoming: Option<ServerRequest>,
    }
}

impl<B> Body for XRayBody<B>
where
    B: Body,
    B::Error: Display + 'static,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(incoming) = this.incoming else { return this.inner.poll_frame(cx) };
        let frame = ready!(incoming.run(|| this.inner.as_mut().poll_frame(cx)));
        if !incoming.observes_response() {
            return Poll::Ready(frame);
        }
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    incoming.sent(data.remaining());
                } else if let Some(status) = frame.trailers_ref().and_then(grpc_status) {
                    incoming.grpc_status(status);
                }
                // A server need not poll again after that.
                if frame.is_trailers() || this.inner.is_end_stream() {
                    incoming.end();
                }
            }
            Some(Err(error)) => incoming.failed(ServiceError(error)),
            None => incoming.end(),
        }
        if incoming.is_done() {
            *this.incoming = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
