//! Counters of what was sent, dropped and repaired, for health checks, dashboards and tests.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A counter that any thread may increase.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, by: u64) {
        self.0.fetch_add(by, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// Defines each count in one place, as a field of [`Stats`] for readers and of [`Counters`] for the parts that count.
macro_rules! counts {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// Counts of what a recorder has sent, dropped and repaired since it was built.
        ///
        /// Each document is counted in exactly one of `emitted`, `superseded`, `dropped_queue_full`, `dropped_unsent`,
        /// `dropped_rejected` and `dropped_oversize` once its fate is known. Until then it is queued. An
        /// [`Emitter`](crate::emit::Emitter) outside this crate counts through its
        /// [`EmitterContext`](crate::emit::EmitterContext), or not at all. Counts only increase. Each field is read on
        /// its own, so under load they may differ by some documents.
        ///
        /// ```
        /// use std::time::Duration;
        /// use xray_core::Recorder;
        ///
        /// fn is_losing_documents(recorder: &Recorder) -> bool {
        ///     let stats = recorder.stats();
        ///     let lost = [stats.dropped_queue_full, stats.dropped_unsent, stats.dropped_rejected, stats.dropped_oversize];
        ///     lost.iter().sum::<u64>() + stats.refused > 0
        /// }
        /// # let (recorder, _) = Recorder::in_memory();
        /// # assert!(!is_losing_documents(&recorder));
        /// ```
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[$doc])+ pub $name: u64,)+
        }

        /// The counters behind [`Stats`].
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)+
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> Stats {
                Stats { $($name: self.$name.get(),)+ }
            }
        }
    };
}

counts! {
    /// Documents that the kernel accepted for the daemon. UDP does not report more: documents that are lost because the
    /// daemon is absent or too slow for its receive buffer count here as well. With an emitter that sends by HTTP, these
    /// are documents that the receiver accepted.
    emitted,
    /// The size of the documents in `emitted` in bytes, including their header lines.
    bytes,
    /// Documents dropped because the queue in front of the sender thread was full: more is recorded than the daemon can
    /// receive. Sample fewer requests.
    dropped_queue_full,
    /// Documents dropped because they could not be sent: there was no route, the daemon's name did not resolve, or no
    /// time was left at shutdown.
    dropped_unsent,
    /// Documents dropped because the receiver rejected them: a collector or the X-Ray service, by HTTP.
    dropped_rejected,
    /// Documents dropped because they are too large for a datagram.
    dropped_oversize,
    /// Reports of the kernel that no daemon listens at its address. Each report means that an earlier document, counted
    /// in `emitted`, was lost. Not every loss is reported. Start the daemon, or check `AWS_XRAY_DAEMON_ADDRESS`.
    refused,
    /// Documents with only entities in progress that were not sent, because the receiver cannot replace them later. The
    /// finished entities follow.
    superseded,
    /// Spans that a collector rejected from accepted requests. Their documents count in `emitted`.
    rejected_spans,
    /// Retries of requests to a collector or the X-Ray service.
    retries,
    /// Traces that tail sampling recorded and did not keep: nothing in them failed, and they were not slow.
    traces_discarded,
    /// Documents that were trimmed to fit into a datagram: they lost parts such as metadata or stack frames. Record
    /// smaller metadata.
    trimmed,
    /// Writes to a segment or subsegment that were ignored because it was closed. At the level `debug` each one is logged.
    late_writes,
    /// Annotations ignored because their segment or subsegment already had 50, the number that X-Ray indexes, or 52 KiB
    /// of them, the size that fits into a document.
    annotations_dropped,
    /// Metadata values ignored, or replaced by a marker with their size, because their segment or subsegment already had
    /// 1,000 values or 256 KiB of them.
    metadata_dropped,
    /// Exceptions ignored because their segment or subsegment already had 32. The flags of the entity are set anyway.
    exceptions_dropped,
    /// Names of segments and subsegments that were changed because X-Ray rejects their characters or length: see
    /// [`clean_name`](crate::clean_name).
    names_repaired,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_shows_what_was_counted() {
        let counters = Counters::default();
        counters.emitted.add(2);
        counters.bytes.add(700);
        counters.emitted.add(1);
        assert_eq!(counters.snapshot(), Stats { emitted: 3, bytes: 700, ..Stats::default() });
    }
}
