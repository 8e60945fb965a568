//! Groups: filter expressions with a name.

use std::sync::{Arc, Mutex, PoisonError};

use super::Filter;

/// The groups of a store. The group `Default` always exists and matches everything.
#[derive(Debug)]
pub(crate) struct Groups(Mutex<Vec<Arc<Group>>>);

#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) arn: String,
    /// The expression as it was written.
    pub(crate) text: String,
    pub(crate) filter: Filter,
    pub(crate) insights: bool,
    pub(crate) notifications: bool,
}

impl Group {
    pub(crate) const DEFAULT: &str = "Default";

    pub(crate) fn new(name: String, text: String, filter: Filter) -> Group {
        let arn = format!("arn:aws:xray:local:000000000000:group/{name}/{:016x}", crate::trace::hash(&name));
        Group { name, arn, text, filter, insights: false, notifications: false }
    }
}

impl Default for Groups {
    fn default() -> Groups {
        let all = Group::new(Group::DEFAULT.to_owned(), String::new(), Filter::everything());
        Groups(Mutex::new(vec![Arc::new(all)]))
    }
}

impl Groups {
    /// Returns the group with this name or ARN.
    pub(crate) fn get(&self, key: &str) -> Option<Arc<Group>> {
        self.all().into_iter().find(|group| group.name == key || group.arn == key)
    }

    /// Returns all groups in the order of their creation.
    pub(crate) fn all(&self) -> Vec<Arc<Group>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds a group, or replaces the one with the same name. Returns false if there would be too many.
    pub(crate) fn put(&self, group: Group, max: usize) -> bool {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match groups.iter().position(|known| known.name == group.name) {
            Some(index) => groups[index] = Arc::new(group),
            None if groups.len() >= max => return false,
            None => groups.push(Arc::new(group)),
        }
        true
    }

    /// Removes a group. `Default` stays.
    pub(crate) fn remove(&self, name: &str) {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|group| group.name != name || group.name == Group::DEFAULT);
    }
}
