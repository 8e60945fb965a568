//! Emitters, which send finished documents. By default they are sent to the X-Ray daemon as UDP datagrams.
//!
//! A thread of the SDK sends the documents, so emitting one costs the application a lock and a move. The thread paces
//! itself, because the daemon's receive buffer holds some 50 documents and overflows silently. On Lambda, where a
//! process may be frozen at any time after its response, the thread that finishes a document sends it itself, and
//! waits for a millisecond after every 32.
//!
//! If the daemon is absent, restarted or moved, documents are lost and [`Stats`](crate::stats::Stats) counts them; the
//! application is not affected. The SDK logs the first lost document as an error, the number of lost documents every
//! ten minutes while the loss lasts, and its end.
//!
//! A forked child gets a queue and a thread of its own with its first document. The parent sends what is queued at the
//! fork. A segment that is open at the fork belongs to the parent too, and the child must not close it.
//!
//! # Choosing an emitter
//!
//! | emitter | documents go |
//! |---|---|
//! | the default | to the daemon at `AWS_XRAY_DAEMON_ADDRESS` (default: `127.0.0.1:2000`) |
//! | [`MemoryEmitter`] | into memory, for tests |
//! | those of the crate `xray-otlp` | to an OpenTelemetry collector, or by HTTPS to the X-Ray service |
//! | your own | anywhere: implement [`Emitter`] |
//!
//! Set one by [`RecorderBuilder::emitter`](crate::RecorderBuilder::emitter).

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
mod together;

use std::sync::Arc;
use std::time::Duration;

pub use self::address::{DaemonAddress, Endpoint, ParseAddressError};
pub(crate) use self::background::BackgroundEmitter;
pub use self::context::{EmitterContext, Fate};
pub(crate) use self::inline::InlineEmitter;
pub use self::memory::MemoryEmitter;
use crate::document::Document;

/// Sends finished documents.
///
/// Implement it to send documents by other means. To inspect them in a test, use [`MemoryEmitter`]. The application's
/// own threads call these methods, so `emit` must neither block nor panic. A panic is caught and logged, and loses the
/// document.
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
///
/// An emitter that keeps documents back must wait for them in `flush`, and call back in `when_flushed`:
///
/// ```
/// use std::sync::Mutex;
/// use std::time::Duration;
/// use xray_core::Recorder;
/// use xray_core::document::Document;
/// use xray_core::emit::{Emitter, Flushed};
/// use xray_core::sampling::Always;
///
/// /// Writes documents in batches of ten.
/// #[derive(Default)]
/// struct Batches(Mutex<Vec<Document>>);
///
/// impl Batches {
///     fn write(batch: &mut Vec<Document>) {
///         batch.drain(..).for_each(|document| println!("{}", document.json()));
///     }
/// }
///
/// impl Emitter for Batches {
///     fn emit(&self, document: Document) {
///         let mut batch = self.0.lock().unwrap();
///         batch.push(document);
///         if batch.len() >= 10 {
///             Self::write(&mut batch);
///         }
///     }
///
///     fn flush(&self, _timeout: Duration) -> Flushed {
///         Self::write(&mut self.0.lock().unwrap());
///         Flushed::All
///     }
///
///     fn when_flushed(&self, then: Box<dyn FnOnce() + Send>) {
///         self.flush(Duration::MAX);
///         then();
///     }
/// }
///
/// # fn main() -> Result<(), xray_core::ConfigError> {
/// let recorder = Recorder::builder().sampling(Always).emitter(Batches::default()).build()?;
/// recorder.begin("shop").close();
/// assert_eq!(recorder.flush(Duration::from_secs(1)), Flushed::All);
/// # Ok(())
/// # }
/// ```
pub trait Emitter: Send + Sync + 'static {
    /// Receives the counters and the log of the recorder. The recorder calls this once, when it is built. The default
    /// does nothing.
    fn start(&self, context: &EmitterContext) {
        let _ = context;
    }

    /// Takes a document, to send it now or later, or to drop it.
    fn emit(&self, document: Document);

    /// Waits until every document emitted before this call has been sent or dropped, for at most `timeout`.
    fn flush(&self, timeout: Duration) -> Flushed;

    /// Calls `then` once every document emitted before this call has been sent or dropped, without waiting for that.
    /// The asynchronous flush of a recorder uses it.
    ///
    /// `then` may run on any thread and must be short. The default calls it immediately, which is correct for emitters
    /// that keep nothing back.
    fn when_flushed(&self, then: Box<dyn FnOnce() + Send>) {
        then();
    }
}

/// Implements `Emitter` for pointers, so that an emitter can be chosen at run time or shared.
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

/// The result of a flush.
///
/// ```
/// use std::time::Duration;
/// use xray_core::Recorder;
/// use xray_core::emit::Flushed;
///
/// fn shut_down(recorder: &Recorder) {
///     if let Flushed::TimedOut { left } = recorder.flush(Duration::from_secs(1)) {
///         eprintln!("{left} documents were not sent in time");
///     }
/// }
/// # shut_down(&Recorder::in_memory().0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flushed {
    /// Every document emitted before has been handed to the kernel, or has been dropped and counted.
    All,
    /// The timeout expired first.
    TimedOut {
        /// The number of documents that still wait. They will be sent later.
        left: usize,
    },
}

#[cfg(test)]
mod samples {
    use std::net::UdpSocket;
    use std::time::Duration;

    use crate::document::Document;

    /// Returns a daemon's socket: loopback, any port, the default receive buffer, and a read timeout of 10 seconds.
    pub(super) fn receiver() -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    /// Receives the next datagram.
    pub(super) fn receive(socket: &UdpSocket) -> Vec<u8> {
        let mut buffer = vec![0; 65_536];
        let length = socket.recv(&mut buffer).unwrap();
        buffer.truncate(length);
        buffer
    }

    /// Returns a framed document whose datagram has exactly `size` bytes and contains `number`.
    pub(super) fn document(number: usize, size: usize) -> Document {
        let mut datagram = format!("{{\"format\":\"json\",\"version\":1}}\n{{\"n\":{number},\"pad\":\"").into_bytes();
        datagram.resize(size - 2, b'x');
        datagram.extend_from_slice(b"\"}");
        Document::from_datagram(datagram)
    }

    /// Returns the number in a document's datagram.
    pub(super) fn number(datagram: &[u8]) -> usize {
        let text = std::str::from_utf8(datagram).unwrap();
        let digits = text.split_once("\"n\":").unwrap().1.split_once(',').unwrap().0;
        digits.parse().unwrap()
    }
}
