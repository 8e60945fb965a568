//! The sockets and the threads: one receives, one answers calls, one shows what is finished.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::sampling::{Sampling, SamplingEvent, SamplingRules};
use crate::server::{self, Listener};
use crate::shelf::Limits;
use crate::store::Store;
use crate::trace::Trace;

/// Takes documents on a UDP port and answers calls for sampling on the TCP port of the same number, as the daemon
/// does, until it is dropped.
///
/// Dropping it reads what was sent so far, shows every trace which was not shown in its last state, finished or not,
/// and joins its threads: a program that sends, drops and ends loses nothing.
pub struct Receiver {
    address: SocketAddr,
    store: Store,
    stopping: Arc<AtomicBool>,
    receiving: Option<JoinHandle<()>>,
    serving: Option<JoinHandle<()>>,
    showing: Option<JoinHandle<()>>,
}

/// What a [`Receiver`] shall do; begun by [`Receiver::builder`].
#[must_use]
#[derive(Default)]
pub struct ReceiverBuilder {
    limits: Limits,
    viewers: Vec<Viewer>,
    rules: SamplingRules,
    on_sampling: Option<Listener>,
}

type Viewer = Box<dyn FnMut(&Trace) + Send>;

impl Receiver {
    /// A receiver that only keeps what it receives; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// As [`ReceiverBuilder::bind`].
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Receiver> {
        Receiver::builder().bind(address)
    }

    /// Begins to configure a receiver.
    pub fn builder() -> ReceiverBuilder {
        ReceiverBuilder::default()
    }

    /// Where it listens: the daemon address for the SDK.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The traces it has; a clone outlives the receiver.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Waits until so many traces were shown since the receiver began, the work of every `on_trace` included; false
    /// when time was up before. An update of a trace does not count.
    pub fn wait_for(&self, traces: usize, timeout: Duration) -> bool {
        self.store.wait_for(traces, timeout)
    }
}

impl ReceiverBuilder {
    /// Gives each finished trace to `view`, and again as an update when more of it came; each call adds one.
    ///
    /// It runs on a thread of its own, so a slow terminal does not lose datagrams. [`printer`](crate::printer) makes
    /// one that prints waterfalls.
    pub fn on_trace(mut self, view: impl FnMut(&Trace) + Send + 'static) -> Self {
        self.viewers.push(Box::new(view));
        self
    }

    /// Keeps about so many bytes, 64 MiB unless told; the traces that were quiet for longest go first.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.limits.memory = bytes;
        self
    }

    /// Takes a trace for finished when nothing came for so long, nothing is in progress and no parent is missing; 200 ms
    /// unless told.
    pub fn quiet(mut self, quiet: Duration) -> Self {
        self.limits.quiet = quiet;
        self
    }

    /// Shows an unfinished trace when nothing came for so long; 5 s unless told.
    ///
    /// It is also how long a trace waits for the caller of its first segment, which a caller that is not traced here
    /// never sends.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.limits.patience = patience;
        self
    }

    /// Gives these sampling rules to SDKs that ask for them; X-Ray's default rule alone unless told.
    ///
    /// Rules from a file follow it: it is read again at each call of a client, which comes every ten seconds, and
    /// after a change clients are told to fetch the rules again. Of the reservoir of a rule each client that makes
    /// use of it gets a share.
    pub fn rules(mut self, rules: SamplingRules) -> Self {
        self.rules = rules;
        self
    }

    /// Gives to `tell` what happens in sampling: reports of clients, changes of the rules file. Unless told, only a
    /// change that cannot be used is said, on standard error.
    ///
    /// It runs after the answer, on the thread of the connection: several may call it at once.
    pub fn on_sampling(mut self, tell: impl Fn(&SamplingEvent) + Send + Sync + 'static) -> Self {
        self.on_sampling = Some(Box::new(tell));
        self
    }

    /// Opens both sockets and begins to receive.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, most likely as the daemon or another receiver has it, or a thread cannot be begun.
    pub fn bind(self, address: impl ToSocketAddrs) -> io::Result<Receiver> {
        let (socket, listener) = bind(address)?;
        socket.set_read_timeout(Some(GLANCE))?;
        let address = socket.local_addr()?;
        let store = Store::with_limits(self.limits);
        let stopping = Arc::new(AtomicBool::new(false));
        // Whole from the start, so that an early return stops what already runs.
        let mut receiver = Receiver { address, store, stopping, receiving: None, serving: None, showing: None };
        let (store, viewers) = (receiver.store.clone(), self.viewers);
        receiver.showing = Some(spawn("xray-local-show", move || show(&store, viewers))?);
        let (store, stopping) = (receiver.store.clone(), Arc::clone(&receiver.stopping));
        receiver.receiving = Some(spawn("xray-local-receive", move || receive(&socket, &store, &stopping))?);
        let (sampling, stopping) = (Sampling::new(self.rules), Arc::clone(&receiver.stopping));
        let tell = self.on_sampling.unwrap_or_else(|| Box::new(complain));
        let serve = move || server::serve(&listener, &sampling, &tell, &stopping);
        receiver.serving = Some(spawn("xray-local-listen", serve)?);
        Ok(receiver)
    }
}

