//! Re-resolves the daemon's host name, so that a sidecar or service that moves is found.
//!
//! A lookup may hang for seconds, so it runs on its own thread, which ends with the lookup. Meanwhile documents are sent
//! to the last known address, unless nothing listens there.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::address::Endpoint;
use crate::diagnostics::{Cause, Diagnostics};
use crate::time::Clock;

/// How long an address is used before the next lookup. The usual time to live in container networks is a minute or less.
const FRESH: Duration = Duration::from_secs(60);

/// The pause before the next lookup, if one failed or nothing listens at its address.
const RETRY: Duration = Duration::from_secs(5);

/// The system's resolver, or a test's.
pub(super) type Lookup = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Resolves an endpoint to a socket address.
#[derive(Debug)]
pub(super) enum Resolver {
    /// The endpoint names an IP address.
    Fixed(SocketAddr),
    /// The endpoint names a host.
    Name(Arc<Name>),
}

/// The current result of a [`Resolver`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    /// The last known address.
    Known(SocketAddr),
    /// A lookup is in progress: the first one, or one because nothing listens at the last known address.
    Pending,
    /// No lookup has succeeded yet, and the first has failed.
    Unknown,
}

impl Resolver {
    pub(super) fn new(endpoint: &Endpoint, diagnostics: Diagnostics) -> Resolver {
        let lookup = |host: &str, port| (host, port).to_socket_addrs().map(Iterator::collect);
        Resolver::with_lookup(endpoint, diagnostics, Clock::system(), Box::new(lookup))
    }

    /// Creates a resolver with another clock and lookup, for tests.
    pub(super) fn with_lookup(
        endpoint: &Endpoint,
        diagnostics: Diagnostics,
        clock: Clock,
        lookup: Box<Lookup>,
    ) -> Resolver {
        match endpoint.socket_address() {
            Some(address) => Resolver::Fixed(address),
            None => Resolver::Name(Arc::new(Name {
                endpoint: endpoint.clone(),
                lookup,
                clock,
                diagnostics,
                state: Mutex::default(),
                looked_up: Condvar::new(),
            })),
        }
    }

    /// Returns the current result. If the last lookup is too old, starts another one without waiting for it.
    pub(super) fn resolve(&self) -> Resolved {
        match self {
            Resolver::Fixed(address) => Resolved::Known(*address),
            Resolver::Name(name) => name.resolve(),
        }
    }

    /// Like [`resolve`](Self::resolve), but waits for at most `timeout` if the result is pending.
    pub(super) fn resolve_within(&self, timeout: Duration) -> Resolved {
        match (self.resolve(), self) {
            (Resolved::Pending, Resolver::Name(name)) => name.wait(timeout),
            (resolved, _) => resolved,
        }
    }

    /// Reports that nothing listens at the address. The name is resolved again at once, unless it was resolved within
    /// the last five seconds. Returns whether a lookup is in progress for this reason.
    pub(super) fn doubt(&self) -> bool {
        match self {
            Resolver::Fixed(_) => false,
            Resolver::Name(name) => name.doubt(),
        }
    }

    /// Why the last lookup failed.
    pub(super) fn failure(&self) -> String {
        match self {
            Resolver::Fixed(_) => String::new(),
            Resolver::Name(name) => name.lock().failure.clone(),
        }
    }
}

/// A host name and the state of its resolution.
pub(super) struct Name {
    endpoint: Endpoint,
    lookup: Box<Lookup>,
    clock: Clock,
    diagnostics: Diagnostics,
    state: Mutex<State>,
    looked_up: Condvar,
}

#[derive(Debug, Default)]
struct State {
    address: Option<SocketAddr>,
    /// Whether a lookup is in progress.
    in_progress: bool,
    /// Whether nothing listens at the address, so that documents wait for the lookup in progress.
    doubted: bool,
    /// When the last lookup began.
    started: Duration,
    /// When the next lookup is due; `None` until the first one has ended.
    due: Option<Duration>,
    /// Why the last lookup failed.
    failure: String,
}

impl State {
    /// Returns the current result: the known address, unless it is doubted.
    fn resolved(&self) -> Resolved {
        match (self.address, self.due) {
            (Some(_), _) if self.doubted => Resolved::Pending,
            (Some(address), _) => Resolved::Known(address),
            (None, None) => Resolved::Pending,
            (None, Some(_)) => Resolved::Unknown,
        }
    }
}

impl Name {
    fn resolve(self: &Arc<Name>) -> Resolved {
        let now = self.clock.elapsed();
        let mut state = self.lock();
        if !state.in_progress && state.due.is_none_or(|due| now >= due) {
            state = self.look_up(state, now);
        }
        state.resolved()
    }

