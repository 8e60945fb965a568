//! The quota of a rule: how many requests of each second this process may record.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// Stands for a quota that is not known.
const UNKNOWN: u32 = u32::MAX;

/// The largest number that the count of a second can hold.
const MOST: u32 = u32::MAX >> 1;

/// What the reservoir of a central rule says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Grant {
    /// It is one of the requests that the service has granted for this second.
    Take,
    /// No grant of the service is valid, and this is the one request of the second that is recorded without one.
    Borrow,
    /// The rule's rate decides.
    No,
}

/// The share of a central rule's reservoir that the service has assigned to this process, and what was used of it
/// in this second. Any number of threads take from it, without a lock, and never more than was granted.
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
    /// The upper half holds a second, then 31 bits how many requests were taken in it, and the last bit whether
    /// one was borrowed. As in a local reservoir seconds are only compared for equality.
    used: AtomicU64,
}

/// What was used, read before the clock: see [`Quota::take_after`].
#[derive(Clone, Copy)]
pub(super) struct Used(u64);

impl Default for Quota {
    /// Nothing is granted, and nothing used.
    fn default() -> Quota {
        Quota { granted: AtomicU64::new(u64::from(UNKNOWN)), used: AtomicU64::new(0) }
    }
}

impl Quota {
    /// Takes over what the service has assigned: so many requests of each second, up to and including the second
    /// `until` of the Unix epoch. What is absent stays as it was. Only one thread may load at a time.
    pub fn load(&self, quota: Option<u32>, until: Option<u64>) {
        let (known_quota, known_until) = halves(self.granted.load(Relaxed));
        let quota = quota.map_or(known_quota, |quota| quota.min(MOST));
        let until = until.map_or(known_until, |until| u32::try_from(until).unwrap_or(u32::MAX));
        self.granted.store(u64::from(until) << 32 | u64::from(quota), Release);
    }

    /// Whether a request of this second is recorded by the quota. Nothing is written when it is not.
    ///
    /// The second is asked for after the state was read, and again after each race that was lost: otherwise a
    /// thread delayed across a change of the second would reopen the old one.
    pub fn take(&self, mut second: impl FnMut() -> u64, may_borrow: bool) -> Grant {
        let used = self.used();
        let now = second();
        self.take_after(used, now, second, may_borrow)
    }

    /// What was used so far; read it before the clock.
    pub(super) fn used(&self) -> Used {
        Used(self.used.load(Acquire))
    }

    /// As [`take`](Quota::take), for a caller that reads the clock anyway, between [`used`](Quota::used) and this.
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

    /// What [`take`](Quota::take) would say, the requests taken so far in this second, and the quota that is valid.
    pub(super) fn peek(&self, now: u64, may_borrow: bool) -> (Grant, u32, Option<u32>) {
        let used = self.used().0;
        let taken = if used >> 32 == now & 0xffff_ffff { used as u32 >> 1 } else { 0 };
        (self.grant(used, now, may_borrow).0, taken, self.valid(now))
    }

    fn valid(&self, now: u64) -> Option<u32> {
        let (quota, until) = halves(self.granted.load(Acquire));
        (quota != UNKNOWN && u64::from(until) >= now).then_some(quota)
    }

    /// The answer in a given state, and the state that follows.
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

/// The lower and the upper half.
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
    fn what_is_absent_from_a_target_stays() {
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
    fn a_quota_of_zero_forbids_to_borrow() {
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
        quota.used.store(5 << 32 | u64::from(MOST - 1) << 1, SeqCst);
        assert_eq!(quota.take(|| 5, false), Grant::Take);
        assert_eq!(quota.take(|| 5, false), Grant::No);
    }

    /// What the X-Ray documentation says of a reservoir, in plain words.
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
        fn one_thread_gets_what_the_model_says(
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
        fn no_second_gives_more_than_granted_while_the_clock_runs(granted in 0..20_u32, threads in 2..6_usize) {
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
