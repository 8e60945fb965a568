//! The TCP side: the page, its data, and the operations of the X-Ray service, all on one port.
//!
//! # Addresses
//!
//! | Request | Response |
//! |---|---|
//! | `GET /`, `/traces…`, `/compare`, `/service-map`, `/sampling…`, `/status`, `/xray/home` | the page, which reads its state from the address |
//! | `GET /ui/FILE` | a file of the page |
//! | `GET /api/…` | the page's data: JSON, described in `web/traces.rs`, `web/trace.rs`, `web/events.rs`, `web/graph.rs`, `web/sampling.rs`, `web/status.rs`, `web/wait.rs` and `web/transfer.rs` |
//! | `POST /Xxx` | an operation of the X-Ray service: `api/mod.rs` |
//!
//! Times are whole microseconds, since the epoch or since the start of the trace. Names are indices into a list of
//! strings in the same response. Errors are `{"message": "…"}`, with `"at"` for a position in a filter expression.
//!
//! `web/guard.rs` checks each request before anything else reads it.

mod events;
mod facets;
mod graph;
mod guard;
mod pages;
mod pieces;
mod query;
mod respond;
mod sampling;
mod status;
mod trace;
mod traces;
mod transfer;
mod wait;

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, oneshot};

use crate::api::Settings;
use crate::ingest::{Forward, spawn};
use crate::sampling::{Listener, Sampling, Session};
use crate::store::Store;

/// Concurrent connections. A browser opens six, and SDKs open one every ten seconds.
const MAX_CONNECTIONS: usize = 64;

/// Time limit for a client to send a request, and for an idle connection.
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// Maximum bytes of a request's head.
const MAX_HEAD: usize = 16 << 10;

/// Calls that run at the same time. Some of them wait for the disk, and each of their threads keeps memory: 16 of them kept 150
/// MB after long lists.
const MAX_CALLS: usize = 4;

/// How long the end of the server waits for calls that run.
const END_TIME: Duration = Duration::from_millis(200);

/// What all requests share.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) forward: Arc<Forward>,
    pub(crate) sampling: Sampling,
    pub(crate) settings: Settings,
    pub(crate) on_sampling: Listener,
    pub(crate) address: SocketAddr,
    /// Further names that a `Host` header may have.
    pub(crate) hosts: Vec<String>,
    /// A folder that replaces the embedded files of the page.
    pub(crate) ui: Option<PathBuf>,
    pub(crate) started: Instant,
    /// Bytes of the UDP socket's buffer.
    pub(crate) buffer: usize,
}

impl App {
    /// Runs a sampling call, then passes on its events.
    pub(crate) fn sampling<T>(&self, call: impl FnOnce(&mut Session<'_>) -> T) -> T {
        let (result, events) = self.sampling.session(call);
        for event in &events {
            // The panic hook has already reported the panic; later events are still passed on.
            _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.on_sampling)(event)));
        }
        result
    }
}

/// The server's thread. Dropping it closes all connections.
pub(crate) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(listener: TcpListener, app: App) -> io::Result<Server> {
        listener.set_nonblocking(true)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(MAX_CALLS).build()?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = spawn("xray-local-web", move || {
            runtime.block_on(async {
                tokio::spawn(accept(listener, router(Arc::new(app))));
                _ = stopped.await;
            });
            runtime.shutdown_timeout(END_TIME);
        })?;
        Ok(Server { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/api/status", get(status::show))
        .route("/api/traces", get(traces::list).delete(traces::clear))
        .route("/api/traces/{id}", get(trace::show))
        .route("/api/traces/{id}/documents", get(trace::documents))
        .route("/api/traces/{id}/entities/{entity}", get(trace::entity))
        .route("/api/graph", get(graph::show))
        .route("/api/sampling", get(sampling::show))
        .route("/api/events", get(events::stream))
        .route("/api/wait", get(wait::wait))
        .route("/api/export", get(transfer::export))
        .route("/api/import", post(transfer::import))
        .route("/ui/{*file}", get(pages::file))
        .fallback(pages::page_or_operation)
        // The guard has limits of its own.
        .layer(DefaultBodyLimit::disable())
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), guard::check))
        .with_state(app)
}

async fn accept(listener: tokio::net::TcpListener, router: Router) {
    let seats = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No error ends a receiver. A permanent error must not keep a core busy.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
            // This response fits into the socket's buffer, so it is sent without waiting for the client.
            if let Ok(mut stream) = stream.into_std() {
                _ = stream.write_all(BUSY);
            }
            continue;
        };
        // Small responses must not wait for the acknowledgement of earlier ones.
        _ = stream.set_nodelay(true);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIME)
            .max_buf_size(MAX_HEAD)
            .half_close(true)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        tokio::spawn(async move {
            // An error means that the client has gone or sent something other than HTTP.
            _ = connection.await;
            drop(seat);
        });
    }
}

const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 34\r\n\
    Connection: close\r\n\r\n{\"message\":\"too many connections\"}";

/// Runs work that may take longer than a millisecond on another thread, so that other requests do not wait.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    // The panic hook has already reported a panic.
    tokio::task::spawn_blocking(work).await.ok()
}
