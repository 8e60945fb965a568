//! The socket: sends documents, and interprets the kernel's errors.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::address::Endpoint;
use super::outage::Outage;
use super::resolve::{Resolved, Resolver};
use super::together;
use crate::diagnostics::{Cause, Diagnostics};
use crate::document::Document;
use crate::stats::Counters;
use crate::time::Clock;

/// How long a daemon on another host must not have refused a datagram before it counts as back. Reports of refused
/// datagrams from another host arrive late, and only once a second.
const REMOTE_QUIET: Duration = Duration::from_secs(2);

/// As [`REMOTE_QUIET`], for documents that are given up for other reasons, which are often intermittent.
const UNSENT_QUIET: Duration = Duration::from_secs(10);

/// A UDP socket to the daemon. It is opened for the first document, and again when the daemon has moved.
///
/// The socket is connected, because only then does the kernel report that nothing listens.
#[derive(Debug)]
pub(super) struct Socket {
    endpoint: Endpoint,
    resolver: Resolver,
    open: Mutex<Option<Open>>,
    /// Whether a datagram was sent after the kernel's last report. If there is no further report, it has arrived.
    unreported: AtomicBool,
    counters: Arc<Counters>,
    // The reasons for which documents are lost here.
    absent: Outage,
    unresolved: Outage,
    unsent: Outage,
    diagnostics: Diagnostics,
}

/// An open socket and the address that it is connected to.
#[derive(Debug)]
struct Open {
    to: SocketAddr,
    socket: Arc<UdpSocket>,
}

/// The result of an attempt to send a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It was sent or dropped, and counted.
    Settled,
    /// Not sent yet: the kernel's send buffer is full.
    Full,
    /// Not sent yet: the daemon's name is being resolved.
    Unresolved,
}

impl Socket {
    pub(super) fn new(endpoint: Endpoint, counters: Arc<Counters>, diagnostics: Diagnostics) -> Socket {
        let resolver = Resolver::new(&endpoint, diagnostics.clone());
        Socket::with_resolver(resolver, endpoint, counters, diagnostics, Clock::system())
    }

    fn with_resolver(
        resolver: Resolver,
        endpoint: Endpoint,
        counters: Arc<Counters>,
        diagnostics: Diagnostics,
        clock: Clock,
    ) -> Socket {
        let outage = |cause| Outage::new(cause, diagnostics.clone(), clock.clone());
        Socket {
            endpoint,
            resolver,
            open: Mutex::default(),
            unreported: AtomicBool::new(false),
            counters,
            absent: outage(Cause::DaemonAbsent),
            unresolved: outage(Cause::DaemonUnresolved),
            unsent: outage(Cause::Unsent),
            diagnostics,
        }
    }

    /// Sends a document. Waits for at most `timeout` while the daemon's name is being resolved.
    pub(super) fn send_within(&self, timeout: Duration, document: &Document) -> Sent {
        let endpoint = &self.endpoint;
        let to = match self.resolver.resolve_within(timeout) {
            Resolved::Known(to) => to,
            Resolved::Pending => return Sent::Unresolved,
            Resolved::Unknown => {
                self.counters.dropped_unsent.add(1);
                let why = self.resolver.failure();
                let message = format_args!(
                    "the host name of the X-Ray daemon at {endpoint} does not resolve ({why}): documents are dropped, \
                     and the name is looked up every 5 s. Check AWS_XRAY_DAEMON_ADDRESS"
                );
                self.unresolved.lost(1, message);
                document.content().dropped(&self.diagnostics, format_args!("{endpoint} does not resolve"));
                return Sent::Settled;
            }
        };
        self.unresolved.over_after(Duration::ZERO, format_args!("{endpoint} resolves again"));
        match self.transmit(to, document) {
            Ok(sent) => sent,
            Err(error) => {
                self.give_up(document, format_args!("{error}"));
                Sent::Settled
            }
        }
    }

