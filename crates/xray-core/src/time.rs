//! Timestamps of documents, and the clocks that they come from.
//!
//! A trace reads the wall clock once, at its start, and from then on adds the time of the monotonic clock. So a step of
//! the wall clock can never give an entity a negative duration.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time with a resolution of microseconds, that of `start_time` and `end_time` in documents.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use xray_core::time::Timestamp;
///
/// let time = Timestamp::from(UNIX_EPOCH + Duration::from_millis(1_500_000_000_250));
/// assert_eq!(time.as_secs(), 1_500_000_000);
/// assert_eq!(time.to_string(), "1500000000.250000");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Creates a timestamp from microseconds since the Unix epoch.
    pub const fn from_micros(micros: u64) -> Timestamp {
        Timestamp(micros)
    }

    /// Returns microseconds since the Unix epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Returns whole seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }
}

/// Converts a system time. Times before 1970 become the start of 1970.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Timestamp {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(since.as_secs().saturating_mul(1_000_000).saturating_add(since.subsec_micros().into()))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(time.0)
    }
}

/// Formats the time as in documents: seconds since the Unix epoch with six decimals.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.as_secs(), self.0 % 1_000_000)
    }
}

/// The clock of a recorder and its sampler: the system's clocks (the default), or a manual one that a test moves.
///
/// Set it by [`RecorderBuilder::clock`](crate::RecorderBuilder::clock) to make the times in documents predictable.
///
/// ```
/// use std::time::Duration;
/// use xray_core::time::{Clock, Timestamp};
///
/// let clock = Clock::manual(Timestamp::from_micros(1_500_000_000_000_000));
/// clock.advance(Duration::from_millis(1500));
/// assert_eq!(clock.now().to_string(), "1500000001.500000");
/// ```
///
/// With a manual clock, a test can check durations exactly:
///
/// ```
/// use std::time::Duration;
/// use xray_core::Recorder;
/// use xray_core::emit::MemoryEmitter;
/// use xray_core::sampling::Always;
/// use xray_core::time::{Clock, Timestamp};
///
/// # fn main() -> Result<(), xray_core::ConfigError> {
/// let (clock, documents) = (Clock::manual(Timestamp::from_micros(1_500_000_000_000_000)), MemoryEmitter::new());
/// let builder = Recorder::builder().sampling(Always).emitter(documents.clone()).clock(clock.clone());
/// let segment = builder.build()?.begin("shop");
/// clock.advance(Duration::from_millis(250));
/// segment.close();
/// assert!(documents.take()[0].json().contains(r#""end_time":1500000000.250000"#));
/// # Ok(())
/// # }
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

impl Clock {
    /// Creates a clock that reads the system's wall clock and monotonic clock.
    pub fn system() -> Clock {
        Clock(Source::System)
    }

    /// Creates a clock that shows `start` until it is moved. Clones move together.
    pub fn manual(start: Timestamp) -> Clock {
        Clock(Source::Manual(Arc::new(Manual { wall: AtomicU64::new(start.0), elapsed: AtomicU64::new(0) })))
    }

    /// Returns the time of the wall clock.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => SystemTime::now().into(),
            Source::Manual(manual) => Timestamp(manual.wall.load(Relaxed)),
        }
    }

    /// Returns the time of the monotonic clock, counted from an arbitrary point in this process.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed_nanos())
    }

    /// As [`elapsed`](Clock::elapsed), in nanoseconds, which are fast to subtract and last for 584 years.
    #[inline]
    fn elapsed_nanos(&self) -> u64 {
        match &self.0 {
            Source::System => monotonic_nanos(),
            Source::Manual(manual) => manual.elapsed.load(Relaxed) * 1000,
        }
    }

    /// Advances both clocks of a manual clock. Does nothing for the system's clocks.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(manual) = &self.0 {
            manual.wall.fetch_add(by.as_micros() as u64, Relaxed);
            manual.elapsed.fetch_add(by.as_micros() as u64, Relaxed);
        }
    }

    /// Sets the wall clock of a manual clock, as an administrator or NTP would. The monotonic clock does not change. Does
    /// nothing for the system's clocks.
    pub fn step(&self, to: Timestamp) {
        if let Source::Manual(manual) = &self.0 {
            manual.wall.store(to.0, Relaxed);
        }
    }
}

/// Returns the time of the system's monotonic clock, in nanoseconds from an arbitrary point.
///
/// This is what [`Instant`](std::time::Instant) reads. Its difference takes three times as many instructions.
#[cfg(target_os = "linux")]
#[inline]
fn monotonic_nanos() -> u64 {
    use nix::time::{ClockId, clock_gettime};

    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("Linux has this clock");
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

/// Returns the time of the system's monotonic clock, in nanoseconds from its first use.
#[cfg(not(target_os = "linux"))]
fn monotonic_nanos() -> u64 {
    use std::sync::LazyLock;
    use std::time::Instant;

    static FIRST_USE: LazyLock<Instant> = LazyLock::new(Instant::now);
    FIRST_USE.elapsed().as_nanos() as u64
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

    /// Returns the current time, without steps of the wall clock since the start.
    pub(crate) fn now(&self, clock: &Clock) -> Timestamp {
        let passed = clock.elapsed_nanos().saturating_sub(self.elapsed_nanos);
        Timestamp(self.wall.0 + passed / 1000)
    }

    /// Returns bits that differ between any two traces, and between a process and its forked or restored copy.
    pub(crate) fn entropy(&self) -> u64 {
        self.wall.0.rotate_left(32) ^ self.elapsed_nanos
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_wall_clock_does_not_affect_a_running_trace() {
        let clock = Clock::manual(Timestamp::from_micros(10_000_000));
        let anchor = Anchor::new(&clock);
        clock.step(Timestamp::from_micros(3_000_000));
        clock.advance(Duration::from_micros(7));
        assert_eq!(anchor.now(&clock), Timestamp::from_micros(10_000_007));
        assert_eq!(clock.now(), Timestamp::from_micros(3_000_007));
    }
}
