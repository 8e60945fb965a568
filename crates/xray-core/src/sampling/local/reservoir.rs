//! The reservoir of a local rule: a fixed number of requests in each second.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire};

/// The number of requests that a rule always records in each second, before its [`Rate`](crate::sampling::Rate) decides
/// about the others: `fixed_target` in X-Ray's local rule document.
///
/// It applies to each process and each rule on its own. A rule with `FixedTarget(0)` uses its rate alone, and never
/// reads the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FixedTarget(pub u32);

/// Grants exactly a given number of requests in each second of the wall clock, to any number of threads, without a
/// lock.
///
/// The upper half holds the second in which a request was last granted, the lower half the number of requests granted
/// in it. Seconds are only compared for equality, so their lower 32 bits are enough. A clock that is set back starts a
/// new second as well.
#[derive(Debug, Default)]
pub(super) struct Reservoir(AtomicU64);

impl Reservoir {
    /// Whether this request is one of the first `target` in its second. If not, nothing is written.
    pub(super) fn take(&self, target: FixedTarget, mut second: impl FnMut() -> u64) -> bool {
        if target.0 == 0 {
            return false;
        }
        // The clock is read after the state, and again after each lost race. If it were read before, a thread that is
        // delayed across a change of the second would reopen the old second, and the next thread the new one again.
        let grant = |state: u64| {
            let now = second() << 32;
            let used = if state >> 32 == now >> 32 { state as u32 } else { 0 };
            (used < target.0).then(|| now | u64::from(used + 1))
        };
        self.0.fetch_update(AcqRel, Acquire, grant).is_ok()
    }

    /// The number of requests granted in this second.
    pub(super) fn taken(&self, second: u64) -> u32 {
        let state = self.0.load(Acquire);
        if state >> 32 == second & 0xffff_ffff { state as u32 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::atomic::Ordering::SeqCst;
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_requests_of_each_second_are_granted() {
        for (target, seconds, want) in [
            (0, &[1, 1, 2][..], &[false, false, false][..]),
            (1, &[1, 1, 2, 2, 9], &[true, false, true, false, true]),
            (3, &[7, 7, 7, 7, 7], &[true, true, true, false, false]),
            (1, &[10, 11, 10, 10], &[true, true, true, false]),
            (1, &[0, 0], &[true, false]),
            (1, &[u32::MAX.into(), u32::MAX.into(), 1 << 32, 1 << 32], &[true, false, true, false]),
        ] {
            let reservoir = Reservoir::default();
            let got: Vec<_> = seconds.iter().map(|&now| reservoir.take(FixedTarget(target), || now)).collect();
            assert_eq!(got, want, "{target} in {seconds:?}");
        }
    }

    #[test]
    fn a_target_of_zero_never_reads_the_clock() {
        assert!(!Reservoir::default().take(FixedTarget(0), || panic!("read")));
    }

    #[test]
    fn the_largest_target_does_not_overflow() {
        let reservoir = Reservoir(AtomicU64::new((5 << 32) | u64::from(u32::MAX - 1)));
        assert!(reservoir.take(FixedTarget(u32::MAX), || 5));
        assert!(!reservoir.take(FixedTarget(u32::MAX), || 5));
    }

    #[test]
    fn a_thread_delayed_into_the_next_second_does_not_reopen_the_old_one() {
        let (reservoir, one) = (Reservoir::default(), FixedTarget(1));
        let mut reads = 0;
        // While this thread holds its first reading of the clock, another one takes the next second's grant.
        let late = reservoir.take(one, || {
            reads += 1;
            if reads == 1 {
                assert!(reservoir.take(one, || 11));
                return 10;
            }
            11
        });
        assert!(!late && !reservoir.take(one, || 11));
        assert_eq!(reads, 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn threads_in_one_second_are_granted_exactly_the_target(
            target in 0..500_u32, threads in 1..6_u32, calls in 0..300_u32
        ) {
            let reservoir = Reservoir::default();
            let work = || (0..calls).filter(|_| reservoir.take(FixedTarget(target), || 5)).count();
            let granted: usize = thread::scope(|scope| {
                let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            prop_assert_eq!(granted, target.min(threads * calls) as usize);
        }

        #[test]
        fn no_second_is_granted_more_than_the_target_while_the_clock_runs(target in 1..20_u32, threads in 2..6_usize) {
            let (reservoir, clock) = (Reservoir::default(), AtomicU64::new(1));
            let work = || {
                let mut granted = Vec::new();
                for _ in 0..2000 {
                    let mut now = 0;
                    let read = || {
                        now = clock.fetch_add(1, SeqCst) / 100;
                        now
                    };
                    if reservoir.take(FixedTarget(target), read) {
                        granted.push(now);
                    }
                }
                granted
            };
            let mut counts = HashMap::<u64, u32>::new();
            thread::scope(|scope| {
                let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
                for second in threads.into_iter().flat_map(|thread| thread.join().unwrap()) {
                    *counts.entry(second).or_default() += 1;
                }
            });
            prop_assert!(counts.values().all(|&count| count <= target), "{:?}", counts);
        }
    }
}
