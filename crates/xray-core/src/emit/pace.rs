//! How fast documents may leave, so that the daemon can follow.
//!
//! Two things overflow without a word on the daemon's side: the kernel's receive buffer, which it leaves at the
//! default of 208 KiB, and its own queue of 20 batches of 50 documents. A burst of 100 documents of 1.7 KB
//! lost half of them in the first; sent at the pace kept here, none is lost.

use std::time::{Duration, Instant};

/// The reader's pause after each window, in which it empties its buffer.
const PAUSE: Duration = Duration::from_millis(1);

/// What a window may take of the reader's buffer, in bytes of [`footprint`]: a quarter, so that a reader may
/// miss three pauses before anything is lost. A scheduler's time slice, of 3 ms or so, is such a case.
const WINDOW: usize = 212_992 / 4;

/// The documents of a window, however small: the reader needs some microseconds for each.
const WINDOW_DOCUMENTS: usize = 32;

/// Documents a second in the long run. The daemon took 5,000 a second for as long as was tried.
const RATE: f64 = 5_000.0;

/// Documents that may leave ahead of that rate: half of the daemon's queue, since others may share it.
const BURST: f64 = 500.0;

/// What the sender knows of those who wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pressure {
    /// Nobody waits.
    None,
    /// A flush waits, or the queue fills up: waiting would lose more than the daemon's queue might.
    Hurry,
    /// The queue is nearly full: what is not sent at once is lost here, while the reader may still take it.
    Overflow,
}

/// The state of the pace. It reads no clock: the caller says what time it is.
#[derive(Debug)]
pub(super) struct Pace {
    window_documents: usize,
    /// The sum of their footprints.
    window: usize,
    /// When the last document left.
    last: Instant,
    tokens: f64,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Pace {
        Pace { window_documents: 0, window: 0, last: now, tokens: BURST }
    }

    /// Lets a document of that size leave now, or tells how long to wait before asking again.
    ///
    /// `pressure` is asked only when it matters: hurry lifts the long-run rate, an overflow the windows as well.
    pub(super) fn admit(
        &mut self,
        bytes: usize,
        now: Instant,
        pressure: impl Fn() -> Pressure,
    ) -> Result<(), Duration> {
        let footprint = footprint(bytes);
        let since = now.saturating_duration_since(self.last);
        let rest = self.rest();
        if since >= rest || (self.is_full_for(footprint) && pressure() == Pressure::Overflow) {
            self.window_documents = 0;
            self.window = 0;
        } else if self.is_full_for(footprint) {
            return Err(rest - since);
        }
        let tokens = (self.tokens + since.as_secs_f64() * RATE).min(BURST);
        if tokens < 1.0 && pressure() == Pressure::None {
            return Err(PAUSE); // not shorter: the thread wakes once for several documents
        }
        self.tokens = (tokens - 1.0).max(0.0);
        self.last = now;
        self.window_documents += 1;
        self.window += footprint;
        Ok(())
    }

    /// Whether the window has no room for a document of that footprint. The first one always fits.
    fn is_full_for(&self, footprint: usize) -> bool {
        self.window_documents >= WINDOW_DOCUMENTS || (self.window_documents > 0 && self.window + footprint > WINDOW)
    }

    /// The silence that ends this window: longer after a single document larger than a window.
    fn rest(&self) -> Duration {
        PAUSE * self.window.div_ceil(WINDOW).max(1) as u32
    }
}

