//! The TCP side: a thread for each connection, few of them and none for long.

use std::io::{self, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::{Request, Response, Unread};
use crate::sampling::{Sampling, SamplingEvent};

/// At one time. They are short, and a client makes one in ten seconds.
const MAX_CONNECTIONS: usize = 64;

/// For a whole request; no SDK waits longer for its answer.
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// For a client to take its answer and to close.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// How often a connection looks whether it shall stop.
const GLANCE: Duration = Duration::from_millis(100);

/// Who hears of what happened.
pub(crate) type Listener = Box<dyn Fn(&SamplingEvent) + Send + Sync>;

/// Serves until `stopping`, which is looked at after each connection; returns when all of them are closed.
pub(crate) fn serve(listener: &TcpListener, sampling: &Sampling, tell: &Listener, stopping: &AtomicBool) {
    // One for each connection and one for this function: dropped in any case, also by a panic.
    let seats = Arc::new(());
    thread::scope(|scope| {
        while !stopping.load(Ordering::Acquire) {
            let Ok((stream, _)) = listener.accept() else {
                // No error ends a receiver; one that stays must not take a whole core.
                thread::sleep(GLANCE / 2);
                continue;
            };
            if Arc::strong_count(&seats) > MAX_CONNECTIONS {
                // So short an answer fits into the socket's buffer: it does not wait for the client.
                _ = stream.set_nonblocking(true);
                _ = Response::error(503, "too many connections").write(&mut &stream);
                continue;
            }
            let seat = Arc::clone(&seats);
            let work = move || {
                converse(&stream, sampling, tell, stopping);
                drop(seat);
            };
            // Without a thread the connection closes unanswered; the client asks again later.
            _ = thread::Builder::new().name("xray-local-serve".to_owned()).spawn_scoped(scope, work);
        }
    });
}

/// One request, one answer. A connection that goes on would save little, once in ten seconds.
fn converse(stream: &TcpStream, sampling: &Sampling, tell: &Listener, stopping: &AtomicBool) {
    let within = |time| Within { stream, deadline: Instant::now() + time, stopping };
    _ = stream.set_write_timeout(Some(CLOSE_TIME));
    let (response, events) = match Request::read(within(REQUEST_TIME), stream) {
        Ok(request) => sampling.answer(&request),
        Err(Unread::Refused(response)) => (response, Vec::new()),
        Err(Unread::Gone) => return,
    };
    _ = response.write(&mut &*stream);
    _ = stream.shutdown(Shutdown::Write);
    for event in &events {
        // The panic hook has reported it; the next event may do better.
        _ = catch_unwind(AssertUnwindSafe(|| tell(event)));
    }
    // To close while the client still sends would destroy the answer on its way.
    _ = io::copy(&mut within(CLOSE_TIME), &mut io::sink());
}

/// Reads until a deadline, or the end of the receiver.
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
            self.stream.set_read_timeout(Some(left.min(GLANCE)))?;
            match (&mut &*self.stream).read(buffer) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                result => return result,
            }
        }
    }
}
