//! Work F2: requests by one thread, and by several at a time, each with traces of its own.

use std::sync::{Arc, Barrier};
use std::thread;

use crate::Work;

/// The number of threads that record requests at a time.
pub const THREADS: usize = 16;
/// Requests of each thread between two flushes. All spans of all threads fit into every subject's queue.
const EACH: usize = 32;

/// A request that threads record at the same time.
pub trait Request: Send + Sync + 'static {
    /// Records a request.
    fn request(&self);

    /// Returns when everything has been handed to the kernel.
    fn flush(&self);
}

/// One thread, which does what all threads of [`Together`] do.
pub(crate) struct Alone<R>(pub(crate) R);

impl<R: Request> Work for Alone<R> {
    fn op(&mut self, _: u64) {
        (0..THREADS * EACH).for_each(|_| self.0.request());
    }

    fn flush(&mut self) {
        self.0.flush();
    }

    fn units(&self) -> u64 {
        (THREADS * EACH) as u64
    }
}

/// Threads that begin and end each burst together.
pub(crate) struct Together<R> {
    requests: Arc<R>,
    gate: Arc<Barrier>,
}

impl<R: Request> Together<R> {
    pub(crate) fn new(requests: R) -> Together<R> {
        let (requests, gate) = (Arc::new(requests), Arc::new(Barrier::new(THREADS + 1)));
        for _ in 0..THREADS {
            let (requests, gate) = (requests.clone(), gate.clone());
            thread::spawn(move || {
                loop {
                    gate.wait();
                    (0..EACH).for_each(|_| requests.request());
                    gate.wait();
                }
            });
        }
        Together { requests, gate }
    }
}

impl<R: Request> Work for Together<R> {
    fn op(&mut self, _: u64) {
        self.gate.wait();
        self.gate.wait();
    }

    fn flush(&mut self) {
        self.requests.flush();
    }

    fn units(&self) -> u64 {
        (THREADS * EACH) as u64
    }
}
