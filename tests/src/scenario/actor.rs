//! The entities of a scenario, whatever their kind.

use xray_core::{Entity, Facade, Segment, Subsegment};

/// An entity that a scenario speaks of. It holds the handle, so that nothing closes before it is told to.
#[derive(Clone, Debug)]
pub(super) enum Actor {
    Segment(Segment),
    Subsegment(Subsegment),
    Facade(Facade),
}

impl Actor {
    pub(super) fn entity(&self) -> Entity {
        match self {
            Actor::Segment(segment) => segment.entity(),
            Actor::Subsegment(subsegment) => subsegment.entity(),
            Actor::Facade(facade) => facade.entity(),
        }
    }
}
