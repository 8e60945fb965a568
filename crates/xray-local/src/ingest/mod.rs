//! From the UDP socket to the store: one thread only receives, another one parses.
//!
//! Parsing takes several microseconds per document, and a socket's buffer is small. A thread that did both would lose
//! datagrams at a few thousand documents per second.

pub(crate) mod datagram;
mod forward;
mod kernel;
mod queue;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

pub use datagram::Refusal;
pub(crate) use forward::{Forward, ForwardTo};
pub(crate) use kernel::{WANTED, widen};
use queue::Queue;

use crate::store::{Store, epoch_millis};

/// How often the threads check whether they should stop, and how often losses are counted.
const CHECK: Duration = Duration::from_millis(500);

/// How many datagrams are read after the receiver was asked to stop: more than a socket's buffer holds.
const LAST_DATAGRAMS: usize = 10_000;

/// The threads that fill a store from a socket.
pub(crate) struct Ingest {
    stopping: Arc<AtomicBool>,
    address: SocketAddr,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Ingest {
    pub(crate) fn start(socket: UdpSocket, store: &Store, forward: Arc<Forward>) -> io::Result<Ingest> {
        socket.set_read_timeout(Some(CHECK))?;
        let stopping = Arc::new(AtomicBool::new(false));
        // Complete from the start, so that dropping it on an early return stops the threads that already run.
        let mut ingest = Ingest { stopping: Arc::clone(&stopping), address: socket.local_addr()?, threads: Vec::new() };
        let (queue, store) = (Arc::new(Queue::new(queue::capacity(store))), store.clone());
        let (filled, address) = (Arc::clone(&queue), ingest.address);
        ingest.threads.push(spawn("xray-local-receive", move || receive(&socket, &filled, &stopping))?);
        ingest.threads.push(spawn("xray-local-parse", move || parse(&queue, &store, address, &forward))?);
        Ok(ingest)
    }
}

impl Drop for Ingest {
    /// Reads everything that has already been sent, and waits until it is in the store.
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        wake(self.address);
        for thread in self.threads.drain(..) {
            _ = thread.join();
        }
    }
}

/// Copies datagrams from the socket to the queue, and does nothing else.
fn receive(socket: &UdpSocket, queue: &Queue, stopping: &AtomicBool) {
    // Closes the queue even if this thread panics, so that the parsing thread ends.
    let _closed = queue.closing();
    // The size of the largest possible datagram, so none is truncated.
    let mut buffer = vec![0; 64 * 1024];
    let mut last = LAST_DATAGRAMS;
    let mut draining = false;
    while last > 0 {
        if !draining && stopping.load(Ordering::Acquire) {
            // Everything sent over loopback before now is in the socket's buffer. If this call fails, the read timeout
            // still ends the loop, only later.
            _ = socket.set_nonblocking(true);
            draining = true;
        }
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => queue.push(&buffer[..length], from.port()),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut if draining => return,
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {}
                // No error ends a receiver. A permanent error must not keep a core busy.
                _ => thread::sleep(CHECK / 10),
            },
        }
        last -= usize::from(draining);
    }
}

fn parse(queue: &Queue, store: &Store, address: SocketAddr, forward: &Forward) {
    let mut drops = kernel::Drops::of(address);
    while let Some(chunks) = queue.take(CHECK) {
        for chunk in &chunks {
            let now = epoch_millis();
            let arrivals = chunk.datagrams().map(|(datagram, port)| {
                let arrival = store.arrival(datagram, port, now);
                forward.push(datagram, arrival.as_ref().ok());
                arrival
            });
            // Before the store is locked.
            let arrivals: Vec<_> = arrivals.collect();
            store.put(arrivals);
        }
        queue.recycle(chunks);
        if let Some(dropped) = drops.read() {
            store.set_losses(queue.dropped(), dropped);
            store.set_not_forwarded(forward.lost());
            store.retain();
        }
    }
}

pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Sends an empty datagram, which is ignored but wakes the receiving thread.
fn wake(address: SocketAddr) {
    let from = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    _ = UdpSocket::bind(from).and_then(|socket| socket.send_to(&[], crate::receiver::reachable(address)));
}