    /// Sends documents from the first on, with few system calls, until the kernel refuses one. Counts and returns those that
    /// it took.
    ///
    /// The others, if any, are to be sent one by one, which also finds out why. While nothing listens, all are, so that each
    /// report counts.
    pub(super) fn send_together(&self, documents: &[Document]) -> usize {
        if self.absent.is_ongoing() {
            return 0;
        }
        let Resolved::Known(to) = self.resolver.resolve_within(Duration::ZERO) else { return 0 };
        let Ok(socket) = self.socket(to) else { return 0 };
        self.unresolved.over_after(Duration::ZERO, format_args!("{} resolves again", self.endpoint));
        let mut sent = 0;
        loop {
            match together::send(&socket, &documents[sent..]) {
                Ok(0) => return sent,
                Ok(count) => {
                    self.unreported.store(true, Relaxed);
                    self.count(&documents[sent..sent + count]);
                    sent += count;
                }
                Err(error) => {
                    if error.kind() == ErrorKind::ConnectionRefused {
                        self.refused();
                        self.resolver.doubt();
                    }
                    return sent;
                }
            }
        }
    }

    /// Drops a document, and counts and logs it.
    pub(super) fn give_up(&self, document: &Document, why: fmt::Arguments<'_>) {
        self.give_up_all(1, why);
        document.content().dropped(&self.diagnostics, why);
    }

    /// Drops several documents, and counts and logs them.
    pub(super) fn give_up_all(&self, documents: u64, why: fmt::Arguments<'_>) {
        self.counters.dropped_unsent.add(documents);
        let endpoint = &self.endpoint;
        self.unsent.lost(documents, format_args!("dropped a document for {endpoint}: {why}"));
    }

    /// Asks the kernel whether the last datagram was refused, so that the loss of the last document before a pause is
    /// noticed.
    pub(super) fn check(&self) {
        let Some(open) = self.lock().as_ref().map(|open| (open.to, open.socket.clone())) else { return };
        match open.1.take_error() {
            Ok(Some(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                self.refused();
                self.resolver.doubt();
            }
            Ok(None) if self.unreported.load(Relaxed) => self.arrived(open.0),
            _ => {}
        }
    }

    /// Sends a document to this address. On an error that may belong to an earlier datagram, sends it once more.
    fn transmit(&self, to: SocketAddr, document: &Document) -> io::Result<Sent> {
        let datagram = document.datagram();
        let sent = match self.socket(to)?.send(datagram) {
            Ok(_) => {
                if self.unreported.swap(true, Relaxed) {
                    self.arrived(to);
                }
                Ok(())
            }
            Err(error) if is_full(&error) => return Ok(Sent::Full),
            Err(error) if error.raw_os_error() == Some(MESSAGE_TOO_LARGE) => return Ok(self.oversize(document)),
            // The error belongs to an earlier datagram; the present one was not sent. The socket remains usable: the
            // daemon may return at any time.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                self.refused();
                if self.resolver.doubt() {
                    return Ok(Sent::Unresolved);
                }
                self.retry(to, datagram)
            }
            // This error may belong to an earlier datagram as well. Or the host has changed networks, and the local
            // address of the connected socket no longer exists.
            Err(_) => {
                *self.lock() = None;
                self.retry(to, datagram)
            }
        };
        match sent {
            Ok(()) => {
                self.count(slice::from_ref(document));
                Ok(Sent::Settled)
            }
            Err(error) if is_full(&error) => Ok(Sent::Full),
            Err(error) => {
                *self.lock() = None;
                Err(error)
            }
        }
    }

    /// Counts documents that were sent.
    fn count(&self, documents: &[Document]) {
        self.counters.emitted.add(documents.len() as u64);
        self.counters.bytes.add(documents.iter().map(|document| document.datagram().len() as u64).sum());
        self.unsent.over_after(UNSENT_QUIET, format_args!("documents are sent to {} again", self.endpoint));
    }

    /// Sends a datagram for the second time.
    fn retry(&self, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        let sent = self.socket(to)?.send(datagram).map(drop);
        self.unreported.store(sent.is_ok(), Relaxed);
        sent
    }

    /// Counts and logs that an earlier document did not arrive.
    fn refused(&self) {
        self.unreported.store(false, Relaxed);
        self.counters.refused.add(1);
        let message = format_args!(
            "no X-Ray daemon listens at {}: documents are lost until one does. Start the daemon, or set \
             AWS_XRAY_DAEMON_ADDRESS; AWS_XRAY_SDK_DISABLED=true turns tracing off",
            self.endpoint
        );
        self.absent.lost(1, message);
    }

