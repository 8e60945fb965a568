//! Spare objects of a thread, which it uses again instead of allocating new ones.

use std::cell::RefCell;

/// The number of spare objects that are kept.
const KEPT: usize = 8;

/// Spare objects of one kind, for a thread-local variable.
pub(crate) struct Spares<T>(RefCell<Vec<T>>);

impl<T> Spares<T> {
    pub(crate) const fn new() -> Spares<T> {
        Spares(RefCell::new(Vec::new()))
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.0.borrow_mut().pop()
    }

    /// Keeps an object for the next [`take`](Spares::take), unless there are enough.
    pub(crate) fn give(&self, spare: T) {
        let mut spares = self.0.borrow_mut();
        if spares.len() < KEPT {
            spares.push(spare);
        }
    }
}
