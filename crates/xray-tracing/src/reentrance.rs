//! Keeps the layer from recording what its own work causes.

use std::cell::Cell;

thread_local! {
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as working for the layer, until it is dropped.
pub(crate) struct Busy;

impl Busy {
    /// Returns `None` if the thread works for the layer already: a log line of the SDK, or an application's `Debug` that logs,
    /// reached the layer again.
    pub(crate) fn enter() -> Option<Busy> {
        match BUSY.try_with(|busy| busy.replace(true)) {
            Ok(false) => Some(Busy),
            _ => None,
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = BUSY.try_with(|busy| busy.set(false));
    }
}
