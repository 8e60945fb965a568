//! The parent of work that begins after it is created: futures and callbacks.

use std::panic::Location;

use crate::entity::{Handle, Subsegment};

use super::{MissingContext, peek, report_missing};

/// The parent of future work: the entity that is current where the work is created.
///
/// If there is none, it is the entity that is current where the work begins: the work may be passed to a
/// [`scope`](crate::Entity::scope), or be created before the request.
pub(crate) struct Parent {
    handle: Option<Handle>,
    created_at: &'static Location<'static>,
}

impl Parent {
    /// Takes the entity that is current now, and the caller's line for a missing context.
    #[track_caller]
    pub(crate) fn here() -> Parent {
        Parent { handle: peek(), created_at: Location::caller() }
    }

    /// Begins the subsegment of the work. If there is no parent, the context-missing strategy applies.
    pub(crate) fn begin_child(&self, name: &str) -> Subsegment {
        let parent = self.handle.clone().or_else(peek).unwrap_or_else(|| {
            report_missing(&MissingContext::at(self.created_at, name));
            Handle::Noop
        });
        Subsegment::begun(parent.begin_child(name))
    }
}
