//! Sends what arrives on to a daemon, as it arrived.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::queue::{Chunk, Queue};
use super::spawn;

/// Bytes between two pauses: a daemon's socket buffer holds about six times as much.
const BURST: usize = 32 << 10;

const PAUSE: Duration = Duration::from_millis(1);

/// How often the thread checks whether it should end.
const CHECK: Duration = Duration::from_millis(500);

/// A thread that sends datagrams on. It has a queue of its own, so a slow target never holds back the receiver.
pub(crate) struct Forward {
    queue: Arc<Queue>,
    failed: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Forward {
    pub(crate) fn start(target: SocketAddr) -> io::Result<Forward> {
        let socket = UdpSocket::bind(if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
        let (queue, failed) = (Arc::new(Queue::default()), Arc::new(AtomicU64::new(0)));
        let (source, failures) = (Arc::clone(&queue), Arc::clone(&failed));
        let thread = spawn("xray-local-forward", move || send(&socket, target, &source, &failures))?;
        Ok(Forward { queue, failed, thread: Some(thread) })
    }

    pub(crate) fn push(&self, datagram: &[u8]) {
        self.queue.push(datagram, 0);
    }

    /// Returns how many datagrams were not sent.
    pub(crate) fn lost(&self) -> u64 {
        self.queue.dropped() + self.failed.load(Ordering::Relaxed)
    }
}

impl Drop for Forward {
    /// Sends what still waits.
    fn drop(&mut self) {
        drop(self.queue.closing());
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

fn send(socket: &UdpSocket, target: SocketAddr, queue: &Queue, failed: &AtomicU64) {
    let mut since_pause = 0;
    while let Some(chunks) = queue.take(CHECK) {
        for (datagram, _) in chunks.iter().flat_map(Chunk::datagrams) {
            if since_pause + datagram.len() > BURST {
                thread::sleep(PAUSE);
                since_pause = 0;
            }
            since_pause += datagram.len();
            // A local target that is not there refuses the datagram after the one it has refused first.
            if socket.send_to(datagram, target).is_err() {
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        queue.recycle(chunks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_arrive_unchanged_and_in_order() {
        let target = UdpSocket::bind("127.0.0.1:0").unwrap();
        target.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let forward = Forward::start(target.local_addr().unwrap()).unwrap();
        let sent: Vec<Vec<u8>> = (1..50_u8).map(|i| vec![i; usize::from(i)]).collect();
        for datagram in &sent {
            forward.push(datagram);
        }
        assert_eq!(forward.lost(), 0);
        drop(forward);
        let mut buffer = vec![0; 64 * 1024];
        for datagram in &sent {
            let length = target.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], datagram);
        }
    }
}
