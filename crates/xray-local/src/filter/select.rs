//! Tests many traces on all processors.

use std::num::NonZeroUsize;
use std::thread;

use crate::store::Summarized;

/// Starting threads for fewer traces would take longer than testing them.
const MIN_TRACES: usize = 2_048;

/// Threads at most: more would compete with those that receive.
const MAX_THREADS: usize = 4;

/// Keeps the traces for which `is_wanted` returns true.
pub(crate) fn select(traces: &mut Vec<Summarized>, is_wanted: impl Fn(&Summarized) -> bool + Sync) {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MAX_THREADS);
    if traces.len() < MIN_TRACES || processors == 1 {
        return traces.retain(is_wanted);
    }
    let test = |part: &[Summarized]| part.iter().map(&is_wanted).collect::<Vec<bool>>();
    let wanted = thread::scope(|scope| {
        let mut parts = traces.chunks(traces.len().div_ceil(processors));
        let own = parts.next();
        let others: Vec<_> = parts.map(|part| (part, scope.spawn(move || test(part)))).collect();
        let mut wanted = own.map(test).unwrap_or_default();
        for (part, other) in others {
            // The panic hook has already reported a panic.
            wanted.extend(other.join().unwrap_or_else(|_| vec![false; part.len()]));
        }
        wanted
    });
    let mut wanted = wanted.into_iter();
    traces.retain(|_| wanted.next() == Some(true));
}
