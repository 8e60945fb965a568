//! Receives datagrams like the X-Ray daemon, and validates each of them.

mod inbox;
mod proxy;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

use crate::document::Document;
use crate::forest::Forest;
use inbox::Inbox;
pub use proxy::{ApiCall, Proxy};

/// No document begins like this. The daemon sends such datagrams to itself, to know that all earlier ones have arrived.
const MARKER: &[u8] = b"\0marker ";
/// Requested from the kernel, which may grant less.
const LARGE_BUFFER: usize = 8 << 20;
/// The parser and the validator recurse: a document of 64 KiB may nest some 600 subsegments.
const STACK: usize = 256 << 20;
const PATIENCE: Duration = Duration::from_secs(10);

/// A UDP socket on the loopback interface that receives documents, validates each against the published schema, and
/// keeps them.
///
/// It is stricter than the daemon: see [`Document::parse`]. A document that violates the schema is kept nevertheless;
/// [`assert_valid`](Daemon::assert_valid) reports it.
#[derive(Debug)]
pub struct Daemon {
    address: SocketAddr,
    large_buffer: bool,
    inbox: Arc<Inbox>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: Arc<AtomicBool>,
    threads: [JoinHandle<()>; 2],
}

impl Daemon {
    /// Starts on a free port, with a receive buffer as large as the kernel allows.
    pub fn start() -> Daemon {
        Daemon::on("127.0.0.1:0".parse().expect("an address"), true)
    }

    /// Starts with the kernel's default receive buffer, as the real daemon does, so a burst may be lost.
    pub fn with_default_buffer() -> Daemon {
        Daemon::on("127.0.0.1:0".parse().expect("an address"), false)
    }

    fn on(address: SocketAddr, large_buffer: bool) -> Daemon {
        let mut daemon = Daemon { address, large_buffer, inbox: Arc::default(), running: None };
        daemon.restart();
        daemon
    }

    /// Returns the address, which a restart keeps.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for `n` documents since the last [`take`](Daemon::take), and returns them.
    ///
    /// # Panics
    /// Panics if fewer arrive within `timeout`.
    #[track_caller]
    pub fn documents(&self, n: usize, timeout: Duration) -> Vec<Document> {
        match self.inbox.wait(timeout, |received| received.documents.len() >= n) {
            Ok(received) => received.documents.clone(),
            Err(received) => {
                let (documents, violations) = (received.documents.clone(), received.violations.join("\n"));
                drop(received);
                let text = Forest::of(&documents).text();
                panic!("{} of {n} documents within {timeout:?}:\n{text}{violations}", documents.len());
            }
        }
    }

    /// Returns all documents since the last call, including those that are still in the socket's buffer, so that "nothing
    /// was sent" can be asserted without waiting.
    pub fn take(&self) -> Vec<Document> {
        self.settle();
        std::mem::take(&mut self.inbox.lock().documents)
    }

    /// Returns the number of all datagrams so far, valid and invalid.
    pub fn received(&self) -> usize {
        self.settle();
        self.inbox.lock().datagrams
    }

    /// Returns the violations of all datagrams so far, one line each.
    pub fn violations(&self) -> Vec<String> {
        self.settle();
        self.inbox.lock().violations.clone()
    }

    /// Asserts that all datagrams so far were valid.
    ///
    /// # Panics
    /// Panics if a datagram had an invalid frame, or a document violates the schema.
    #[track_caller]
    pub fn assert_valid(&self) {
        let violations = self.violations();
        assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
    }

    /// Receives what was sent before, and closes the socket. What is sent later is lost.
    pub fn stop(&mut self) {
        self.settle();
        if let Some(running) = self.running.take() {
            running.stop.store(true, Ordering::Release);
            self.send_marker(0);
            for thread in running.threads {
                thread.join().expect("the daemon's threads do not panic");
            }
        }
    }

    /// Listens again on the same port. What was received before is kept.
    ///
    /// # Panics
    /// Panics if another program has taken the port.
    pub fn restart(&mut self) {
        self.stop();
        let socket = UdpSocket::bind(self.address).expect("the port is free");
        self.address = socket.local_addr().expect("a bound socket has an address");
        // Only against a lost marker: it wakes the receiver at once.
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("not zero");
        if self.large_buffer {
            SockRef::from(&socket).set_recv_buffer_size(LARGE_BUFFER).expect("the kernel cuts what is too large");
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, receiver) = mpsc::channel();
        let inbox = Arc::clone(&self.inbox);
        let receiving = {
            let stop = Arc::clone(&stop);
            // A thread that does nothing else, so that the socket's buffer is emptied as fast as can be.
            thread::Builder::new().name("daemon".to_owned()).spawn(move || receive(&socket, &stop, &sender))
        };
        let judging =
            thread::Builder::new().name("judge".to_owned()).stack_size(STACK).spawn(move || judge(&receiver, &inbox));
        let threads = [receiving, judging].map(|thread| thread.expect("a thread can be started"));
        self.running = Some(Running { stop, threads });
    }

