//! The body of a response, whose end closes the segment.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use salvo_core::BoxedError;
use salvo_core::http::ResBody;
use xray_core::adapter::ServerRequest;

/// A body that passes the inner one through unchanged. The segment is current while it is polled, and closes at its end.
pub(crate) struct XRayBody {
    // Dropped first, so the body's open subsegments close before the segment.
    pub(crate) inner: ResBody,
    // Taken when the segment closes.
    pub(crate) traced: Option<ServerRequest>,
}

impl Body for XRayBody {
    type Data = Bytes;
    type Error = BoxedError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxedError>>> {
        let XRayBody { inner, traced: slot } = &mut *self;
        let Some(traced) = slot else {
            return Pin::new(inner).poll_frame(cx).map_err(error_of_body);
        };
        let frame = ready!(traced.run(|| Pin::new(&mut *inner).poll_frame(cx)));
        let frame = frame.map(|result| result.map_err(error_of_body));
        match &frame {
            Some(Ok(frame)) => {
                traced.sent(frame.data_ref().map_or(0, Bytes::len));
                // A server need not poll again after the last frame.
                if inner.is_end_stream() {
                    traced.end();
                }
            }
            Some(Err(error)) => traced.failed(&**error as &(dyn Error + 'static)),
            None => traced.end(),
        }
        if traced.is_done() {
            *slot = None;
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

/// Returns the error inside the `io::Error` that salvo puts around it: salvo will put another one around the result.
fn error_of_body(error: io::Error) -> BoxedError {
    if error.kind() != io::ErrorKind::Other {
        return Box::new(error);
    }
    error.into_inner().unwrap_or_else(|| Box::new(io::Error::from(io::ErrorKind::Other)))
}
