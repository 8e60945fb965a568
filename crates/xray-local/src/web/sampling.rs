//! The clients that use sampling rules.
//!
//! `GET /api/sampling` returns the last report of each client on each rule:
//!
//! ```json
//! {"clients": [{"rule": "orders", "client": "b408…", "requests": 120, "sampled": 12, "borrowed": 0,
//!   "quota": 5, "rate": 0.07, "until": 1480615215000000}]}
//! ```
//!
//! `until` is the time to which the quota is valid. Clients that no longer report are left out.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::{App, respond};

pub(super) async fn show(State(app): State<Arc<App>>) -> Response {
    respond::json(&json!({ "clients": app.sampling(|sampling| sampling.clients()) }))
}
