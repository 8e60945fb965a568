//! Records how connections are opened: name resolution, TCP and TLS as subsegments of the call that dialled.
//!
//! hyper-util dials while a request waits, but if another connection becomes free first, it uses that one, and keeps the new
//! one for a later request. So the connector writes nothing while dialling: the connection carries the phases, and they become
//! subsegments of the call that dialled when that call receives its response on this connection.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::{Connected, Connection};
use pin_project_lite::pin_project;
use tower_service::Service;
use xray_core::{Entity, EntityId, Exception, Flag, Subsegment};

type BoxError = Box<dyn Error + Send + Sync>;

/// Wraps a connector of a hyper-util client, and records how connections are opened.
///
/// Alone, it records a subsegment `connect` below the call that opened the connection. To also record the parts of `connect`,
/// wrap the TLS connector, the TCP connector inside of it, and the resolver with an [`XRayResolver`]:
///
/// ```text
/// inventory.example.com remote 200
///   connect
///     dns
///     dial
///     tls
/// ```
///
/// ```no_run
/// use hyper_util::client::legacy::{Client, connect::{HttpConnector, dns::GaiResolver}};
/// use hyper_util::rt::TokioExecutor;
/// use tower::ServiceBuilder;
/// use xray_tower::XRayClientLayer;
/// use xray_tower::client::{XRayConnector, XRayResolver};
///
/// # fn client(tls: hyper_rustls::HttpsConnectorBuilder<hyper_rustls::builderstates::WantsProtocols1>) {
/// let mut tcp = HttpConnector::new_with_resolver(XRayResolver::new(GaiResolver::new()));
/// tcp.enforce_http(false);
/// let connector = XRayConnector::new(tls.enable_http1().wrap_connector(XRayConnector::new(tcp)));
///
/// let client = Client::builder(TokioExecutor::new()).build::<_, http_body_util::Empty<bytes::Bytes>>(connector);
/// let client = ServiceBuilder::new().layer(XRayClientLayer::new()).service(client);
/// # }
/// ```
///
/// Each sampled call has metadata `connection` (namespace `http`) with the field `reused`, which states whether another call
/// opened the connection. A connection that a call dialled but did not use is not recorded. A failed attempt is recorded below
/// the call that fails with it. An attempt that is dropped with its call is marked `cancelled`.
///
/// The client also needs [`XRayClientLayer`](crate::XRayClientLayer), since connections are recorded below its calls.
#[derive(Clone, Debug)]
pub struct XRayConnector<T> {
    inner: T,
}

impl<T> XRayConnector<T> {
    /// Wraps `connector`.
    pub fn new(connector: T) -> XRayConnector<T> {
        XRayConnector { inner: connector }
    }
}

impl<T> Service<Uri> for XRayConnector<T>
where
    T: Service<Uri>,
    T::Response: Connection,
    T::Error: Into<BoxError> + fmt::Display + 'static,
    T::Future: Send + 'static,
{
    type Response = XRayStream<T::Response>;
    type Error = T::Error;
    type Future = Connecting<T::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Connecting<T::Future> {
        let part = match current_dial() {
            Some(dial) => {
                dial.lock().transport = Phase::begun();
                Part::Transport(dial)
            }
            None => Part::Whole(Dial::new(uri.scheme() == Some(&Scheme::HTTPS))),
        };
        let inner = part.dial().run(|| Box::pin(self.inner.call(uri)));
        Connecting { inner, part: Some(part) }
    }
}

/// The future of [`XRayConnector`].
#[must_use = "futures do nothing unless polled"]
pub struct Connecting<F> {
    inner: Pin<Box<F>>,
    part: Option<Part>,
}

/// The place of a connector among nested ones.
enum Part {
    /// The outermost one.
    Whole(Arc<Dial>),
    /// An inner one.
    Transport(Arc<Dial>),
}

impl Part {
    fn dial(&self) -> &Arc<Dial> {
        match self {
            Part::Whole(dial) | Part::Transport(dial) => dial,
        }
    }
}

impl<F, T, E> Future for Connecting<F>
where
    F: Future<Output = Result<T, E>>,
    T: Connection,
    E: fmt::Display,
{
    type Output = Result<XRayStream<T>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let result = match &this.part {
            Some(part) => ready!(part.dial().run(|| this.inner.as_mut().poll(cx))),
            None => ready!(this.inner.as_mut().poll(cx)),
        };
        let dialed = match this.part.take() {
            Some(Part::Transport(dial)) => {
                let failure = text_of(&result);
                dial.lock().transport.end(failure);
                None
            }
            Some(Part::Whole(dial)) => {
                dial.finished(&result);
                Some(Dialed(dial))
            }
            None => None,
        };
        Poll::Ready(result.map(|inner| XRayStream { inner, dialed }))
    }
}