    /// Waits until everything that was sent before is received and validated.
    fn settle(&self) {
        static MARKERS: AtomicU64 = AtomicU64::new(1);
        if self.running.is_none() {
            return;
        }
        let marker = MARKERS.fetch_add(1, Ordering::Relaxed);
        // A full buffer drops a marker like any datagram: it is sent again until it comes through.
        const PAUSE: Duration = Duration::from_millis(200);
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            self.send_marker(marker);
            if self.inbox.wait(PAUSE, |received| received.marker >= marker).is_ok() {
                return;
            }
        }
        panic!("the daemon does not receive");
    }

    fn send_marker(&self, marker: u64) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let datagram = [MARKER, marker.to_string().as_bytes()].concat();
        socket.send_to(&datagram, self.address).expect("loopback takes a datagram");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.store(true, Ordering::Release);
            self.send_marker(0);
            for thread in running.threads {
                // A panic while dropping would hide the first one.
                let _ = thread.join();
            }
        }
    }
}

fn receive(socket: &UdpSocket, stop: &AtomicBool, judge: &Sender<Vec<u8>>) {
    let mut buffer = vec![0; 64 * 1024];
    while !stop.load(Ordering::Acquire) {
        if let Ok(length) = socket.recv(&mut buffer) {
            let _ = judge.send(buffer[..length].to_vec());
        }
    }
}

fn judge(datagrams: &Receiver<Vec<u8>>, inbox: &Inbox) {
    for datagram in datagrams {
        match datagram.strip_prefix(MARKER) {
            Some(marker) => {
                inbox.mark(std::str::from_utf8(marker).ok().and_then(|text| text.parse().ok()).unwrap_or(0))
            }
            None => inbox.accept(&datagram),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::document::HEADER;

    const TRACE: &str = "1-5759e988-bd862e3fe1be46a994272793";

    fn segment(id: u32) -> String {
        format!(r#"{{"name":"shop","id":"{id:016x}","trace_id":"{TRACE}","start_time":1.5,"end_time":2}}"#)
    }

    fn send(daemon: &Daemon, document: &str) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&[HEADER, document.as_bytes()].concat(), daemon.address()).unwrap();
    }

    #[test]
    fn documents_come_in_order_and_are_taken_once() {
        let daemon = Daemon::start();
        for id in 0..20 {
            send(&daemon, &segment(id));
        }
        let documents = daemon.documents(20, PATIENCE);
        assert_eq!(documents[7].bytes(), segment(7).as_bytes());
        assert_eq!(daemon.take().len(), 20);
        assert_eq!(daemon.take().len(), 0);
        assert_eq!(daemon.received(), 20);
        daemon.assert_valid();
    }

    #[test]
    fn invalid_documents_are_kept_and_reported() {
        let daemon = Daemon::start();
        send(&daemon, "{\"name\":\"no more\"}");
        send(&daemon, &segment(1).replace("shop", "sh*p"));
        send(&daemon, &format!("{}\n", segment(2)));
        let id_last = segment(3).replace(",\"id\":\"0000000000000003\"", "").replace(
            "\"start_time\"",
            "\"subsegments\":[{\"id\":\"0000000000000004\",\"name\":\"x\",\"start_time\":1,\"end_time\":2}],\"id\":\"0000000000000003\",\"start_time\"",
        );
        send(&daemon, &id_last);
        assert_eq!(daemon.take().len(), 3);
        let violations = daemon.violations();
        for (number, part) in [(1, "required"), (2, "/name"), (3, "exactly one JSON object"), (4, "the first id")] {
            let found =
                violations.iter().any(|line| line.starts_with(&format!("datagram {number}: ")) && line.contains(part));
            assert!(found, "{number} {part}: {violations:#?}");
        }
    }

    #[test]
    #[should_panic(expected = "0 of 1 documents")]
    fn waiting_in_vain_is_said() {
        Daemon::start().documents(1, Duration::from_millis(1));
    }

    #[test]
    fn it_restarts_on_the_same_port() {
        let mut daemon = Daemon::with_default_buffer();
        let address = daemon.address();
        send(&daemon, &segment(1));
        daemon.stop();
        send(&daemon, &segment(2));
        assert_eq!(daemon.received(), 1, "what is sent before counts, what is sent meanwhile is lost");
        daemon.restart();
        assert_eq!(daemon.address(), address);
        send(&daemon, &segment(3));
        assert_eq!(daemon.take().len(), 2);
        daemon.assert_valid();
    }

    #[test]
    fn the_deepest_document_is_judged() {
        let mut document = String::new();
        let mut depth = 0;
        while document.len() + 2 * depth < 65_300 {
            write!(document, r#"{{"name":"n","id":"{depth:016x}","#).unwrap();
            if depth == 0 {
                write!(document, r#""trace_id":"{TRACE}","#).unwrap();
            }
            document.push_str(r#""start_time":1.5,"end_time":2,"subsegments":["#);
            depth += 1;
        }
        document.push_str(&"]}".repeat(depth));
        let daemon = Daemon::start();
        send(&daemon, &document);
        let documents = daemon.documents(1, PATIENCE);
        let deepest = Forest::of(&documents).text().lines().last().map(str::len);
        assert_eq!(deepest, Some(2 * (depth - 1) + 1));
        daemon.assert_valid();
    }
}
