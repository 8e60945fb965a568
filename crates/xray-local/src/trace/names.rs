//! Names that many summaries share, each kept once.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "store")]
use super::service::Parts;
use super::service::Service;

/// A shared text, as large as a pointer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name(Arc<Box<str>>);

/// Shared strings and services. Those that no summary uses any more are removed now and then.
#[derive(Debug, Default)]
pub(crate) struct Names {
    texts: Pool<Name>,
    services: Pool<Arc<Service>>,
}

#[derive(Debug)]
struct Pool<T>(Mutex<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    values: HashSet<T>,
    /// The number of values at which unused ones are removed.
    sweep_at: usize,
}

const MIN_SWEEP: usize = 1024;

impl<T> Default for Pool<T> {
    fn default() -> Pool<T> {
        Pool(Mutex::new(Shared { values: HashSet::new(), sweep_at: MIN_SWEEP }))
    }
}

impl<T: Clone + Eq + Hash> Pool<T> {
    fn get<Q: Eq + Hash + ?Sized>(&self, value: &Q, make: impl FnOnce() -> T, is_used: impl Fn(&T) -> bool) -> T
    where
        T: Borrow<Q>,
    {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shared.values.get(value) {
            return known.clone();
        }
        if shared.values.len() >= shared.sweep_at {
            shared.values.retain(is_used);
            shared.sweep_at = MIN_SWEEP.max(2 * shared.values.len());
        }
        let new = make();
        shared.values.insert(new.clone());
        new
    }
}

impl Names {
    pub(crate) fn text(&self, text: &str) -> Name {
        self.texts.get(text, || Name(Arc::new(text.into())), |Name(text)| Arc::strong_count(text) > 1)
    }

    pub(crate) fn service(&self, service: Service) -> Arc<Service> {
        let service = Arc::new(service);
        self.services.get(&*service, || Arc::clone(&service), |service| Arc::strong_count(service) > 1)
    }

    /// Returns the service with this name, type and account.
    #[cfg(feature = "store")]
    pub(crate) fn service_of(&self, parts: (&str, &str, &str)) -> Arc<Service> {
        let (name, kind, account) = parts;
        let make = || Arc::new(Service { name: name.into(), kind: kind.into(), account: account.into() });
        self.services.get(&parts as &dyn Parts, make, |service| Arc::strong_count(service) > 1)
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_and_removed_when_unused() {
        let names = Names::default();
        let first = names.text("shop");
        assert!(Arc::ptr_eq(&first.0, &names.text("shop").0));
        for i in 0..3 * MIN_SWEEP {
            names.text(&i.to_string());
        }
        let service = || Service { name: "shop".into(), kind: "remote".into(), account: "".into() };
        #[cfg(feature = "store")]
        assert!(Arc::ptr_eq(&names.service(service()), &names.service_of(("shop", "remote", ""))));
        assert!(Arc::ptr_eq(&names.service(service()), &names.service(service())));
        assert!(names.texts.0.lock().unwrap().values.len() <= MIN_SWEEP + 1);
        assert!(Arc::ptr_eq(&first.0, &names.text("shop").0));
    }
}
