//! Time as documents carry it, and the clock it comes from.
//!
//! A trace reads the wall clock once, at its start, and counts on from there by the monotonic clock, so
//! that a step of the wall clock can never give an entity a negative duration.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment in microseconds since the Unix epoch, the resolution of `start_time` and `end_time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment that many microseconds after the Unix epoch.
    pub const fn from_micros(micros: u64) -> Timestamp {
        Timestamp(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }
}

/// A moment before 1970 counts as 1970.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Timestamp {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(since.as_secs().saturating_mul(1_000_000).saturating_add(since.subsec_micros().into()))
    }
}

/// As in documents: epoch seconds with six decimals.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.as_secs(), self.0 % 1_000_000)
    }
}

/// Where a recorder and its sampler take the time from: the system's clocks, or one that a test moves.
///
/// ```
/// use std::time::Duration;
/// use xray_core::time::{Clock, Timestamp};
///
/// let clock = Clock::manual(Timestamp::from_micros(1_500_000_000_000_000));
/// clock.advance(Duration::from_millis(1500));
/// assert_eq!(clock.now().to_string(), "1500000001.500000");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    wall: AtomicU64,
    elapsed: AtomicU64,
}

/// The monotonic clock is counted from its first use in this process.
static FIRST_USE: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock {
    /// The system's wall clock and monotonic clock.
    pub fn system() -> Clock {
        Clock(Source::System)
    }

    /// A clock that stands at `start` until it is moved. Clones move together.
    pub fn manual(start: Timestamp) -> Clock {
        Clock(Source::Manual(Arc::new(Manual { wall: AtomicU64::new(start.0), elapsed: AtomicU64::new(0) })))
    }

    /// The wall clock's time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => SystemTime::now().into(),
            Source::Manual(manual) => Timestamp(manual.wall.load(Relaxed)),
        }
    }

    /// Time passed by the monotonic clock, since an arbitrary moment of this process.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed_nanos())
    }

    /// As [`elapsed`](Clock::elapsed), in the form that is quick to subtract; it lasts for 584 years.
    #[inline]
    fn elapsed_nanos(&self) -> u64 {
        match &self.0 {
            Source::System => {
                let elapsed = FIRST_USE.elapsed();
                elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos())
            }
            Source::Manual(manual) => manual.elapsed.load(Relaxed) * 1000,
        }
    }

    /// Lets `by` pass on a manual clock; the system's clock does not move.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(manual) = &self.0 {
            manual.wall.fetch_add(by.as_micros() as u64, Relaxed);
            manual.elapsed.fetch_add(by.as_micros() as u64, Relaxed);
        }
    }

    /// Sets the wall clock of a manual clock, as an administrator or NTP would: no time passes.
    pub fn step(&self, to: Timestamp) {
        if let Source::Manual(manual) = &self.0 {
            manual.wall.store(to.0, Relaxed);
        }
    }
}

/// The start of a trace on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    wall: Timestamp,
    elapsed_nanos: u64,
}

impl Anchor {
    pub(crate) fn new(clock: &Clock) -> Anchor {
        Anchor { wall: clock.now(), elapsed_nanos: clock.elapsed_nanos() }
    }

    pub(crate) fn start(&self) -> Timestamp {
        self.wall
    }

    /// What the wall clock would show now, had it not been stepped since the start.
    pub(crate) fn now(&self, clock: &Clock) -> Timestamp {
        let passed = clock.elapsed_nanos().saturating_sub(self.elapsed_nanos);
        Timestamp(self.wall.0 + passed / 1000)
    }

    /// Bits that differ between any two traces, and between a process and its forked or restored twin.
    pub(crate) fn entropy(&self) -> u64 {
        self.wall.0.rotate_left(32) ^ self.elapsed_nanos
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_wall_clock_does_not_reach_a_running_trace() {
        let clock = Clock::manual(Timestamp::from_micros(10_000_000));
        let anchor = Anchor::new(&clock);
        clock.step(Timestamp::from_micros(3_000_000));
        clock.advance(Duration::from_micros(7));
        assert_eq!(anchor.now(&clock), Timestamp::from_micros(10_000_007));
        assert_eq!(clock.now(), Timestamp::from_micros(3_000_007));
    }
}
