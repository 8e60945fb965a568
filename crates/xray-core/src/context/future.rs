//! Futures that have a current entity of their own.

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

/// Gives any future a subsegment or a context.
pub trait FutureExt: Future + Sized {
    /// Records the future as a subsegment, current while it runs.
    ///
    /// The parent is the entity that is current *now*: futures made one after another and run together by
    /// `join_all` are siblings. If none is, it is the one that is current at the first poll, as in
    /// `segment.scope(future.in_subsegment("step"))`; the context-missing strategy applies if there is none either. The
    /// subsegment begins with the first poll and closes when the future is ready;
    /// dropped before, it closes with metadata `cancelled: true` in the namespace `xray`; a panic is recorded
    /// as a fault and goes on.
    ///
    /// ```
    /// use xray_core::FutureExt;
    ///
    /// # async fn fetch(id: u32) -> u32 { id }
    /// # async fn handler() {
    /// let row = fetch(7).in_subsegment("fetch row").await;
    /// # }
    /// ```
    #[track_caller]
    fn in_subsegment(self, name: impl Into<String>) -> InSubsegment<Self> {
        InSubsegment::new(Parent::here(), name.into(), self)
    }

    /// As [`in_subsegment`](FutureExt::in_subsegment), and an `Err` is recorded as a fault with its `source()`
    /// chain before it is returned. The error may be anything that [`fault`](Subsegment::fault) takes.
    #[track_caller]
    fn try_in_subsegment<T, E, M>(self, name: impl Into<String>) -> TryInSubsegment<Self, M>
    where
        Self: Future<Output = Result<T, E>>,
        E: ToException<M>,
    {
        TryInSubsegment { inner: self.in_subsegment(name), flag: Flag::Fault, form: PhantomData }
    }

    /// As [`try_in_subsegment`](FutureExt::try_in_subsegment), for failures that the caller has to answer for: an
    /// `Err` sets the error flag instead of the fault flag.
    #[track_caller]
    fn try_in_subsegment_error<T, E, M>(self, name: impl Into<String>) -> TryInSubsegment<Self, M>
    where
        Self: Future<Output = Result<T, E>>,
        E: ToException<M>,
    {
        TryInSubsegment { inner: self.in_subsegment(name), flag: Flag::Error, form: PhantomData }
    }

    /// Carries the current entity along, to a task that is spawned for example.
    ///
    /// ```no_run
    /// use xray_core::FutureExt;
    ///
    /// # async fn work() {}
    /// tokio::spawn(work().in_current());
    /// ```
    fn in_current(self) -> InEntity<Self> {
        InEntity { inner: Some(self), slot: peek(), owner: None }
    }
}

impl<F: Future> FutureExt for F {}

pin_project! {
    /// A future with an entity as its context: see [`Entity::scope`](crate::Entity::scope).
    #[must_use = "futures do nothing unless polled"]
    pub struct InEntity<F> {
        // An option, so that it can be dropped in its context as well.
        #[pin]
        inner: Option<F>,
        // The context of this future while it is not polled, that of the thread while it is.
        slot: Option<Handle>,
        // Keeps the entity open, where the future was made by a handle that does.
        owner: Option<Share>,
    }

    impl<F> PinnedDrop for InEntity<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _exchanged = ContextSwap::new(this.slot);
            this.inner.set(None);
        }
    }
}

impl<F> InEntity<F> {
    pub(crate) fn new(handle: Handle, owner: Option<Share>, inner: F) -> InEntity<F> {
        InEntity { inner: Some(inner), slot: Some(handle), owner }
    }
}

/// Exchanges two contexts, and back when it is dropped: also when the poll panics, or the segment of a
/// panicked request would stay current for all that follows on the thread.
///
/// The whole slot is exchanged, so whatever a poll leaves in it (a guard held across an await) stays with its
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

/// Polls a future, which is there until it is dropped, in the context of `slot`.
fn poll_in<F: Future>(slot: &mut Option<Handle>, inner: Pin<&mut Option<F>>, cx: &mut Context<'_>) -> Poll<F::Output> {
    let _exchanged = ContextSwap::new(slot);
    inner.as_pin_mut().map_or(Poll::Pending, |inner| inner.poll(cx))
}

pin_project! {
    /// A future recorded as a subsegment: see [`FutureExt::in_subsegment`].
    #[must_use = "futures do nothing unless polled"]
    pub struct InSubsegment<F> {
        // As in `InEntity`.
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
                    let _exchanged = ContextSwap::new(this.slot);
                    this.inner.set(None);
                }
                subsegment.handle().finish();
            }
        }
    }
}

enum Stage {
    /// To begin below this parent.
    Waiting(Parent, String),
    Running(Subsegment),
    Done,
}

impl<F> InSubsegment<F> {
    fn new(parent: Parent, name: String, inner: F) -> InSubsegment<F> {
        InSubsegment { inner: Some(inner), stage: Stage::Waiting(parent, name), slot: None }
    }

    /// As `new`, for a subsegment that has begun.
    pub(crate) fn running(subsegment: Subsegment, inner: F) -> InSubsegment<F> {
        InSubsegment { inner: Some(inner), slot: Some(subsegment.handle().clone()), stage: Stage::Running(subsegment) }
    }
}

impl<F: Future> InSubsegment<F> {
    /// Polls, and on completion hands out the subsegment, still open.
    fn poll_running(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(F::Output, Option<Subsegment>)> {
        let this = self.project();
        if let Stage::Waiting(parent, name) = this.stage {
            let subsegment = parent.begin_child(name);
            *this.slot = Some(subsegment.handle().clone());
            *this.stage = Stage::Running(subsegment);
        }
        // Caught only to learn the panic's message: it goes on below.
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
    /// A fallible future recorded as a subsegment: see [`FutureExt::try_in_subsegment`].
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
