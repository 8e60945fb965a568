//! The guard that makes an entity current in synchronous code.

use std::fmt;
use std::marker::PhantomData;

use crate::entity::{Handle, Share, Subsegment};

use super::{fill, peek, swap, take_recorded};

/// Keeps an entity current on this thread until it is dropped. Then it restores the entity that was current before.
///
/// Guards must be dropped in the reverse order of their creation, as local variables are.
///
/// A guard from a segment or a subsegment keeps the entity open. The entity closes when the guard is dropped, unless
/// another handle keeps it open:
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
/// Do not hold a guard across an `.await`: other tasks of the thread would record into its entity. For futures, use
/// [`scope`](crate::Entity::scope) or [`FutureExt`](super::FutureExt). A guard cannot move to another thread:
///
/// ```compile_fail
/// fn is_send<T: Send>(_: T) {}
/// is_send(xray_core::current().enter());
/// ```
#[must_use = "the entity is current as long as the guard lives"]
pub struct Entered {
    // Dropped first: the context is restored before the entity closes.
    restore: Restore,
    /// Keeps the entity open, if the handle that entered it does.
    _share: Option<Share>,
}

/// Restore the context that was current before when it is dropped.
pub(crate) struct Restore {
    previous: Option<Handle>,
    thread_bound: PhantomData<*const ()>,
}

/// Makes `slot` the context of the thread. `None` makes nothing current.
pub(crate) fn replace(mut slot: Option<Handle>) -> Restore {
    swap(&mut slot);
    Restore { previous: slot, thread_bound: PhantomData }
}

/// Makes `handle` the context of the thread. The guard holds `share`.
pub(super) fn enter(handle: Handle, share: Option<Share>) -> Entered {
    Entered { restore: replace(Some(handle)), _share: share }
}

/// Begins a subsegment of the current entity and enters it, if that entity is recorded.
///
/// The guard holds the parent meanwhile, so its handle need not be cloned.
pub(crate) fn enter_recorded_child(name: &str) -> Option<(Subsegment, Restore)> {
    let restore = Restore { previous: Some(take_recorded()?), thread_bound: PhantomData };
    let subsegment = Subsegment::begun(restore.previous.as_ref()?.begin_child(name));
    fill(subsegment.handle().clone());
    Some((subsegment, restore))
}

impl Drop for Restore {
    fn drop(&mut self) {
        // The entity that was current is dropped with the guard, after the exchange.
        swap(&mut self.previous);
    }
}

/// Shows the current entity of the thread, and the one that the guard restores.
impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").field("current", &peek()).field("restores", &self.restore.previous).finish()
    }
}
