//! The entities of a scenario, of any kind.

use xray_core::{Entity, Facade, Segment, Subsegment};

/// An entity of a scenario. It holds the handle, so that the entity does not close before the scenario closes it.
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
