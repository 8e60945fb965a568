//! Ownership: which handles, guards and futures keep an entity open.
//!
//! A recorded entity counts its owners and closes when the last one is dropped. Handles from a `begin` own it; those
//! from `current_segment()`, extractors and `downgrade` do not.

use super::handle::Handle;
use super::node::Node;

/// A handle that may keep its entity open. When the last one that does is dropped, the entity closes.
pub(crate) struct Owner {
    handle: Handle,
    keeps_open: bool,
}

impl Owner {
    /// The first owner of an entity that has just begun. A new node counts it already.
    pub(super) fn first(handle: Handle) -> Owner {
        Owner { handle, keeps_open: true }
    }

    /// A handle of the same form that does not keep the entity open.
    pub(super) const fn borrowed(handle: Handle) -> Owner {
        Owner { handle, keeps_open: false }
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Returns another owner for a guard or a future. `None` if there is nothing to keep open.
    #[inline]
    pub(super) fn share(&self) -> Option<Share> {
        match &self.handle {
            Handle::Recorded(node) if self.keeps_open => {
                node.add_owner();
                Some(Share(node.clone()))
            }
            _ => None,
        }
    }
}

impl Clone for Owner {
    fn clone(&self) -> Owner {
        if let Handle::Recorded(node) = &self.handle
            && self.keeps_open
        {
            node.add_owner();
        }
        Owner { handle: self.handle.clone(), keeps_open: self.keeps_open }
    }
}

impl Drop for Owner {
    #[inline]
    fn drop(&mut self) {
        if let Handle::Recorded(node) = &self.handle
            && self.keeps_open
        {
            release(node);
        }
    }
}

/// The part of a guard or a future that keeps the entity open after the handle that made it is dropped.
pub(crate) struct Share(Node);

impl Drop for Share {
    fn drop(&mut self) {
        release(&self.0);
    }
}

/// Removes one owner, and closes the entity if it was the last.
fn release(node: &Node) {
    if node.is_open() && node.remove_owner() {
        node.finish();
    }
}
