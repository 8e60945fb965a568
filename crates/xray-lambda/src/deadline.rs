//! A timer that fires shortly before an invocation's deadline.

use std::panic::catch_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep};

pin_project! {
    /// Fires at most once.
    #[derive(Debug)]
    pub(crate) struct Deadline {
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl Deadline {
    /// Fires `margin` before `deadline`, but not in the first half of the remaining time, when open subsegments say
    /// little. Never fires if the deadline has passed or the margin is zero.
    pub(crate) fn before(deadline: SystemTime, margin: Duration) -> Deadline {
        let remaining = deadline.duration_since(SystemTime::now()).ok().filter(|_| !margin.is_zero());
        Deadline { sleep: remaining.and_then(|remaining| timer(remaining - margin.min(remaining / 2))) }
    }

    pub(crate) fn never() -> Deadline {
        Deadline { sleep: None }
    }

    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut sleep = self.project().sleep;
        let Some(running) = sleep.as_mut().as_pin_mut() else { return Poll::Pending };
        ready!(running.poll(cx));
        sleep.set(None);
        Poll::Ready(())
    }
}

/// Starts a timer. A tokio runtime may have timers disabled, which only a panic reveals; after the first panic no
/// further timer is started.
fn timer(duration: Duration) -> Option<Sleep> {
    static MISSING: AtomicBool = AtomicBool::new(false);
    if MISSING.load(Relaxed) || Handle::try_current().is_err() {
        return None;
    }
    let timer = catch_unwind(|| sleep(duration)).ok();
    MISSING.fetch_or(timer.is_none(), Relaxed);
    timer
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_fires_once_and_in_time() {
        // The system clock advances while tokio's is paused, so the timer may fire a little early.
        for (left, margin, earliest, latest) in [(3000, 200, 2500, 2801), (300, 200, 50, 151), (300, 9000, 50, 151)] {
            let started = tokio::time::Instant::now();
            let deadline = SystemTime::now() + Duration::from_millis(left);
            let mut before = pin!(Deadline::before(deadline, Duration::from_millis(margin)));
            poll_fn(|cx| before.as_mut().poll(cx)).await;
            let passed = started.elapsed().as_millis();
            assert!(passed >= earliest && passed <= latest, "{left} {margin}: {passed}");
            assert!(poll_fn(|cx| Poll::Ready(before.as_mut().poll(cx))).await.is_pending());
        }
    }

    #[tokio::test]
    async fn without_a_deadline_or_a_margin_it_never_fires() {
        let soon = SystemTime::now() + Duration::from_secs(3);
        let past = Deadline::before(SystemTime::UNIX_EPOCH, Duration::from_secs(1));
        for none in [Deadline::never(), past, Deadline::before(soon, Duration::ZERO)] {
            assert!(none.sleep.is_none());
        }
        assert!(Deadline::before(soon, Duration::from_secs(1)).sleep.is_some());
    }

    #[test]
    fn without_a_runtime_there_is_no_timer_and_no_panic() {
        assert!(Deadline::before(SystemTime::now() + Duration::from_secs(3), Duration::from_secs(1)).sleep.is_none());
    }
}
