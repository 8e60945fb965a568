//! A span that is recorded.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use xray_core::{Entity, Segment, Subsegment};

use crate::members::Members;

/// What the extensions of a recorded span hold.
pub(crate) struct Recorded {
    owner: Owner,
    state: Mutex<State>,
}

/// The handle that keeps the entity open until the span closes.
enum Owner {
    Segment(Segment),
    Subsegment(Subsegment),
}

#[derive(Default)]
struct State {
    /// When the span was last exited: its end, since a closed span may be held for long.
    last_exit: Option<SystemTime>,
    /// Fields that make up members of the document together.
    members: Option<Box<Members>>,
}

impl Recorded {
    pub(crate) fn segment(segment: Segment) -> Recorded {
        Recorded { owner: Owner::Segment(segment), state: Mutex::default() }
    }

    pub(crate) fn subsegment(subsegment: Subsegment) -> Recorded {
        Recorded { owner: Owner::Subsegment(subsegment), state: Mutex::default() }
    }

    pub(crate) fn entity(&self) -> Entity {
        match &self.owner {
            Owner::Segment(segment) => segment.entity(),
            Owner::Subsegment(subsegment) => subsegment.entity(),
        }
    }

    /// Notes that the span was exited now.
    pub(crate) fn exited(&self) {
        let now = self.entity().now();
        self.state().last_exit = Some(now);
    }

    /// Keeps fields for the close.
    pub(crate) fn merge(&self, members: Members) {
        let mut state = self.state();
        match &mut state.members {
            Some(earlier) => earlier.merge(members),
            none => *none = Some(Box::new(members)),
        }
    }

    /// Closes the entity, as of the last exit of the span.
    pub(crate) fn close(&self) {
        let State { last_exit, members } = std::mem::take(&mut *self.state());
        let entity = self.entity();
        let end = last_exit.unwrap_or_else(|| entity.now());
        match &self.owner {
            Owner::Segment(segment) => {
                if let Some(members) = members {
                    members.write_to_segment(segment);
                    members.write_failure(&entity);
                }
                segment.close_at(end);
            }
            Owner::Subsegment(subsegment) => {
                if let Some(members) = members {
                    members.write_to_subsegment(subsegment);
                    members.write_failure(&entity);
                }
                subsegment.close_at(end);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
