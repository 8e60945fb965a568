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
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::{Query as Parameters, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::query::{Invalid, Query};
use super::respond::{self, error, filter_error};
use super::{App, blocking};
use crate::filter::{TraceView, select};
use crate::store::{Store, Summarized};
use crate::trace::{AnnotationValue, LabelKind, Summary};

const DEFAULT_LIMIT: usize = 500;
const MAX_LIMIT: usize = 10_000;
const MAX_FACETS: usize = 50;

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Parameters(parameters): Parameters<HashMap<String, String>>,
) -> Response {
    let result = blocking(move || page(&app.store, &parameters)).await;
    match result {
        Some(Ok(body)) => respond::json(&body),
        Some(Err(invalid)) => refuse(&invalid),
        None => error(StatusCode::INTERNAL_SERVER_ERROR, "the list could not be made: see the output of xray-local"),
    }
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

fn page(store: &Store, parameters: &HashMap<String, String>) -> Result<Value, Invalid> {
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
    found.sort_by(|a, b| order.compare(a, b));
    let first = after.map_or(0, |after| found.partition_point(|trace| order.is_before(trace, after)));
    let rows = &found[first..];
    let rows = &rows[..rows.len().min(limit.clamp(1, MAX_LIMIT))];
    let next = rows.last().filter(|_| first + rows.len() < found.len()).map(|last| cursor(order.key(last), last));
    let mut names = NameList::default();
    let rows: Vec<Value> = rows.iter().map(|trace| row(trace, &mut names)).collect();
    Ok(json!({
        "rows": rows,
        "names": names.list,
        "next": next,
        "matched": found.len(),
        "scanned": scanned,
        "facets": facets,
    }))
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

pub(super) fn row(trace: &Summarized, names: &mut NameList) -> Value {
    let summary = &*trace.summary;
    let mut services: Vec<usize> = Vec::new();
    for passed in &summary.services {
        let name = names.get(&passed.service.name);
        if !services.contains(&name) {
            services.push(name);
        }
    }
    json!({
        "id": trace.id.to_string(),
        "sequence": trace.sequence,
        "revision": summary.revision,
        "start": summary.start,
        "response": summary.response_time,
        "duration": summary.duration,
        "status": summary.status,
        "flags": flags(trace),
        "method": summary.method.as_deref(),
        "url": summary.url(),
        "name": names.get(&summary.name),
        "services": services,
        "entities": summary.entities,
        "repeats": summary.repeats,
    })
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

fn facets(traces: &[Summarized]) -> Value {
    let mut latency: BTreeMap<u64, u64> = BTreeMap::new();
    let mut minutes: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let mut status: HashMap<&str, u64> = HashMap::new();
    let (mut services, mut users, mut urls) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut annotations: HashMap<&str, HashMap<FacetValue<'_>, u64>> = HashMap::new();
    let mut outcomes: HashMap<&str, u64> = HashMap::new();
    let mut seen: Vec<&str> = Vec::new();
    for Summarized { summary, .. } in traces {
        *latency.entry(bucket(summary.response_time)).or_default() += 1;
        let minute = minutes.entry(summary.start - summary.start % 60_000_000).or_default();
        minute.0 += 1;
        minute.1 += u64::from(summary.root.fault());
        *status.entry(status_class(summary.status)).or_default() += 1;
        count(&mut services, &mut seen, summary.services.iter().map(|passed| &*passed.service.name));
        for annotation in &summary.annotations {
            let value = FacetValue::of(summary.value(annotation));
            *annotations.entry(&annotation.key).or_default().entry(value).or_default() += 1;
        }
        let root = summary.root;
        let flags = [(root.fault(), "fault"), (root.throttle(), "throttle"), (root.error(), "error")];
        let worst = flags.into_iter().find(|(set, _)| *set);
        for (_, outcome) in worst.into_iter().chain(Some((true, "partial")).filter(|_| summary.in_progress)) {
            *outcomes.entry(outcome).or_default() += 1;
        }
        let labels = summary.labels.iter().filter(|label| label.kind == LabelKind::User);
        count(&mut users, &mut seen, labels.map(|label| &*label.text));
        count(&mut urls, &mut seen, summary.url().into_iter());
    }
    json!({
        "latency": latency.into_iter().map(|(from, count)| json!([from, count])).collect::<Vec<_>>(),
        "status": status,
        "service": most_frequent(services),
        "user": most_frequent(users),
        "url": most_frequent(urls),
        "annotation": frequent_annotations(annotations),
        "outcome": outcomes,
        "minute": minutes.into_iter().map(|(at, (all, faults))| json!([at, all, faults])).collect::<Vec<_>>(),
    })
}

/// A value of an annotation that can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum FacetValue<'a> {
    Bool(bool),
    /// The bits of the number.
    Number(u64),
    Text(&'a str),
}

impl<'a> FacetValue<'a> {
    fn of(value: AnnotationValue<'a>) -> FacetValue<'a> {
        match value {
            AnnotationValue::Text(text) => FacetValue::Text(text),
            AnnotationValue::Number(number) => FacetValue::Number(number.to_bits()),
            AnnotationValue::Bool(value) => FacetValue::Bool(value),
        }
    }

    fn json(self) -> String {
        match self {
            FacetValue::Text(text) => Value::from(text).to_string(),
            FacetValue::Number(bits) => f64::from_bits(bits).to_string(),
            FacetValue::Bool(value) => value.to_string(),
        }
    }
}

/// Counts each distinct value of a trace once.
fn count<'a>(counts: &mut HashMap<&'a str, u64>, seen: &mut Vec<&'a str>, values: impl Iterator<Item = &'a str>) {
    seen.clear();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
            *counts.entry(value).or_default() += 1;
        }
    }
}

fn most_frequent(counts: HashMap<&str, u64>) -> Map<String, Value> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    counts.truncate(MAX_FACETS);
    counts.into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect()
}

/// Returns the annotations that occur most often, each with its most frequent values as JSON.
fn frequent_annotations(annotations: HashMap<&str, HashMap<FacetValue<'_>, u64>>) -> Map<String, Value> {
    let total = |values: &HashMap<FacetValue<'_>, u64>| values.values().sum::<u64>();
    let mut keys: Vec<_> = annotations.into_iter().collect();
    keys.sort_unstable_by(|a, b| total(&b.1).cmp(&total(&a.1)).then(a.0.cmp(b.0)));
    keys.truncate(MAX_FACETS);
    let values = keys.into_iter().map(|(key, values)| {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        values.truncate(MAX_FACETS);
        let values = values.into_iter().map(|(value, count)| (value.json(), count.into()));
        (key.to_owned(), Value::Object(values.collect()))
    });
    values.collect()
}

/// Returns the lower bound of a response time's bucket: a tenth of a decade.
fn bucket(micros: u64) -> u64 {
    if micros == 0 {
        return 0;
    }
    // The casts are lossless enough: a bucket is 26 % wide.
    let tenth = ((micros as f64).log10() * 10.0 + 1e-9).floor();
    10_f64.powf(tenth / 10.0).floor() as u64
}

fn status_class(status: u16) -> &'static str {
    match status {
        429 => "429",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500..600 => "5xx",
        _ => "none",
    }
}
