//! The future of an invocation, which runs the handler in the context of the invocation.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use xray_core::context::InEntity;

use crate::deadline::Deadline;
use crate::invocation::Invocation;

pin_project! {
    /// The future of [`XRayLambda`](crate::XRayLambda).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct InvocationFuture<F> {
        // Dropped first, so the handler's open subsegments close before the subsegment of the handler itself.
        #[pin]
        inner: InEntity<F>,
        #[pin]
        deadline: Deadline,
        invocation: Invocation,
    }
}

impl<F> InvocationFuture<F> {
    pub(crate) fn new(inner: InEntity<F>, deadline: Deadline, invocation: Invocation) -> InvocationFuture<F> {
        InvocationFuture { inner, deadline, invocation }
    }
}

impl<F, T, E> Future for InvocationFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: fmt::Debug + 'static,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        let mut this = self.project();
        let polled = this.invocation.run(|| this.inner.poll(cx));
        match &polled {
            Poll::Ready(result) => {
                // The timer must not outlive the result, however long the runtime keeps this future.
                this.deadline.set(Deadline::never());
                this.invocation.end(result);
            }
            Poll::Pending => {
                if this.deadline.as_mut().poll(cx).is_ready() {
                    this.invocation.announce();
                }
            }
        }
        polled
    }
}