impl<F> Drop for Connecting<F> {
    fn drop(&mut self) {
        if let Some(Part::Whole(dial)) = &self.part {
            dial.dropped();
        }
    }
}

impl<F> fmt::Debug for Connecting<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").finish_non_exhaustive()
    }
}

/// Wraps the resolver of a connector inside an [`XRayConnector`], and records the duration and the addresses of name
/// resolution.
#[derive(Clone, Debug)]
pub struct XRayResolver<R> {
    inner: R,
}

impl<R> XRayResolver<R> {
    /// Wraps `resolver`.
    pub fn new(resolver: R) -> XRayResolver<R> {
        XRayResolver { inner: resolver }
    }
}

impl<R> Service<Name> for XRayResolver<R>
where
    R: Service<Name>,
    R::Response: Iterator<Item = SocketAddr>,
    R::Error: fmt::Display,
{
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = R::Error;
    type Future = Resolving<R::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), R::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Resolving<R::Future> {
        let dial = current_dial();
        if let Some(dial) = &dial {
            dial.lock().dns = Phase::begun();
        }
        Resolving { inner: self.inner.call(name), dial }
    }
}

pin_project! {
    /// The future of [`XRayResolver`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Resolving<F> {
        #[pin]
        inner: F,
        dial: Option<Arc<Dial>>,
    }
}

impl<F, T, E> Future for Resolving<F>
where
    F: Future<Output = Result<T, E>>,
    T: Iterator<Item = SocketAddr>,
    E: fmt::Display,
{
    type Output = Result<std::vec::IntoIter<SocketAddr>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx)).map(|found| found.collect::<Vec<_>>());
        if let Some(dial) = this.dial {
            let failure = text_of(&result);
            let addresses = result.iter().flatten().map(SocketAddr::ip).collect();
            let mut phases = dial.lock();
            phases.dns.end(failure);
            phases.addresses = addresses;
        }
        Poll::Ready(result.map(Vec::into_iter))
    }
}

impl<F> fmt::Debug for Resolving<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolving").finish_non_exhaustive()
    }
}

/// The connection of an [`XRayConnector`]. It wraps the inner one, and stores how it was opened.
#[derive(Debug)]
pub struct XRayStream<T> {
    inner: T,
    /// `Some` for the connection of the outermost connector.
    dialed: Option<Dialed>,
}

impl<T: Connection> Connection for XRayStream<T> {
    fn connected(&self) -> Connected {
        let connected = self.inner.connected();
        match &self.dialed {
            Some(dialed) => connected.extra(dialed.clone()),
            None => connected,
        }
    }
}

impl<T: Read + Unpin> Read for XRayStream<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for XRayStream<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }
}

thread_local! {
    /// The dial whose code runs now. Inner connectors and resolvers find it here, since the outer one polls them.
    static DIAL: RefCell<Option<Arc<Dial>>> = const { RefCell::new(None) };
}

fn current_dial() -> Option<Arc<Dial>> {
    DIAL.with_borrow(Clone::clone)
}

/// One attempt to connect.
struct Dial {
    secure: bool,
    phases: Mutex<Phases>,
}

#[derive(Default)]
struct Phases {
    /// The call that waits for the connection, if it is recorded. Taken when dialling ends, since a long-lived connection
    /// must not keep a trace alive.
    waiting: Option<Entity>,
    /// The ID of that call.
    call: Option<EntityId>,
    whole: Phase,
    dns: Phase,
    addresses: Vec<std::net::IpAddr>,
    /// The phase of an inner connector: name resolution and TCP.
    transport: Phase,
    protocol: Option<&'static str>,
}

/// The time of a phase, and why it failed.
#[derive(Default)]
struct Phase {
    start: Option<SystemTime>,
    end: Option<SystemTime>,
    failure: Option<String>,
}

impl Phase {
    fn begun() -> Phase {
        Phase { start: Some(SystemTime::now()), ..Phase::default() }
    }

    fn end(&mut self, failure: Option<String>) {
        self.end = Some(SystemTime::now());
        self.failure = failure;
    }
}

impl Dial {
    fn new(secure: bool) -> Arc<Dial> {
        let waiting = xray_core::try_current().filter(Entity::is_recording);
        let call = waiting.as_ref().and_then(Entity::id);
        let phases = Phases { waiting, call, whole: Phase::begun(), ..Phases::default() };
        Arc::new(Dial { secure, phases: Mutex::new(phases) })
    }

