//! Tests many traces on all processors.

use crate::processors::in_parts;
use crate::store::Summarized;

/// Starting threads for fewer traces would take longer than testing them.
const MIN_TRACES: usize = 2_048;

/// Keeps the traces for which `is_wanted` returns true.
pub(crate) fn select(traces: &mut Vec<Summarized>, is_wanted: impl Fn(&Summarized) -> bool + Sync) {
    if traces.len() < MIN_TRACES {
        return traces.retain(is_wanted);
    }
    let wanted = in_parts(traces, |part| part.iter().map(&is_wanted).collect());
    let mut wanted = wanted.into_iter();
    traces.retain(|_| wanted.next() == Some(true));
}
