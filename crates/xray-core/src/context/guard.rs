//! The guard that makes an entity current in synchronous code.

use std::fmt;
use std::marker::PhantomData;

use crate::entity::{Handle, Share, Subsegment};

use super::{is_recorded, swap};

/// Keeps an entity current on this thread until it is dropped; then what was current before is so again. Guards
/// are dropped in the opposite order of their making, as local variables are.
///
/// Made from a segment or a subsegment, it is a handle as well: the entity closes when the guard is dropped, unless
/// another handle keeps it open.
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// {
///     let _in = recorder.begin("nightly import").enter();
///     xray_core::annotate("files", 12);
/// }
/// # assert_eq!(traces.take().single().tree(), "nightly import [files=12]\n");
/// ```
///
/// It cannot go to another thread. Do not hold it across an `.await`: other tasks of the thread would run with
/// it. Futures have [`scope`](crate::Entity::scope) and [`FutureExt`](super::FutureExt).
///
/// ```compile_fail
/// fn is_send<T: Send>(_: T) {}
/// is_send(xray_core::current().enter());
/// ```
#[must_use = "the entity is current as long as the guard lives"]
pub struct Entered {
    // First the context is put back.
    _restores: Restores,
    /// Keeps the entity open, where it was entered by a handle that does.
    _share: Option<Share>,
}

/// Puts back what was current before, when it is dropped.
pub(crate) struct Restores {
    previous: Option<Handle>,
    thread_bound: PhantomData<*const ()>,
}

/// Makes that the thread's context, also when it is none.
pub(crate) fn replace(mut slot: Option<Handle>) -> Restores {
    swap(&mut slot);
    Restores { previous: slot, thread_bound: PhantomData }
}

/// Makes `handle` the thread's context; the guard holds `share`.
pub(super) fn enter(handle: Handle, share: Option<Share>) -> Entered {
    Entered { _restores: replace(Some(handle)), _share: share }
}

/// Begins a subsegment of the current entity, if that is recorded, and enters it.
///
/// The parent waits in the guard meanwhile, so that its handle need not be cloned.
pub(crate) fn enter_recorded_child(name: &str) -> Option<(Subsegment, Restores)> {
    if !is_recorded() {
        return None;
    }
    let restores = replace(None);
    let subsegment = Subsegment::begun(restores.previous.as_ref()?.begin_child(name));
    let mut slot = Some(subsegment.handle().clone());
    swap(&mut slot);
    Some((subsegment, restores))
}

impl Drop for Restores {
    fn drop(&mut self) {
        // What was current is dropped with the guard, after the exchange.
        swap(&mut self.previous);
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entered")
    }
}