/// Both kinds of socket on one port.
fn bind(address: impl ToSocketAddrs) -> io::Result<(UdpSocket, TcpListener)> {
    let mut attempts = 16;
    loop {
        let socket = UdpSocket::bind(&address)?;
        attempts -= 1;
        match TcpListener::bind(socket.local_addr()?) {
            Ok(listener) => return Ok((socket, listener)),
            // A port that is free for the one may be taken for the other. Where any will do, the next one is free.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
            Err(error) => return Err(error),
        }
    }
}

fn complain(event: &SamplingEvent) {
    if let SamplingEvent::RulesRefused(_) = event {
        eprintln!("xray-local: {event}");
    }
}

/// How often a receiver looks whether it shall stop, should the datagram that wakes it be lost.
const GLANCE: Duration = Duration::from_millis(500);

/// How many datagrams are still read after the end was announced: more than a socket's buffer holds.
const LAST_DATAGRAMS: usize = 10_000;

fn receive(socket: &UdpSocket, store: &Store, stopping: &AtomicBool) {
    // The largest datagram there is: none is cut off.
    let mut buffer = vec![0; 64 * 1024];
    let mut last = LAST_DATAGRAMS;
    let mut draining = false;
    while last > 0 {
        if !draining && stopping.load(Ordering::Acquire) {
            // What was sent to loopback before now is in the socket's buffer. A refusal leaves the read timeout, which
            // does the same more slowly.
            _ = socket.set_nonblocking(true);
            draining = true;
        }
        match socket.recv(&mut buffer) {
            // Refusals are counted by the store.
            Ok(length) => _ = store.accept(&buffer[..length]),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut if draining => return,
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {}
                // No error ends a receiver; one that stays must not take a whole core.
                _ => thread::sleep(GLANCE / 10),
            },
        }
        last -= usize::from(draining);
    }
}

fn show(store: &Store, mut viewers: Vec<Viewer>) {
    while let Some(traces) = store.next_shown() {
        for trace in traces {
            for view in &mut viewers {
                // The panic hook has reported it; the next trace may do better.
                _ = catch_unwind(AssertUnwindSafe(|| view(&trace)));
            }
            if !trace.is_update() {
                store.count_shown();
            }
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        if let Some(receiving) = self.receiving.take() {
            wake(self.address);
            _ = receiving.join();
        }
        if let Some(serving) = self.serving.take() {
            // Should it fail, then for a reason that ends the wait as well: too many connections or files.
            _ = TcpStream::connect_timeout(&reachable(self.address), GLANCE);
            _ = serving.join();
        }
        self.store.stop();
        if let Some(showing) = self.showing.take() {
            _ = showing.join();
        }
    }
}

/// Sends an empty datagram, which is ignored, but ends the wait for one.
fn wake(address: SocketAddr) {
    let from = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    _ = UdpSocket::bind(from).and_then(|socket| socket.send_to(&[], reachable(address)));
}

/// One cannot send to "any address".
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("address", &self.address).field("store", &self.store).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReceiverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReceiverBuilder { limits, viewers, rules, on_sampling: _ } = self;
        let mut debug = f.debug_struct("ReceiverBuilder");
        debug.field("limits", limits).field("viewers", &viewers.len()).field("rules", rules).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_cross_threads() {
        fn send_and_sync<T: Send + Sync>() {}
        send_and_sync::<Receiver>();
        send_and_sync::<Store>();
        send_and_sync::<Trace>();
    }
}
