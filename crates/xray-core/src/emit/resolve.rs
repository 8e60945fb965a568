//! Re-resolves the daemon's host name, so that a sidecar or service that moves is found.
//!
//! A lookup may hang for seconds, so it runs on a thread of its own that lives as long as the lookup. Documents
//! are sent to the last good answer meanwhile, unless nothing listens there.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::address::Endpoint;
use crate::diagnostics::{Cause, Diagnostics};
use crate::time::Clock;

/// How long an answer serves: the usual time to live in container networks is a minute or less.
const FRESH: Duration = Duration::from_secs(60);

/// How long after a failed lookup, or after one whose answer did not serve, the next one starts.
const RETRY: Duration = Duration::from_secs(5);

/// The system's resolver, or a test's.
pub(super) type Lookup = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Knows the socket address of an endpoint.
#[derive(Debug)]
pub(super) enum Resolver {
    /// The endpoint names an IP address.
    Fixed(SocketAddr),
    /// The endpoint names a host.
    Name(Arc<Name>),
}

/// What a [`Resolver`] knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    /// The last good answer.
    Known(SocketAddr),
    /// The first lookup is under way, or one because nothing listens at the last good answer.
    Pending,
    /// No lookup has succeeded yet, and the first has failed.
    Unknown,
}

impl Resolver {
    pub(super) fn new(endpoint: &Endpoint, diagnostics: Diagnostics) -> Resolver {
        let lookup = |host: &str, port| (host, port).to_socket_addrs().map(Iterator::collect);
        Resolver::with_lookup(endpoint, diagnostics, Clock::system(), Box::new(lookup))
    }

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
                answered: Condvar::new(),
            })),
        }
    }

    /// What is known now. Starts a lookup when the last one is too old, and does not wait for it.
    pub(super) fn resolve(&self) -> Resolved {
        match self {
            Resolver::Fixed(address) => Resolved::Known(*address),
            Resolver::Name(name) => name.resolve(),
        }
    }

    /// Like [`resolve`](Self::resolve), but gives the first lookup some time.
    pub(super) fn resolve_within(&self, timeout: Duration) -> Resolved {
        match (self.resolve(), self) {
            (Resolved::Pending, Resolver::Name(name)) => name.wait(timeout),
            (resolved, _) => resolved,
        }
    }

    /// Looks a name up again, since nothing listens at its address: at once, unless it was looked up in the last
    /// five seconds. Returns whether a lookup is under way for that reason.
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

/// A host's name and what is known about it.
pub(super) struct Name {
    endpoint: Endpoint,
    lookup: Box<Lookup>,
    clock: Clock,
    diagnostics: Diagnostics,
    state: Mutex<State>,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct State {
    address: Option<SocketAddr>,
    asking: bool,
    /// Nothing listens at the address: the lookup under way is waited for.
    doubted: bool,
    /// When the last lookup began.
    asked: Duration,
    /// When to ask next; `None` before the first answer of any kind.
    due: Option<Duration>,
    failure: String,
}

impl State {
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
        if !state.asking && state.due.is_none_or(|due| now >= due) {
            state = self.ask(state, now);
        }
        state.resolved()
    }

    fn doubt(self: &Arc<Name>) -> bool {
        let now = self.clock.elapsed();
        let mut state = self.lock();
        let soon = state.asked + RETRY;
        if !state.asking && now >= soon {
            state.doubted = true;
            drop(self.ask(state, now));
            return true;
        }
        state.due = state.due.map(|due| due.min(soon));
        state.doubted
    }

    fn wait(&self, timeout: Duration) -> Resolved {
        let pending = |state: &mut State| state.resolved() == Resolved::Pending;
        let waited = self.answered.wait_timeout_while(self.lock(), timeout, pending);
        waited.unwrap_or_else(PoisonError::into_inner).0.resolved()
    }

    /// Starts a lookup. The lock is not held meanwhile.
    fn ask<'a>(self: &'a Arc<Name>, mut state: MutexGuard<'a, State>, now: Duration) -> MutexGuard<'a, State> {
        state.asking = true;
        state.asked = now;
        drop(state);
        let name = self.clone();
        let work = move || name.learn((name.lookup)(name.endpoint.host(), name.endpoint.port()));
        if let Err(error) = thread::Builder::new().name("xray-resolver".to_owned()).spawn(work) {
            self.learn(Err(error));
        }
        self.lock()
    }

