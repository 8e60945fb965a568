//! What a forked child must not share with its parent. It has the parent's memory and none of its threads: what they
//! were to do is not done, and a lock that one of them held at the fork is never released.

use std::mem;
use std::ops::Deref;
use std::process;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// A value that each process makes for itself. Getting it costs the system call `getpid`, 50 to 100 ns.
#[derive(Debug)]
pub struct PerProcess<T>(ArcSwap<Owned<T>>);

/// A value with the process that made it.
#[derive(Debug)]
pub struct Owned<T> {
    process: u32,
    value: T,
}

impl<T> PerProcess<T> {
    /// With the value of this process.
    pub fn new(value: T) -> PerProcess<T> {
        PerProcess(ArcSwap::from_pointee(Owned { process: process::id(), value }))
    }

    /// The value of this process, which `make` makes for a forked child.
    pub fn get(&self, make: impl FnOnce() -> T) -> impl Deref<Target = Arc<Owned<T>>> {
        let owned = self.0.load();
        if owned.process == process::id() {
            return owned;
        }
        // Of several threads the first one counts.
        let made = Arc::new(Owned { process: process::id(), value: make() });
        let before = self.0.compare_and_swap(&owned, made);
        // Its end may wait for a lock that a thread of the parent holds.
        mem::forget(Arc::clone(&before));
        self.0.load()
    }

    /// The value of this process, unless that of its parent is all there is.
    pub fn existing(&self) -> Option<impl Deref<Target = Arc<Owned<T>>>> {
        Some(self.0.load()).filter(|owned| owned.process == process::id())
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
    fn a_value_of_another_process_is_replaced_once_and_not_dropped() {
        struct Bomb(bool);
        impl Drop for Bomb {
            fn drop(&mut self) {
                assert!(!self.0, "dropped");
            }
        }
        let inherited = || PerProcess(ArcSwap::from_pointee(Owned { process: u32::MAX, value: Bomb(true) }));
        let value = inherited();
        assert!(value.existing().is_none());
        assert!(!value.get(|| Bomb(false)).0);
        assert!(!value.get(|| unreachable!()).0 && value.existing().is_some());
        drop(inherited());
    }
}
