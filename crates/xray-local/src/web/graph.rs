//! The service map.
//!
//! `GET /api/graph?filter=&timeRange=` returns `{"Services": […]}`, the service graph of the traces that match, with the
//! members of X-Ray's `GetServiceGraph`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query as Parameters, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::query::Query;
use super::respond::{self, error};
use super::traces::{matching, refuse};
use super::{App, blocking};
use crate::api::Graph;
use crate::filter::TraceView;

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Parameters(parameters): Parameters<HashMap<String, String>>,
) -> Response {
    let query = match Query::parse(app.store.groups(), &parameters) {
        Ok(query) => query,
        Err(invalid) => return refuse(&invalid),
    };
    let services = blocking(move || {
        let mut graph = Graph::default();
        for trace in matching(&app.store, &query).1 {
            graph.add_trace(&TraceView::new(trace.id, &trace.summary, &app.store));
        }
        graph.services()
    });
    match services.await {
        Some(services) => respond::json(&json!({ "Services": services })),
        None => error(StatusCode::INTERNAL_SERVER_ERROR, "the map could not be made: see the output of xray-local"),
    }
}
