//! A trace together with its whole summary, for what the stored summary leaves out.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

use super::summary::Behind;
use super::{Entity, Names, Summary, Trace};

/// A trace, its summary without limits, and the entities behind the services of the summary.
pub(crate) struct Detailed {
    pub(crate) trace: Trace,
    pub(crate) summary: Summary,
    behind: Vec<Behind>,
}

impl Detailed {
    pub(crate) fn new(trace: Trace, revision: u32) -> Detailed {
        let (summary, behind) = Summary::build(&trace, revision, &Names::default(), usize::from(u16::MAX) - 1);
        Detailed { trace, summary, behind }
    }

    /// Returns the segment behind a service of the summary, or the call to an inferred service.
    pub(crate) fn entity(&self, service: usize) -> &Entity {
        self.at(self.behind[service].entity)
    }

    /// Returns the subsegment that called a service of the summary; the segment itself if nothing did.
    pub(crate) fn call(&self, service: usize) -> &Entity {
        self.at(self.behind[service].call)
    }

    fn at(&self, index: usize) -> &Entity {
        &self.trace.places[index].entity
    }
}

/// Returns a hash that is the same in each process.
pub(crate) fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}
