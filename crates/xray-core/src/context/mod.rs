//! The current entity: which segment or subsegment the running code belongs to.
//!
//! A slot of the thread holds it. Synchronous code sets it by a guard ([`Entered`]), asynchronous code by a
//! future that sets it for each of its polls ([`InEntity`], [`InSubsegment`]); so it works on any executor.
//! Nothing carries it to a new task or thread by itself: [`in_current`] and
//! [`FutureExt::in_current`] do.

mod enter;
mod future;
mod guard;
mod parent;

use std::cell::RefCell;
use std::panic::Location;

pub(crate) use future::ContextSwap;
pub use future::{FutureExt, InEntity, InSubsegment, TryInSubsegment};
pub use guard::Entered;
pub(crate) use guard::{Restores, enter_recorded_child, replace};
pub(crate) use parent::Parent;

pub use crate::missing::{ContextMissing, MissingContext, ParseContextMissingError};

use crate::entity::{AnnotationValue, Entity, Handle, Segment, Subsegment};
use crate::recorder::strategy_of_process;

thread_local! {
    static CURRENT: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// Exchanges the thread's slot with `slot`. Nothing is dropped while the slot is borrowed: dropping a handle
/// may close an entity, and that may run code that asks for the current one.
#[inline]
fn swap(slot: &mut Option<Handle>) {
    // A thread that is ending has no slot any more, and no current entity.
    let _ = CURRENT.try_with(|current| std::mem::swap(&mut *current.borrow_mut(), slot));
}

/// Whether the current entity is a recorded one.
fn is_recorded() -> bool {
    CURRENT.try_with(|current| matches!(*current.borrow(), Some(Handle::Recorded(_)))).unwrap_or(false)
}

pub(crate) fn peek() -> Option<Handle> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// The current handle; if there is none, the context-missing strategy applies to the caller's line.
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

#[track_caller]
fn report_missing(missing: &MissingContext<'_>) {
    if let Some((strategy, diagnostics)) = strategy_of_process() {
        strategy.apply(missing, &diagnostics);
    }
}

/// The current segment or subsegment. Outside any, the recorder's
/// [context-missing strategy](ContextMissing) decides, and what is returned records nothing.
///
/// # Panics
/// With [`ContextMissing::Panic`] when there is no current entity.
#[track_caller]
pub fn current() -> Entity {
    Entity::new(current_or_missing("current()"))
}

/// The current segment or subsegment, as instrumented calls (HTTP, AWS, SQL) ask for it: for adapters.
///
/// As [`current`], but it never panics, because such calls always go out: with [`ContextMissing::Panic`] the
/// missing context is logged. `what` says what was to be recorded.
pub fn current_for_call(what: &str) -> Entity {
    Entity::new(peek().unwrap_or_else(|| {
        if let Some((strategy, diagnostics)) = strategy_of_process() {
            strategy.apply_in_call(&MissingContext::in_call(what), &diagnostics);
        }
        Handle::Noop
    }))
}

/// The current segment or subsegment, if there is one. Never logs, never panics.
pub fn try_current() -> Option<Entity> {
    peek().map(Entity::new)
}

/// The segment that the current entity belongs to. It is treated as [`current`] is when there is none.
///
/// On Lambda, which sends the segment itself, this is the subsegment of the request that a server layer received in
/// the invocation, so an application records the same there. Without such a layer nothing can be added.
///
/// ```no_run
/// xray_core::current_segment().set_user("john123");
/// ```
///
/// # Panics
/// As [`current`].
#[track_caller]
pub fn current_segment() -> Segment {
    Segment::borrowed(current_or_missing("current_segment()").root())
}

/// Annotates the current entity: see [`Entity::annotate`].
///
/// # Panics
/// As [`current`].
#[track_caller]
pub fn annotate<'v>(key: &str, value: impl Into<AnnotationValue<'v>>) {
    Entity::new(current_or_missing(key)).annotate(key, value);
}

/// Begins a subsegment below the current entity: see [`Entity::subsegment`].
///
/// # Panics
/// As [`current`].
#[must_use = "a subsegment closes when its last handle is dropped"]
#[track_caller]
pub fn subsegment(name: impl AsRef<str>) -> Subsegment {
    let name = name.as_ref();
    Subsegment::begun(current_or_missing(name).begin_child(name))
}

/// Carries the current entity, or that there is none, to where `f` will run: another thread, a blocking task.
///
/// ```
/// # fn compress() {}
/// std::thread::spawn(xray_core::in_current(|| compress()));
/// ```
pub fn in_current<T>(f: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let handle = peek();
    move || {
        let _restores = replace(handle);
        f()
    }
}
