//! `GET /api/events?filter=&after=`: server-sent events.
//!
//! | Event | Data |
//! |---|---|
//! | `traces` | `{"rows": […], "names": […], "more": 0, "sequence": 4711}`: changed traces that match the filter, rows as in `GET /api/traces`; `more` counts changed traces beyond the 100 of one event |
//! | `stats` | the response of `GET /api/status`, each second |
//! | `rules` | `{"modified": 1480615200010000, "rules": ["Default", "checkout"]}`: the sampling rules were edited, by a call or in their file, which is read again each second while a page listens |
//!
//! `after` is the `sequence` after which changes count; by default, those after the request. A trace is sent again with
//! each change, and once more when it is settled.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query as Parameters, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use serde_json::{Value, json};

use super::query::Query;
use super::status::status;
use super::traces::{NameList, Row, refuse, row};
use super::{App, blocking};
use crate::filter::TraceView;
use crate::store::Summarized;

/// How often changes are sent.
const TICK: Duration = Duration::from_millis(100);

/// Ticks between two `stats` events.
const STATS: u32 = 10;

/// Rows of one event. A page cannot show more than a thousand changes per second.
const MAX_ROWS: usize = 100;

/// One page that listens.
struct Listener {
    app: Arc<App>,
    query: Arc<Query>,
    after: u64,
    /// Changed traces that were not settled when they were sent.
    unsettled: Vec<crate::TraceId>,
    ticks: u32,
    /// When the sampling rules that the page knows came into use.
    rules: Duration,
    waiting: Vec<Event>,
}

pub(super) async fn stream(
    State(app): State<Arc<App>>,
    Parameters(parameters): Parameters<HashMap<String, String>>,
) -> Response {
    let query = match Query::parse(app.store.groups(), &parameters) {
        Ok(query) => Arc::new(query),
        Err(invalid) => return refuse(&invalid),
    };
    let after = parameters.get("after").and_then(|text| text.parse().ok()).unwrap_or_else(|| app.store.sequence());
    let rules = app.sampling(|sampling| sampling.modified());
    let listener = Listener { app, query, after, unsettled: Vec::new(), ticks: 0, rules, waiting: Vec::new() };
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await;
        Some((Ok::<_, Infallible>(event), listener))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

impl Listener {
    async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.waiting.pop() {
                return event;
            }
            if self.ticks > 0 {
                tokio::time::sleep(TICK).await;
            }
            if self.ticks.is_multiple_of(STATS) {
                self.waiting.push(event("stats", &status(&self.app)));
                let rules = self.rules();
                self.waiting.extend(rules.map(|rules| event("rules", &rules)));
            }
            self.ticks = self.ticks.wrapping_add(1).max(1);
            if let Some(changes) = self.changes().await {
                self.waiting.push(Event::default().event("traces").data(changes));
            }
        }
    }

    /// Returns the sampling rules, if they have changed since the last call.
    fn rules(&mut self) -> Option<Value> {
        let known = self.rules;
        let (modified, names) = self.app.sampling(|sampling| (sampling.modified(), sampling.names()));
        self.rules = modified;
        (modified != known).then(|| json!({ "modified": modified.as_micros() as u64, "rules": names }))
    }

    /// Returns the changes since the last call as JSON, if there are any.
    async fn changes(&mut self) -> Option<String> {
        let (app, query, after) = (Arc::clone(&self.app), Arc::clone(&self.query), self.after);
        if app.store.sequence() == after && self.unsettled.is_empty() {
            return None;
        }
        let unsettled = std::mem::take(&mut self.unsettled);
        let work = move || {
            let (sequence, more, mut changed) = app.store.latest(after, MAX_ROWS);
            let known: Vec<_> = unsettled.into_iter().filter_map(|id| app.store.summary(id)).collect();
            // A trace that settles without a further document has no new sequence number.
            changed.extend(known.into_iter().filter(|trace| trace.settled || trace.sequence <= after));
            let matches =
                |trace: &Summarized| query.filter.matches(&TraceView::new(trace.id, &trace.summary, &app.store));
            changed.retain(matches);
            (sequence, more, changed)
        };
        let (sequence, more, mut changed) = blocking(work).await?;
        let open = changed.iter().filter(|trace| !trace.settled).map(|trace| trace.id);
        self.unsettled = open.collect();
        changed.retain(|trace| trace.settled || trace.sequence > after);
        self.after = sequence;
        if changed.is_empty() && more == 0 {
            return None;
        }
        let mut names = NameList::default();
        let rows = changed.iter().map(|trace| row(trace, &mut names)).collect();
        serde_json::to_string(&Changes { rows, names: names.list, more, sequence }).ok()
    }
}

/// The data of the event `traces`.
#[derive(Serialize)]
struct Changes<'a> {
    rows: Vec<Row<'a>>,
    names: Vec<String>,
    more: usize,
    sequence: u64,
}

fn event(name: &'static str, data: &Value) -> Event {
    Event::default().event(name).data(data.to_string())
}
