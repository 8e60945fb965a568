//! The pace at which documents are sent, so that the daemon can follow.
//!
//! The daemon leaves the kernel's receive buffer at the default of 208 KiB, and neither side notices when it overflows.
//! A burst of 100 documents of 1.7 KB lost half of them. At the pace kept here all of them arrive.

use std::time::{Duration, Instant};

use super::together::PADDING;

/// The size of the reader's buffer, in bytes of [`footprint`].
const BUFFER: usize = 212_992;

/// The pause after each window, in which the reader empties its buffer.
const PAUSE: Duration = Duration::from_millis(1);

/// The size of a window: a quarter of the reader's buffer, so the reader may miss three pauses before anything is lost.
const WINDOW: usize = BUFFER / 4;

/// The largest number of documents in a window, whatever their size: the reader needs some microseconds for each.
const WINDOW_DOCUMENTS: usize = 32;

/// How long the reader may get no processor time without a loss. On two cores with four busy threads, a reader waited
/// for up to 13 ms, and longer when compilers ran as well.
const STARVED: Duration = Duration::from_millis(40);

/// The amount that may be sent ahead of the steady rate.
const AHEAD: f64 = BUFFER as f64 / 2.0;

/// The state of the pace. It reads no clock: the caller passes the time.
#[derive(Debug)]
pub(super) struct Pace {
    window_documents: usize,
    /// The sum of the footprints in this window.
    window: usize,
    /// When the last document was sent.
    last: Instant,
    /// The amount that a reader has not read yet if it reads one full buffer in each [`STARVED`].
    unread: f64,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Pace {
        Pace { window_documents: 0, window: 0, last: now, unread: 0.0 }
    }

    /// Admits a document of this size, or returns how long to wait before the next attempt.
    ///
    /// An urgent document skips the wait for the steady rate, but never exceeds a window. `urgent` is called only if
    /// the result depends on it.
    pub(super) fn admit(&mut self, bytes: usize, now: Instant, urgent: impl FnOnce() -> bool) -> Result<(), Duration> {
        let footprint = footprint(bytes);
        let since = now.saturating_duration_since(self.last);
        let rest = self.rest();
        if since >= rest {
            (self.window_documents, self.window) = (0, 0);
        }
        let window_pause = if self.is_full_for(footprint) { rest - since } else { Duration::ZERO };
        let read = BUFFER as f64 * since.as_secs_f64() / STARVED.as_secs_f64();
        let unread = (self.unread - read).max(0.0);
        // A document larger than `AHEAD` is sent once nothing is unread.
        let is_ahead = unread > 0.0 && unread + footprint as f64 > AHEAD && !urgent();
        let pause = if is_ahead { window_pause.max(steady_pause(unread, footprint)) } else { window_pause };
        if pause > Duration::ZERO {
            return Err(pause);
        }
        self.unread = (unread + footprint as f64).min(BUFFER as f64);
        self.last = now;
        self.window_documents += 1;
        self.window += footprint;
        Ok(())
    }

    /// Whether the window has no room for a document of this footprint. The first one always fits.
    fn is_full_for(&self, footprint: usize) -> bool {
        self.window_documents >= WINDOW_DOCUMENTS || (self.window_documents > 0 && self.window + footprint > WINDOW)
    }

    /// The pause that ends this window. It is longer after a single document that is larger than a window.
    fn rest(&self) -> Duration {
        PAUSE * self.window.div_ceil(WINDOW).max(1) as u32
    }
}

/// Returns how long to wait until the steady rate admits a window of documents of this footprint, but at most the time that a
/// window takes, since the documents may become urgent.
///
/// A wake costs as much as ten documents that are sent together, so fewer and larger windows cost less.
fn steady_pause(unread: f64, footprint: usize) -> Duration {
    let window = (footprint * WINDOW_DOCUMENTS).min(WINDOW).max(footprint);
    let pause = STARVED.mul_f64((unread + window as f64 - AHEAD) / BUFFER as f64);
    pause.clamp(PAUSE, STARVED * WINDOW as u32 / BUFFER as u32)
}

