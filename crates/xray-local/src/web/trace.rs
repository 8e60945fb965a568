//! One trace.
//!
//! `GET /api/traces/ID`
//!
//! ```json
//! {
//!   "id": "1-5759e988-bd862e3fe1be46a994272793", "start": 1480615200010000, "duration": 120000, "revision": 2,
//!   "documents": 2, "names": ["shop", "POST /checkout", "load-cart"],
//!   "entities": {
//!     "id": ["53995c3f42cd8ad8", "70de5b6f19ff9a0a"], "depth": [0, 1], "end": [2, 2], "start": [0, 20000],
//!     "duration": [90000, 50000], "flags": [0, 0], "kind": [0, 1], "name": [0, 2], "signature": [0, 1],
//!     "status": [200, 0], "action": [1, -1], "segment": [0, 0]
//!   },
//!   "skews": [[12, 3000]],
//!   "critical": [[0, 0, 20000], [1, 20000, 70000], [0, 70000, 90000]]
//! }
//! ```
//!
//! Entities are in pre-order, one list for each member, because a browser reads a few long lists much faster than many
//! short ones:
//!
//! | Member | |
//! |---|---|
//! | `id` | its id |
//! | `depth` | its depth |
//! | `end` | the index after its last descendant |
//! | `start` | its start, in microseconds from `start`, corrected for clock differences |
//! | `duration` | its duration in microseconds, or -1 while it is in progress |
//! | `flags` | a sum of flags: 1 fault, 2 error, 4 throttle, 8 in progress, 16 the parent is missing, 32 it has exceptions |
//! | `kind` | its kind: 0 segment, 1 subsegment, 2 call to a remote service, 3 call to an AWS service, 4 SQL query, 5 inferred segment |
//! | `name` | its name, in `names` |
//! | `signature` | its signature: a number that entities share if they do the same with other values |
//! | `status` | its HTTP status, or 0 |
//! | `action` | what it does, in `names`: method and URL, AWS operation, SQL query; or -1 |
//! | `segment` | the name of its segment, in `names`; or -1 |
//!
//! `skews` lists the segments that were moved, with the microseconds: their clock was behind the caller's.
//!
//! `critical` is the critical path in the order of time: an entity that the response waited for, without its children, with
//! the first and the last microsecond from `start`. It is empty while the first root is in progress.
//!
//! `GET /api/traces/ID/entities/EID` returns the JSON of the entity as it was received, with `subsegments` emptied.
//!
//! `GET /api/traces/ID/documents`
//!
//! ```json
//! {"documents": [{
//!   "arrived": 1480615200095000, "bytes": 1912, "limit": 65507, "port": 40312, "repeated": 0, "kind": "segment",
//!   "sdk": "X-Ray for Rust 0.1.0", "entities": [["53995c3f42cd8ad8", "shop", "new"]], "text": "{…}"
//! }]}
//! ```
//!
//! `arrived` has milliseconds. `port` is 0 if the document did not arrive by UDP. `kind` is `segment`, `in progress` or
//! `subsegment`. An entity is `new`, `updated`, or `ignored` because a better version had arrived before.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::respond::{self, error, text};
use super::traces::NameList;
use super::{App, blocking};
use crate::id::{EntityId, TraceId};
use crate::store::{Packed, Parts};
use crate::trace::{Node, Service, Stretch, Trace, critical_path, signature};

/// The most bytes of a datagram, less the header that SDKs send.
const MAX_DATAGRAM: usize = 65_507;

pub(super) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    respond_with(app, id, |parts| respond::json(&skeleton(&parts))).await
}

pub(super) async fn documents(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    respond_with(app, id, |parts| respond::json(&json!({ "documents": arrivals(&parts) }))).await
}

pub(super) async fn entity(State(app): State<Arc<App>>, Path((id, entity)): Path<(String, String)>) -> Response {
    let Ok(entity) = entity.parse::<EntityId>() else { return not_found() };
    respond_with(app, id, move |parts| {
        let trace = parts.join();
        match trace.nodes().find(|node| node.id() == entity) {
            Some(node) => text(StatusCode::OK, "application/json", node.json().to_owned()),
            None => not_found(),
        }
    })
    .await
}

async fn respond_with(app: Arc<App>, id: String, show: impl FnOnce(Parts) -> Response + Send + 'static) -> Response {
    let Ok(id) = id.parse::<TraceId>() else { return not_found() };
    let response = blocking(move || app.store.parts(id).map(show)).await;
    response.flatten().unwrap_or_else(not_found)
}

fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "this trace is not here: it never arrived, or was forgotten to make room")
}

