//! Either kind of entity, as the current one is.

use super::handle::{Handle, Share, shared_methods};

/// A segment or a subsegment, as [`current`](crate::current) returns it. It does not keep the entity open.
#[derive(Clone, Debug, Default)]
pub struct Entity {
    handle: Handle,
}

shared_methods!(Entity);

impl Entity {
    pub(crate) fn new(handle: Handle) -> Entity {
        Entity { handle }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn share(&self) -> Option<Share> {
        None
    }

    /// The segment that this entity belongs to: see [`current_segment`](crate::current_segment).
    pub fn segment(&self) -> super::Segment {
        super::Segment::borrowed(self.handle.root())
    }
}