    /// Records that earlier documents arrived, as far as the kernel knows.
    fn arrived(&self, to: SocketAddr) {
        let quiet = if to.ip().is_loopback() { Duration::ZERO } else { REMOTE_QUIET };
        self.absent.over_after(quiet, format_args!("the X-Ray daemon at {} listens again", self.endpoint));
    }

    /// Counts and logs a document that the network does not accept because of its size.
    fn oversize(&self, document: &Document) -> Sent {
        self.counters.dropped_oversize.add(1);
        let size = document.datagram().len();
        let message = format_args!(
            "dropped a document of {size} bytes: the network to {} does not accept datagrams of that size",
            self.endpoint
        );
        self.diagnostics.error(Cause::Oversize, message);
        document
            .content()
            .dropped(&self.diagnostics, format_args!("the network does not accept datagrams of that size"));
        Sent::Settled
    }

    /// Returns the socket for this address. It is a clone, so that nothing is locked while sending and logging.
    fn socket(&self, to: SocketAddr) -> io::Result<Arc<UdpSocket>> {
        let mut open = self.lock();
        match &*open {
            Some(open) if open.to == to => Ok(open.socket.clone()),
            _ => {
                let socket = Arc::new(connect(to)?);
                *open = Some(Open { to, socket: socket.clone() });
                Ok(socket)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a non-blocking socket that is connected to the daemon.
fn connect(to: SocketAddr) -> io::Result<UdpSocket> {
    // A socket of one family cannot send to the other.
    let any = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(to)?;
    Ok(socket)
}

/// Whether the kernel currently has no room for a datagram.
fn is_full(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(NO_BUFFERS)
}

/// `ENOBUFS`, for which `std` has no name.
const NO_BUFFERS: i32 = if cfg!(windows) {
    10_055
} else if cfg!(any(target_os = "linux", target_os = "android")) {
    105
} else {
    55
};

/// `EMSGSIZE`, for which `std` has no name.
const MESSAGE_TOO_LARGE: i32 = if cfg!(windows) {
    10_040
} else if cfg!(any(target_os = "linux", target_os = "android")) {
    90
} else {
    40
};

#[cfg(test)]
mod tests {
    use super::super::samples::{document, number, receive, receiver};
    use super::*;
    use crate::diagnostics::{Logger, Stderr};
    use crate::stats::Stats;
    use crate::time::Timestamp;

    fn socket(to: &str) -> (Socket, Arc<Counters>, Arc<Mutex<Vec<String>>>) {
        let (counters, lines) = (Arc::new(Counters::default()), Arc::new(Mutex::new(Vec::new())));
        let sink = lines.clone();
        let logger: Logger = Arc::new(move |diagnostic| sink.lock().unwrap().push(diagnostic.to_string()));
        let diagnostics = Diagnostics::new(Some(logger), Stderr::default());
        (Socket::new(to.parse().unwrap(), counters.clone(), diagnostics), counters, lines)
    }

    #[test]
    fn a_document_arrives_as_one_datagram_over_ipv4_and_ipv6() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(daemon) = UdpSocket::bind(local) else { continue }; // a host without IPv6
            daemon.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let (socket, counters, _) = socket(&daemon.local_addr().unwrap().to_string());
            assert_eq!(socket.send_within(Duration::ZERO, &document(7, 300)), Sent::Settled);
            assert_eq!(receive(&daemon), document(7, 300).into_datagram());
            assert_eq!(counters.snapshot(), Stats { emitted: 1, bytes: 300, ..Stats::default() });
        }
    }

    #[test]
    fn delivery_resumes_when_the_daemon_returns_to_its_port() {
        let daemon = receiver();
        let at = daemon.local_addr().unwrap();
        drop(daemon);
        let (socket, counters, lines) = socket(&at.to_string());
        for number in 0..4 {
            assert_eq!(socket.send_within(Duration::ZERO, &document(number, 100)), Sent::Settled);
        }
        let stats = counters.snapshot();
        assert_eq!((stats.emitted, stats.dropped_unsent, stats.refused), (4, 0, 3));
        let reported = std::mem::take(&mut *lines.lock().unwrap());
        let [line] = &reported[..] else { panic!("{reported:?}") };
        assert!(line.starts_with(&format!("no X-Ray daemon listens at {at}: documents are lost")), "{line}");

        let daemon = UdpSocket::bind(at).unwrap();
        daemon.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        for number in 10..13 {
            socket.send_within(Duration::ZERO, &document(number, 100));
        }
        assert_eq!([(); 3].map(|()| number(&receive(&daemon))), [10, 11, 12]);
        assert_eq!(counters.snapshot().refused, 4, "one report was pending");
        let lines = lines.lock().unwrap();
        assert_eq!(*lines, [format!("the X-Ray daemon at {at} listens again: 4 documents were lost in 0 s")]);
    }

    #[test]
    fn the_loss_of_the_last_document_before_a_pause_is_noticed() {
        let daemon = receiver();
        let at = daemon.local_addr().unwrap();
        let (socket, counters, lines) = socket(&at.to_string());
        socket.check();
        socket.send_within(Duration::ZERO, &document(1, 100));
        socket.check();
        assert_eq!((counters.snapshot().refused, lines.lock().unwrap().len()), (0, 0));
        drop(daemon);
        socket.send_within(Duration::ZERO, &document(2, 100));
        socket.check();
        assert_eq!((counters.snapshot().refused, lines.lock().unwrap().len()), (1, 1));
        // A successful send after a report does not yet prove that the daemon is back.
        socket.send_within(Duration::ZERO, &document(3, 100));
        assert_eq!(lines.lock().unwrap().len(), 1);
        let daemon = UdpSocket::bind(at).unwrap();
        socket.send_within(Duration::ZERO, &document(4, 100));
        socket.check();
        assert_eq!(lines.lock().unwrap().len(), 2, "{lines:?}");
        drop(daemon);
    }

    #[test]
    fn a_refused_document_finds_a_daemon_that_has_moved() {
        let (first, second) = (receiver(), receiver());
        let at = Arc::new(Mutex::new(first.local_addr().unwrap()));
        let (counters, clock) = (Arc::new(Counters::default()), Clock::manual(Timestamp::from_micros(0)));
        let quiet = Diagnostics::new(None, Stderr { level: None, prefix: false });
        let (endpoint, current): (Endpoint, _) = ("daemon:2000".parse().unwrap(), at.clone());
        let lookup = Box::new(move |_: &str, _| Ok(vec![*current.lock().unwrap()]));
        let resolver = Resolver::with_lookup(&endpoint, quiet.clone(), clock.clone(), lookup);
        let socket = Socket::with_resolver(resolver, endpoint, counters.clone(), quiet, clock.clone());
        let send = |number| {
            while socket.send_within(Duration::from_secs(10), &document(number, 100)) == Sent::Unresolved {}
        };
        send(1);
        assert_eq!(number(&receive(&first)), 1);

        *at.lock().unwrap() = second.local_addr().unwrap();
        drop(first);
        clock.advance(Duration::from_secs(5));
        send(2); // lost: the kernel accepts it before it notices
        send(3);
        send(4);
        assert_eq!([(); 2].map(|()| number(&receive(&second))), [3, 4]);
        let stats = counters.snapshot();
        assert_eq!((stats.emitted, stats.refused, stats.dropped_unsent), (4, 1, 0));
    }

    #[test]
    fn a_name_that_does_not_resolve_is_one_error_and_each_document_is_counted() {
        let (socket, counters, lines) = socket("no-such-host.invalid:2000");
        for number in 0..20 {
            while socket.send_within(Duration::from_secs(10), &document(number, 100)) == Sent::Unresolved {}
        }
        assert_eq!(counters.snapshot(), Stats { dropped_unsent: 20, ..Stats::default() });
        let [line] = &lines.lock().unwrap()[..] else { panic!("{lines:?}") };
        let start = "the host name of the X-Ray daemon at no-such-host.invalid:2000 does not resolve (";
        assert!(line.starts_with(start) && line.ends_with("Check AWS_XRAY_DAEMON_ADDRESS"), "{line}");
    }

    #[test]
    fn documents_sent_together_arrive_in_order_and_count() {
        let daemon = receiver();
        let (socket, counters, _) = socket(&daemon.local_addr().unwrap().to_string());
        let documents: Vec<_> = (0..5).map(|number| document(number, 100)).collect();
        let sent = socket.send_together(&documents);
        assert_eq!(sent, 5);
        assert_eq!(Vec::from_iter((0..sent).map(|_| number(&receive(&daemon)))), Vec::from_iter(0..sent));
        let want = Stats { emitted: sent as u64, bytes: 100 * sent as u64, ..Stats::default() };
        assert_eq!(counters.snapshot(), want);
        assert_eq!(socket.send_together(&documents[..1]), 1);
    }

    #[test]
    fn what_the_kernel_refuses_ends_what_is_sent_together() {
        let daemon = receiver();
        let (socket, counters, lines) = socket(&daemon.local_addr().unwrap().to_string());
        let documents = [document(0, 100), document(1, 65_508), document(2, 100)];
        let sent = socket.send_together(&documents);
        assert!(sent <= 1, "{sent}");
        for document in &documents[sent..] {
            assert_eq!(socket.send_within(Duration::ZERO, document), Sent::Settled);
        }
        assert_eq!([(); 2].map(|()| number(&receive(&daemon))), [0, 2]);
        let stats = counters.snapshot();
        assert_eq!((stats.emitted, stats.dropped_oversize, stats.dropped_unsent), (2, 1, 0));
        assert_eq!(lines.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_refusal_of_documents_sent_together_is_noticed() {
        for count in [2, 4] {
            let daemon = receiver();
            let at = daemon.local_addr().unwrap();
            drop(daemon);
            let (socket, counters, lines) = socket(&at.to_string());
            let documents: Vec<_> = (0..count).map(|number| document(number, 100)).collect();
            let sent = socket.send_together(&documents);
            for document in &documents[sent..] {
                assert_eq!(socket.send_within(Duration::ZERO, document), Sent::Settled);
            }
            socket.check();
            let stats = counters.snapshot();
            assert_eq!((stats.emitted, stats.dropped_unsent), (count as u64, 0));
            assert!((1..=count as u64).contains(&stats.refused), "{stats:?}");
            let [line] = &lines.lock().unwrap()[..] else { panic!("{lines:?}") };
            assert!(line.starts_with(&format!("no X-Ray daemon listens at {at}: documents are lost")), "{line}");
            assert_eq!(socket.send_together(&documents), 0, "each report counts");
        }
    }

    #[test]
    fn a_refusal_is_noticed_by_documents_sent_together() {
        let daemon = receiver();
        let (socket, counters, _) = socket(&daemon.local_addr().unwrap().to_string());
        drop(daemon);
        socket.send_within(Duration::ZERO, &document(0, 100));
        assert_eq!(socket.send_together(&[document(1, 100), document(2, 100)]), 0);
        assert_eq!(counters.snapshot().refused, 1);
    }

    #[test]
    fn an_oversized_document_is_counted_and_its_size_logged() {
        let daemon = receiver();
        let (socket, counters, lines) = socket(&daemon.local_addr().unwrap().to_string());
        assert_eq!(socket.send_within(Duration::ZERO, &document(1, 65_508)), Sent::Settled);
        assert_eq!(socket.send_within(Duration::ZERO, &document(2, 65_507)), Sent::Settled);
        let want = Stats { emitted: 1, bytes: 65_507, dropped_oversize: 1, ..Stats::default() };
        assert_eq!(counters.snapshot(), want);
        assert_eq!(
            *lines.lock().unwrap(),
            [format!(
                "dropped a document of 65508 bytes: the network to {} does not accept datagrams of that size",
                daemon.local_addr().unwrap()
            )]
        );
        assert_eq!(number(&receive(&daemon)), 2);
    }

    #[test]
    fn an_unreachable_address_loses_only_the_document() {
        // A broadcast requires a permission that this socket does not have.
        let (socket, counters, lines) = socket("255.255.255.255:2000");
        assert_eq!(socket.send_within(Duration::ZERO, &document(1, 100)), Sent::Settled);
        assert_eq!(counters.snapshot(), Stats { dropped_unsent: 1, ..Stats::default() });
        let lines = lines.lock().unwrap();
        assert!(lines[0].starts_with("dropped a document for 255.255.255.255:2000: "), "{lines:?}");
    }
}
