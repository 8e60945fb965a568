//! The actions of the routes, independent of the framework: names, captures, bodies.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::num::ParseIntError;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, Stream};
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::percent_decode_str;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::sleep;
use xray_core::{FutureExt, Segment, capture, current, current_segment, in_current, subsegment, try_capture};

use super::ServiceError;
use crate::client::{Client, Library};

/// The body of responses without other content.
pub const OK: &str = "ok";
/// The time limit of the handler of `/timeout`.
pub const TIME_LIMIT: Duration = Duration::from_millis(100);
/// How long requests in progress may take after SIGTERM.
pub const GRACE: Duration = Duration::from_secs(30);
/// Bytes of stack per level of `/nest`, enough for unoptimised code.
const LEVEL: usize = 16 * 1024;

/// The path of requests that the layers ignore.
pub const IGNORED: &str = "/health";

/// GET `/error`: the handler fails.
///
/// # Errors
/// Always returns an error.
pub fn error() -> Result<&'static str, ServiceError> {
    Err(ServiceError("broken".to_owned()))
}

/// GET `/panic`.
///
/// # Panics
/// Always panics.
pub fn panic() -> &'static str {
    panic!("boom")
}

/// GET `/sleep/{ms}`: waits.
pub async fn wait(ms: u64) -> &'static str {
    sleep(Duration::from_millis(ms)).await;
    OK
}

/// GET `/stream/{n}/{ms}`: streams chunks of 1 KiB.
pub fn chunks(n: usize, ms: u64) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    stream::unfold(0, move |sent| async move {
        if sent == n {
            return None;
        }
        if sent > 0 {
            sleep(Duration::from_millis(ms)).await;
        }
        Some((Ok(Bytes::from_static(&[b'.'; 1024])), sent + 1))
    })
}

/// GET `/nest/{depth}`: captures nested functions.
///
/// They run on a separate thread with a stack that is large enough.
///
/// # Errors
/// Returns an error if the thread cannot be started.
pub async fn nest(depth: usize) -> Result<&'static str, ServiceError> {
    fn level(number: usize, depth: usize) {
        capture(number.to_string(), |subsegment| match number {
            _ if number < depth => level(number + 1, depth),
            _ => {
                subsegment.annotate("depth", depth);
            }
        });
    }
    let (done, finished) = oneshot::channel();
    let work = in_current(move || {
        if depth > 0 {
            level(1, depth);
        }
        // Sending fails if the request has been cancelled.
        let _ = done.send(());
    });
    let stack = depth.saturating_mul(LEVEL).saturating_add(1 << 20);
    thread::Builder::new().stack_size(stack).spawn(work).map_err(|error| ServiceError(error.to_string()))?;
    finished.await.map_err(|_| ServiceError("the functions panicked".to_owned()))?;
    Ok(OK)
}

/// GET `/fan/{n}`: captures functions that run concurrently.
pub async fn fan(n: usize) -> &'static str {
    let children = (0..n).map(|i| sleep(Duration::from_millis(5)).in_subsegment(format!("child-{i}")));
    join_all(children).await;
    OK
}

/// GET `/seq/{n}`: captures functions one after another.
pub fn seq(n: usize) -> &'static str {
    for i in 0..n {
        capture(format!("step-{i}"), |_| ());
    }
    OK
}

/// GET `/leak`: begins a subsegment that outlives its segment. Its task runs on the runtime of the process, since the
/// runtime of a worker may not have ended when the process does.
pub fn leak(process: &Handle) -> &'static str {
    let leaked = subsegment("leaked");
    process.spawn(async move {
        sleep(Duration::from_millis(300)).await;
        leaked.close();
    });
    OK
}

/// GET `/annotate/{value}`: adds everything that an application can add to a segment. Returns the trace ID.
pub async fn annotate(value: &str) -> String {
    let entity = current();
    entity.annotate("value", value).metadata_in("ns", "info", &json!({"value": value}));
    current_segment().set_user(&format!("user-{value}"));
    sleep(Duration::from_millis(20)).await;
    current().trace_id().map(|id| id.to_string()).unwrap_or_default()
}

/// GET `/metadata/{bytes}`: adds metadata, possibly more than fits in a datagram.
pub fn metadata(bytes: usize) -> &'static str {
    capture("big", |subsegment| {
        subsegment.metadata_with("text", || "x".repeat(bytes));
    });
    OK
}

/// GET `/fail/{name}`: captures a function that fails, in a handler that succeeds.
pub fn fail(name: &str) -> &'static str {
    /// An error with a cause.
    #[derive(Debug)]
    struct BadNumber(ParseIntError);
    impl fmt::Display for BadNumber {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("not a number")
        }
    }
    impl std::error::Error for BadNumber {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    match try_capture(name, |_| "x".parse::<u8>().map_err(BadNumber)) {
        Ok(_) => "unlikely",
        Err(_) => "handled",
    }
}

/// GET `/manual`: records by the handle alone.
pub fn manual(segment: &Segment) -> &'static str {
    segment.subsegment("by-hand").close();
    OK
}

/// The clients of GET `/out/{client}?url=URL` and `/proxy/{client}?url=URL`.
#[derive(Clone, Debug)]
pub struct Clients {
    reqwest: Client,
    hyper: Client,
}

impl Clients {
    /// Creates one client of each library.
    pub fn new() -> Clients {
        Clients { reqwest: Client::new(Library::Reqwest, false), hyper: Client::new(Library::Hyper, false) }
    }

    /// Makes the call that the query string describes, and returns its result as JSON.
    pub async fn call(&self, client: &str, query: &str) -> String {
        match self.send(client, query, HeaderMap::new()).await {
            Ok(status) => json!({"status": status}).to_string(),
            Err(error) => json!({"error": error}).to_string(),
        }
    }

    /// GET `/proxy/{client}?url=URL`: forwards the request with its headers, and returns the status to respond with:
    /// that of the response, or 502.
    pub async fn proxy<'a>(
        &self,
        client: &str,
        query: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> u16 {
        let mut forwarded = HeaderMap::new();
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
                forwarded.append(name, value);
            }
        }
        // The host comes from the URL. The body is not forwarded, so no header may announce one.
        for name in [HOST, CONTENT_LENGTH, TRANSFER_ENCODING] {
            forwarded.remove(name);
        }
        self.send(client, query, forwarded).await.unwrap_or(502)
    }

    async fn send(&self, client: &str, query: &str, headers: HeaderMap) -> Result<u16, String> {
        let client = match Library::named(client) {
            Some(Library::Reqwest) => &self.reqwest,
            Some(Library::Hyper) => &self.hyper,
            None => return Err(format!("there is no client {client:?}")),
        };
        // Everything after `url=`, since an unencoded URL may contain a query string itself.
        let url = query.strip_prefix("url=").ok_or("the query string is not url=URL")?;
        client.call_with(Method::GET, &percent_decode_str(url).decode_utf8_lossy(), headers).await
    }
}

impl Default for Clients {
    fn default() -> Clients {
        Clients::new()
    }
}

/// Prints the address of the service as the first line of standard output.
///
/// # Errors
/// Returns an error if standard output is closed.
pub fn announce(address: std::net::SocketAddr) -> io::Result<()> {
    use io::Write as _;
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {address}")?;
    out.flush()
}