    fn learn(&self, answer: io::Result<Vec<SocketAddr>>) {
        let now = self.clock.elapsed();
        let mut state = self.lock();
        let before = state.address;
        let chosen = answer.map(|found| choose(before, &found));
        state.asking = false;
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
        self.answered.notify_all();
        let endpoint = &self.endpoint;
        match (chosen, before) {
            (Ok(Some(address)), before) if before == Some(address) => {}
            (Ok(Some(address)), _) => {
                self.diagnostics.info(Cause::DaemonResolved, format_args!("{endpoint} is at {address}"));
            }
            (_, Some(before)) => {
                let message = format_args!("{endpoint} is not found ({failure}): documents are sent to {before} still");
                self.diagnostics.info(Cause::DaemonUnresolved, message);
            }
            // The documents that are lost by it report it.
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

/// The address in use as long as it is among the answers: their order changes from one to the next. Otherwise
/// IPv4 goes first, since the daemon listens there only unless told otherwise, while `localhost` and many
/// others have both.
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

    /// A resolver for `daemon:2000` whose every lookup waits for the next answer from the test.
    fn scripted() -> (Arc<Name>, Clock, mpsc::Sender<io::Result<Vec<SocketAddr>>>) {
        let (answers, next) = mpsc::channel();
        let next = Mutex::new(next);
        let lookup = move |host: &str, port: u16| {
            assert_eq!((host, port), ("daemon", 2000));
            next.lock().unwrap().recv().unwrap()
        };
        let clock = Clock::manual(Timestamp::from_micros(0));
        match Resolver::with_lookup(&"daemon:2000".parse().unwrap(), quiet(), clock.clone(), Box::new(lookup)) {
            Resolver::Name(name) => (name, clock, answers),
            Resolver::Fixed(_) => unreachable!(),
        }
    }

    /// Waits until no lookup is under way.
    fn settle(name: &Name) {
        let waited = name.answered.wait_timeout_while(name.lock(), SOON, |state| state.asking).unwrap();
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
    fn the_system_knows_localhost_and_its_ipv4_address_goes_first() {
        let resolver = Resolver::new(&"localhost:2000".parse().unwrap(), quiet());
        assert_eq!(resolver.resolve_within(SOON), Resolved::Known(address("127.0.0.1:2000")));
    }

    #[test]
    fn a_hanging_lookup_holds_nobody_and_the_last_good_answer_stays() {
        let (name, clock, answers) = scripted();
        assert_eq!(name.resolve(), Resolved::Pending);
        assert_eq!(name.resolve(), Resolved::Pending);
        answers.send(Ok(vec![address("10.0.0.1:2000")])).unwrap();
        assert_eq!(name.wait(SOON), Resolved::Known(address("10.0.0.1:2000")));
        settle(&name);

        clock.advance(FRESH);
        assert_eq!(name.resolve(), Resolved::Known(address("10.0.0.1:2000")), "while the second one hangs");
        assert!(name.lock().asking);
        answers.send(Err(io::ErrorKind::TimedOut.into())).unwrap();
        settle(&name);
        assert_eq!(name.resolve(), Resolved::Known(address("10.0.0.1:2000")), "after it failed");
        assert!(!name.lock().asking);

        clock.advance(RETRY);
        assert_eq!(name.resolve(), Resolved::Known(address("10.0.0.1:2000")));
        answers.send(Ok(vec![address("10.0.0.2:2000")])).unwrap();
        settle(&name);
        assert_eq!(name.resolve(), Resolved::Known(address("10.0.0.2:2000")), "it has moved");
    }

    #[test]
    fn a_name_that_is_not_found_is_unknown_and_asked_for_again() {
        let (name, clock, answers) = scripted();
        assert_eq!(name.resolve(), Resolved::Pending);
        answers.send(Err(io::ErrorKind::NotFound.into())).unwrap();
        assert_eq!(name.wait(SOON), Resolved::Unknown);
        settle(&name);
        clock.advance(RETRY);
        assert_eq!(name.resolve(), Resolved::Unknown);
        answers.send(Ok(vec![])).unwrap();
        settle(&name);
        assert_eq!(name.lock().failure, "it has no address");
        clock.advance(RETRY);
        assert_eq!(name.resolve(), Resolved::Unknown);
        answers.send(Ok(vec![address("[::1]:2000")])).unwrap();
        settle(&name);
        assert_eq!(name.resolve(), Resolved::Known(address("[::1]:2000")));
    }

    #[test]
    fn a_doubted_address_is_looked_up_at_once_but_not_twice_in_five_seconds() {
        let (name, clock, answers) = scripted();
        answers.send(Ok(vec![address("10.0.0.1:2000")])).unwrap();
        name.resolve();
        settle(&name);
        // The answer is fresh: the doubt waits until five seconds are over.
        clock.advance(RETRY / 2);
        assert!(!name.doubt() && !name.lock().asking);
        assert_eq!(name.resolve(), Resolved::Known(address("10.0.0.1:2000")));
        clock.advance(RETRY / 2);
        assert!(name.doubt() && name.doubt());
        assert_eq!(name.resolve(), Resolved::Pending, "documents wait for the answer");
        answers.send(Ok(vec![address("10.0.0.2:2000")])).unwrap();
        assert_eq!(name.wait(SOON), Resolved::Known(address("10.0.0.2:2000")));
        settle(&name);
        // One that fails leaves the last good answer.
        clock.advance(RETRY);
        assert!(name.doubt());
        answers.send(Err(io::ErrorKind::TimedOut.into())).unwrap();
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
