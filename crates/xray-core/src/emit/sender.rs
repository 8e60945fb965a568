//! Sends documents one by one at the pace, on whatever thread calls it.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::pace::Pace;
use super::socket::{Sent, Socket};
use crate::document::Document;

/// How often a document is tried again, a millisecond apart, while the kernel's send buffer is full.
const MAX_RETRIES: usize = 50;

/// The socket and the pace that is kept on it.
#[derive(Debug)]
pub(super) struct Sender {
    socket: Socket,
    pace: Mutex<Pace>,
}

/// What a [`Sender`] asks its caller while it waits.
pub(super) trait Patience {
    /// Whether the document should not wait for the steady rate.
    fn is_urgent(&self) -> bool;

    /// How long to wait for the daemon's name before asking [`is_over`](Patience::is_over) again.
    fn lookup(&self) -> Duration;

    /// Why the wait for the daemon's name has ended, if it has.
    fn is_over(&self) -> Option<&'static str>;
}

impl Sender {
    pub(super) fn new(socket: Socket) -> Sender {
        Sender { socket, pace: Mutex::new(Pace::new(Instant::now())) }
    }

    /// Sends a document, or gives it up; either way it is counted.
    pub(super) fn deliver(&self, document: &Document, patience: &impl Patience) {
        self.wait_for_room(document.datagram().len(), patience);
        let mut retries = MAX_RETRIES;
        loop {
            match self.socket.send_within(patience.lookup(), document) {
                Sent::Settled => return,
                Sent::Full if retries > 0 => {
                    retries -= 1;
                    thread::sleep(Duration::from_millis(1));
                }
                Sent::Full => return self.give_up(document, "the kernel's send buffer is full"),
                Sent::Unresolved => {
                    if let Some(why) = patience.is_over() {
                        return self.give_up(document, why);
                    }
                }
            }
        }
    }

    /// Gives a document up.
    pub(super) fn give_up(&self, document: &Document, why: &str) {
        self.socket.give_up(document, format_args!("{why}"));
    }

    /// Gives up what is queued.
    pub(super) fn give_up_all(&self, documents: u64, why: &str) {
        self.socket.give_up_all(documents, format_args!("{why}"));
    }

    /// Learns what became of the documents sent so far, before a pause.
    pub(super) fn check(&self) {
        self.socket.check();
    }

    /// Waits until the pace admits a document of that size. The lock is not held while waiting.
    fn wait_for_room(&self, size: usize, patience: &impl Patience) {
        loop {
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            let admitted = pace.admit(size, Instant::now(), || patience.is_urgent());
            drop(pace);
            match admitted {
                Ok(()) => return,
                Err(pause) => thread::sleep(pause),
            }
        }
    }
}
