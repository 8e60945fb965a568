//! The list of traces.
//!
//! `GET /api/traces?filter=&timeRange=&sort=&cursor=&limit=`
//!
//! | Parameter | Meaning |
//! |---|---|
//! | `filter` | a filter expression; empty for all traces |
//! | `timeRange` | `PT15M`, or `START~END` in ISO 8601, by the first start of a trace; empty for all |
//! | `sort` | `time`, `response`, `duration`, `status`, `entities`, with `-` in front for descending order; default `-time` |
//! | `limit` | rows of one page; default 500, at most 10,000 |
//! | `cursor` | `next` of the page before |
//!
//! ```json
//! {
//!   "rows": [{
//!     "id": "1-5759e988-bd862e3fe1be46a994272793", "sequence": 4711, "revision": 2,
//!     "start": 1480615200010000, "response": 90000, "duration": 120000, "status": 200, "flags": 32,
//!     "method": "POST", "url": "http://shop.example.com/checkout", "name": 0, "services": [0, 2], "entities": 41, "repeats": 31
//!   }],
//!   "names": ["shop", "AWS::ECS::Container", "inventory"],
//!   "next": "…",
//!   "matched": 214, "scanned": 9998,
//!   "facets": {
//!     "latency": [[1000, 12], [1258, 3]],
//!     "status": {"2xx": 9802, "4xx": 150, "429": 6, "5xx": 42, "none": 3},
//!     "service": {"shop": 9990}, "user": {"u-1": 3}, "url": {"http://…": 7}, "annotation": {"tier": {"\"gold\"": 40}},
//!     "outcome": {"fault": 42, "error": 150, "throttle": 6, "partial": 1},
//!     "minute": [[1480615200000000, 120, 3]]
//!   }
//! }
//! ```
//!
//! `status` is 0 if there is none, `method` and `url` are null then. `next` is null on the last page. `name` and
//! `services` are indices into `names`; `services` are the distinct names in the order of the calls. `repeats` is the
//! longest run of repeated calls (N+1), 0 below five.
//!
//! `flags` is a sum: 1 the root has a fault, 2 an error, 4 a throttle; 8 something is in progress; 16 a parent is
//! missing; 32 settled, so no more is expected; 64 a fault anywhere; 128 an error or throttle anywhere.
//!
//! `latency` counts response times in buckets of a tenth of a decade, each by its lower bound. `minute` holds, for each
//! minute, its start, the number of traces and the number with a fault. Facets have at most 50 values, the most frequent;
//! those of annotations are JSON. `outcome` counts traces by the most severe flag of their root, and those in progress.
//!
//! `DELETE /api/traces` forgets all traces: `{"forgotten": 214}`.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query as Parameters, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value, json};

use super::facets::facets;
use super::query::{Invalid, Query};
use super::respond::{self, error, filter_error};
use super::{App, blocking};
use crate::filter::{TraceView, select};
use crate::store::{Store, Summarized};
use crate::trace::Summary;

const DEFAULT_LIMIT: usize = 500;
const MAX_LIMIT: usize = 10_000;

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Parameters(parameters): Parameters<HashMap<String, String>>,
) -> Response {
    let response = blocking(move || page(&app.store, &parameters).unwrap_or_else(|invalid| refuse(&invalid))).await;
    response.unwrap_or_else(|| {
        error(StatusCode::INTERNAL_SERVER_ERROR, "the list could not be made: see the output of xray-local")
    })
}

pub(super) async fn clear(State(app): State<Arc<App>>) -> Response {
    respond::json(&json!({ "forgotten": app.store.clear() }))
}

pub(super) fn refuse(invalid: &Invalid) -> Response {
    match invalid {
        Invalid::Filter(failure) => filter_error(failure),
        Invalid::Parameter(name, expected) => {
            error(StatusCode::BAD_REQUEST, &format!("`{name}` is invalid: expected {expected}"))
        }
    }
}

fn page(store: &Store, parameters: &HashMap<String, String>) -> Result<Response, Invalid> {
    let query = Query::parse(store.groups(), parameters)?;
    let order = Order::parse(parameters.get("sort").map_or("", String::as_str))
        .ok_or(Invalid::Parameter("sort", "time, response, duration, status or entities, perhaps after a `-`"))?;
    let limit = match parameters.get("limit").filter(|text| !text.is_empty()) {
        None => DEFAULT_LIMIT,
        Some(text) => text.parse().map_err(|_| Invalid::Parameter("limit", "a number"))?,
    };
    let after = match parameters.get("cursor").filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(parse_cursor(text).ok_or(Invalid::Parameter("cursor", "`next` of another page"))?),
    };
    let (scanned, mut found) = matching(store, &query);
    let facets = facets(&found);
    let matched = found.len();
    if let Some(after) = after {
        found.retain(|trace| !order.is_before(trace, after));
    }
    let limit = limit.clamp(1, MAX_LIMIT);
    let is_last = found.len() <= limit;
    if !is_last {
        // Sorting the rows of other pages would take longer than all else.
        found.select_nth_unstable_by(limit, |a, b| order.compare(a, b));
        found.truncate(limit);
    }
    found.sort_unstable_by(|a, b| order.compare(a, b));
    let next = found.last().filter(|_| !is_last).map(|last| cursor(order.key(last), last));
    let mut names = NameList::default();
    let rows: Vec<Row<'_>> = found.iter().map(|trace| row(trace, &mut names)).collect();
    Ok(respond::json(&Page { rows, names: names.list, next, matched, scanned, facets }))
}