/// What a document takes of the receive buffer, nearly: Linux counts the memory it allocated, which up to
/// 16 KiB is a power of two. So 1.7 KB take 4.3 KB, and the buffer holds 50 of them.
fn footprint(bytes: usize) -> usize {
    const BOOKKEEPING: usize = 256; // the kernel's record of the datagram
    const HEADERS: usize = 400; // of the protocols, and the list of fragments
    match bytes + HEADERS {
        small @ ..=16_384 => BOOKKEEPING + small.next_power_of_two(),
        large => BOOKKEEPING + large,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLISECOND: u128 = 1_000_000;

    /// When each document leaves, in nanoseconds, if document `k` is ready `gaps[k]` ns after the one before it
    /// has left, and a send takes 3 µs.
    fn schedule(documents: &[(usize, u64)], hurried: bool) -> Vec<u128> {
        let pressure = if hurried { Pressure::Hurry } else { Pressure::None };
        let start = Instant::now();
        let (mut pace, mut now, mut left) = (Pace::new(start), start, Vec::new());
        for (bytes, gap) in documents {
            now += Duration::from_nanos(*gap);
            while let Err(pause) = pace.admit(*bytes, now, || pressure) {
                assert!(pause > Duration::ZERO);
                now += pause;
            }
            left.push((now - start).as_nanos());
            now += Duration::from_micros(3);
        }
        left
    }

    fn whole_seconds(left: &[u128]) -> f64 {
        left[left.len() - 1] as f64 / 1e9
    }

    #[test]
    fn a_small_burst_waits_for_the_windows_only() {
        let left = schedule(&[(200, 0); 500], false);
        assert!(left[31] < MILLISECOND, "one window goes at once");
        assert!(left[32] >= MILLISECOND);
        assert!(whole_seconds(&left) < 0.020, "16 windows: {}", whole_seconds(&left));
    }

    #[test]
    fn many_documents_leave_at_the_long_run_rate() {
        let seconds = whole_seconds(&schedule(&[(200, 0); 10_500], false));
        assert!((1.95..2.1).contains(&seconds), "{seconds}");
    }

    #[test]
    fn in_a_hurry_only_the_windows_hold() {
        let seconds = whole_seconds(&schedule(&[(200, 0); 10_500], true));
        assert!((0.32..0.40).contains(&seconds), "{seconds}");
        let seconds = whole_seconds(&schedule(&[(1_700, 0); 10_500], true));
        assert!((0.85..0.95).contains(&seconds), "{seconds}");
    }

    #[test]
    fn a_document_larger_than_a_window_leaves_alone_and_is_paid_for() {
        let left = schedule(&[(60_000, 0), (60_000, 0), (200, 0)], true);
        assert_eq!(left, [0, 2 * MILLISECOND, 4 * MILLISECOND]);
    }

    #[test]
    fn the_footprint_explains_how_many_documents_the_buffer_was_seen_to_hold() {
        for (bytes, held) in [(1_700, 48), (8_000, 12), (30_000, 6)] {
            assert_eq!(212_992 / footprint(bytes), held, "{bytes}");
        }
    }

    #[test]
    fn slow_traffic_never_waits() {
        let left = schedule(&[(30_000, 2_000_000); 5_000], false);
        assert!(left.windows(2).all(|pair| pair[1] - pair[0] == 2_003_000));
    }

    #[test]
    fn an_overflow_lifts_the_windows_and_leaves_them_in_force() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        for _ in 0..10 * WINDOW_DOCUMENTS {
            assert_eq!(pace.admit(100, now, || Pressure::Overflow), Ok(()));
        }
        assert_eq!(pace.admit(100, now, || Pressure::Hurry), Err(PAUSE));
    }

    #[test]
    fn nobody_is_asked_for_a_hurry_while_there_are_tokens() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!(pace.admit(100, now, || unreachable!()), Ok(()));
    }

    proptest! {
        #[test]
        fn no_millisecond_sees_more_than_a_window(
            documents in prop::collection::vec((30..65_000_usize, 0..400_000_u64), 1..300),
            hurried: bool,
        ) {
            let left = schedule(&documents, hurried);
            for (first, from) in left.iter().enumerate() {
                let within = left[first..].iter().take_while(|at| **at < from + MILLISECOND).count();
                let taken: usize = documents[first..first + within].iter().map(|(bytes, _)| footprint(*bytes)).sum();
                prop_assert!(within <= WINDOW_DOCUMENTS);
                prop_assert!(taken <= WINDOW || within == 1);
            }
        }

        #[test]
        fn the_long_run_rate_is_never_passed(
            documents in prop::collection::vec((30..2_000_usize, 0..400_000_u64), 1..2_000),
        ) {
            let left = schedule(&documents, false);
            prop_assert!(left.len() as f64 <= BURST + RATE * whole_seconds(&left) + 1.0);
        }
    }
}