fn skeleton(parts: &Parts) -> Skeleton {
    let trace = parts.join();
    let mut names = NameList::default();
    let mut signatures: HashMap<u64, usize> = HashMap::new();
    let mut segments: Vec<Option<usize>> = Vec::new();
    let mut skews = Vec::new();
    let mut entities = Columns::default();
    for node in trace.nodes() {
        segments.truncate(node.depth());
        let name = names.get(node.name());
        let segment = if node.is_segment() { Some(name) } else { segments.last().copied().flatten() };
        segments.push(segment);
        let next = signatures.len();
        if let Some(skew) = node.clock_skew() {
            skews.push((node.index(), micros(skew)));
        }
        entities.id.push(Id(node.id()));
        entities.depth.push(node.depth());
        entities.end.push(node.index() + node.descendants() + 1);
        entities.start.push(micros(node.offset()));
        entities.duration.push(node.duration().map_or(-1, micros));
        entities.flags.push(flags(node));
        entities.kind.push(kind(node));
        entities.name.push(name);
        entities.signature.push(*signatures.entry(signature(&node)).or_insert(next));
        entities.status.push(node.http().and_then(|http| http.status).unwrap_or_default());
        entities.action.push(action(node).map_or(-1, |action| names.get(&action) as i64));
        entities.segment.push(segment.map_or(-1, |segment| segment as i64));
    }
    Skeleton {
        id: parts.id.to_string(),
        start: start(&trace),
        duration: micros(trace.duration()),
        revision: parts.revision,
        documents: parts.documents.len(),
        names: names.list,
        entities,
        skews,
        critical: critical_path(&trace).into_iter().map(stretch).collect(),
    }
}

fn stretch(Stretch { index, start, end }: Stretch) -> (usize, i64, i64) {
    (index, micros(start), micros(end))
}

/// A trace without the details of its entities. It is not a [`Value`], because a hundred thousand entities of values take longer to
/// build and to free than to read from the store.
#[derive(Serialize)]
struct Skeleton {
    id: String,
    start: i64,
    duration: i64,
    revision: u32,
    documents: usize,
    names: Vec<String>,
    entities: Columns,
    skews: Vec<(usize, i64)>,
    critical: Vec<(usize, i64, i64)>,
}

/// The members of all entities, as in the table above.
#[derive(Default, Serialize)]
struct Columns {
    id: Vec<Id>,
    depth: Vec<usize>,
    end: Vec<usize>,
    start: Vec<i64>,
    duration: Vec<i64>,
    flags: Vec<u32>,
    kind: Vec<u8>,
    name: Vec<usize>,
    signature: Vec<usize>,
    status: Vec<u16>,
    action: Vec<i64>,
    segment: Vec<i64>,
}

struct Id(EntityId);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Returns the first start in microseconds since the epoch.
fn start(trace: &Trace) -> i64 {
    // A segment that was moved starts later than by its own clock.
    let begin = |node: Node<'_>| micros(node.start()) - micros(node.offset());
    trace.nodes().next().map_or(0, begin)
}

fn flags(node: Node<'_>) -> u32 {
    let flags = node.flags();
    let exceptions = !node.exceptions().is_empty();
    let bits = [flags.fault(), flags.error(), flags.throttle(), node.is_in_progress(), node.is_orphan(), exceptions];
    bits.into_iter().enumerate().map(|(bit, set)| u32::from(set) << bit).sum()
}

fn kind(node: Node<'_>) -> u8 {
    match node.namespace() {
        _ if node.is_segment() && node.is_inferred() => 5,
        _ if node.is_segment() => 0,
        _ if node.sql().is_some() => 4,
        Some("aws") => 3,
        _ if Service::is_call(&node) => 2,
        _ => 1,
    }
}

/// Returns what an entity does, in a few words.
fn action(node: Node<'_>) -> Option<String> {
    /// Longer texts are cut: the whole text is in the entity's JSON.
    const MAX: usize = 300;
    let whole = if let Some(query) = node.sql().and_then(|sql| sql.query.as_deref()) {
        query.to_owned()
    } else if let Some(operation) = node.operation() {
        operation.to_owned()
    } else {
        let http = node.http()?;
        let parts: Vec<&str> = [&http.method, &http.url].into_iter().filter_map(|part| part.as_deref()).collect();
        parts.join(" ")
    };
    let short: String = whole.chars().take(MAX).collect();
    Some(short).filter(|short| !short.is_empty())
}

fn arrivals(parts: &Parts) -> Vec<Value> {
    let mut best = HashMap::new();
    parts.documents.iter().map(|packed| arrival(packed, &mut best)).collect()
}

fn arrival(packed: &Packed, best: &mut HashMap<EntityId, crate::trace::Mark>) -> Value {
    let body = packed.text();
    let document = packed.parse();
    let entities = document.iter().flat_map(|document| &document.entities).map(|entity| {
        let mark = entity.mark();
        let state = match best.get(&entity.id()) {
            None => "new",
            Some(known) if mark.replaces(known) => "updated",
            Some(_) => "ignored",
        };
        if state != "ignored" {
            best.insert(entity.id(), mark);
        }
        json!([entity.id().to_string(), entity.name(), state])
    });
    let entities: Vec<Value> = entities.collect();
    let first = document.as_ref().and_then(|document| document.entities.first());
    let kind = match first {
        Some(first) if !first.is_segment() => "subsegment",
        Some(first) if first.is_in_progress() => "in progress",
        _ => "segment",
    };
    let value: Value = first.and_then(|first| serde_json::from_str(first.json()).ok()).unwrap_or_default();
    let sdk = ["/aws/xray/sdk", "/aws/xray/sdk_version"].map(|pointer| value.pointer(pointer).and_then(Value::as_str));
    let sdk: Vec<&str> = sdk.into_iter().flatten().collect();
    json!({
        "arrived": packed.arrived.saturating_mul(1_000),
        "bytes": packed.length(),
        "limit": MAX_DATAGRAM,
        "port": packed.port,
        "repeated": packed.repeated,
        "kind": kind,
        "sdk": sdk.join(" "),
        "entities": entities,
        "text": body,
    })
}

fn micros(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
