//! A buffer for text that is formatted here and copied elsewhere at once.

use std::cell::Cell;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A larger buffer is given back to the allocator.
const KEEP: usize = 16 * 1024;

/// Calls `use_buffer` with an empty buffer of this thread. May be nested.
pub(crate) fn with_scratch<T>(use_buffer: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut buffer = SCRATCH.try_with(Cell::take).unwrap_or_default();
    buffer.clear();
    let result = use_buffer(&mut buffer);
    if buffer.capacity() <= KEEP {
        // A thread that is ending has no place for it.
        let _ = SCRATCH.try_with(|scratch| scratch.set(buffer));
    }
    result
}
