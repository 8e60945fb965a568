//! Spare byte buffers per thread, so that a typical trace allocates none.

use std::cell::Cell;

use crate::spare::Spares;

/// The capacity of a new buffer: enough for a small trace.
const CAPACITY: usize = 2048;
/// The capacity above which a buffer is freed instead of kept.
const LARGE: usize = 16 * 1024;

thread_local! {
    static SPARE: Spares<Vec<u8>> = const { Spares::new() };
    /// The buffer of [`with`], which is called most often.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Returns an empty buffer with room for `capacity` bytes.
pub(crate) fn take(capacity: usize) -> Vec<u8> {
    match SPARE.try_with(Spares::take).ok().flatten() {
        Some(buffer) if buffer.capacity() >= capacity => buffer,
        _ => Vec::with_capacity(capacity.max(CAPACITY)),
    }
}

/// Returns an empty buffer for `size` bytes that are kept for a while. It is not much larger than these.
pub(crate) fn sized(size: usize) -> Vec<u8> {
    if size < CAPACITY / 2 { Vec::with_capacity(size) } else { take(size) }
}

/// Keeps a buffer for the next [`take`] on this thread.
pub(crate) fn give(mut buffer: Vec<u8>) {
    if !(CAPACITY..=LARGE).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    // A thread that is ending keeps none.
    let _ = SPARE.try_with(|spare| spare.give(buffer));
}

/// Calls `use_buffer` with an empty buffer, for text that is formatted and then copied elsewhere.
pub(crate) fn with<T>(use_buffer: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    // A new buffer replaces the scratch in a nested call and on a thread that is ending.
    let mut buffer = SCRATCH.try_with(Cell::take).unwrap_or_default();
    let result = use_buffer(&mut buffer);
    if buffer.capacity() <= LARGE {
        buffer.clear();
        let _ = SCRATCH.try_with(|scratch| scratch.set(buffer));
    }
    result
}
