//! Names that many summaries share, each kept once.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use super::service::Service;

/// Shared strings and services. Those that no summary uses any more are removed now and then.
#[derive(Debug, Default)]
pub(crate) struct Names {
    texts: Pool<str>,
    services: Pool<Service>,
}

#[derive(Debug)]
struct Pool<T: ?Sized>(Mutex<Shared<T>>);

#[derive(Debug)]
struct Shared<T: ?Sized> {
    values: HashSet<Arc<T>>,
    /// The number of values at which unused ones are removed.
    sweep_at: usize,
}

const MIN_SWEEP: usize = 1024;

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Pool<T> {
        Pool(Mutex::new(Shared { values: HashSet::new(), sweep_at: MIN_SWEEP }))
    }
}

impl<T: ?Sized + Eq + Hash> Pool<T> {
    fn get(&self, value: &T, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shared.values.get(value) {
            return Arc::clone(known);
        }
        if shared.values.len() >= shared.sweep_at {
            shared.values.retain(|value| Arc::strong_count(value) > 1);
            shared.sweep_at = MIN_SWEEP.max(2 * shared.values.len());
        }
        let new = make();
        shared.values.insert(Arc::clone(&new));
        new
    }
}

impl Names {
    pub(crate) fn text(&self, text: &str) -> Arc<str> {
        self.texts.get(text, || text.into())
    }

    pub(crate) fn service(&self, service: Service) -> Arc<Service> {
        let service = Arc::new(service);
        self.services.get(&service, || Arc::clone(&service))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_and_removed_when_unused() {
        let names = Names::default();
        let first = names.text("shop");
        assert!(Arc::ptr_eq(&first, &names.text("shop")));
        for i in 0..3 * MIN_SWEEP {
            names.text(&i.to_string());
        }
        assert!(names.texts.0.lock().unwrap().values.len() <= MIN_SWEEP + 1);
        assert!(Arc::ptr_eq(&first, &names.text("shop")));
    }
}
