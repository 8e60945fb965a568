//! Reports lost documents: the first one at once, then their number, and finally the end of the loss.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::diagnostics::{Cause, Diagnostics, Level};
use crate::time::Clock;

/// The time between two lines about one outage, so that a laptop without a daemon does not fill its log.
const REMINDER: Duration = Duration::from_secs(600);

/// The time between lines about different outages, so that intermittent ones are reported once a minute.
const RELAPSE: Duration = Duration::from_secs(60);

/// The loss of documents for one cause.
///
/// The first loss is logged as an error, which default settings print. While documents are lost, their number is logged
/// every ten minutes. The end is logged at the lowest level that is visible.
#[derive(Debug)]
pub(super) struct Outage {
    cause: Cause,
    diagnostics: Diagnostics,
    clock: Clock,
    /// Whether documents are being lost. Avoids the lock if not.
    ongoing: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Documents lost in this outage.
    lost: u64,
    /// When this outage began.
    since: Duration,
    /// When the last document was lost.
    last: Duration,
    /// Whether this outage was reported.
    is_known: bool,
    /// When any outage was last reported.
    reported: Option<Duration>,
}

impl Outage {
    pub(super) fn new(cause: Cause, diagnostics: Diagnostics, clock: Clock) -> Outage {
        Outage { cause, diagnostics, clock, ongoing: AtomicBool::new(false), state: Mutex::default() }
    }

    /// Records a loss of documents. `message` says why, what the SDK does, and what to do.
    pub(super) fn lost(&self, documents: u64, message: fmt::Arguments<'_>) {
        let now = self.clock.elapsed();
        let mut state = self.lock();
        if !self.ongoing.swap(true, Relaxed) {
            *state = State { since: now, reported: state.reported, ..State::default() };
        }
        state.lost += documents;
        state.last = now;
        let pause = if state.is_known { REMINDER } else { RELAPSE };
        if state.reported.is_some_and(|before| now.saturating_sub(before) < pause) {
            return;
        }
        state.reported = Some(now);
        state.is_known = true;
        let lost = state.lost;
        drop(state);
        match lost {
            1 => self.diagnostics.error(self.cause, message),
            _ => self.diagnostics.error(self.cause, format_args!("{message} ({lost} documents lost so far)")),
        }
    }

    /// Whether documents are being lost.
    pub(super) fn is_ongoing(&self) -> bool {
        self.ongoing.load(Relaxed)
    }

    /// Records that a document was sent. The outage is over if none was lost for the duration `quiet`.
    pub(super) fn over_after(&self, quiet: Duration, what: fmt::Arguments<'_>) {
        if !self.is_ongoing() {
            return;
        }
        let now = self.clock.elapsed();
        let mut state = self.lock();
        if now.saturating_sub(state.last) < quiet || !self.ongoing.swap(false, Relaxed) || !state.is_known {
            return;
        }
        let (lost, time) = (state.lost, (state.last.saturating_sub(state.since)).as_secs());
        state.is_known = false;
        drop(state);
        let levels = [Level::Info, Level::Warn];
        let level = levels.into_iter().find(|level| self.diagnostics.enabled(*level)).unwrap_or(Level::Error);
        let documents = if lost == 1 { "document was" } else { "documents were" };
        let message = format_args!("{what}: {lost} {documents} lost in {time} s");
        self.diagnostics.report(level, Cause::DeliveryResumed, message);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostics::{Logger, Stderr};
    use crate::time::Timestamp;

    const NOW: Duration = Duration::ZERO;

    fn outage(level: Level) -> (Outage, Clock, Arc<Mutex<Vec<String>>>) {
        let (lines, clock) = (Arc::new(Mutex::new(Vec::new())), Clock::manual(Timestamp::from_micros(0)));
        let sink = lines.clone();
        let logger: Logger = Arc::new(move |line| sink.lock().unwrap().push(format!("{} {line}", line.level())));
        let diagnostics = Diagnostics::new(Some(logger), Stderr { level: Some(level), prefix: false });
        (Outage::new(Cause::QueueFull, diagnostics, clock.clone()), clock, lines)
    }

    fn taken(lines: &Mutex<Vec<String>>) -> Vec<String> {
        std::mem::take(&mut *lines.lock().unwrap())
    }

    #[test]
    fn the_first_loss_is_an_error_and_its_end_a_visible_line() {
        for (level, want) in [(Level::Info, "INFO"), (Level::Error, "WARN")] {
            let (outage, clock, lines) = outage(level);
            outage.over_after(NOW, format_args!("sent again"));
            assert!(taken(&lines).is_empty(), "nothing was lost");
            outage.lost(1, format_args!("full"));
            clock.advance(Duration::from_secs(7));
            (0..9).for_each(|_| outage.lost(1, format_args!("full")));
            assert_eq!(taken(&lines), ["ERROR full"]);
            outage.over_after(NOW, format_args!("sent again"));
            outage.over_after(NOW, format_args!("sent again"));
            assert_eq!(taken(&lines), [format!("{want} sent again: 10 documents were lost in 7 s")]);
        }
    }

    #[test]
    fn a_lasting_loss_is_reported_every_ten_minutes_with_its_count() {
        let (outage, clock, _) = outage(Level::Error);
        let mut reports = Vec::new();
        for second in 0..1_300 {
            outage.lost(2, format_args!("full"));
            if outage.lock().reported == Some(clock.elapsed()) {
                reports.push((second, outage.lock().lost));
            }
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(reports, [(0, 2), (600, 1_202), (1_200, 2_402)]);
    }

    #[test]
    fn an_intermittent_loss_is_reported_once_a_minute() {
        let (outage, clock, lines) = outage(Level::Error);
        for _ in 0..59 {
            outage.lost(1, format_args!("full"));
            outage.over_after(NOW, format_args!("sent again"));
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(taken(&lines).len(), 2);
        assert!(!outage.lock().is_known, "the end of an unreported outage is not reported either");
    }

    #[test]
    fn an_outage_is_over_once_nothing_was_lost_for_a_while() {
        let (outage, clock, lines) = outage(Level::Error);
        outage.lost(1, format_args!("full"));
        clock.advance(Duration::from_secs(1));
        outage.over_after(Duration::from_secs(2), format_args!("sent again"));
        assert_eq!(taken(&lines), ["ERROR full"]);
        clock.advance(Duration::from_secs(1));
        outage.over_after(Duration::from_secs(2), format_args!("sent again"));
        assert_eq!(taken(&lines), ["WARN sent again: 1 document was lost in 0 s"]);
    }
}
