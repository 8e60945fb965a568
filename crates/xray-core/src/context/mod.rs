//! The current entity: which segment or subsegment the running code belongs to.
//!
//! Each thread has a slot for it. Synchronous code sets the slot with a guard ([`Entered`]). Asynchronous code sets it
//! with a future that does so for each of its polls ([`InEntity`], [`InSubsegment`]), and therefore works on any
//! executor.
//!
//! | to | use |
//! |---|---|
//! | make an entity current in synchronous code | [`Segment::enter`], [`Subsegment::enter`], [`capture`](crate::capture) |
//! | make an entity current in a future | [`Segment::scope`], [`Subsegment::scope`], [`FutureExt::in_subsegment`] |
//! | carry the current entity to a task | [`FutureExt::in_current`] |
//! | carry it to a thread or a blocking task | [`in_current`](in_current()) |
//! | find it | [`current`], [`try_current`], [`current_segment`] |
//!
//! New tasks and threads have no current entity unless it is carried there:
//!
//! ```
//! # let (recorder, traces) = xray_core::Recorder::in_memory();
//! let segment = recorder.begin("shop");
//! let guard = segment.enter();
//!
//! let lost = std::thread::spawn(|| xray_core::try_current().is_some());
//! let carried = std::thread::spawn(xray_core::in_current(|| xray_core::try_current().is_some()));
//! # drop(guard);
//! assert!(!lost.join().unwrap() && carried.join().unwrap());
//! ```

mod enter;
mod future;
mod guard;
mod log_id;
mod parent;

use std::cell::RefCell;
use std::panic::Location;

pub(crate) use future::ContextSwap;
pub use future::{FutureExt, InEntity, InSubsegment, TryInSubsegment};
pub use guard::Entered;
pub(crate) use guard::{Restore, enter_recorded_child, replace};
pub use log_id::{LogId, log_id};
pub(crate) use parent::Parent;

pub use crate::missing::{ContextMissing, MissingContext, ParseContextMissingError};

use crate::entity::{AnnotationValue, Entity, Handle, Segment, Subsegment};
use crate::recorder::strategy_of_process;

