//! The way out: finished documents, handed to an [`Emitter`], leave as UDP datagrams for the X-Ray daemon.
//!
//! By default a thread of the SDK's own sends them. Emitting then costs the application a lock and a move; the
//! thread paces itself, because the daemon's receive buffer holds some 50 documents and overflows silently. On
//! Lambda, where a process may be frozen at any time after its answer, documents are sent by the thread that
//! finishes them, which waits for a millisecond after 32 of them. A daemon that is absent, restarted or moved costs documents, which
//! [`Stats`](crate::stats::Stats) counts, and never the application. The first lost document is logged as an error, then
//! their number every ten minutes, and the end of the loss.
//!
//! A forked child has a queue and a thread of its own from its first document on. What is queued at the fork is sent by the
//! parent; a segment that is open at the fork is the parent's as well, and the child must not close it.

mod address;
mod background;
mod context;
mod inline;
mod memory;
mod outage;
mod pace;
mod queue;
mod resolve;
mod sender;
mod socket;

use std::sync::Arc;
use std::time::Duration;

pub use self::address::{DaemonAddress, Endpoint, ParseAddressError};
pub(crate) use self::background::BackgroundEmitter;
pub use self::context::{EmitterContext, Fate};
pub(crate) use self::inline::InlineEmitter;
pub use self::memory::MemoryEmitter;
use crate::document::Document;

/// Where finished documents go.
///
/// Implement it to send them by other means, or to look at them in a test, for which [`MemoryEmitter`] is
/// ready. Both methods are called by the application's own threads: `emit` must neither block nor panic.
///
/// ```
/// use std::time::Duration;
/// use xray_core::document::Document;
/// use xray_core::emit::{Emitter, Flushed};
///
/// /// Writes each document to standard output, as one line of JSON.
/// struct Print;
///
/// impl Emitter for Print {
///     fn emit(&self, document: Document) {
///         println!("{}", document.json());
///     }
///
///     fn flush(&self, _timeout: Duration) -> Flushed {
///         Flushed::All
///     }
/// }
/// ```
pub trait Emitter: Send + Sync + 'static {
    /// Receives the counters and the log of the recorder, once, when it is built. The default does nothing.
    fn start(&self, context: &EmitterContext) {
        let _ = context;
    }

    /// Takes a document, to send it now or later, or to drop it.
    fn emit(&self, document: Document);

    /// Waits until all that was emitted before this call has left, `timeout` at most.
    fn flush(&self, timeout: Duration) -> Flushed;

    /// Calls `then` once all that was emitted before this call has left, without waiting for it: what an
    /// asynchronous flush is made of.
    ///
    /// `then` runs on any thread and must be short. As provided it runs at once, which is right for emitters
    /// that keep nothing back.
    fn when_flushed(&self, then: Box<dyn FnOnce() + Send>) {
        then();
    }
}

/// An emitter behind a pointer is that emitter.
macro_rules! forward {
    ($pointer:ident) => {
        impl<E: Emitter + ?Sized> Emitter for $pointer<E> {
            fn start(&self, context: &EmitterContext) {
                (**self).start(context);
            }

            fn emit(&self, document: Document) {
                (**self).emit(document);
            }

            fn flush(&self, timeout: Duration) -> Flushed {
                (**self).flush(timeout)
            }

            fn when_flushed(&self, then: Box<dyn FnOnce() + Send>) {
                (**self).when_flushed(then);
            }
        }
    };
}
forward!(Arc);
forward!(Box);

/// How a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flushed {
    /// Nothing is left of what was emitted before: each document was handed to the kernel, or dropped and
    /// counted.
    All,
    /// The time was over first.
    TimedOut {
        /// The documents still waiting. They will be sent later.
        left: usize,
    },
}

#[cfg(test)]
mod samples {
    use std::net::UdpSocket;
    use std::time::Duration;

    use crate::document::Document;

    /// A daemon's socket: loopback, any port, the default receive buffer. Reading gives up after 10 seconds.
    pub(super) fn receiver() -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    /// The next datagram.
    pub(super) fn receive(socket: &UdpSocket) -> Vec<u8> {
        let mut buffer = vec![0; 65_536];
        let length = socket.recv(&mut buffer).unwrap();
        buffer.truncate(length);
        buffer
    }

    /// A framed document whose datagram has exactly `size` bytes and carries `number`.
    pub(super) fn document(number: usize, size: usize) -> Document {
        let mut datagram = format!("{{\"format\":\"json\",\"version\":1}}\n{{\"n\":{number},\"pad\":\"").into_bytes();
        datagram.resize(size - 2, b'x');
        datagram.extend_from_slice(b"\"}");
        Document::from_datagram(datagram)
    }

    /// The number of a document's datagram.
    pub(super) fn number(datagram: &[u8]) -> usize {
        let text = std::str::from_utf8(datagram).unwrap();
        let digits = text.split_once("\"n\":").unwrap().1.split_once(',').unwrap().0;
        digits.parse().unwrap()
    }
}
