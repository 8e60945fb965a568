//! The body of a response, whose end closes the segment.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use pin_project_lite::pin_project;
use xray_core::adapter::ServerRequest;

pin_project! {
    /// The body of a response of [`XRayService`](crate::XRayService). It passes the inner body through unchanged.
    ///
    /// The segment is current while the body is polled, and closes at the end of the body.
    #[derive(Debug)]
    pub struct XRayBody<B> {
        // Dropped first, so the body's open subsegments close before the segment.
        #[pin]
        pub(crate) inner: B,
        // Taken when the segment closes.
        pub(crate) incoming: Option<ServerRequest>,
    }
}

impl<B: MessageBody> MessageBody for XRayBody<B> {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.inner.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Box<dyn Error>>>> {
        let this = self.project();
        let Some(incoming) = this.incoming else { return this.inner.poll_next(cx).map_err(Into::into) };
        let next = ready!(incoming.run(|| this.inner.poll_next(cx)));
        let next = next.map(|result| result.map_err(Into::into));
        if !incoming.observes_response() {
            return Poll::Ready(next);
        }
        match &next {
            Some(Ok(bytes)) => incoming.sent(bytes.len()),
            Some(Err(error)) => incoming.failed(&**error),
            None => incoming.end(),
        }
        if incoming.is_done() {
            *this.incoming = None;
        }
        Poll::Ready(next)
    }

    fn try_into_bytes(self) -> Result<Bytes, XRayBody<B>> {
        let XRayBody { inner, mut incoming } = self;
        match inner.try_into_bytes() {
            Ok(bytes) => {
                if let Some(incoming) = &mut incoming {
                    incoming.sent(bytes.len());
                    incoming.end();
                }
                Ok(bytes)
            }
            Err(inner) => Err(XRayBody { inner, incoming }),
        }
    }
}
