//! The sockets and the threads: one receives documents, one serves sampling calls, one shows finished traces.

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

/// Receives documents on a UDP port and serves sampling calls on the TCP port with the same number, like the X-Ray
/// daemon, until it is dropped.
///
/// Dropping a receiver reads everything that has already been sent, shows every trace whose latest state has not been
/// shown, finished or not, and joins its threads. A program that sends, drops the receiver and exits loses nothing.
pub struct Receiver {
    address: SocketAddr,
    store: Store,
    stopping: Arc<AtomicBool>,
    receiving: Option<JoinHandle<()>>,
    serving: Option<JoinHandle<()>>,
    showing: Option<JoinHandle<()>>,
}

/// Configures a [`Receiver`]; created by [`Receiver::builder`].
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
    /// Creates a receiver that only stores traces. Port 0 chooses a free port.
    ///
    /// # Errors
    ///
    /// The same as for [`ReceiverBuilder::bind`].
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Receiver> {
        Receiver::builder().bind(address)
    }

    /// Returns a builder with the default configuration.
    pub fn builder() -> ReceiverBuilder {
        ReceiverBuilder::default()
    }

    /// Returns the address it listens on, which is the daemon address to configure in the SDK.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the store of received traces. A clone of it outlives the receiver.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Waits until this many traces have been shown since the receiver started and every `on_trace` callback has
    /// returned for them. Updates of a trace do not count.
    ///
    /// Returns false if the timeout elapses first.
    pub fn wait_for(&self, traces: usize, timeout: Duration) -> bool {
        self.store.wait_for(traces, timeout)
    }
}

impl ReceiverBuilder {
    /// Adds a callback that receives each finished trace, and receives it again as an update when more of it arrives.
    ///
    /// Each call of this method adds a callback; without one, traces are only stored. Callbacks run on a separate
    /// thread, so a slow terminal does not cause lost datagrams. [`printer`](crate::printer) creates a callback that
    /// prints waterfalls.
    pub fn on_trace(mut self, view: impl FnMut(&Trace) + Send + 'static) -> Self {
        self.viewers.push(Box::new(view));
        self
    }

    /// Limits the memory for traces, in bytes (default: 64 MiB). The limit is approximate.
    ///
    /// When it is exceeded, the receiver drops the traces that have been idle for the longest time. Calling this again
    /// replaces the limit.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.limits.memory = bytes;
        self
    }

    /// Sets how long a complete trace must be idle before it counts as finished and is shown (default: 200 ms).
    ///
    /// A trace is complete when it has no entity in progress and no missing parent. Calling this again replaces the
    /// value.
    pub fn settle_time(mut self, settle_time: Duration) -> Self {
        self.limits.settle_time = settle_time;
        self
    }

    /// Sets how long an incomplete trace must be idle before it is shown as it is (default: 5 s).
    ///
    /// This is also how long a trace waits for the caller of its first segment. If the caller does not send its
    /// documents to this receiver, the trace is always shown after this time. Calling this again replaces the value.
    pub fn idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.limits.idle_timeout = idle_timeout;
        self
    }

    /// Sets the sampling rules to serve to SDKs (default: only X-Ray's default rule).
    ///
    /// Rules from a file are reloaded when it changes: the file is read again on each call of a client, and clients
    /// call every ten seconds. The next response asks them to fetch the changed rules. All clients that use a rule
    /// share its reservoir. Calling this again replaces the rules.
    pub fn rules(mut self, rules: SamplingRules) -> Self {
        self.rules = rules;
        self
    }

    /// Sets a callback for sampling events: reports of clients and changes of the rules file.
    ///
    /// By default, the receiver prints only invalid changes of the rules file, to standard error. The callback runs on
    /// the thread of a connection after the response was sent, possibly on several threads at once. Calling this again
    /// replaces the callback.
    pub fn on_sampling(mut self, listener: impl Fn(&SamplingEvent) + Send + Sync + 'static) -> Self {
        self.on_sampling = Some(Box::new(listener));
        self
    }

    /// Opens both sockets and starts receiving.
    ///
    /// # Errors
    ///
    /// Returns an error if the address cannot be bound, usually because the daemon or another receiver uses it, or if a
    /// thread cannot be started.
    pub fn bind(self, address: impl ToSocketAddrs) -> io::Result<Receiver> {
        let (socket, listener) = bind(address)?;
        socket.set_read_timeout(Some(STOP_CHECK))?;
        let address = socket.local_addr()?;
        let store = Store::with_limits(self.limits);
        let stopping = Arc::new(AtomicBool::new(false));
        // Complete from the start, so that dropping it on an early return stops the threads that already run.
        let mut receiver = Receiver { address, store, stopping, receiving: None, serving: None, showing: None };
        let (store, viewers) = (receiver.store.clone(), self.viewers);
        receiver.showing = Some(spawn("xray-local-show", move || show(&store, viewers))?);
        let (store, stopping) = (receiver.store.clone(), Arc::clone(&receiver.stopping));
        receiver.receiving = Some(spawn("xray-local-receive", move || receive(&socket, &store, &stopping))?);
        let (sampling, stopping) = (Sampling::new(self.rules), Arc::clone(&receiver.stopping));
        let on_event = self.on_sampling.unwrap_or_else(|| Box::new(print_refused_rules));
        let serve = move || server::serve(&listener, &sampling, &on_event, &stopping);
        receiver.serving = Some(spawn("xray-local-listen", serve)?);
        Ok(receiver)
    }
}

