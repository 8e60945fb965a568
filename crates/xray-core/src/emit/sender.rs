//! Sends documents at the pace, on the calling thread.

use std::slice;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::pace::Pace;
use super::socket::{Sent, Socket};
use crate::document::Document;

/// How often sending a document is retried, a millisecond apart, while the kernel's send buffer is full.
const MAX_RETRIES: usize = 50;

/// The socket and its pace.
#[derive(Debug)]
pub(super) struct Sender {
    socket: Socket,
    pace: Mutex<Pace>,
}

/// How long a [`Sender`] may wait on behalf of its caller.
pub(super) trait WaitPolicy {
    /// Whether the document should skip the wait for the steady rate.
    fn is_urgent(&self) -> bool;

    /// How long to wait for the daemon's name before checking [`give_up_reason`](WaitPolicy::give_up_reason) again.
    fn lookup(&self) -> Duration;

    /// Why to give up waiting for the daemon's name, or `None` to continue.
    fn give_up_reason(&self) -> Option<&'static str>;
}

/// The result for the first documents of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivered {
    /// The number of documents that the pace has admitted, at least one.
    pub(super) admitted: usize,
    /// The number of those that were sent together and counted.
    pub(super) sent: usize,
}

impl Sender {
    pub(super) fn new(socket: Socket) -> Sender {
        Sender { socket, pace: Mutex::new(Pace::new(Instant::now())) }
    }

    /// Sends a document or gives it up, and counts it.
    pub(super) fn deliver(&self, document: &Document, policy: &impl WaitPolicy) {
        self.wait_for_room(slice::from_ref(document), policy);
        self.deliver_admitted(document, policy);
    }

    /// Waits until the pace admits the first documents, and sends them with few system calls until the kernel refuses one.
    /// Returns how many were admitted, and how many of these were sent and counted. The caller delivers the others.
    pub(super) fn deliver_first(&self, documents: &[Document], policy: &impl WaitPolicy) -> Delivered {
        let admitted = self.wait_for_room(documents, policy);
        Delivered { admitted, sent: self.socket.send_together(&documents[..admitted]) }
    }

    /// As [`deliver`](Sender::deliver), for a document that the pace has admitted.
    pub(super) fn deliver_admitted(&self, document: &Document, policy: &impl WaitPolicy) {
        let mut retries = MAX_RETRIES;
        loop {
            match self.socket.send_within(policy.lookup(), document) {
                Sent::Settled => return,
                Sent::Full if retries > 0 => {
                    retries -= 1;
                    thread::sleep(Duration::from_millis(1));
                }
                Sent::Full => return self.give_up(document, "the kernel's send buffer is full"),
                Sent::Unresolved => {
                    if let Some(why) = policy.give_up_reason() {
                        return self.give_up(document, why);
                    }
                }
            }
        }
    }

    /// Drops a document, and counts and logs it.
    pub(super) fn give_up(&self, document: &Document, why: &str) {
        self.socket.give_up(document, format_args!("{why}"));
    }

    /// Drops several documents, and counts and logs them.
    pub(super) fn give_up_all(&self, documents: u64, why: &str) {
        self.socket.give_up_all(documents, format_args!("{why}"));
    }

    /// Checks whether earlier documents were refused. Called before a pause.
    pub(super) fn check(&self) {
        self.socket.check();
    }

    /// Waits until the pace admits at least one document, and returns how many it admits now. It does not hold the lock
    /// while waiting.
    fn wait_for_room(&self, documents: &[Document], policy: &impl WaitPolicy) -> usize {
        loop {
            let mut admitted = 0;
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let refused = documents.iter().find_map(|document| {
                let pause = pace.admit(document.datagram().len(), now, || policy.is_urgent()).err();
                admitted += usize::from(pause.is_none());
                pause
            });
            drop(pace);
            match refused {
                Some(pause) if admitted == 0 => thread::sleep(pause),
                _ => return admitted,
            }
        }
    }
}
