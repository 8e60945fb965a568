//! What was sent recently.

use std::collections::{HashSet, VecDeque};

/// Enough for several seconds of copies at any rate, in about 2 MB.
const MAX: usize = 1 << 16;

/// A set that forgets what it has known for the longest time.
#[derive(Default)]
pub(super) struct Recent {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Recent {
    /// Adds a value. Returns false if it is known.
    pub(super) fn insert(&mut self, value: u64) -> bool {
        if !self.known.insert(value) {
            return false;
        }
        self.order.push_back(value);
        if self.order.len() > MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_new_once_until_it_is_forgotten() {
        let mut recent = Recent::default();
        assert!(recent.insert(0) && !recent.insert(0));
        assert!((1..=MAX as u64).all(|value| recent.insert(value)));
        assert!(!recent.insert(1) && recent.insert(0));
        assert_eq!((recent.known.len(), recent.order.len()), (MAX, MAX));
    }
}
