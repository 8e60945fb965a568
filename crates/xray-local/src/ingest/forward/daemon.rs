//! Sends what arrives on to a daemon, as it arrived.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Target;
use crate::ingest::queue::{Chunk, Queue};
use crate::ingest::spawn;
use crate::store::Arrival;

/// Bytes between two pauses: a daemon's socket buffer holds about six times as much.
const BURST: usize = 32 << 10;

const PAUSE: Duration = Duration::from_millis(1);

/// How often the thread checks whether it should end.
const CHECK: Duration = Duration::from_millis(500);

/// A thread that sends datagrams on.
pub(crate) struct Daemon {
    name: String,
    queue: Arc<Queue>,
    counts: Arc<Counts>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
    failure: Mutex<Option<String>>,
}

impl Daemon {
    pub(crate) fn start(target: SocketAddr, max_bytes: usize) -> io::Result<Daemon> {
        let socket = UdpSocket::bind(if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
        let (queue, counts) = (Arc::new(Queue::new(max_bytes)), Arc::new(Counts::default()));
        let (source, counters) = (Arc::clone(&queue), Arc::clone(&counts));
        let thread = spawn("xray-local-forward", move || send(&socket, target, &source, &counters))?;
        Ok(Daemon { name: format!("udp:{target}"), queue, counts, thread: Mutex::new(Some(thread)) })
    }
}

impl Target for Daemon {
    /// Also sends what is invalid: the daemon decides.
    fn push(&self, datagram: &[u8], _: Option<&Arrival>) {
        self.queue.push(datagram, 0);
    }

    fn counts(&self) -> (u64, u64) {
        let Counts { sent, failed, .. } = &*self.counts;
        (sent.load(Ordering::Relaxed), self.queue.dropped() + failed.load(Ordering::Relaxed))
    }

    fn failure(&self) -> Option<String> {
        self.counts.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn finish(&self) {
        drop(self.queue.closing());
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            _ = thread.join();
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}

fn send(socket: &UdpSocket, target: SocketAddr, queue: &Queue, counts: &Counts) {
    let mut since_pause = 0;
    while let Some(chunks) = queue.take(CHECK) {
        let (mut failure, is_idle) = (None, chunks.is_empty());
        for (datagram, _) in chunks.iter().flat_map(Chunk::datagrams) {
            if since_pause + datagram.len() > BURST {
                thread::sleep(PAUSE);
                since_pause = 0;
            }
            since_pause += datagram.len();
            match send_one(socket, target, datagram) {
                Ok(refused) => {
                    counts.sent.fetch_add(1, Ordering::Relaxed);
                    failure = refused.map(|error| counts.refused(&error)).or(failure);
                }
                Err(error) => {
                    counts.failed.fetch_add(1, Ordering::Relaxed);
                    failure = Some(reason(&error));
                }
            }
        }
        if let Ok(Some(error)) = socket.take_error() {
            failure = Some(counts.refused(&error));
        }
        if !is_idle || failure.is_some() {
            *counts.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        }
        queue.recycle(chunks);
    }
}

/// Sends a datagram. Returns the error of an earlier one if the system has refused that: only connected sockets learn this.
fn send_one(socket: &UdpSocket, target: SocketAddr, datagram: &[u8]) -> io::Result<Option<io::Error>> {
    match socket.send(datagram) {
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => socket.send(datagram).map(|_| Some(error)),
        // Not connected yet, or unreachable until now.
        Err(_) => socket.connect(target).and_then(|()| socket.send(datagram)).map(|_| None),
    }
}

impl Counts {
    /// Counts a datagram as lost that counted as sent, and returns why.
    fn refused(&self, error: &io::Error) -> String {
        self.sent.fetch_sub(1, Ordering::Relaxed);
        self.failed.fetch_add(1, Ordering::Relaxed);
        reason(error)
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "no program receives there".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_arrive_unchanged_and_in_order() {
        let target = UdpSocket::bind("127.0.0.1:0").unwrap();
        target.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let daemon = Daemon::start(target.local_addr().unwrap(), 1 << 20).unwrap();
        let sent: Vec<Vec<u8>> = (1..50_u8).map(|i| vec![i; usize::from(i)]).collect();
        for datagram in &sent {
            daemon.push(datagram, None);
        }
        daemon.finish();
        assert_eq!(daemon.counts(), (49, 0));
        let mut buffer = vec![0; 64 * 1024];
        for datagram in &sent {
            let length = target.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], datagram);
        }
    }

    #[test]
    fn datagrams_are_lost_until_a_program_receives_them() {
        let unused = UdpSocket::bind("127.0.0.1:0").unwrap();
        let target = unused.local_addr().unwrap();
        drop(unused);
        let daemon = Daemon::start(target, 1 << 20).unwrap();
        let wait_for = |want: (u64, u64), failure: Option<&str>| {
            let begin = std::time::Instant::now();
            while (daemon.counts(), daemon.failure().as_deref()) != (want, failure) {
                let (counts, failure) = (daemon.counts(), daemon.failure());
                assert!(begin.elapsed() < Duration::from_secs(20), "{counts:?} {failure:?}");
                thread::yield_now();
            }
        };
        for lost in 1..=3 {
            daemon.push(b"lost", None);
            wait_for((0, lost), Some("no program receives there"));
        }
        let receiver = UdpSocket::bind(target).unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        daemon.push(b"received", None);
        wait_for((1, 3), None);
        let mut buffer = [0; 64];
        let length = receiver.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"received");
    }
}
