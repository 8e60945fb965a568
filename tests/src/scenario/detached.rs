//! Subsegments without a parent. This SDK has none, so their steps are deferred until they get a parent.

use std::collections::HashMap;

use crate::steps::{Step, Target};

/// The detached subsegments of a scenario, with the deferred steps for them and for entities below them.
#[derive(Debug, Default)]
pub(super) struct Detached {
    roots: HashMap<String, Root>,
}

#[derive(Debug)]
struct Root {
    /// The subsegment's name.
    name: String,
    /// The scenario's names for it and for the entities below it.
    members: Vec<String>,
    steps: Vec<Step>,
}

impl Detached {
    /// Begins a subsegment without a parent, which the scenario calls `new`.
    pub(super) fn begin(&mut self, new: &str, name: &str) {
        let root = Root { name: name.to_owned(), members: vec![new.to_owned()], steps: Vec::new() };
        self.roots.insert(new.to_owned(), root);
    }

    /// Defers a step for a detached subsegment. Returns false if the step is not for one.
    pub(super) fn keeps(&mut self, step: &Step) -> bool {
        let Some(Target::Named(on)) = step.on() else { return false };
        let Some(root) = self.roots.values_mut().find(|root| root.members.contains(on)) else { return false };
        if let Step::Subsegment { new, .. } = step {
            root.members.push(new.clone());
        }
        root.steps.push(step.clone());
        true
    }

    /// Removes a subsegment that gets its parent; returns its name and the deferred steps.
    pub(super) fn take(&mut self, new: &str) -> Option<(String, Vec<Step>)> {
        self.roots.remove(new).map(|root| (root.name, root.steps))
    }
}
