//! Functions recorded as subsegments: begin, enter, run, record a failure, close.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::cause::panic_exception;
use crate::context::{InSubsegment, Parent, Restore, current_or_missing, enter_recorded_child, replace};
use crate::entity::Subsegment;
use crate::flag::Flag;
use crate::to_exception::ToException;

/// Runs `f` in a subsegment of the current entity.
///
/// The subsegment is current while `f` runs, so captures within `f` are its children. A panic is recorded as a fault
/// and propagates.
///
/// ```
/// # let cart = [1, 2, 3];
/// let total: i32 = xray_core::capture("price", |subsegment| {
///     subsegment.annotate("items", cart.len());
///     cart.iter().sum()
/// });
/// ```
///
/// The result cannot borrow the subsegment. If `f` ends with a chained call, add a semicolon:
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// # let segment = recorder.begin("shop");
/// # let guard = segment.enter();
/// xray_core::capture("checkout", |checkout| {
///     checkout.annotate("items", 3);
///     xray_core::capture("price", |_| ()); // below `checkout`
/// });
/// # drop(guard);
/// # segment.close();
/// # assert_eq!(traces.take().single().tree(), "shop\n  checkout [items=3]\n    price\n");
/// ```
///
/// If there is no current entity, the [context-missing strategy](crate::ContextMissing) applies, and `f` runs with a
/// subsegment that records nothing. For functions that return a `Result`, use [`try_capture`]; for async code,
/// [`capture_async`] or [`in_subsegment`](crate::FutureExt::in_subsegment).
///
/// # Panics
///
/// Panics with [`ContextMissing::Panic`](crate::ContextMissing::Panic) if there is no current entity.
#[track_caller]
pub fn capture<T>(name: impl AsRef<str>, f: impl FnOnce(&Subsegment) -> T) -> T {
    run_in_current(name.as_ref(), f, |_, _| {})
}

