//! The quota of a rule: the number of requests that this process may record each second.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// The marker for a quota that is not known.
const UNKNOWN: u32 = u32::MAX;

/// The largest number that the count of a second can hold.
const MAX_QUOTA: u32 = u32::MAX >> 1;

/// The reply of a central rule's reservoir to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Grant {
    /// The quota covers the request: it is recorded.
    Take,
    /// No quota is valid, and this is the one request of the second that is recorded without one.
    Borrow,
    /// The reservoir does not cover the request: the rule's rate decides.
    No,
}

/// The share of a central rule's reservoir that the service has assigned to this process, and its use in the current
/// second. Any number of threads may take from it. It needs no lock and never grants more than the quota.
///
/// Seconds are those of the Unix epoch. A new `Quota` has nothing assigned.
///
/// ```
/// use xray_core::sampling::central::{Grant, Quota};
///
/// let quota = Quota::default();
/// assert_eq!(quota.take(|| 100, true), Grant::Borrow);
/// quota.load(Some(1), Some(110));
/// assert_eq!(quota.take(|| 101, true), Grant::Take);
/// assert_eq!(quota.take(|| 101, true), Grant::No);
/// assert_eq!(quota.take(|| 111, true), Grant::Borrow);
/// ```
#[derive(Debug)]
pub struct Quota {
    /// The upper half holds the last second in which the quota is valid, the lower half the quota.
    granted: AtomicU64,
    /// The upper half holds a second. Of the lower half, 31 bits hold the number of requests taken in it, and the last
    /// bit whether one was borrowed. As in a local reservoir, seconds are only compared for equality.
    used: AtomicU64,
}

/// The use of the quota, read before the clock: see [`Quota::take_after`].
#[derive(Clone, Copy)]
pub(super) struct Used(u64);

impl Default for Quota {
    /// Returns a quota with nothing assigned and nothing used.
    fn default() -> Quota {
        Quota { granted: AtomicU64::new(u64::from(UNKNOWN)), used: AtomicU64::new(0) }
    }
}

impl Quota {
    /// Sets what the service has assigned: `quota` requests each second, up to and including the second `until` of the
    /// Unix epoch. `None` keeps the previous value. A quota without an `until` is not valid.
    ///
    /// Only one thread may call this at a time; others may call [`take`](Quota::take) meanwhile.
    pub fn load(&self, quota: Option<u32>, until: Option<u64>) {
        let (known_quota, known_until) = halves(self.granted.load(Relaxed));
        let quota = quota.map_or(known_quota, |quota| quota.min(MAX_QUOTA));
        let until = until.map_or(known_until, |until| u32::try_from(until).unwrap_or(u32::MAX));
        self.granted.store(u64::from(until) << 32 | u64::from(quota), Release);
    }

    /// Takes one request of this second from the quota, if it has any left. Otherwise nothing is written. With
    /// `may_borrow`, one request each second is borrowed while no quota is valid.
    ///
    /// `second` returns the current second. It is called after the state is read, and again after each lost race:
    /// otherwise a thread that is delayed across a change of the second would reopen the old one.
    pub fn take(&self, mut second: impl FnMut() -> u64, may_borrow: bool) -> Grant {
        let used = self.used();
        let now = second();
        self.take_after(used, now, second, may_borrow)
    }

    /// Returns the use so far. Read it before the clock.
    pub(super) fn used(&self) -> Used {
        Used(self.used.load(Acquire))
    }

    /// As [`take`](Quota::take), for a caller that has read the clock itself, after calling [`used`](Quota::used).
    pub(super) fn take_after(
        &self,
        Used(mut used): Used,
        mut now: u64,
        mut second: impl FnMut() -> u64,
        may_borrow: bool,
    ) -> Grant {
        loop {
            let (grant, next) = self.grant(used, now, may_borrow);
            if next == used && grant == Grant::No {
                return grant;
            }
            match self.used.compare_exchange_weak(used, next, AcqRel, Acquire) {
                Ok(_) => return grant,
                Err(other) => (used, now) = (other, second()),
            }
        }
    }

    /// Returns what [`take`](Quota::take) would return, the number of requests taken in this second, and the quota if
    /// it is valid.
    pub(super) fn peek(&self, now: u64, may_borrow: bool) -> (Grant, u32, Option<u32>) {
        let used = self.used().0;
        let taken = if used >> 32 == now & 0xffff_ffff { used as u32 >> 1 } else { 0 };
        (self.grant(used, now, may_borrow).0, taken, self.valid(now))
    }

    /// Returns the quota, if it is known and has not ended.
    fn valid(&self, now: u64) -> Option<u32> {
        let (quota, until) = halves(self.granted.load(Acquire));
        (quota != UNKNOWN && u64::from(until) >= now).then_some(quota)
    }

