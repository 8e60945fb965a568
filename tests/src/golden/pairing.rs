//! Pairs the entities of the recording with ours.

use crate::forest::{Entity, Forest};
use serde_json::{Value, json};

/// The paired entities of two forests, each before its children.
#[derive(Debug, Default)]
pub(super) struct Pairing {
    /// Indices in the golden and in ours.
    pub(super) pairs: Vec<(usize, usize)>,
    /// Subtrees of the golden that are not among ours.
    pub(super) missing: Vec<usize>,
    /// Subtrees of ours that are not in the golden.
    pub(super) extra: Vec<usize>,
    /// Golden entities whose children are in a different order.
    pub(super) reordered: Vec<Option<usize>>,
}

impl Pairing {
    pub(super) fn new(golden: &Forest, ours: &Forest) -> Pairing {
        let mut pairing = Pairing::default();
        let mut pending = vec![Level { parent: None, golden: golden.roots(), ours: ours.roots() }];
        while let Some(level) = pending.pop() {
            let matched = pairing.match_siblings(golden, ours, &level);
            let levels = matched.into_iter().rev().map(|(theirs, our)| Level {
                parent: Some(theirs),
                golden: golden.entity(theirs).children(),
                ours: ours.entity(our).children(),
            });
            pending.extend(levels);
        }
        pairing
    }

    /// Matches siblings by likeness, then by name alone, and in order where there is a choice. A difference between two
    /// entities with the same name is then reported as such, instead of as a missing and an extra entity.
    fn match_siblings(&mut self, golden: &Forest, ours: &Forest, level: &Level<'_>) -> Vec<(usize, usize)> {
        let mut free: Vec<Option<usize>> = level.ours.iter().copied().map(Some).collect();
        let mut partners: Vec<Option<(usize, usize)>> = vec![None; level.golden.len()];
        let alike = |a: &Entity, b: &Entity| a.name() == b.name() && likeness(a) == likeness(b);
        let namesake = |a: &Entity, b: &Entity| a.name() == b.name();
        for same in [&alike as &dyn Fn(&Entity, &Entity) -> bool, &namesake] {
            for (partner, &theirs) in partners.iter_mut().zip(level.golden).filter(|(partner, _)| partner.is_none()) {
                let fits = |our: &Option<usize>| our.is_some_and(|our| same(golden.entity(theirs), ours.entity(our)));
                if let Some(at) = free.iter().position(fits) {
                    *partner = free[at].take().map(|our| (at, our));
                }
            }
        }
        if !partners.iter().flatten().map(|(at, _)| at).is_sorted() {
            self.reordered.push(level.parent);
        }
        self.extra.extend(free.into_iter().flatten());
        let mut matched = Vec::new();
        for (partner, &theirs) in partners.iter().zip(level.golden) {
            match partner {
                Some((_, our)) => matched.push((theirs, *our)),
                None => self.missing.push(theirs),
            }
        }
        self.pairs.extend(&matched);
        matched
    }
}

/// The siblings on both sides.
struct Level<'a> {
    parent: Option<usize>,
    golden: &'a [usize],
    ours: &'a [usize],
}

/// Returns the members that distinguish siblings with the same name and are not allowed to differ.
fn likeness(entity: &Entity) -> Value {
    let members = ["annotations", "metadata", "sql", "namespace", "error", "throttle"];
    let values: Vec<_> = members.iter().map(|name| entity.members().get(*name)).collect();
    json!([values, entity.children().len()])
}