    fn lock(&self) -> MutexGuard<'_, Phases> {
        self.phases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs code of the attempt.
    fn run<T>(self: &Arc<Dial>, work: impl FnOnce() -> T) -> T {
        struct Restored(Option<Arc<Dial>>);
        impl Drop for Restored {
            fn drop(&mut self) {
                let ended = DIAL.replace(self.0.take());
                drop(ended);
            }
        }
        let _restored = Restored(DIAL.replace(Some(self.clone())));
        work()
    }

    fn finished<T: Connection, E: fmt::Display>(&self, result: &Result<T, E>) {
        let failure = text_of(result);
        let protocol = result.as_ref().is_ok_and(|made| made.connected().is_negotiated_h2()).then_some("h2");
        let mut known = self.lock();
        known.whole.end(failure);
        known.protocol = protocol;
        let waiting = known.waiting.take();
        if result.is_err() {
            let phases = std::mem::take(&mut *known);
            drop(known);
            // In hyper's own task, the failure affects no call, since the call uses another connection.
            let current = xray_core::try_current().and_then(|current| current.id());
            if let Some(call) = waiting.filter(|call| call.id() == current) {
                self.write(phases, &call);
            }
        }
    }

    /// Handles a dial that is dropped before it is finished, together with its call or later.
    fn dropped(&self) {
        let mut phases = std::mem::take(&mut *self.lock());
        if let Some(call) = phases.waiting.take().filter(Entity::is_recording) {
            self.write(phases, &call);
        }
    }

    /// Records the known phases as subsegments.
    fn write(&self, mut phases: Phases, call: &Entity) {
        let Some(start) = phases.whole.start else { return };
        let connect = call.subsegment_at("connect", start);
        let mut failed_inside = false;
        let mut part = |name, start, phase: &Phase| {
            let part = connect.subsegment_at(name, start);
            failed_inside |= phase.failure.is_some();
            part
        };
        if let Some(start) = phases.dns.start {
            let dns = part("dns", start, &phases.dns);
            if !phases.addresses.is_empty() {
                dns.metadata_in("http", "dns", &BTreeMap::from([("addresses", &phases.addresses)]));
            }
            phases.dns.close(&dns);
        }
        // Without an inner connector, everything except TLS counts as TCP.
        let tcp = match (phases.transport.start, self.secure) {
            (Some(_), _) => Some(&phases.transport),
            (None, false) => Some(&phases.whole),
            (None, true) => None,
        };
        let resolved = phases.dns.start.is_none() || phases.dns.succeeded();
        if let Some((tcp, start)) = tcp.filter(|_| resolved).and_then(|tcp| Some((tcp, tcp.start?))) {
            tcp.close(&part("dial", phases.dns.end.unwrap_or(start), tcp));
        }
        if let Some(start) = phases.transport.end.filter(|_| self.secure && phases.transport.succeeded()) {
            let tls = part("tls", start, &phases.whole);
            if let Some(protocol) = phases.protocol {
                tls.metadata_in("http", "tls", &BTreeMap::from([("negotiated_protocol", protocol)]));
            }
            phases.whole.close(&tls);
        }
        if failed_inside {
            // The part that failed has the reason.
            connect.mark(Flag::Fault);
            phases.whole.failure = None;
        }
        phases.whole.close(&connect);
    }
}

/// How a connection was opened. hyper-util adds it to the extensions of each response on the connection.
#[derive(Clone)]
pub(crate) struct Dialed(Arc<Dial>);

impl Dialed {
    /// Records that `call` got its response, or failed, on this connection.
    pub(crate) fn used_by(&self, call: &Subsegment) {
        let dial = &self.0;
        let mut known = dial.lock();
        // The first response to the call that dialled takes the phases. After that, the connection counts as reused.
        let own = known.call.is_some() && known.call == call.id();
        let phases = own.then(|| std::mem::take(&mut *known));
        drop(known);
        let reused = phases.is_none();
        if let Some(phases) = phases {
            dial.write(phases, &call.entity());
        }
        call.metadata_in("http", "connection", &BTreeMap::from([("reused", reused)]));
    }
}

impl fmt::Debug for Dialed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialed")
    }
}

/// Returns the text of an error.
fn text_of<T, E: fmt::Display>(result: &Result<T, E>) -> Option<String> {
    result.as_ref().err().map(E::to_string)
}

impl Phase {
    fn succeeded(&self) -> bool {
        self.end.is_some() && self.failure.is_none()
    }

    fn close(&self, subsegment: &Subsegment) {
        if let Some(failure) = &self.failure {
            subsegment.fault(Exception::new("", failure));
        }
        match self.end {
            Some(end) => subsegment.close_at(end),
            None => {
                subsegment.metadata_in("xray", "cancelled", &true);
                subsegment.close();
            }
        }
    }
}
