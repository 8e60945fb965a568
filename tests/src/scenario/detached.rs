//! Subsegments without a parent: this SDK has none, so their steps are kept until they get one.

use std::collections::HashMap;

use crate::steps::{Step, Target};

/// The detached subsegments of a scenario, with all that was done to them and below them.
#[derive(Debug, Default)]
pub(super) struct Detached {
    roots: HashMap<String, Root>,
}

#[derive(Debug)]
struct Root {
    /// The subsegment's name.
    name: String,
    /// It and what was begun below it, as the scenario calls them.
    members: Vec<String>,
    steps: Vec<Step>,
}

impl Detached {
    /// Begins a subsegment without a parent which the scenario calls `new`.
    pub(super) fn begin(&mut self, new: &str, name: &str) {
        let root = Root { name: name.to_owned(), members: vec![new.to_owned()], steps: Vec::new() };
        self.roots.insert(new.to_owned(), root);
    }

    /// Keeps a step which is about a detached subsegment; `false`: it is not.
    pub(super) fn keeps(&mut self, step: &Step) -> bool {
        let Some(Target::Named(on)) = step.on() else { return false };
        let Some(root) = self.roots.values_mut().find(|root| root.members.contains(on)) else { return false };
        if let Step::Subsegment { new, .. } = step {
            root.members.push(new.clone());
        }
        root.steps.push(step.clone());
        true
    }

    /// Takes out a subsegment that gets its parent: its name, and what was done meanwhile.
    pub(super) fn take(&mut self, new: &str) -> Option<(String, Vec<Step>)> {
        self.roots.remove(new).map(|root| (root.name, root.steps))
    }
}
