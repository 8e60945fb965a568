//! What became of everything that was recorded: counts for health checks, dashboards and tests.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One count that any thread may raise.
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

/// Writes each count once: as a field of [`Stats`] for readers and of [`Counters`] for those who count.
macro_rules! counts {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// How much a recorder has sent, lost and repaired since it was built.
        ///
        /// A document is counted in exactly one of `emitted`, `superseded`, `dropped_queue_full`, `dropped_unsent`,
        /// `dropped_rejected` and `dropped_oversize` as soon as its fate is known; what is missing from their sum is
        /// still queued. An [`Emitter`](crate::emit::Emitter) from outside this crate counts through its
        /// [`EmitterContext`](crate::emit::EmitterContext), or not at all.
        /// Each field is read on its own, so under load they may be some documents apart.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[$doc])+ pub $name: u64,)+
        }

        /// Where the parts of a recorder count what [`Stats`] shows.
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
    /// Documents that the kernel took for the daemon. UDP tells no more: a daemon that is absent, or too
    /// slow for its receive buffer, loses documents which are counted here. With an emitter that sends by HTTP:
    /// documents that the receiver accepted.
    emitted,
    /// Bytes of the documents in `emitted`, each with its header line.
    bytes,
    /// Documents dropped because the queue in front of the sender thread was full.
    dropped_queue_full,
    /// Documents dropped because they could not be sent: no route, a daemon's name that does not resolve, no
    /// time left at shutdown.
    dropped_unsent,
    /// Documents dropped because the receiver refused them: a collector or the X-Ray service, by HTTP.
    dropped_rejected,
    /// Documents dropped because they are larger than a datagram may be.
    dropped_oversize,
    /// How often the kernel reported that nobody listens at the daemon's address. Each report stands for an
    /// earlier document, counted in `emitted`, which was lost; not each loss is reported.
    refused,
    /// Documents that hold only entities in progress, and were not sent because the receiver could not replace them
    /// later. The finished entities follow.
    superseded,
    /// Spans that a collector refused out of accepted requests. Their documents are counted in `emitted`.
    rejected_spans,
    /// Retries of requests to a collector or the X-Ray service.
    retries,
    /// Traces that were recorded and not kept: nothing failed in them, and they were not slow.
    traces_discarded,
    /// Documents that lost parts, such as metadata or stack frames, to fit into a datagram.
    trimmed,
    /// Values written to a segment or subsegment after it was closed, and ignored.
    late_writes,
    /// Annotations ignored because their segment or subsegment had 50 already, all that X-Ray indexes, or 52 KiB
    /// of them, so that they fit into a document.
    annotations_dropped,
    /// Metadata values ignored, or replaced by a marker with their size, because their segment or subsegment had
    /// 1,000 values or 256 KiB of them already.
    metadata_dropped,
    /// Exceptions ignored because their segment or subsegment had 32 already. Its flags are set all the same.
    exceptions_dropped,
    /// Names of segments and subsegments that had characters or a length X-Ray refuses.
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