/// Estimates how much of the receive buffer a document takes. Linux counts the memory that it allocates.
///
/// For a datagram that is sent alone, this is a power of two up to 16 KiB: a document of 1.7 KB takes 4.3 KB, and the buffer
/// holds 50 of them. Those that are cut from one payload take what they need, and a record each.
fn footprint(bytes: usize) -> usize {
    const BOOKKEEPING: usize = 256; // the kernel's record of the datagram
    const HEADERS: usize = 400; // those of the protocols, and the list of fragments
    const RECORD: usize = 840; // the record of a datagram that was cut, with its headers
    let alone = match bytes + HEADERS {
        small @ ..=16_384 => small.next_power_of_two(),
        large => large,
    };
    (BOOKKEEPING + alone).max(RECORD + PADDING + bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLISECOND: u128 = 1_000_000;

    /// Returns when each document is sent, in nanoseconds. Each is given by its size and by the time in nanoseconds
    /// after which it is ready, counted from the end of the previous send. A send takes 3 µs.
    fn schedule(documents: &[(usize, u64)], urgent: bool) -> Vec<u128> {
        let start = Instant::now();
        let (mut pace, mut now, mut sent) = (Pace::new(start), start, Vec::new());
        for (bytes, gap) in documents {
            now += Duration::from_nanos(*gap);
            while let Err(pause) = pace.admit(*bytes, now, || urgent) {
                assert!(pause > Duration::ZERO);
                now += pause;
            }
            sent.push((now - start).as_nanos());
            now += Duration::from_micros(3);
        }
        sent
    }

    /// Returns how many documents a default buffer loses if the reader empties it at `phase`, and then once in each
    /// `every`.
    fn lost(documents: &[(usize, u64)], sent: &[u128], every: Duration, phase: Duration) -> usize {
        let (mut held, mut lost, mut next) = (0, 0, phase.as_nanos());
        for ((bytes, _), at) in documents.iter().zip(sent) {
            while *at >= next {
                held = 0;
                next += every.as_nanos();
            }
            // As in the kernel, the last datagram may exceed the limit of the buffer.
            if held > BUFFER {
                lost += 1;
            } else {
                held += footprint(*bytes);
            }
        }
        lost
    }

    fn whole_seconds(sent: &[u128]) -> f64 {
        sent[sent.len() - 1] as f64 / 1e9
    }

    #[test]
    fn a_small_burst_waits_only_for_the_windows() {
        let sent = schedule(&[(200, 0); 80], false);
        assert!(sent[31] < MILLISECOND, "one window is sent at once");
        assert!(sent[32] >= MILLISECOND);
        assert!(whole_seconds(&sent) < 0.004, "3 windows: {}", whole_seconds(&sent));
    }

    #[test]
    fn many_documents_are_sent_at_the_steady_rate() {
        let seconds = whole_seconds(&schedule(&[(250, 0); 3_301], false));
        assert!((0.7..0.8).contains(&seconds), "{seconds}");
    }

    #[test]
    fn the_sender_wakes_once_for_each_window_of_the_steady_rate() {
        for (bytes, in_window) in [(250, 32), (1_100, 23), (1_700, 12), (8_000, 3), (30_000, 1)] {
            let start = Instant::now();
            let (mut pace, mut now, mut pauses) = (Pace::new(start), start, 0);
            for _ in 0..in_window * 100 {
                while let Err(pause) = pace.admit(bytes, now, || false) {
                    now += pause;
                    pauses += 1;
                }
            }
            assert!(pauses <= 105, "{pauses} pauses for 100 windows of {in_window} documents of {bytes} bytes");
        }
    }

    #[test]
    fn only_the_windows_delay_urgent_documents() {
        let seconds = whole_seconds(&schedule(&[(200, 0); 10_500], true));
        assert!((0.32..0.40).contains(&seconds), "{seconds}");
        let seconds = whole_seconds(&schedule(&[(1_700, 0); 10_500], true));
        assert!((0.85..0.95).contains(&seconds), "{seconds}");
    }

    #[test]
    fn a_starved_reader_loses_nothing() {
        for bytes in [200, 1_700, 8_000, 30_000] {
            let documents = vec![(bytes, 0); 3_301];
            let (steady, urgent) = (schedule(&documents, false), schedule(&documents, true));
            for (sent, every) in [(&steady, STARVED / 2), (&urgent, 3 * PAUSE)] {
                for phase in (0..10).map(|tenths| every * tenths / 10) {
                    assert_eq!(lost(&documents, sent, every, phase), 0, "{bytes} bytes, read from {phase:?}");
                }
            }
            assert_ne!(lost(&documents, &urgent, STARVED / 2, Duration::ZERO), 0, "{bytes}: the reader is starved");
        }
    }

    #[test]
    fn a_document_larger_than_a_window_is_sent_alone_and_followed_by_a_longer_pause() {
        let sent = schedule(&[(60_000, 0), (60_000, 0), (200, 0)], true);
        assert_eq!(sent, [0, 2 * MILLISECOND, 4 * MILLISECOND]);
    }

    #[test]
    fn the_footprint_matches_the_measured_number_of_documents_in_a_buffer() {
        for (bytes, held) in [(1_700, 48), (8_000, 12), (30_000, 6)] {
            assert_eq!(BUFFER / footprint(bytes), held, "{bytes}");
        }
        // Those that the kernel cuts from one payload.
        for (bytes, held) in [(100, 242), (250, 196), (700, 139), (1_500, 91), (4_000, 44)] {
            assert!(BUFFER / footprint(bytes) <= held, "{bytes}");
        }
    }

    #[test]
    fn slow_traffic_never_waits() {
        let sent = schedule(&[(30_000, 8_000_000); 5_000], false);
        assert!(sent.windows(2).all(|pair| pair[1] - pair[0] == 8_003_000));
    }

    #[test]
    fn urgency_matters_only_above_the_steady_rate() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!(pace.admit(100, now, || unreachable!()), Ok(()));
    }

    #[test]
    fn the_steady_rate_returns_soon_after_an_urgent_period() {
        let start = Instant::now();
        let (mut pace, mut now) = (Pace::new(start), start);
        for _ in 0..10_000 {
            while let Err(pause) = pace.admit(200, now, || true) {
                now += pause;
            }
        }
        assert_eq!(pace.admit(200, now + STARVED, || false), Ok(()));
    }

    proptest! {
        #[test]
        fn no_millisecond_has_more_than_a_window(
            documents in prop::collection::vec((30..65_000_usize, 0..400_000_u64), 1..300),
            urgent: bool,
        ) {
            let sent = schedule(&documents, urgent);
            for (first, from) in sent.iter().enumerate() {
                let within = sent[first..].iter().take_while(|at| **at < from + MILLISECOND).count();
                let taken: usize = documents[first..first + within].iter().map(|(bytes, _)| footprint(*bytes)).sum();
                prop_assert!(within <= WINDOW_DOCUMENTS);
                prop_assert!(taken <= WINDOW || within == 1);
            }
        }

        #[test]
        fn a_reader_that_is_starved_in_any_phase_loses_nothing(
            documents in prop::collection::vec((30..2_000_usize, 0..400_000_u64), 1..2_000),
            phase in 0..20_u64,
        ) {
            let sent = schedule(&documents, false);
            prop_assert_eq!(lost(&documents, &sent, STARVED / 2, Duration::from_millis(phase)), 0);
        }
    }
}
