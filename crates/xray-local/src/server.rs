//! The TCP side: one thread per connection, limited in number and lifetime.

use std::io::{self, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::{Request, Response, Unread};
use crate::sampling::{Sampling, SamplingEvent};

/// Concurrent connections. They are short, and a client opens one every ten seconds.
const MAX_CONNECTIONS: usize = 64;

/// Time limit for reading a request. No SDK waits longer for a response.
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// Time limit for a client to read its response and close the connection.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// How often a connection checks whether it should stop.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// Callback for sampling events.
pub(crate) type Listener = Box<dyn Fn(&SamplingEvent) + Send + Sync>;

/// Serves connections until `stopping` is set, which is checked after each accept; returns when all are closed.
pub(crate) fn serve(listener: &TcpListener, sampling: &Sampling, on_event: &Listener, stopping: &AtomicBool) {
    // Counts connections: each holds a clone, which is dropped even if its thread panics.
    let seats = Arc::new(());
    thread::scope(|scope| {
        while !stopping.load(Ordering::Acquire) {
            let Ok((stream, _)) = listener.accept() else {
                // No error ends a receiver. A permanent error must not keep a core busy.
                thread::sleep(STOP_CHECK / 2);
                continue;
            };
            if Arc::strong_count(&seats) > MAX_CONNECTIONS {
                // This response fits into the socket's buffer, so it is sent without waiting for the client.
                _ = stream.set_nonblocking(true);
                _ = Response::error(503, "too many connections").write(&mut &stream);
                continue;
            }
            let seat = Arc::clone(&seats);
            let work = move || {
                converse(&stream, sampling, on_event, stopping);
                drop(seat);
            };
            // If no thread can be started, the connection closes without a response and the client retries later.
            _ = thread::Builder::new().name("xray-local-serve".to_owned()).spawn_scoped(scope, work);
        }
    });
}

/// Reads one request and writes one response. Keeping a connection alive would save little for a call every ten
/// seconds.
fn converse(stream: &TcpStream, sampling: &Sampling, on_event: &Listener, stopping: &AtomicBool) {
    let within = |time| Within { stream, deadline: Instant::now() + time, stopping };
    _ = stream.set_write_timeout(Some(CLOSE_TIME));
    let (response, events) = match Request::read(within(REQUEST_TIME), stream) {
        Ok(request) => sampling.respond(&request),
        Err(Unread::Refused(response)) => (response, Vec::new()),
        Err(Unread::Gone) => return,
    };
    _ = response.write(&mut &*stream);
    _ = stream.shutdown(Shutdown::Write);
    for event in &events {
        // The panic hook has already reported the panic; later events are still passed on.
        _ = catch_unwind(AssertUnwindSafe(|| on_event(event)));
    }
    // Closing while the client still sends would reset the connection and lose the response in flight.
    _ = io::copy(&mut within(CLOSE_TIME), &mut io::sink());
}

/// Reads from a stream until a deadline passes or the receiver stops.
struct Within<'a> {
    stream: &'a TcpStream,
    deadline: Instant,
    stopping: &'a AtomicBool,
}

impl Read for Within<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.stopping.load(Ordering::Acquire) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left.min(STOP_CHECK)))?;
            match (&mut &*self.stream).read(buffer) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                result => return result,
            }
        }
    }
}
