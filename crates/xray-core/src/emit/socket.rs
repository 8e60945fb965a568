//! The socket: sends one document, and knows what the kernel's answers mean.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::address::Endpoint;
use super::resolve::{Resolved, Resolver};
use crate::diagnostics::{Cause, Diagnostics};
use crate::document::Document;
use crate::stats::Counters;

/// A UDP socket to the daemon, opened at the first document and again when the daemon has moved.
///
/// It is connected: only so does the kernel tell that nobody listens.
#[derive(Debug)]
pub(super) struct Socket {
    endpoint: Endpoint,
    resolver: Resolver,
    open: Mutex<Option<Open>>,
    counters: Arc<Counters>,
    diagnostics: Diagnostics,
}

#[derive(Debug)]
struct Open {
    to: SocketAddr,
    socket: Arc<UdpSocket>,
}

/// What became of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is sent, or dropped for good; either way it is counted.
    Settled,
    /// Not yet: the kernel's send buffer is full.
    Full,
    /// Not yet: the daemon's name is being looked up for the first time.
    Unresolved,
}

impl Socket {
    pub(super) fn new(endpoint: Endpoint, counters: Arc<Counters>, diagnostics: Diagnostics) -> Socket {
        let resolver = Resolver::new(&endpoint, diagnostics.clone());
        Socket { endpoint, resolver, open: Mutex::default(), counters, diagnostics }
    }

    /// Sends a document, giving the first lookup of the daemon's name some time.
    pub(super) fn send_within(&self, timeout: Duration, document: &Document) -> Sent {
        self.send_to(self.resolver.resolve_within(timeout), document)
    }

    /// Gives a document up.
    pub(super) fn give_up(&self, why: &str) {
        self.counters.dropped_unsent.add(1);
        self.diagnostics.warn(Cause::Unsent, format_args!("a document for {} was dropped: {why}", self.endpoint));
    }

    fn send_to(&self, resolved: Resolved, document: &Document) -> Sent {
        let to = match resolved {
            Resolved::Known(to) => to,
            Resolved::Pending => return Sent::Unresolved,
            Resolved::Unknown => {
                self.counters.dropped_unsent.add(1); // the resolver has told why
                return Sent::Settled;
            }
        };
        let datagram = document.datagram();
        match self.socket(to).and_then(|socket| self.transmit(&socket, datagram)) {
            Ok(_) => {
                self.counters.emitted.add(1);
                self.counters.bytes.add(datagram.len() as u64);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Sent::Full,
            Err(error) if error.raw_os_error() == Some(MESSAGE_TOO_LARGE) => {
                self.counters.dropped_oversize.add(1);
                let size = datagram.len();
                self.diagnostics
                    .error(Cause::Oversize, format_args!("a document of {size} bytes is too large to send"));
            }
            Err(error) => self.fail(&error),
        }
        Sent::Settled
    }

    fn transmit(&self, socket: &UdpSocket, datagram: &[u8]) -> io::Result<usize> {
        match socket.send(datagram) {
            // This is the answer to an earlier datagram; the present one was not sent. It has now been told,
            // so the next call sends again: no reason to close, the daemon may be back any time.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                self.counters.refused.add(1);
                self.diagnostics
                    .warn(Cause::DaemonAbsent, format_args!("no X-Ray daemon listens at {}", self.endpoint));
                socket.send(datagram)
            }
            result => result,
        }
    }

    fn fail(&self, error: &io::Error) {
        // A connected socket keeps the local address it chose first. That may be gone when the host changed
        // networks, so the next document tries a new socket.
        if error.kind() != ErrorKind::ConnectionRefused {
            *self.lock() = None;
        }
        self.give_up(&error.to_string());
    }

    /// The socket for this address. It is cloned out, so that nothing is locked while sending and reporting.
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

fn connect(to: SocketAddr) -> io::Result<UdpSocket> {
    // A socket of one family cannot send to the other.
    let any = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(to)?;
    Ok(socket)
}

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

    fn socket(to: &str) -> (Socket, Arc<Counters>, Arc<Mutex<Vec<String>>>) {
        let (counters, lines) = (Arc::new(Counters::default()), Arc::new(Mutex::new(Vec::new())));
        let sink = lines.clone();
        let logger: Logger = Arc::new(move |diagnostic| sink.lock().unwrap().push(diagnostic.to_string()));
        let diagnostics = Diagnostics::new(Some(logger), Stderr::default());
        (Socket::new(to.parse().unwrap(), counters.clone(), diagnostics), counters, lines)
    }

    #[test]
    fn a_document_arrives_as_one_datagram_by_either_family() {
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
        assert_eq!(*lines.lock().unwrap(), [format!("no X-Ray daemon listens at {at}")]);

        let daemon = UdpSocket::bind(at).unwrap();
        daemon.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        for number in 10..13 {
            socket.send_within(Duration::ZERO, &document(number, 100));
        }
        assert_eq!([(); 3].map(|()| number(&receive(&daemon))), [10, 11, 12]);
        assert_eq!(counters.snapshot().refused, 4, "one report was left");
    }

    #[test]
    fn a_document_too_large_is_counted_and_its_size_told() {
        let daemon = receiver();
        let (socket, counters, lines) = socket(&daemon.local_addr().unwrap().to_string());
        assert_eq!(socket.send_within(Duration::ZERO, &document(1, 65_508)), Sent::Settled);
        assert_eq!(socket.send_within(Duration::ZERO, &document(2, 65_507)), Sent::Settled);
        let want = Stats { emitted: 1, bytes: 65_507, dropped_oversize: 1, ..Stats::default() };
        assert_eq!(counters.snapshot(), want);
        assert_eq!(*lines.lock().unwrap(), ["a document of 65508 bytes is too large to send"]);
        assert_eq!(number(&receive(&daemon)), 2);
    }

    #[test]
    fn an_address_that_cannot_be_reached_costs_the_document_only() {
        // A broadcast needs a permission that this socket has not.
        let (socket, counters, lines) = socket("255.255.255.255:2000");
        assert_eq!(socket.send_within(Duration::ZERO, &document(1, 100)), Sent::Settled);
        assert_eq!(counters.snapshot(), Stats { dropped_unsent: 1, ..Stats::default() });
        let lines = lines.lock().unwrap();
        assert!(lines[0].starts_with("a document for 255.255.255.255:2000 was dropped: "), "{lines:?}");
    }
}
