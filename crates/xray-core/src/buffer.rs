//! Spare byte buffers of each thread, so that a usual trace makes none.

use std::cell::{Cell, RefCell};

/// Spare buffers that a thread keeps.
const SPARES: usize = 8;
/// The capacity of a new buffer: room for all of a small trace.
const CAPACITY: usize = 2048;
/// A larger buffer is given back to the allocator.
const LARGE: usize = 16 * 1024;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    /// For [`with`], which is called most.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An empty buffer with room for `capacity` bytes.
pub(crate) fn take(capacity: usize) -> Vec<u8> {
    let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
    match spare {
        Some(buffer) if buffer.capacity() >= capacity => buffer,
        _ => Vec::with_capacity(capacity.max(CAPACITY)),
    }
}

/// A buffer for `size` bytes that are kept for a while: not much larger than they are.
pub(crate) fn sized(size: usize) -> Vec<u8> {
    if size < CAPACITY / 2 { Vec::with_capacity(size) } else { take(size) }
}

/// Keeps a buffer for the next [`take`] on this thread.
pub(crate) fn give(mut buffer: Vec<u8>) {
    if !(CAPACITY..=LARGE).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    // A thread that is ending has no place for it.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.capacity() == 0 {
            spare.reserve_exact(SPARES);
        }
        if spare.len() < SPARES {
            spare.push(buffer);
        }
    });
}

/// Calls `use_buffer` with an empty buffer, for text that is formatted here and copied elsewhere at once.
pub(crate) fn with<T>(use_buffer: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    // Another one where there is no scratch: within such a call, or on a thread that is ending.
    let mut buffer = SCRATCH.try_with(Cell::take).unwrap_or_default();
    let result = use_buffer(&mut buffer);
    if buffer.capacity() <= LARGE {
        buffer.clear();
        let _ = SCRATCH.try_with(|scratch| scratch.set(buffer));
    }
    result
}
