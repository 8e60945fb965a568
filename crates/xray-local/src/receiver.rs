//! The sockets and the threads: two for documents, one for the page and the calls, one that shows finished traces.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::filter::{Filter, FilterError, TraceView, select};
use crate::ingest::{Forward, ForwardTo, Ingest, spawn, widen};
use crate::store::{Limits, Store};
use crate::trace::Trace;

#[cfg(feature = "store")]
use crate::store::File;
#[cfg(feature = "web")]
use crate::{
    api::Settings,
    sampling::{Listener, Sampling, SamplingEvent, SamplingRules},
    web::{App, Server},
};

/// Receives documents on a UDP port like the X-Ray daemon, until it is dropped. With the feature `web` it also serves a
/// page, sampling rules and the query API on the TCP port with the same number.
///
/// Dropping a receiver reads everything that has already been sent, shows every trace whose latest state has not been
/// shown, finished or not, and joins its threads. A program that sends, drops the receiver and exits loses nothing.
pub struct Receiver {
    address: SocketAddr,
    buffer: usize,
    store: Store,
    forward: Arc<Forward>,
    ingest: Option<Ingest>,
    #[cfg(feature = "web")]
    server: Option<Server>,
    showing: Option<JoinHandle<()>>,
    writing: Option<JoinHandle<()>>,
}

/// Configures a [`Receiver`]; created by [`Receiver::builder`].
#[must_use]
#[derive(Default)]
pub struct ReceiverBuilder {
    limits: Limits,
    viewers: Vec<Viewer>,
    forward: ForwardTo,
    #[cfg(feature = "store")]
    file: Option<std::path::PathBuf>,
    #[cfg(feature = "store")]
    retention: crate::store::Retention,
    #[cfg(feature = "web")]
    web: Web,
}

/// The configuration of the TCP side.
#[cfg(feature = "web")]
#[derive(Default)]
struct Web {
    rules: SamplingRules,
    on_sampling: Option<Listener>,
    hosts: Vec<String>,
    ui: Option<std::path::PathBuf>,
    strict: bool,
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

    /// Returns the size of the UDP socket's receive buffer in bytes. The receiver asks for 4 MiB; a system that permits
    /// less may lose datagrams in bursts.
    pub fn receive_buffer(&self) -> usize {
        self.buffer
    }

    /// Returns the traces that match a filter expression, the one that has been idle for the longest time first. The empty
    /// expression matches every trace.
    ///
    /// # Errors
    ///
    /// Returns an error with a position if the expression cannot be used.
    pub fn traces(&self, filter: &str) -> Result<Vec<Trace>, FilterError> {
        let filter = Filter::parse(filter, self.store.groups())?;
        let matches =
            |trace: &crate::store::Summarized| filter.matches(&TraceView::new(trace.id, &trace.summary, &self.store));
        let mut found = self.store.summaries(0);
        select(&mut found, matches);
        Ok(found.into_iter().filter_map(|trace| self.store.get(trace.id)).collect())
    }

