//! Random numbers from a fast generator per thread, seeded by the operating system.
//!
//! `fastrand` has a global generator per thread, which an application may seed to make a run repeatable. Ids and sampling
//! must not repeat then, so this generator is separate, and its seed comes from elsewhere.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};

use fastrand::Rng;

thread_local! {
    // `Rng::new` would take its seed from the generator that the application can seed.
    static GENERATOR: RefCell<Rng> = RefCell::new(Rng::with_seed(RandomState::new().hash_one(0)));
}

/// Calls `draw` with the thread's generator.
pub(crate) fn with<T>(draw: impl FnOnce(&mut Rng) -> T) -> T {
    GENERATOR.with_borrow_mut(draw)
}

/// Returns a number in `[0, 1)`.
pub(crate) fn share() -> f64 {
    with(Rng::f64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_applications_seed_has_no_effect() {
        let drawn = || {
            std::thread::spawn(|| {
                fastrand::seed(7);
                let first = with(|rng| rng.u128(..));
                fastrand::seed(7);
                (first, with(|rng| rng.u128(..)), share().to_bits(), fastrand::u64(..))
            })
            .join()
            .unwrap()
        };
        let (one, other) = (drawn(), drawn());
        assert_eq!(one.3, other.3, "the application's own numbers repeat");
        assert_eq!(HashSet::from([one.0, one.1, other.0, other.1]).len(), 4);
        assert_ne!(one.2, other.2);
    }
}
