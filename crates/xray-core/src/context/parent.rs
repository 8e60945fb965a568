//! The parent of work that begins later than it is made.

use std::panic::Location;

use crate::entity::{Handle, Subsegment};

use super::{MissingContext, peek, report_missing};

/// The entity that is current where the work is made. If there is none, the one that is current where it begins: the
/// work may be handed to a [`scope`](crate::Entity::scope), or be made before the request.
pub(crate) struct Parent {
    handle: Option<Handle>,
    made_at: &'static Location<'static>,
}

impl Parent {
    #[track_caller]
    pub(crate) fn here() -> Parent {
        Parent { handle: peek(), made_at: Location::caller() }
    }

    /// Begins the subsegment of the work, now. Without any parent the context-missing strategy applies.
    pub(crate) fn begin_child(&self, name: &str) -> Subsegment {
        let parent = self.handle.clone().or_else(peek).unwrap_or_else(|| {
            report_missing(&MissingContext::at(self.made_at, name));
            Handle::Noop
        });
        Subsegment::begun(parent.begin_child(name))
    }
}