/// A page of the list. It is no [`Value`], because hundreds of rows of values take longer to make than to write.
#[derive(Serialize)]
struct Page<'a> {
    rows: Vec<Row<'a>>,
    names: Vec<String>,
    next: Option<String>,
    matched: usize,
    scanned: usize,
    facets: Value,
}

/// Returns how many traces were tested, and those that match.
pub(super) fn matching(store: &Store, query: &Query) -> (usize, Vec<Summarized>) {
    let mut all = store.summaries(0);
    let scanned = all.len();
    select(&mut all, |trace| {
        query.range.contains(&trace.summary.start)
            && query.filter.matches(&TraceView::new(trace.id, &trace.summary, store))
    });
    (scanned, all)
}

/// The order of a list. Traces with equal keys are ordered by id, so that every page begins where another one ends.
#[derive(Debug, Clone, Copy)]
struct Order {
    key: fn(&Summary) -> u64,
    descending: bool,
}

impl Order {
    fn parse(text: &str) -> Option<Order> {
        let (name, descending) = text.strip_prefix('-').map_or((text, text.is_empty()), |name| (name, true));
        let key: fn(&Summary) -> u64 = match name {
            "" | "time" => |summary| summary.start,
            "response" => |summary| summary.response_time,
            "duration" => |summary| summary.duration,
            "status" => |summary| summary.status.into(),
            "entities" => |summary| summary.entities.into(),
            _ => return None,
        };
        Some(Order { key, descending })
    }

    fn key(&self, trace: &Summarized) -> u64 {
        (self.key)(&trace.summary)
    }

    fn compare(&self, a: &Summarized, b: &Summarized) -> Ordering {
        self.direct((self.key(a), a.id).cmp(&(self.key(b), b.id)))
    }

    /// Whether a trace is on a page before the cursor, or is the last one of it.
    fn is_before(&self, trace: &Summarized, (key, id): (u64, crate::TraceId)) -> bool {
        self.direct((self.key(trace), trace.id).cmp(&(key, id))).is_le()
    }

    fn direct(&self, order: Ordering) -> Ordering {
        if self.descending { order.reverse() } else { order }
    }
}

fn cursor(key: u64, last: &Summarized) -> String {
    format!("{key}:{}", last.id)
}

fn parse_cursor(text: &str) -> Option<(u64, crate::TraceId)> {
    let (key, id) = text.split_once(':')?;
    Some((key.parse().ok()?, id.parse().ok()?))
}

/// Strings of a response, each once.
#[derive(Default)]
pub(super) struct NameList {
    pub(super) list: Vec<String>,
    index: HashMap<String, usize>,
}

impl NameList {
    pub(super) fn get(&mut self, name: &str) -> usize {
        if let Some(index) = self.index.get(name) {
            return *index;
        }
        self.index.insert(name.to_owned(), self.list.len());
        self.list.push(name.to_owned());
        self.list.len() - 1
    }
}

/// One trace of the list.
pub(super) struct Row<'a> {
    trace: &'a Summarized,
    /// Indices of names.
    name: usize,
    services: Vec<usize>,
}

pub(super) fn row<'a>(trace: &'a Summarized, names: &mut NameList) -> Row<'a> {
    let summary = &*trace.summary;
    let mut services: Vec<usize> = Vec::new();
    for passed in &summary.services {
        let name = names.get(&passed.service.name);
        if !services.contains(&name) {
            services.push(name);
        }
    }
    Row { trace, name: names.get(&summary.name), services }
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Row { trace, name, services } = self;
        let summary = &*trace.summary;
        let mut members = serializer.serialize_map(Some(14))?;
        members.serialize_entry("id", &trace.id.to_string())?;
        members.serialize_entry("sequence", &trace.sequence)?;
        members.serialize_entry("revision", &summary.revision)?;
        members.serialize_entry("start", &summary.start)?;
        members.serialize_entry("response", &summary.response_time)?;
        members.serialize_entry("duration", &summary.duration)?;
        members.serialize_entry("status", &summary.status)?;
        members.serialize_entry("flags", &flags(trace))?;
        members.serialize_entry("method", &summary.method.as_deref())?;
        members.serialize_entry("url", &summary.url())?;
        members.serialize_entry("name", name)?;
        members.serialize_entry("services", services)?;
        members.serialize_entry("entities", &summary.entities)?;
        members.serialize_entry("repeats", &summary.repeats)?;
        members.end()
    }
}

fn flags(trace: &Summarized) -> u32 {
    let summary = &*trace.summary;
    [
        summary.root.fault(),
        summary.root.error(),
        summary.root.throttle(),
        summary.in_progress,
        summary.orphans,
        trace.settled,
        summary.any.fault(),
        summary.any.error() || summary.any.throttle(),
    ]
    .into_iter()
    .enumerate()
    .map(|(bit, set)| u32::from(set) << bit)
    .sum()
}