    fn doubt(self: &Arc<Name>) -> bool {
        let now = self.clock.elapsed();
        let mut state = self.lock();
        let soon = state.started + RETRY;
        if !state.in_progress && now >= soon {
            state.doubted = true;
            drop(self.look_up(state, now));
            return true;
        }
        state.due = state.due.map(|due| due.min(soon));
        state.doubted
    }

    fn wait(&self, timeout: Duration) -> Resolved {
        let pending = |state: &mut State| state.resolved() == Resolved::Pending;
        let waited = self.looked_up.wait_timeout_while(self.lock(), timeout, pending);
        waited.unwrap_or_else(PoisonError::into_inner).0.resolved()
    }

    /// Starts a lookup. Releases the lock while starting the thread.
    fn look_up<'a>(self: &'a Arc<Name>, mut state: MutexGuard<'a, State>, now: Duration) -> MutexGuard<'a, State> {
        state.in_progress = true;
        state.started = now;
        drop(state);
        let name = self.clone();
        let work = move || name.finish((name.lookup)(name.endpoint.host(), name.endpoint.port()));
        if let Err(error) = thread::Builder::new().name("xray-resolver".to_owned()).spawn(work) {
            self.finish(Err(error));
        }
        self.lock()
    }

    /// Stores the result of a lookup, and logs a new address or a failure.
    fn finish(&self, result: io::Result<Vec<SocketAddr>>) {
        let now = self.clock.elapsed();
        let mut state = self.lock();
        let before = state.address;
        let chosen = result.map(|found| choose(before, &found));
        state.in_progress = false;
        state.doubted = false;
        if let Ok(Some(address)) = chosen {
            state.address = Some(address);
            state.due = Some(now + FRESH);
        } else {
            state.due = Some(now + RETRY);
            state.failure = chosen.as_ref().map_or_else(io::Error::to_string, |_| "it has no address".to_owned());
        }
        let failure = state.failure.clone();
        drop(state);
        self.looked_up.notify_all();
        let endpoint = &self.endpoint;
        match (chosen, before) {
            (Ok(Some(address)), before) if before == Some(address) => {}
            (Ok(Some(address)), _) => {
                self.diagnostics.info(
                    Cause::DaemonResolved,
                    format_args!("the X-Ray daemon's name in {endpoint} resolves to {address}"),
                );
            }
            (_, Some(before)) => {
                let message = format_args!(
                    "the X-Ray daemon's name in {endpoint} does not resolve ({failure}): documents are still sent to {before}"
                );
                self.diagnostics.info(Cause::DaemonUnresolved, message);
            }
            // The socket logs this when it drops a document.
            (_, None) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Name").field("endpoint", &self.endpoint).field("state", &self.state).finish_non_exhaustive()
    }
}

/// Chooses one of the found addresses. The current one is kept if it is among them, since their order changes from one
/// lookup to the next. Otherwise IPv4 takes precedence: many names such as `localhost` have both, but by default the
/// daemon listens on IPv4 only.
fn choose(current: Option<SocketAddr>, found: &[SocketAddr]) -> Option<SocketAddr> {
    let kept = current.filter(|current| found.contains(current));
    kept.or_else(|| found.iter().find(|address| address.is_ipv4()).or(found.first()).copied())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::diagnostics::Stderr;
    use crate::time::Timestamp;

    const SOON: Duration = Duration::from_secs(10);

    fn quiet() -> Diagnostics {
        Diagnostics::new(None, Stderr { level: None, prefix: false })
    }

    /// Returns a resolver for `daemon:2000`. Each of its lookups waits for the next result from the test.
    fn scripted() -> (Arc<Name>, Clock, mpsc::Sender<io::Result<Vec<SocketAddr>>>) {
        let (results, next) = mpsc::channel();
        let next = Mutex::new(next);
        let lookup = move |host: &str, port: u16| {
            assert_eq!((host, port), ("daemon", 2000));
            next.lock().unwrap().recv().unwrap()
        };
        let clock = Clock::manual(Timestamp::from_micros(0));
        match Resolver::with_lookup(&"daemon:2000".parse().unwrap(), quiet(), clock.clone(), Box::new(lookup)) {
            Resolver::Name(name) => (name, clock, results),
            Resolver::Fixed(_) => unreachable!(),
        }
    }

    /// Waits until no lookup is in progress.
    fn settle(name: &Name) {
        let waited = name.looked_up.wait_timeout_while(name.lock(), SOON, |state| state.in_progress).unwrap();
        assert!(!waited.1.timed_out());
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_ip_address_is_known_at_once() {
        let resolver = Resolver::new(&"[::1]:2000".parse().unwrap(), quiet());
        assert_eq!(resolver.resolve(), Resolved::Known(address("[::1]:2000")));
    }

    #[test]
    fn localhost_resolves_to_its_ipv4_address() {
        let resolver = Resolver::new(&"localhost:2000".parse().unwrap(), quiet());
        assert_eq!(resolver.resolve_within(SOON), Resolved::Known(address("127.0.0.1:2000")));
    }

    #[test]
    fn a_hanging_lookup_blocks_no_one_and_the_last_known_address_stays() {
        let (name, clock, results) = scripted();
        assert_eq!(name.resolve(), Resolved::Pending);
        assert_eq!(name.resolve(), Resolved::Pending);
        results.send(Ok(vec![address("10.0.0.1:2000")])).unwrap();
        assert_eq!(name.wait(SOON), Resolved::Known(address("10.0.0.1:2000")));
        settle(&name);

        clock.advance(FRESH);
        assert_eq!(name.resolve(), Resolved::Known(address("10.0.0.1:2000")), "while the second one hangs");
        assert!(name.lock().in_progress);
        results.send(Err(io::ErrorKind::TimedOut.into())).unwrap();
        settle(&name);
        assert_eq!(name.resolve(), Resolved::Known(address("10.0.0.1:2000")), "after it failed");
        assert!(!name.lock().in_progress);

        clock.advance(RETRY);
        assert_eq!(name.resolve(), Resolved::Known(address("10.0.0.1:2000")));
        results.send(Ok(vec![address("10.0.0.2:2000")])).unwrap();
        settle(&name);
        assert_eq!(name.resolve(), Resolved::Known(address("10.0.0.2:2000")), "it has moved");
    }

    #[test]
    fn a_name_that_does_not_resolve_is_unknown_and_resolved_again() {
        let (name, clock, results) = scripted();
        assert_eq!(name.resolve(), Resolved::Pending);
        results.send(Err(io::ErrorKind::NotFound.into())).unwrap();
        assert_eq!(name.wait(SOON), Resolved::Unknown);
        settle(&name);
        clock.advance(RETRY);
        assert_eq!(name.resolve(), Resolved::Unknown);
        results.send(Ok(vec![])).unwrap();
        settle(&name);
        assert_eq!(name.lock().failure, "it has no address");
        clock.advance(RETRY);
        assert_eq!(name.resolve(), Resolved::Unknown);
        results.send(Ok(vec![address("[::1]:2000")])).unwrap();
        settle(&name);
        assert_eq!(name.resolve(), Resolved::Known(address("[::1]:2000")));
    }

    #[test]
    fn a_doubted_name_is_resolved_at_once_but_not_twice_in_five_seconds() {
        let (name, clock, results) = scripted();
        results.send(Ok(vec![address("10.0.0.1:2000")])).unwrap();
        name.resolve();
        settle(&name);
        // The last lookup is less than five seconds old, so the next one waits.
        clock.advance(RETRY / 2);
        assert!(!name.doubt() && !name.lock().in_progress);
        assert_eq!(name.resolve(), Resolved::Known(address("10.0.0.1:2000")));
        clock.advance(RETRY / 2);
        assert!(name.doubt() && name.doubt());
        assert_eq!(name.resolve(), Resolved::Pending, "documents wait for the lookup");
        results.send(Ok(vec![address("10.0.0.2:2000")])).unwrap();
        assert_eq!(name.wait(SOON), Resolved::Known(address("10.0.0.2:2000")));
        settle(&name);
        // A failed lookup keeps the last known address.
        clock.advance(RETRY);
        assert!(name.doubt());
        results.send(Err(io::ErrorKind::TimedOut.into())).unwrap();
        settle(&name);
        assert_eq!(name.resolve(), Resolved::Known(address("10.0.0.2:2000")));
    }

    #[test]
    fn the_choice_is_stable_and_prefers_ipv4() {
        let (v4, other, v6) = (address("10.0.0.1:1"), address("10.0.0.2:1"), address("[::1]:1"));
        for (current, found, want) in [
            (None, vec![], None),
            (None, vec![v6], Some(v6)),
            (None, vec![v6, v4, other], Some(v4)),
            (Some(other), vec![v4, other], Some(other)),
            (Some(v6), vec![v4, v6], Some(v6)),
            (Some(other), vec![v6, v4], Some(v4)),
        ] {
            assert_eq!(choose(current, &found), want, "{current:?} {found:?}");
        }
    }
}
