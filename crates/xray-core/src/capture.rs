//! Functions recorded as subsegments: begin, enter, run, note a failure, close.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::cause::panic_exception;
use crate::context::{InSubsegment, Parent, Restores, current_or_missing, enter_recorded_child, replace};
use crate::entity::Subsegment;
use crate::flag::Flag;
use crate::to_exception::ToException;

/// Runs `f` in a subsegment of the current entity. A panic is recorded as a fault and goes on.
///
/// ```
/// # let cart = [1, 2, 3];
/// let total: i32 = xray_core::capture("price", |subsegment| {
///     subsegment.annotate("items", cart.len());
///     cart.iter().sum()
/// });
/// ```
///
/// What `f` returns cannot borrow the subsegment. Where a chain of calls is all that `f` does, a semicolon ends it:
/// `|subsegment| { subsegment.annotate("items", 3); }`.
///
/// Without a current entity the [context-missing strategy](crate::ContextMissing) applies, and `f` runs with a subsegment that records nothing.
#[track_caller]
pub fn capture<T>(name: impl AsRef<str>, f: impl FnOnce(&Subsegment) -> T) -> T {
    run_in_current(name.as_ref(), f, |_, _| {})
}

/// As [`capture`], and an `Err` is recorded as a fault with its `source()` chain before it is returned.
///
/// ```
/// let port = xray_core::try_capture("read port", |_| "80x".parse::<u16>());
/// assert!(port.is_err());
/// ```
///
/// The error may be anything that [`fault`](Subsegment::fault) takes: an `Error`, a `Box<dyn Error>`, a report of
/// `anyhow` or `eyre`, a text.
///
/// # Errors
/// What `f` returns.
#[track_caller]
pub fn try_capture<T, E: ToException<M>, M>(
    name: impl AsRef<str>,
    f: impl FnOnce(&Subsegment) -> Result<T, E>,
) -> Result<T, E> {
    run_in_current(name.as_ref(), f, |subsegment, result| subsegment.record_failure(Flag::Fault, result))
}

/// As [`try_capture`], for failures that the caller has to answer for, such as bad input: an `Err` sets the error
/// flag instead of the fault flag.
///
/// ```
/// let quantity = xray_core::try_capture_error("read quantity", |_| "two".parse::<u8>());
/// assert!(quantity.is_err());
/// ```
///
/// # Errors
/// What `f` returns.
#[track_caller]
pub fn try_capture_error<T, E: ToException<M>, M>(
    name: impl AsRef<str>,
    f: impl FnOnce(&Subsegment) -> Result<T, E>,
) -> Result<T, E> {
    run_in_current(name.as_ref(), f, |subsegment, result| subsegment.record_failure(Flag::Error, result))
}

/// Runs an async closure in a subsegment of the entity that is current when this function is called, or else when the
/// future is polled first.
///
/// It begins with the first poll, and closes when the future is ready or dropped: see
/// [`in_subsegment`](crate::FutureExt::in_subsegment), which does the same for a future.
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

/// Wraps a callback so that its call is recorded as a subsegment of the entity that is current now, or else of the one
/// that is current at the call.
///
/// ```
/// # fn finish(result: u32) {}
/// let on_done = xray_core::capture_callback("done", |result| finish(result));
/// on_done(7);
/// ```
#[track_caller]
pub fn capture_callback<A, T>(name: impl Into<String>, f: impl FnOnce(A) -> T) -> impl FnOnce(A) -> T {
    let (parent, name) = (Parent::here(), name.into());
    move |argument| {
        let subsegment = parent.begin_child(&name);
        let restores = replace(Some(subsegment.handle().clone()));
        run(subsegment, restores, |_| f(argument), |_, _| {})
    }
}

#[track_caller]
fn run_in_current<T>(name: &str, f: impl FnOnce(&Subsegment) -> T, note: impl FnOnce(&Subsegment, &T)) -> T {
    match enter_recorded_child(name) {
        Some((subsegment, restores)) => run(subsegment, restores, f, note),
        // Nothing to record: the context stays as it is, and calls made in `f` carry on the unsampled trace.
        None => f(&Subsegment::begun(current_or_missing(name))),
    }
}

fn run<T>(
    subsegment: Subsegment,
    restores: Restores,
    f: impl FnOnce(&Subsegment) -> T,
    note: impl FnOnce(&Subsegment, &T),
) -> T {
    // Caught only to learn the panic's message: it goes on below.
    let result = catch_unwind(AssertUnwindSafe(|| f(&subsegment)));
    drop(restores);
    match result {
        Ok(value) => {
            note(&subsegment, &value);
            subsegment.close();
            value
        }
        Err(payload) => {
            subsegment.fault(panic_exception(&*payload)).close();
            resume_unwind(payload);
        }
    }
}