    /// Returns the grant in a given state, and the state that follows.
    fn grant(&self, used: u64, now: u64, may_borrow: bool) -> (Grant, u64) {
        let this_second = now << 32;
        let state = if used >> 32 == this_second >> 32 { used } else { this_second };
        let (taken, borrowed) = (state as u32 >> 1, state & 1 == 1);
        match self.valid(now) {
            Some(quota) if taken < quota => (Grant::Take, state + 2),
            None if may_borrow && !borrowed => (Grant::Borrow, state | 1),
            _ => (Grant::No, used),
        }
    }
}

/// Returns the lower and the upper half.
fn halves(both: u64) -> (u32, u32) {
    (both as u32, (both >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::atomic::Ordering::SeqCst;
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_absent_value_of_a_target_keeps_the_previous_one() {
        let quota = Quota::default();
        quota.load(Some(1), None);
        assert_eq!(quota.take(|| 5, false), Grant::No, "without an end a quota is not valid");
        quota.load(None, Some(10));
        assert_eq!(quota.take(|| 5, false), Grant::Take);
        quota.load(Some(2), None);
        assert_eq!(quota.take(|| 5, false), Grant::Take);
        quota.load(None, None);
        assert_eq!(quota.take(|| 5, false), Grant::No);
    }

    #[test]
    fn a_quota_of_zero_prevents_borrowing() {
        let quota = Quota::default();
        quota.load(Some(0), Some(10));
        assert_eq!(quota.take(|| 5, true), Grant::No);
        assert_eq!(quota.take(|| 11, true), Grant::Borrow);
        assert_eq!(quota.take(|| 11, true), Grant::No);
    }

    #[test]
    fn large_numbers_do_not_overflow() {
        let quota = Quota::default();
        quota.load(Some(u32::MAX), Some(u64::MAX));
        assert_eq!(quota.take(|| 5, false), Grant::Take);
        quota.used.store(5 << 32 | u64::from(MAX_QUOTA - 1) << 1, SeqCst);
        assert_eq!(quota.take(|| 5, false), Grant::Take);
        assert_eq!(quota.take(|| 5, false), Grant::No);
    }

    /// A reservoir as the X-Ray documentation describes it, in plain code.
    #[derive(Default)]
    struct Model {
        quota: Option<u32>,
        until: Option<u64>,
        second: u64,
        taken: u32,
        borrowed: bool,
    }

    impl Model {
        fn take(&mut self, now: u64, may_borrow: bool) -> Grant {
            if now != self.second {
                (self.second, self.taken, self.borrowed) = (now, 0, false);
            }
            match (self.quota, self.until) {
                (Some(quota), Some(until)) if until >= now && self.taken < quota => {
                    self.taken += 1;
                    Grant::Take
                }
                (Some(_), Some(until)) if until >= now => Grant::No,
                _ if may_borrow && !self.borrowed => {
                    self.borrowed = true;
                    Grant::Borrow
                }
                _ => Grant::No,
            }
        }
    }

    proptest! {
        #[test]
        fn one_thread_gets_the_same_grants_as_the_model(
            steps in prop::collection::vec(
                prop_oneof![
                    (1..2_u64, 0..2_u64, any::<bool>()).prop_map(|(_, forward, borrow)| (Some((forward, borrow)), None, None)),
                    (prop::option::of(0..4_u32), prop::option::of(0..40_u64)).prop_map(|(quota, until)| (None, quota, until)),
                ],
                0..200,
            )
        ) {
            let (quota, mut model, mut now) = (Quota::default(), Model::default(), 1);
            for (take, granted, until) in steps {
                match take {
                    Some((forward, may_borrow)) => {
                        now += forward;
                        let (peeked, ..) = quota.peek(now, may_borrow);
                        let want = model.take(now, may_borrow);
                        prop_assert_eq!(quota.take(|| now, may_borrow), want);
                        prop_assert_eq!(peeked, want);
                    }
                    None => {
                        quota.load(granted, until);
                        model.quota = granted.or(model.quota);
                        model.until = until.or(model.until);
                    }
                }
            }
        }

        #[test]
        fn no_second_grants_more_than_the_quota_while_the_clock_runs(granted in 0..20_u32, threads in 2..6_usize) {
            let (quota, clock) = (Quota::default(), AtomicU64::new(100));
            quota.load(Some(granted), Some(60));
            let work = || {
                let mut grants = Vec::new();
                for _ in 0..2000 {
                    let mut now = 0;
                    let read = || {
                        now = clock.fetch_add(1, SeqCst) / 100;
                        now
                    };
                    let grant = quota.take(read, true);
                    grants.push((now, grant));
                }
                grants
            };
            let mut counts = HashMap::<(u64, Grant), u32>::new();
            thread::scope(|scope| {
                let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
                for grant in threads.into_iter().flat_map(|thread| thread.join().unwrap()) {
                    *counts.entry(grant).or_default() += 1;
                }
            });
            for ((second, grant), count) in counts {
                match grant {
                    Grant::Take => prop_assert!(second <= 60 && count <= granted, "{} in {}", count, second),
                    Grant::Borrow => prop_assert!(second > 60 && count == 1, "{} in {}", count, second),
                    Grant::No => {}
                }
            }
        }
    }
}
