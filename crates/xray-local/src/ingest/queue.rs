//! A bounded queue of datagrams between the receiving and the parsing thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::store::Store;

/// Returns how many bytes may wait for a store, so that a backlog does not multiply the memory of the program: half of what
/// the store may hold, or a quarter if it has a file, which needs memory, too. With the default of 64 MiB, half is 0.8 s of
/// 20,000 documents of 2 KB per second.
pub(crate) fn capacity(store: &Store) -> usize {
    let part = if store.file().is_some() { 4 } else { 2 };
    (store.limits().memory / part).clamp(4 << 20, 64 << 20)
}

/// Bytes of one chunk: small enough to be handed over often, large enough to share the cost of a lock.
const CHUNK: usize = 64 << 10;

/// How long the parsing thread lets datagrams collect after it was idle. Waking it for each one would cost more than
/// parsing it.
const COLLECT: Duration = Duration::from_millis(1);

/// Chunks that are taken at once, so that most of what waits counts for the limit.
const MAX_TAKEN: usize = 16;

/// Empty chunks that are kept for reuse.
const MAX_SPARE: usize = 64;

/// Datagrams in chunks. The receiving thread only ever copies into the last chunk.
pub(crate) struct Queue {
    max_bytes: usize,
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Chunk>,
    spare: Vec<Chunk>,
    bytes: usize,
    dropped: u64,
    waiting: bool,
    closed: bool,
}

/// Datagrams one after the other, each after its length and the port of its sender.
#[derive(Default)]
pub(crate) struct Chunk(Vec<u8>);

const HEAD: usize = 6;

impl Queue {
    /// Creates a queue for this many bytes.
    pub(crate) fn new(max_bytes: usize) -> Queue {
        Queue { max_bytes, state: Mutex::default(), filled: Condvar::new() }
    }

    /// Adds a datagram, or counts it as dropped if the queue is full. Empty datagrams are ignored, as the daemon does.
    pub(crate) fn push(&self, datagram: &[u8], port: u16) {
        if datagram.is_empty() {
            return;
        }
        let mut state = self.lock();
        let needed = HEAD + datagram.len();
        if state.bytes + needed > self.max_bytes {
            state.dropped += 1;
            return;
        }
        state.bytes += needed;
        if state.chunks.back().is_none_or(|chunk| chunk.0.len() + needed > CHUNK) {
            let chunk = state.spare.pop().unwrap_or_else(|| Chunk(Vec::with_capacity(CHUNK)));
            state.chunks.push_back(chunk);
        }
        if let Some(Chunk(bytes)) = state.chunks.back_mut() {
            // Lossless: a datagram has less than 64 KiB, and a call less than 16 MiB.
            bytes.extend_from_slice(&(datagram.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&port.to_le_bytes());
            bytes.extend_from_slice(datagram);
        }
        if std::mem::take(&mut state.waiting) {
            self.filled.notify_one();
        }
    }

    /// Waits for datagrams, for at most the given time. Returns `None` once the queue is closed and empty.
    pub(crate) fn take(&self, timeout: Duration) -> Option<VecDeque<Chunk>> {
        let mut state = self.lock();
        if state.chunks.is_empty() && !state.closed {
            state.waiting = true;
            let ready = |state: &mut State| state.chunks.is_empty() && !state.closed;
            let waited = self.filled.wait_timeout_while(state, timeout, ready);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting = false;
            if !state.chunks.is_empty() && !state.closed {
                drop(state);
                thread::sleep(COLLECT);
                state = self.lock();
            }
        }
        if state.chunks.is_empty() && state.closed {
            return None;
        }
        let taken = state.chunks.len().min(MAX_TAKEN);
        let chunks: VecDeque<Chunk> = state.chunks.drain(..taken).collect();
        state.bytes -= chunks.iter().map(|chunk| chunk.0.len()).sum::<usize>();
        Some(chunks)
    }

    /// Returns chunks whose datagrams have been parsed.
    pub(crate) fn recycle(&self, chunks: VecDeque<Chunk>) {
        let mut state = self.lock();
        for mut chunk in chunks {
            // A document of a call may be much larger than a datagram.
            if state.spare.len() < MAX_SPARE && chunk.0.capacity() <= CHUNK {
                chunk.0.clear();
                state.spare.push(chunk);
            }
        }
    }

    /// Returns how many datagrams found the queue full.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Returns a guard that closes the queue when it is dropped.
    pub(crate) fn closing(&self) -> Closing<'_> {
        Closing(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the queue on drop.
pub(crate) struct Closing<'a>(&'a Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.filled.notify_all();
    }
}

impl Chunk {
    /// Returns the datagrams with the ports of their senders.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = (&[u8], u16)> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let (port, after) = after.split_first_chunk::<2>()?;
            let (datagram, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = after;
            Some((datagram, u16::from_le_bytes(*port)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_leave_in_order_with_their_ports() {
        let queue = Queue::new(16 << 20);
        let sent: Vec<(Vec<u8>, u16)> = (1..200_u16).map(|i| (vec![i as u8; usize::from(i) * 13], i)).collect();
        for (datagram, port) in &sent {
            queue.push(datagram, *port);
        }
        queue.push(&[], 1);
        let chunks = queue.take(Duration::ZERO).unwrap();
        let taken = chunks.iter().flat_map(Chunk::datagrams).map(|(datagram, port)| (datagram.to_vec(), port));
        assert_eq!(taken.collect::<Vec<_>>(), sent);
        assert!(chunks.len() > 1 && queue.take(Duration::ZERO).unwrap().is_empty());
    }

    #[test]
    fn a_full_queue_drops_and_counts_the_newest() {
        let queue = Queue::new(16 << 20);
        let datagram = vec![1; 64_000];
        let fit = (16 << 20) / (datagram.len() + HEAD);
        for _ in 0..fit + 3 {
            queue.push(&datagram, 1);
        }
        assert_eq!(queue.dropped(), 3);
        let mut taken = 0;
        while taken < fit {
            let chunks = queue.take(Duration::ZERO).unwrap();
            assert!(chunks.len() <= MAX_TAKEN);
            taken += chunks.iter().flat_map(Chunk::datagrams).count();
            queue.recycle(chunks);
        }
        assert_eq!((taken, queue.lock().bytes), (fit, 0));
        queue.push(&datagram, 1);
        assert_eq!((queue.dropped(), queue.lock().spare.len()), (3, MAX_SPARE - 1));
    }

    #[test]
    fn a_closed_queue_is_emptied_first() {
        let queue = Queue::new(16 << 20);
        queue.push(b"x", 1);
        drop(queue.closing());
        assert_eq!(queue.take(Duration::from_secs(60)).unwrap().len(), 1);
        assert!(queue.take(Duration::from_secs(60)).is_none());
    }
}
