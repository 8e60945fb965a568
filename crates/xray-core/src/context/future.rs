//! Futures with a current entity of their own.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::cause::panic_exception;
use crate::entity::{Handle, Share, Subsegment};
use crate::flag::Flag;
use crate::to_exception::{ToException, form};

use super::{Parent, peek, swap};

/// Extends every future with methods that record it or carry the context to it.
pub trait FutureExt: Future + Sized {
    /// Records the future as a subsegment, which is current while the future runs.
    ///
    /// The subsegment begins with the first poll and closes when the future is ready. If the future is dropped before,
    /// the subsegment closes with the metadata `cancelled: true` in the namespace `xray`. A panic is recorded as a
    /// fault and propagates.
    ///
    /// ```
    /// use xray_core::FutureExt;
    ///
    /// # async fn fetch(id: u32) -> u32 { id }
    /// # async fn handler() {
    /// let row = fetch(7).in_subsegment("fetch row").await;
    /// # }
    /// ```
    ///
    /// The parent is the entity that is current *now*, when this method is called. Futures that are created one after
    /// another and run together are therefore siblings:
    ///
    /// ```
    /// use xray_core::FutureExt;
    ///
    /// # async fn fetch(id: u32) -> u32 { id }
    /// # async fn handler() {
    /// let (row, next) = tokio::join!(
    ///     fetch(7).in_subsegment("fetch row"),
    ///     fetch(8).in_subsegment("fetch next row"),
    /// );
    /// # }
    /// ```
    ///
    /// If no entity is current now, the parent is the one that is current at the first poll, as in
    /// `segment.scope(future.in_subsegment("step"))`. If there is none either, the
    /// [context-missing strategy](crate::ContextMissing) applies, and nothing is recorded.
    ///
    /// # Panics
    ///
    /// The future panics at its first poll with [`ContextMissing::Panic`](crate::ContextMissing::Panic) if there is no
    /// current entity.
    #[track_caller]
    fn in_subsegment(self, name: impl Into<String>) -> InSubsegment<Self> {
        InSubsegment::new(Parent::here(), name.into(), self)
    }

    /// Records the future as [`in_subsegment`](FutureExt::in_subsegment) does, and an `Err` as a fault.
    ///
    /// The exception has the error's `source()` chain. The error may be anything that [`fault`](Subsegment::fault)
    /// takes, and is returned unchanged.
    ///
    /// ```
    /// use xray_core::FutureExt;
    ///
    /// # async fn fetch(id: &str) -> Result<u32, std::num::ParseIntError> { id.parse() }
    /// # async fn handler() -> Result<(), std::num::ParseIntError> {
    /// let row = fetch("7").try_in_subsegment("fetch row").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    fn try_in_subsegment<T, E, M>(self, name: impl Into<String>) -> TryInSubsegment<Self, M>
    where
        Self: Future<Output = Result<T, E>>,
        E: ToException<M>,
    {
        TryInSubsegment { inner: self.in_subsegment(name), flag: Flag::Fault, form: PhantomData }
    }

    /// Records the future as [`try_in_subsegment`](FutureExt::try_in_subsegment) does, with the error flag instead of
    /// the fault flag.
    ///
    /// For failures that the caller caused, such as bad input.
    #[track_caller]
    fn try_in_subsegment_error<T, E, M>(self, name: impl Into<String>) -> TryInSubsegment<Self, M>
    where
        Self: Future<Output = Result<T, E>>,
        E: ToException<M>,
    {
        TryInSubsegment { inner: self.in_subsegment(name), flag: Flag::Error, form: PhantomData }
    }

    /// Carries the current entity to the place where the future runs, such as a spawned task.
    ///
    /// If there is no current entity now, there is none in the future.
    ///
    /// ```no_run
    /// use xray_core::FutureExt;
    ///
    /// # async fn work() {}
    /// tokio::spawn(work().in_current());
    /// ```
    ///
    /// The future does not keep the entity open. A task that outlives its request should be recorded as a subsegment,
    /// which is sent on its own when it closes after its segment:
    ///
    /// ```no_run
    /// use xray_core::FutureExt;
    ///
    /// # async fn send_mail() {}
    /// tokio::spawn(send_mail().in_subsegment("send mail"));
    /// ```
    ///
    /// For functions, use [`in_current`](crate::in_current).
    fn in_current(self) -> InEntity<Self> {
        InEntity { inner: Some(self), slot: peek(), owner: None }
    }
}

impl<F: Future> FutureExt for F {}

pin_project! {
    /// A future with a current entity of its own: see [`Entity::scope`](crate::Entity::scope) and
    /// [`FutureExt::in_current`].
    #[must_use = "futures do nothing unless polled"]
    pub struct InEntity<F> {
        // An option, so that the future can also be dropped in its context.
        #[pin]
        inner: Option<F>,
        // The context of this future while it is not polled, and that of the thread while it is.
        slot: Option<Handle>,
        // Keeps the entity open, if the handle that made this future does.
        owner: Option<Share>,
    }

    impl<F> PinnedDrop for InEntity<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _swap = ContextSwap::new(this.slot);
            this.inner.set(None);
        }
    }
}

impl<F> InEntity<F> {
    pub(crate) fn new(handle: Handle, owner: Option<Share>, inner: F) -> InEntity<F> {
        InEntity { inner: Some(inner), slot: Some(handle), owner }
    }
}