/// Binds a UDP and a TCP socket to the same port.
fn bind(address: impl ToSocketAddrs) -> io::Result<(UdpSocket, TcpListener)> {
    let mut attempts = 16;
    loop {
        let socket = UdpSocket::bind(&address)?;
        attempts -= 1;
        match TcpListener::bind(socket.local_addr()?) {
            Ok(listener) => return Ok((socket, listener)),
            // A port that is free for UDP may be in use for TCP. With port 0 the next attempt gets another port.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
            Err(error) => return Err(error),
        }
    }
}

fn print_refused_rules(event: &SamplingEvent) {
    if let SamplingEvent::RulesRefused(_) = event {
        eprintln!("xray-local: {event}");
    }
}

/// How often a receiver checks whether it should stop, in case the datagram that wakes it is lost.
const STOP_CHECK: Duration = Duration::from_millis(500);

/// How many datagrams are read after the receiver was asked to stop: more than a socket's buffer holds.
const LAST_DATAGRAMS: usize = 10_000;

fn receive(socket: &UdpSocket, store: &Store, stopping: &AtomicBool) {
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
        match socket.recv(&mut buffer) {
            // The store counts refused datagrams.
            Ok(length) => _ = store.accept(&buffer[..length]),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut if draining => return,
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {}
                // No error ends a receiver. A permanent error must not keep a core busy.
                _ => thread::sleep(STOP_CHECK / 10),
            },
        }
        last -= usize::from(draining);
    }
}

fn show(store: &Store, mut viewers: Vec<Viewer>) {
    while let Some(traces) = store.next_shown() {
        for trace in traces {
            for view in &mut viewers {
                // The panic hook has already reported the panic; later traces are still shown.
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
            // Wakes the thread from `accept`. The possible reasons for a failure, too many connections or open files,
            // also end its wait.
            _ = TcpStream::connect_timeout(&reachable(self.address), STOP_CHECK);
            _ = serving.join();
        }
        self.store.stop();
        if let Some(showing) = self.showing.take() {
            _ = showing.join();
        }
    }
}

/// Sends an empty datagram, which is ignored but wakes the receiving thread.
fn wake(address: SocketAddr) {
    let from = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    _ = UdpSocket::bind(from).and_then(|socket| socket.send_to(&[], reachable(address)));
}

/// Replaces an unspecified IP address, to which nothing can be sent, with loopback.
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
    fn public_types_are_send_and_sync() {
        fn send_and_sync<T: Send + Sync>() {}
        send_and_sync::<Receiver>();
        send_and_sync::<Store>();
        send_and_sync::<Trace>();
    }
}