    /// Returns the address of the page that shows the traces, such as `http://127.0.0.1:2000`.
    #[cfg(feature = "web")]
    #[cfg_attr(docsrs, doc(cfg(feature = "web")))]
    pub fn page(&self) -> String {
        format!("http://{}", reachable(self.address))
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
    /// When it is exceeded, the service with the largest share loses the traces that have been idle for the longest time, so
    /// a busy service does not displace the others. Calling this again replaces the limit.
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

    /// Limits the number of traces (default: 100,000). Calling this again replaces the limit.
    pub fn max_traces(mut self, traces: usize) -> Self {
        self.limits.traces = traces;
        self
    }

    /// Also sends each datagram to a daemon, as it arrived, and documents of `PutTraceSegments`. Calling this again replaces the daemon.
    ///
    /// A slow daemon does not delay the receiver: what it cannot take is counted in
    /// [`Stats::not_forwarded`](crate::Stats::not_forwarded), and so is what its system refuses because no daemon runs.
    pub fn forward(mut self, daemon: SocketAddr) -> Self {
        self.forward.daemon = Some(daemon);
        self
    }

    /// Also sends documents to a receiver of OpenTelemetry's protocol, as spans: `docs/otlp.md` in the repository
    /// describes the mapping. `/v1/traces` is appended to a URL without a path. Calling this again replaces the receiver.
    ///
    /// A segment is sent when it is finished, and once, because OTLP cannot replace a span: documents in progress and
    /// copies are left out. Documents are sent in batches and retried for a minute; what cannot be sent is counted in
    /// [`Stats::not_forwarded`](crate::Stats::not_forwarded). [`bind`](ReceiverBuilder::bind) returns an error if the URL
    /// is invalid or not `http`.
    #[cfg(feature = "otlp")]
    #[cfg_attr(docsrs, doc(cfg(feature = "otlp")))]
    pub fn forward_otlp(mut self, endpoint: impl Into<String>) -> Self {
        self.forward.otlp = Some(endpoint.into());
        self
    }

    /// Keeps traces in a file, from which they are read again when a receiver is opened with it later. Calling this again
    /// replaces the file.
    ///
    /// The file is created if it does not exist. Documents are synced to the disk within milliseconds of their arrival.
    /// If the disk is full or fails, traces stay in memory, and the receiver tries to open the file again every five
    /// seconds. [`bind`](ReceiverBuilder::bind) returns an error if the file has another format or is open elsewhere.
    #[cfg(feature = "store")]
    #[cfg_attr(docsrs, doc(cfg(feature = "store")))]
    pub fn store_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Limits the size of the store file in bytes (default: 1 GiB). The limit is approximate. Calling this again replaces
    /// the limit.
    #[cfg(feature = "store")]
    #[cfg_attr(docsrs, doc(cfg(feature = "store")))]
    pub fn max_store(mut self, bytes: u64) -> Self {
        self.retention.bytes = bytes;
        self
    }

    /// Sets how long a trace is kept in the store file after its last document (default: without limit). Calling this
    /// again replaces the age.
    #[cfg(feature = "store")]
    #[cfg_attr(docsrs, doc(cfg(feature = "store")))]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.retention.age = Some(age);
        self
    }

    /// Permits a further host name in requests to the page and the calls, such as the name of a container.
    ///
    /// Without it, requests must name `localhost`, a name below it, a loopback address or the address that was bound.
    /// Each call of this method adds a name.
    #[cfg(feature = "web")]
    #[cfg_attr(docsrs, doc(cfg(feature = "web")))]
    pub fn allow_host(mut self, name: impl Into<String>) -> Self {
        self.web.hosts.push(name.into());
        self
    }

    /// Serves the page's files from a folder instead of the embedded ones, to develop the page. Calling this again
    /// replaces the folder.
    #[cfg(feature = "web")]
    #[cfg_attr(docsrs, doc(cfg(feature = "web")))]
    pub fn ui(mut self, folder: impl Into<std::path::PathBuf>) -> Self {
        self.web.ui = Some(folder.into());
        self
    }

    /// Applies the limits of the X-Ray service to calls of its API, to find out whether a program respects them
    /// (default: false). Calling this again replaces the value.
    ///
    /// With it, `BatchGetTraces` and `GetTraceGraph` accept at most five traces, `BatchGetTraces` no token, there are at
    /// most 25 sampling rules besides `Default` and 25 groups, and a new rule must have all members that the service
    /// requires.
    #[cfg(feature = "web")]
    #[cfg_attr(docsrs, doc(cfg(feature = "web")))]
    pub fn strict(mut self, strict: bool) -> Self {
        self.web.strict = strict;
        self
    }

    /// Sets the sampling rules to serve to SDKs (default: only X-Ray's default rule).
    ///
    /// Rules from a file are reloaded when it changes: the file is read again on each call of a client, and clients
    /// call every ten seconds. The next response asks them to fetch the changed rules. All clients that use a rule
    /// share its reservoir. Calling this again replaces the rules.
    #[cfg(feature = "web")]
    #[cfg_attr(docsrs, doc(cfg(feature = "web")))]
    pub fn rules(mut self, rules: SamplingRules) -> Self {
        self.web.rules = rules;
        self
    }

    /// Sets a callback for sampling events: reports of clients and changes of the rules file.
    ///
    /// By default, the receiver prints only invalid changes of the rules file, to standard error. The callback runs on
    /// the thread of the call before the response is sent, possibly on several threads at once. Calling this again
    /// replaces the callback.
    #[cfg(feature = "web")]
    #[cfg_attr(docsrs, doc(cfg(feature = "web")))]
    pub fn on_sampling(mut self, listener: impl Fn(&SamplingEvent) + Send + Sync + 'static) -> Self {
        self.web.on_sampling = Some(Box::new(listener));
        self
    }

