//! `GET /api/wait?filter=&count=1&timeout=5s`: waits for traces, so that tests need no sleeps.
//!
//! Responds as soon as `count` settled traces match, or with status 408 and what matches after `timeout` (`500ms`, `5s`,
//! or a number of seconds; at most 10 minutes):
//!
//! ```json
//! {"matched": 1, "traces": [{"id": "1-…", "documents": [{"id": "…", "name": "shop", …}]}]}
//! ```
//!
//! A trace is settled when it is complete and nothing has arrived for 200 ms, or after 5 s. Traces are in the order of
//! their first start, and documents are in the order of arrival.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Query as Parameters, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::value::RawValue;

use super::pieces::{self, Frame};
use super::query::{Invalid, Query};
use super::respond::text;
use super::traces::{matching, refuse};
use super::{App, blocking};
use crate::filter::Groups;
use crate::id::TraceId;
use crate::store::{Packed, Summarized};

/// How often the traces are tested.
const TICK: Duration = Duration::from_millis(20);

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_TIMEOUT: Duration = Duration::from_secs(600);

pub(super) async fn wait(
    State(app): State<Arc<App>>,
    Parameters(parameters): Parameters<HashMap<String, String>>,
) -> Response {
    let (query, count, timeout) = match parse(app.store.groups(), &parameters) {
        Ok(parsed) => parsed,
        Err(invalid) => return refuse(&invalid),
    };
    let (query, begin) = (Arc::new(query), Instant::now());
    loop {
        let (source, filter) = (Arc::clone(&app), Arc::clone(&query));
        let found = blocking(move || settled(&source, &filter)).await.unwrap_or_default();
        let enough = found.len() >= count;
        if enough || begin.elapsed() >= timeout {
            let status = if enough { StatusCode::OK } else { StatusCode::REQUEST_TIMEOUT };
            let begin = format!("{{\"matched\":{},\"traces\":[", found.len());
            let ids = found.iter().map(|trace| trace.id).collect();
            let frame = Frame { begin, between: ",", end: "]}" };
            return text(status, "application/json", pieces::body(app, ids, trace, frame));
        }
        tokio::time::sleep(TICK.min(timeout.saturating_sub(begin.elapsed()))).await;
    }
}

fn parse(groups: &Groups, parameters: &HashMap<String, String>) -> Result<(Query, usize, Duration), Invalid> {
    let query = Query::parse(groups, parameters)?;
    let count = match parameters.get("count") {
        None => 1,
        Some(text) => text.parse().map_err(|_| Invalid::Parameter("count", "a number of traces"))?,
    };
    let timeout = match parameters.get("timeout") {
        None => DEFAULT_TIMEOUT,
        Some(text) => time(text).ok_or(Invalid::Parameter("timeout", "a time such as 5s or 500ms"))?,
    };
    Ok((query, count, timeout.min(MAX_TIMEOUT)))
}

fn time(text: &str) -> Option<Duration> {
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1e-3),
        (None, Some(number)) => (number, 1.0),
        (None, None) => (text, 1.0),
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()
}

fn settled(app: &App, query: &Query) -> Vec<Summarized> {
    let mut found = matching(&app.store, query).1;
    found.retain(|trace| trace.settled);
    found.sort_by_key(|trace| (trace.summary.start, trace.id));
    found
}

fn trace(app: &App, id: TraceId) -> Option<String> {
    let parts = app.store.parts(id)?;
    // Each document was accepted, so it is an object.
    let documents: Vec<String> = parts.documents.iter().map(Packed::text).collect();
    let text = format!("{{\"id\":\"{id}\",\"documents\":[{}]}}", documents.join(","));
    serde_json::from_str::<&RawValue>(&text).is_ok().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_parsed() {
        for (text, want) in
            [("5s", Some(5_000)), ("500ms", Some(500)), ("0.5", Some(500)), ("-1", None), ("soon", None)]
        {
            assert_eq!(time(text).map(|time| time.as_millis()), want, "{text}");
        }
    }
}
