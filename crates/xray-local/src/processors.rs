//! Work on a long list, on all processors.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::thread;

/// Threads at most: more would compete with those that receive.
const MAX_THREADS: usize = 4;

/// Applies a function to parts of a list at the same time, and joins what it returns in the order of the list.
pub(crate) fn in_parts<T: Sync, R: Send>(list: &[T], work: impl Fn(&[T]) -> Vec<R> + Sync) -> Vec<R> {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MAX_THREADS);
    if processors == 1 || list.len() < processors {
        return work(list);
    }
    thread::scope(|scope| {
        let work = &work;
        let mut parts = list.chunks(list.len().div_ceil(processors));
        let own = parts.next();
        let others: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
        let mut results = own.map(work).unwrap_or_default();
        for other in others {
            results.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        results
    })
}
