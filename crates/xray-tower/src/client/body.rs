//! The body of a response, whose end closes the call's subsegment.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::call::Call;
use super::error::{AsError, Typed};

pin_project! {
    /// The body of a response of [`XRayClient`](crate::client::XRayClient). It passes the inner body through unchanged.
    ///
    /// The call's subsegment closes at the end of the body, or when the body is dropped.
    pub struct XRayBody<T, B = Typed> {
        #[pin]
        inner: T,
        // Taken when the subsegment closes.
        call: Option<Box<Call>>,
        errors: PhantomData<fn() -> B>,
    }
}

impl<T, B> XRayBody<T, B> {
    pub(crate) fn new(inner: T, call: Option<Box<Call>>) -> XRayBody<T, B> {
        XRayBody { inner, call, errors: PhantomData }
    }
}

impl<T: Body, B: AsError<T::Error>> Body for XRayBody<T, B> {
    type Data = T::Data;
    type Error = T::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<T::Data>, T::Error>>> {
        let mut this = self.project();
        let Some(call) = this.call else { return this.inner.poll_frame(cx) };
        let frame = ready!(call.run(|| this.inner.as_mut().poll_frame(cx)));
        match &frame {
            // A caller need not poll again after the last frame.
            Some(Ok(frame)) => call.received(frame, this.inner.is_end_stream()),
            Some(Err(error)) => call.body_failed(B::as_error(error)),
            None => call.ended(),
        }
        if call.is_done() {
            *this.call = None;
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

impl<T: Default, B> Default for XRayBody<T, B> {
    fn default() -> XRayBody<T, B> {
        XRayBody::new(T::default(), None)
    }
}

impl<T: fmt::Debug, B> fmt::Debug for XRayBody<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XRayBody").field("inner", &self.inner).field("call", &self.call).finish()
    }
}
