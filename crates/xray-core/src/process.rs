//! Values that a forked child must not share with its parent. A child has a copy of the parent's memory but none of its
//! threads: their work is never done, and a lock that one of them held at the fork is never released.

use std::mem;
use std::ops::Deref;
use std::process;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// A value that each process creates for itself. Getting it costs the system call `getpid`, 50 to 100 ns.
///
/// A value that a child has inherited from its parent is never dropped, because its destructor may wait for a lock that a
/// thread of the parent held.
///
/// ```
/// use std::sync::Mutex;
/// use xray_core::process::PerProcess;
///
/// let lines = PerProcess::new(Mutex::new(Vec::<String>::new()));
/// lines.get(Mutex::default).lock().unwrap().push("line".to_owned());
/// assert!(lines.existing().is_some());
/// ```
#[derive(Debug)]
pub struct PerProcess<T>(ArcSwap<Owned<T>>);

/// A value and the process that created it.
#[derive(Debug)]
pub struct Owned<T> {
    owner_pid: u32,
    value: T,
}

impl<T> PerProcess<T> {
    /// Creates it with the value of this process.
    pub fn new(value: T) -> PerProcess<T> {
        PerProcess(ArcSwap::from_pointee(Owned { owner_pid: process::id(), value }))
    }

    /// Returns the value of this process. In a forked child, `make` creates it at the first call. If several threads call
    /// this at the same time, one of their values is used.
    pub fn get(&self, make: impl FnOnce() -> T) -> impl Deref<Target = Arc<Owned<T>>> {
        let owned = self.0.load();
        if owned.owner_pid == process::id() {
            return owned;
        }
        let made = Arc::new(Owned { owner_pid: process::id(), value: make() });
        let before = self.0.compare_and_swap(&owned, made);
        // Dropping it may wait for a lock that a thread of the parent held.
        mem::forget(Arc::clone(&before));
        self.0.load()
    }

    /// Returns the value of this process, or `None` if there is only that of the parent.
    pub fn existing(&self) -> Option<impl Deref<Target = Arc<Owned<T>>>> {
        Some(self.0.load()).filter(|owned| owned.owner_pid == process::id())
    }
}

impl<T: Default> Default for PerProcess<T> {
    fn default() -> PerProcess<T> {
        PerProcess::new(T::default())
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        if self.existing().is_none() {
            mem::forget(self.0.load_full());
        }
    }
}

impl<T> Deref for Owned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inherited_value_is_replaced_once_and_not_dropped() {
        struct Bomb(bool);
        impl Drop for Bomb {
            fn drop(&mut self) {
                assert!(!self.0, "dropped");
            }
        }
        let inherited = || PerProcess(ArcSwap::from_pointee(Owned { owner_pid: u32::MAX, value: Bomb(true) }));
        let value = inherited();
        assert!(value.existing().is_none());
        assert!(!value.get(|| Bomb(false)).0);
        assert!(!value.get(|| unreachable!()).0 && value.existing().is_some());
        drop(inherited());
    }
}