/// Exchanges two contexts, and exchanges them back when it is dropped.
///
/// That includes a drop by a panic of the poll. Otherwise, the segment of a request that panicked would stay current on
/// the thread. The whole slot is exchanged, so what a poll leaves in it (a guard held across an await) stays with its
/// own future.
pub(crate) struct ContextSwap<'a>(&'a mut Option<Handle>);

impl<'a> ContextSwap<'a> {
    #[inline]
    pub(crate) fn new(slot: &'a mut Option<Handle>) -> ContextSwap<'a> {
        swap(slot);
        ContextSwap(slot)
    }
}

impl Drop for ContextSwap<'_> {
    #[inline]
    fn drop(&mut self) {
        swap(self.0);
    }
}

impl<F: Future> Future for InEntity<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        poll_in(this.slot, this.inner, cx)
    }
}

/// Polls a future in the context of `slot`. `inner` is `Some` until the future is dropped.
fn poll_in<F: Future>(slot: &mut Option<Handle>, inner: Pin<&mut Option<F>>, cx: &mut Context<'_>) -> Poll<F::Output> {
    let _swap = ContextSwap::new(slot);
    inner.as_pin_mut().map_or(Poll::Pending, |inner| inner.poll(cx))
}

pin_project! {
    /// A future that is recorded as a subsegment: see [`FutureExt::in_subsegment`].
    #[must_use = "futures do nothing unless polled"]
    pub struct InSubsegment<F> {
        // An option, as in `InEntity`.
        #[pin]
        inner: Option<F>,
        stage: Stage,
        slot: Option<Handle>,
    }

    impl<F> PinnedDrop for InSubsegment<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Stage::Running(subsegment) = this.stage {
                subsegment.metadata_in("xray", "cancelled", &true);
                {
                    let _swap = ContextSwap::new(this.slot);
                    this.inner.set(None);
                }
                subsegment.handle().finish();
            }
        }
    }
}

/// How far a recorded future is.
enum Stage {
    /// Not polled yet: the subsegment begins below this parent, with this name.
    Waiting(Parent, String),
    Running(Subsegment),
    Done,
}

impl<F> InSubsegment<F> {
    fn new(parent: Parent, name: String, inner: F) -> InSubsegment<F> {
        InSubsegment { inner: Some(inner), stage: Stage::Waiting(parent, name), slot: None }
    }

    /// A future whose subsegment has begun.
    pub(crate) fn running(subsegment: Subsegment, inner: F) -> InSubsegment<F> {
        InSubsegment { inner: Some(inner), slot: Some(subsegment.handle().clone()), stage: Stage::Running(subsegment) }
    }
}

impl<F: Future> InSubsegment<F> {
    /// Polls the future. When it is ready, also returns the subsegment, which is still open.
    fn poll_running(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(F::Output, Option<Subsegment>)> {
        let this = self.project();
        if let Stage::Waiting(parent, name) = this.stage {
            let subsegment = parent.begin_child(name);
            *this.slot = Some(subsegment.handle().clone());
            *this.stage = Stage::Running(subsegment);
        }
        // Caught only to record the panic's message: it resumes below.
        let polled = catch_unwind(AssertUnwindSafe(|| poll_in(this.slot, this.inner, cx)));
        let output = match polled {
            Ok(polled) => ready!(polled),
            Err(payload) => {
                panicked(this.stage, &*payload);
                resume_unwind(payload);
            }
        };
        let subsegment = match std::mem::replace(this.stage, Stage::Done) {
            Stage::Running(subsegment) => Some(subsegment),
            Stage::Waiting(..) | Stage::Done => None,
        };
        *this.slot = None;
        Poll::Ready((output, subsegment))
    }
}

/// Records a panic and closes the subsegment.
fn panicked(stage: &mut Stage, payload: &(dyn Any + Send)) {
    if let Stage::Running(subsegment) = stage {
        subsegment.fault(panic_exception(payload)).close();
        *stage = Stage::Done;
    }
}

impl<F: Future> Future for InSubsegment<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let (output, subsegment) = ready!(self.poll_running(cx));
        if let Some(subsegment) = subsegment {
            subsegment.close();
        }
        Poll::Ready(output)
    }
}

pin_project! {
    /// A fallible future that is recorded as a subsegment: see [`FutureExt::try_in_subsegment`].
    #[must_use = "futures do nothing unless polled"]
    pub struct TryInSubsegment<F, M = form::Typed> {
        #[pin]
        inner: InSubsegment<F>,
        flag: Flag,
        form: PhantomData<fn() -> M>,
    }
}

impl<F, T, E, M> Future for TryInSubsegment<F, M>
where
    F: Future<Output = Result<T, E>>,
    E: ToException<M>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        let this = self.project();
        let (output, subsegment) = ready!(this.inner.poll_running(cx));
        if let Some(subsegment) = subsegment {
            subsegment.record_failure(*this.flag, &output);
            subsegment.close();
        }
        Poll::Ready(output)
    }
}

macro_rules! debug {
    ($($name:ident),*) => {
        $(impl<F> fmt::Debug for $name<F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })*
    };
}
debug!(InEntity, InSubsegment);

impl<F, M> fmt::Debug for TryInSubsegment<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryInSubsegment").finish_non_exhaustive()
    }
}
