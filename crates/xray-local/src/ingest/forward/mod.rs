//! Sends what arrives on to other receivers. Each has a queue and a thread of its own, so a slow one never holds back the
//! receiver.

mod daemon;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "otlp")]
mod recent;

use std::io;
use std::net::SocketAddr;

use super::queue::capacity;
use crate::store::{Arrival, Store};
use daemon::Daemon;
#[cfg(feature = "otlp")]
use otlp::Otlp;

/// The other receivers.
#[derive(Default)]
pub(crate) struct Forward(Vec<Box<dyn Target>>);

/// Another receiver.
pub(crate) trait Target: Send + Sync {
    /// Takes a datagram, with what it contains if it is valid.
    fn push(&self, datagram: &[u8], arrival: Option<&Arrival>);

    /// Returns how many documents were sent, and how many could not be.
    fn counts(&self) -> (u64, u64);

    /// Returns why the latest documents could not be sent, if the target knows it.
    fn failure(&self) -> Option<String> {
        None
    }

    /// Sends what still waits, and ends the thread.
    fn finish(&self);

    /// Returns the address, as `--forward` has it.
    fn name(&self) -> &str;
}

/// The configuration.
#[derive(Default)]
pub(crate) struct ForwardTo {
    pub(crate) daemon: Option<SocketAddr>,
    #[cfg(feature = "otlp")]
    pub(crate) otlp: Option<String>,
}

impl ForwardTo {
    /// Starts the threads, next to a store.
    pub(crate) fn start(self, store: &Store) -> io::Result<Forward> {
        let max_bytes = capacity(store);
        let mut targets: Vec<Box<dyn Target>> = Vec::new();
        if let Some(daemon) = self.daemon {
            targets.push(Box::new(Daemon::start(daemon, max_bytes)?));
        }
        #[cfg(feature = "otlp")]
        if let Some(endpoint) = self.otlp {
            targets.push(Box::new(Otlp::start(endpoint, max_bytes)?));
        }
        Ok(Forward(targets))
    }
}

impl Forward {
    pub(crate) fn targets(&self) -> impl Iterator<Item = &dyn Target> {
        self.0.iter().map(|target| &**target)
    }

    pub(crate) fn push(&self, datagram: &[u8], arrival: Option<&Arrival>) {
        self.targets().for_each(|target| target.push(datagram, arrival));
    }

    /// Returns how many documents could not be sent, of all receivers.
    pub(crate) fn lost(&self) -> u64 {
        self.targets().map(|target| target.counts().1).sum()
    }

    /// Sends what still waits.
    pub(crate) fn finish(&self) {
        self.targets().for_each(Target::finish);
    }
}
