//! The future of a call, which runs the client in the context of the call's subsegment.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::body::XRayBody;
use super::call::Call;
use super::error::{AsError, Typed};
use crate::response::body_length;

pin_project! {
    /// The future of a client whose call is recorded.
    #[must_use = "futures do nothing unless polled"]
    pub struct Recorded<F, C = Typed, B = Typed> {
        // Dropped first, so the client's open subsegments close before the subsegment of the call.
        #[pin]
        inner: F,
        // `Some` for a sampled call, taken when its response arrives.
        call: Option<Box<Call>>,
        errors: PhantomData<fn() -> (C, B)>,
    }
}

impl<F, C, B> Recorded<F, C, B> {
    /// Calls the client, in the context of the call's subsegment.
    pub fn start(mut call: Option<Box<Call>>, start: impl FnOnce() -> F) -> Recorded<F, C, B> {
        let inner = match &mut call {
            Some(call) => call.run(start),
            None => start(),
        };
        Recorded { inner, call, errors: PhantomData }
    }
}

impl<F, C, B, R, E> Future for Recorded<F, C, B>
where
    F: Future<Output = Result<R, E>>,
    C: AsError<E>,
    R: RecordResponse<B>,
{
    type Output = Result<R::Recorded, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = match this.call {
            Some(call) => ready!(call.run(|| this.inner.poll(cx))),
            None => ready!(this.inner.poll(cx)),
        };
        let call = this.call.take();
        Poll::Ready(match result {
            Ok(response) => Ok(response.recorded(call)),
            Err(error) => {
                if let Some(mut call) = call {
                    call.failed(C::as_error(&error));
                }
                Err(error)
            }
        })
    }
}

impl<F, C, B> fmt::Debug for Recorded<F, C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").field("call", &self.call).finish_non_exhaustive()
    }
}

/// A response whose body can be recorded. `B` describes the errors of the body.
pub trait RecordResponse<B> {
    /// The response for the caller.
    type Recorded;

    /// Records the head of the response. The body records the rest.
    #[doc(hidden)]
    fn recorded(self, call: Option<Box<Call>>) -> Self::Recorded;
}

impl<T: Body, B> RecordResponse<B> for Response<T> {
    type Recorded = Response<XRayBody<T, B>>;

    fn recorded(self, call: Option<Box<Call>>) -> Response<XRayBody<T, B>> {
        let length = body_length(self.body());
        let call = call.and_then(|mut call| {
            call.responded(self.status(), self.headers(), self.extensions(), length).then_some(call)
        });
        self.map(|inner| XRayBody::new(inner, call))
    }
}