/// Runs `f` in a subsegment as [`capture`] does, and records an `Err` as a fault.
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// # let segment = recorder.begin("shop");
/// # let guard = segment.enter();
/// let port = xray_core::try_capture("read port", |_| "80x".parse::<u16>());
/// assert!(port.is_err());
/// # drop(guard);
/// # segment.close();
/// # assert_eq!(traces.take().single().tree(), "shop\n  read port fault\n");
/// ```
///
/// The exception has the error's `source()` chain. The error may be anything that [`fault`](Subsegment::fault) takes:
/// an `Error`, a `Box<dyn Error>`, a report of `anyhow` or `eyre`, a text. If the closure uses `?`, write its error
/// type:
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let area = xray_core::try_capture("area", |_| {
///     let (width, height): (u32, u32) = ("7".parse()?, "6".parse()?);
///     Ok::<_, std::num::ParseIntError>(width * height)
/// })?;
/// assert_eq!(area, 42);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Returns the error of `f`, unchanged.
///
/// # Panics
///
/// Panics with [`ContextMissing::Panic`](crate::ContextMissing::Panic) if there is no current entity.
#[track_caller]
pub fn try_capture<T, E: ToException<M>, M>(
    name: impl AsRef<str>,
    f: impl FnOnce(&Subsegment) -> Result<T, E>,
) -> Result<T, E> {
    run_in_current(name.as_ref(), f, |subsegment, result| subsegment.record_failure(Flag::Fault, result))
}

/// Runs `f` in a subsegment as [`try_capture`] does, and sets the error flag for an `Err` instead of the fault flag.
///
/// For failures that the caller caused, such as bad input.
///
/// ```
/// let quantity = xray_core::try_capture_error("read quantity", |_| "two".parse::<u8>());
/// assert!(quantity.is_err());
/// ```
///
/// # Errors
///
/// Returns the error of `f`, unchanged.
///
/// # Panics
///
/// Panics with [`ContextMissing::Panic`](crate::ContextMissing::Panic) if there is no current entity.
#[track_caller]
pub fn try_capture_error<T, E: ToException<M>, M>(
    name: impl AsRef<str>,
    f: impl FnOnce(&Subsegment) -> Result<T, E>,
) -> Result<T, E> {
    run_in_current(name.as_ref(), f, |subsegment, result| subsegment.record_failure(Flag::Error, result))
}

/// Runs an async closure in a subsegment.
///
/// The closure receives the subsegment, which is current while its future runs. The subsegment begins with the first
/// poll and closes when the future is ready or dropped. Parent, cancellation and panics are handled as by
/// [`in_subsegment`](crate::FutureExt::in_subsegment), which records a future that does not need the subsegment.
///
/// ```
/// # async fn load(id: u32) -> u32 { id }
/// # async fn handler(id: u32) {
/// let user = xray_core::capture_async("load user", async |subsegment| {
///     subsegment.annotate("id", id);
///     load(id).await
/// })
/// .await;
/// # }
/// ```
///
/// Like every future it does nothing until it is polled. Captures that run concurrently are siblings:
///
/// ```
/// # async fn load(id: u32) -> u32 { id }
/// # async fn handler() {
/// let user = xray_core::capture_async("load user", async |_| load(1).await);
/// let cart = xray_core::capture_async("load cart", async |_| load(2).await);
/// let (user, cart) = tokio::join!(user, cart);
/// # }
/// ```
///
/// To record an `Err` as a fault, use [`try_in_subsegment`](crate::FutureExt::try_in_subsegment), or call
/// [`fault`](Subsegment::fault) in the closure.
///
/// # Panics
///
/// The future panics at its first poll with [`ContextMissing::Panic`](crate::ContextMissing::Panic) if there is no
/// current entity.
#[track_caller]
pub fn capture_async<T, F>(name: impl AsRef<str>, f: F) -> impl Future<Output = T>
where
    F: AsyncFnOnce(&Subsegment) -> T,
{
    let (parent, name) = (Parent::here(), name.as_ref().to_owned());
    async move {
        let subsegment = parent.begin_child(&name);
        let work = async { f(&subsegment).await };
        InSubsegment::running(subsegment.clone(), work).await
    }
}

/// Wraps a callback, so that its call is recorded as a subsegment.
///
/// The parent is the entity that is current now, or, if there is none, the one that is current at the call. A panic is
/// recorded as a fault and propagates.
///
/// ```
/// # fn finish(result: u32) {}
/// let on_done = xray_core::capture_callback("done", |result| finish(result));
/// on_done(7);
/// ```
///
/// # Panics
///
/// The callback panics with [`ContextMissing::Panic`](crate::ContextMissing::Panic) if there is no current entity.
#[track_caller]
pub fn capture_callback<A, T>(name: impl Into<String>, f: impl FnOnce(A) -> T) -> impl FnOnce(A) -> T {
    let (parent, name) = (Parent::here(), name.into());
    move |argument| {
        let subsegment = parent.begin_child(&name);
        let restore = replace(Some(subsegment.handle().clone()));
        run(subsegment, restore, |_| f(argument), |_, _| {})
    }
}

/// Runs `f` in a subsegment of the current entity. `record_result` looks at the result before the subsegment closes.
#[track_caller]
fn run_in_current<T>(name: &str, f: impl FnOnce(&Subsegment) -> T, record_result: impl FnOnce(&Subsegment, &T)) -> T {
    match enter_recorded_child(name) {
        Some((subsegment, restore)) => run(subsegment, restore, f, record_result),
        // Nothing to record: the context stays unchanged, and calls made in `f` propagate the unsampled trace.
        None => f(&Subsegment::begun(current_or_missing(name))),
    }
}

/// Runs `f` in a subsegment that has begun and is current.
pub(crate) fn run<T>(
    subsegment: Subsegment,
    restore: Restore,
    f: impl FnOnce(&Subsegment) -> T,
    record_result: impl FnOnce(&Subsegment, &T),
) -> T {
    // Caught only to record the panic's message: it resumes below.
    let result = catch_unwind(AssertUnwindSafe(|| f(&subsegment)));
    drop(restore);
    match result {
        Ok(value) => {
            record_result(&subsegment, &value);
            subsegment.close();
            value
        }
        Err(payload) => {
            subsegment.fault(panic_exception(&*payload)).close();
            resume_unwind(payload);
        }
    }
}