thread_local! {
    static CURRENT: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// Exchanges the thread's slot with `slot`.
///
/// Nothing is dropped while the slot is borrowed: dropping a handle may close an entity, which may run code that needs
/// the current one.
#[inline]
fn swap(slot: &mut Option<Handle>) {
    // A thread that is ending has no slot, and no current entity.
    let _ = CURRENT.try_with(|current| std::mem::swap(&mut *current.borrow_mut(), slot));
}

/// Takes the current handle out of the thread's slot, if its entity is recorded.
#[inline]
fn take_recorded() -> Option<Handle> {
    CURRENT.try_with(|current| current.borrow_mut().take_if(|handle| matches!(handle, Handle::Recorded(_)))).ok()?
}

/// Sets the thread's slot, which is usually empty.
#[inline]
fn fill(handle: Handle) {
    // Dropped after the slot is no longer borrowed, as in `swap`.
    let _previous = CURRENT.try_with(|current| current.borrow_mut().replace(handle));
}

/// Returns the current handle, if there is one. Never logs, never panics.
pub(crate) fn peek() -> Option<Handle> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Calls `look` with the current handle, if there is one. `look` runs no code of the application, and drops no handle.
pub(crate) fn with_current<T>(look: impl Fn(Option<&Handle>) -> T) -> T {
    CURRENT.try_with(|current| look(current.borrow().as_ref())).unwrap_or_else(|_| look(None))
}

/// Returns the current handle. If there is none, applies the context-missing strategy to the caller's line.
#[track_caller]
pub(crate) fn current_or_missing(what: &str) -> Handle {
    match peek() {
        Some(handle) => handle,
        None => {
            report_missing(&MissingContext::at(Location::caller(), what));
            Handle::Noop
        }
    }
}

/// Applies the context-missing strategy of the process.
#[track_caller]
fn report_missing(missing: &MissingContext<'_>) {
    if let Some((strategy, diagnostics)) = strategy_of_process() {
        strategy.apply(missing, &diagnostics);
    }
}

/// Returns the current segment or subsegment.
///
/// If there is none, the [context-missing strategy](ContextMissing) applies, and the returned entity records nothing.
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// fn load_page(page: u32) {
///     xray_core::current().annotate("page", page); // on the entity of the caller
/// }
///
/// # let segment = recorder.begin("shop");
/// # let guard = segment.enter();
/// xray_core::capture("load page", |_| load_page(3));
/// # drop(guard);
/// # segment.close();
/// # assert_eq!(traces.take().single().tree(), "shop\n  load page [page=3]\n");
/// ```
///
/// # Panics
///
/// Panics with [`ContextMissing::Panic`] if there is no current entity.
#[track_caller]
pub fn current() -> Entity {
    Entity::new(current_or_missing("current()"))
}

/// Returns the current segment or subsegment for an instrumented call (HTTP, AWS, SQL). For adapters.
///
/// Like [`current`], but never panics, because the call must be made in any case: with [`ContextMissing::Panic`] the
/// SDK logs the missing context. `what` names the call in that message.
pub fn current_for_call(what: &str) -> Entity {
    Entity::new(peek().unwrap_or_else(|| {
        if let Some((strategy, diagnostics)) = strategy_of_process() {
            strategy.apply_in_call(&MissingContext::in_call(what), &diagnostics);
        }
        Handle::Noop
    }))
}

/// Returns the current segment or subsegment, if there is one. Never logs, never panics.
///
/// For code that runs inside and outside of requests:
///
/// ```
/// if let Some(trace_id) = xray_core::try_current().and_then(|entity| entity.trace_id()) {
///     println!("trace {trace_id}");
/// }
/// ```
pub fn try_current() -> Option<Entity> {
    peek().map(Entity::new)
}

/// Returns the segment to which the current entity belongs. The handle does not keep it open.
///
/// If there is none, the [context-missing strategy](ContextMissing) applies, and the returned segment records nothing.
///
/// Lambda sends the segment of a function itself, so nothing can be added to it. If a server layer received a request
/// in the invocation, this function returns the subsegment of that request, and an application records the same as
/// elsewhere.
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// # let segment = recorder.begin("shop");
/// # let guard = segment.enter();
/// xray_core::capture("sign in", |_| {
///     xray_core::current_segment().set_user("john123"); // on the segment, not on the subsegment
/// });
/// # drop(guard);
/// # segment.close();
/// # assert!(traces.take().documents()[0].json().contains(r#""user":"john123""#));
/// ```
///
/// # Panics
///
/// Panics with [`ContextMissing::Panic`] if there is no current entity.
#[track_caller]
pub fn current_segment() -> Segment {
    Segment::borrowed(current_or_missing("current_segment()").root())
}

/// Adds an annotation to the current entity: see [`Entity::annotate`].
///
/// If there is no current entity, the [context-missing strategy](ContextMissing) applies.
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// # let segment = recorder.begin("shop");
/// # let guard = segment.enter();
/// xray_core::annotate("order_id", 7);
/// # drop(guard);
/// # segment.close();
/// # assert_eq!(traces.take().single().tree(), "shop [order_id=7]\n");
/// ```
///
/// To annotate the segment from within a subsegment, use [`current_segment`]; for metadata and failures, use
/// [`current`]:
///
/// ```
/// # let (recorder, _traces) = xray_core::Recorder::in_memory();
/// # let segment = recorder.begin("shop");
/// # let _in = segment.enter();
/// xray_core::current_segment().annotate("tier", "gold");
/// xray_core::current().metadata("cart", &["tea", "milk"]);
/// ```
///
/// # Panics
///
/// Panics with [`ContextMissing::Panic`] if there is no current entity.
#[track_caller]
pub fn annotate<'v>(key: &str, value: impl Into<AnnotationValue<'v>>) {
    Entity::new(current_or_missing(key)).annotate(key, value);
}

/// Begins a subsegment below the current entity: see [`Entity::subsegment`].
///
/// It is not current until it is entered. If there is no current entity, the [context-missing strategy](ContextMissing)
/// applies, and the returned subsegment records nothing.
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// # let segment = recorder.begin("shop");
/// # let guard = segment.enter();
/// let packing = xray_core::subsegment("pack");
/// packing.annotate("parcels", 2);
/// packing.close();
/// # drop(guard);
/// # segment.close();
/// # assert_eq!(traces.take().single().tree(), "shop\n  pack [parcels=2]\n");
/// ```
///
/// # Panics
///
/// Panics with [`ContextMissing::Panic`] if there is no current entity.
#[must_use = "a subsegment closes when its last handle is dropped"]
#[track_caller]
pub fn subsegment(name: impl AsRef<str>) -> Subsegment {
    let name = name.as_ref();
    Subsegment::begun(current_or_missing(name).begin_child(name))
}

/// Carries the current entity to the place where `f` runs: another thread, a blocking task.
///
/// Returns a function that calls `f` with the entity that is current now. If there is none now, there is none in `f`.
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// # fn compress() {}
/// # let segment = recorder.begin("shop");
/// # let guard = segment.enter();
/// let worker = std::thread::spawn(xray_core::in_current(|| {
///     xray_core::capture("compress", |_| compress());
/// }));
/// worker.join().unwrap();
/// # drop(guard);
/// # segment.close();
/// # assert_eq!(traces.take().single().tree(), "shop\n  compress\n");
/// ```
///
/// For blocking tasks of tokio:
///
/// ```no_run
/// # fn compress() -> usize { 0 }
/// # async fn handler() {
/// let bytes = tokio::task::spawn_blocking(xray_core::in_current(|| compress())).await;
/// # }
/// ```
///
/// The function does not keep the entity open. What `f` adds after the segment has closed is sent on its own, if it is
/// in subsegments, or else ignored. For futures, use [`FutureExt::in_current`].
pub fn in_current<T>(f: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let handle = peek();
    move || {
        let _restore = replace(handle);
        f()
    }
}
