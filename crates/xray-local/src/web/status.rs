//! `GET /api/status`: what is kept, and what was lost on the way.
//!
//! ```json
//! {
//!   "version": "0.1.0", "address": "127.0.0.1:2000", "uptime": 12000000, "pid": 4711,
//!   "datagrams": 9998, "traces": 214, "bytes": 400120, "maxBytes": 67108864, "maxTraces": 100000, "forgotten": 0,
//!   "refused": {"missingHeader": 0, "invalidHeader": 0, "invalidDocument": 0},
//!   "lost": {"queueFull": 0, "kernel": 0, "notForwarded": 0},
//!   "forward": [{"target": "udp:127.0.0.1:2001", "sent": 9998, "lost": 0, "failure": null}],
//!   "buffer": {"bytes": 4194304, "small": false},
//!   "store": {"path": "traces.db", "bytes": 1118208, "failures": 0, "unstored": 0, "failure": null},
//!   "sequence": 9998
//! }
//! ```
//!
//! `uptime` is in microseconds. `buffer` is the receive buffer of the UDP socket; if `small`, the system permits less
//! than 4 MiB. `store` is null without a store file; `failure` says what is wrong with it now, and `unstored` counts
//! documents that are not in it because it failed. `forward` counts documents by receiver; `failure` says why those of a daemon
//! are lost now. Of those that an OTLP receiver gets, a document in progress and a copy count as neither sent nor lost.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::App;
use super::respond;
use crate::ingest::WANTED;

pub(super) async fn show(State(app): State<Arc<App>>) -> Response {
    respond::json(&status(&app))
}

pub(super) fn status(app: &App) -> Value {
    let stats = app.store.stats();
    let limits = app.store.limits();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "address": app.address.to_string(),
        "uptime": u64::try_from(app.started.elapsed().as_micros()).unwrap_or(u64::MAX),
        "pid": std::process::id(),
        "datagrams": stats.datagrams,
        "traces": stats.traces,
        "bytes": stats.bytes,
        "maxBytes": limits.memory,
        "maxTraces": limits.traces,
        "forgotten": stats.evicted,
        "refused": {
            "missingHeader": stats.missing_header,
            "invalidHeader": stats.invalid_header,
            "invalidDocument": stats.invalid_document,
        },
        "lost": { "queueFull": stats.queue_full, "kernel": stats.kernel_drops, "notForwarded": stats.not_forwarded },
        "forward": forward(app),
        "store": store(app),
        "buffer": { "bytes": app.buffer, "small": app.buffer < WANTED },
        "sequence": app.store.sequence(),
    })
}

fn forward(app: &App) -> Value {
    let targets = app.forward.targets().map(|target| {
        let (sent, lost) = target.counts();
        json!({ "target": target.name(), "sent": sent, "lost": lost, "failure": target.failure() })
    });
    targets.collect()
}

#[cfg(feature = "store")]
fn store(app: &App) -> Value {
    let Some(file) = app.store.file() else { return Value::Null };
    let (bytes, failures, unstored, failure) = file.state();
    let path = file.path().to_string_lossy();
    json!({ "path": path, "bytes": bytes, "failures": failures, "unstored": unstored, "failure": failure })
}

#[cfg(not(feature = "store"))]
fn store(_: &App) -> Value {
    Value::Null
}