    /// Opens the sockets and starts receiving.
    ///
    /// # Errors
    ///
    /// Returns an error if the address cannot be bound, usually because the daemon or another receiver uses it, or if a
    /// thread cannot be started.
    pub fn bind(self, address: impl ToSocketAddrs) -> io::Result<Receiver> {
        #[cfg(feature = "web")]
        let (socket, listener) = bind(address)?;
        #[cfg(not(feature = "web"))]
        let socket = UdpSocket::bind(address)?;
        let buffer = widen(&socket)?;
        let address = socket.local_addr()?;
        #[cfg(feature = "store")]
        let store = {
            let open = |path| File::open(path, self.retention);
            Store::with_file(self.limits, self.file.as_deref().map(open).transpose()?)
        };
        #[cfg(not(feature = "store"))]
        let store = Store::with_limits(self.limits);
        let forward = Arc::new(self.forward.start(&store)?);
        // Complete from the start, so that dropping it on an early return stops the threads that already run.
        let mut receiver = Receiver {
            address,
            buffer,
            store,
            forward: Arc::clone(&forward),
            ingest: None,
            #[cfg(feature = "web")]
            server: None,
            showing: None,
            writing: None,
        };
        if receiver.store.file().is_some() {
            let store = receiver.store.clone();
            receiver.writing = Some(spawn("xray-local-store", move || store.write_file())?);
        }
        let (store, viewers) = (receiver.store.clone(), self.viewers);
        receiver.showing = Some(spawn("xray-local-show", move || show(&store, viewers))?);
        receiver.ingest = Some(Ingest::start(socket, &receiver.store, Arc::clone(&forward))?);
        #[cfg(feature = "web")]
        {
            let Web { rules, on_sampling, hosts, ui, strict } = self.web;
            let saved_rules = receiver.store.saved(crate::api::RULES);
            let app = App {
                store: receiver.store.clone(),
                forward,
                sampling: Sampling::new(rules.restored(saved_rules)),
                settings: Settings { strict, ..Settings::default() },
                on_sampling: on_sampling.unwrap_or_else(|| Box::new(print_refused_rules)),
                address,
                hosts,
                ui,
                started: std::time::Instant::now(),
                buffer,
            };
            crate::api::restore(&app);
            receiver.server = Some(Server::start(listener, app)?);
        }
        Ok(receiver)
    }
}

/// Binds a UDP and a TCP socket to the same port.
#[cfg(feature = "web")]
fn bind(address: impl ToSocketAddrs) -> io::Result<(UdpSocket, std::net::TcpListener)> {
    let mut attempts = 16;
    loop {
        let socket = UdpSocket::bind(&address)?;
        attempts -= 1;
        match std::net::TcpListener::bind(socket.local_addr()?) {
            Ok(listener) => return Ok((socket, listener)),
            // A port that is free for UDP may be in use for TCP. With port 0 the next attempt gets another port.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(feature = "web")]
fn print_refused_rules(event: &SamplingEvent) {
    if let SamplingEvent::RulesRefused(_) = event {
        eprintln!("xray-local: {event}");
    }
}

fn show(store: &Store, mut viewers: Vec<Viewer>) {
    while let Some(due) = store.next_due() {
        // One after the other: all of them joined would need more memory than the store.
        for parts in due {
            let update = parts.update;
            if let Some(trace) = store.settle(parts, !viewers.is_empty()) {
                for view in &mut viewers {
                    // The panic hook has already reported the panic; later traces are still shown.
                    _ = catch_unwind(AssertUnwindSafe(|| view(&trace)));
                }
            }
            if !update {
                store.count_shown();
            }
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // In this order: what has been sent is read, then shown.
        self.ingest.take();
        #[cfg(feature = "web")]
        self.server.take();
        self.forward.finish();
        self.store.set_not_forwarded(self.forward.lost());
        self.store.stop();
        if let Some(showing) = self.showing.take() {
            _ = showing.join();
        }
        if let Some(file) = self.store.file() {
            file.stop();
        }
        if let Some(writing) = self.writing.take() {
            _ = writing.join();
        }
    }
}

/// Replaces an unspecified IP address, to which nothing can be sent, with loopback.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
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
        let viewers = self.viewers.len();
        let mut debug = f.debug_struct("ReceiverBuilder");
        debug.field("limits", &self.limits).field("viewers", &viewers).finish_non_exhaustive()
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
