//! `GetServiceGraph` and `GetTraceGraph`: services and the calls between them.
//!
//! A segment is a request to the node with its name and its `origin` as type. A call that no segment answers is a
//! request to an inferred node. A service that nothing in its trace calls is called by a node of the type `client`,
//! which has no statistics.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::input::{group, no_token, range, seconds, trace_ids};
use super::{ApiError, Arguments};
use crate::filter::TraceView;
use crate::trace::{Detailed, Flags, Outcome, Passed, Service, Summary};
use crate::web::App;

/// The service draws at most this many traces.
const MAX_TRACES: usize = 5;

pub(super) fn service_graph(app: &App, call: &Arguments) -> Result<Value, ApiError> {
    no_token(call)?;
    let range = range(call)?;
    let group = group(call, app.store.groups())?;
    let mut graph = Graph::default();
    for trace in app.store.summaries(0) {
        let summary = &*trace.summary;
        let end = summary.start.saturating_add(summary.duration);
        let view = TraceView::new(trace.id, summary, &app.store);
        if summary.start < range.end
            && end >= range.start
            && group.as_ref().is_none_or(|group| group.filter.matches(&view))
        {
            graph.add_trace(&view);
        }
    }
    Ok(json!({
        "StartTime": seconds(range.start),
        "EndTime": seconds(range.end),
        "Services": graph.services(),
        "ContainsOldGroupVersions": false,
        "NextToken": null,
    }))
}

pub(super) fn trace_graph(app: &App, call: &Arguments) -> Result<Value, ApiError> {
    no_token(call)?;
    let (ids, _) = trace_ids(call)?;
    if app.settings.strict && ids.len() > MAX_TRACES {
        return Err(ApiError::invalid(format!("Exceeding maximum query size: {MAX_TRACES}")));
    }
    let mut graph = Graph::default();
    for id in ids {
        if let Some(detailed) = app.store.detailed(id) {
            graph.add(&detailed.summary, Some(&detailed));
        }
    }
    Ok(json!({ "Services": graph.services(), "NextToken": null }))
}

/// A service graph of any number of traces.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    index: HashMap<Arc<Service>, usize>,
}

#[derive(Debug)]
struct Node {
    service: Arc<Service>,
    /// Whether it sends segments.
    active: bool,
    root: bool,
    span: Span,
    /// `None` for a client.
    tally: Option<Tally>,
    /// By the index of the called node.
    edges: BTreeMap<usize, Edge>,
}

#[derive(Debug, Default)]
struct Edge {
    span: Span,
    tally: Tally,
}

/// The first start and the last end, in microseconds since the epoch.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u64,
    end: u64,
}

/// Counted requests.
#[derive(Debug, Default)]
pub(super) struct Tally {
    ok: u64,
    error: u64,
    throttle: u64,
    fault: u64,
    /// Microseconds.
    time: u64,
    /// The number of requests for each response time in milliseconds.
    histogram: BTreeMap<u64, u64>,
}

impl Default for Span {
    fn default() -> Span {
        Span { start: u64::MAX, end: 0 }
    }
}

impl Span {
    fn extend(&mut self, other: Span) {
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
    }
}

impl Tally {
    pub(super) fn count(&mut self, flags: Flags, micros: u64) {
        *match flags.outcome() {
            Outcome::Fault => &mut self.fault,
            Outcome::Throttle => &mut self.throttle,
            Outcome::Error => &mut self.error,
            Outcome::Ok => &mut self.ok,
        } += 1;
        self.time = self.time.saturating_add(micros);
        *self.histogram.entry((micros + 500) / 1_000).or_default() += 1;
    }

    fn total(&self) -> u64 {
        self.ok + self.error + self.throttle + self.fault
    }

    pub(super) fn statistics(&self) -> Value {
        json!({
            "OkCount": self.ok,
            "ErrorStatistics": {
                "ThrottleCount": self.throttle,
                "OtherCount": self.error,
                "TotalCount": self.throttle + self.error,
            },
            "FaultStatistics": { "OtherCount": self.fault, "TotalCount": self.fault },
            "TotalCount": self.total(),
            "TotalResponseTime": seconds(self.time),
        })
    }

    pub(super) fn histogram(&self) -> Value {
        let entries = self.histogram.iter();
        entries.map(|(millis, count)| json!({ "Value": *millis as f64 / 1e3, "Count": count })).collect()
    }
}

impl Graph {
    /// Adds a trace of a list. Its times are as exact as its summary: the whole trace counts as the time of each node.
    pub(crate) fn add_trace(&mut self, view: &TraceView<'_>) {
        match view.whole() {
            Some(detailed) => self.add(&detailed.summary, Some(detailed)),
            None => self.add(view.summary(), None),
        }
    }

    fn add(&mut self, summary: &Summary, detailed: Option<&Detailed>) {
        let all = Span { start: summary.start, end: summary.start.saturating_add(summary.duration) };
        let mut of: Vec<usize> = Vec::with_capacity(summary.services.len());
        for (position, passed) in summary.services.iter().enumerate() {
            let span = |entity: &crate::Entity| {
                let start = micros(entity.start());
                Span { start, end: entity.end().map_or(start, micros) }
            };
            let own = detailed.map_or(all, |detailed| span(detailed.entity(position)));
            let called = detailed.map_or(all, |detailed| span(detailed.call(position)));
            let node = self.node(&passed.service);
            of.push(node);
            let data = &mut self.nodes[node];
            data.active |= !passed.inferred;
            data.root |= passed.is_root();
            data.span.extend(own);
            let tally = data.tally.get_or_insert_default();
            if !passed.in_progress {
                tally.count(passed.flags, passed.duration);
            }
            let caller = match of.get(usize::from(passed.caller)) {
                Some(caller) => *caller,
                None if passed.is_root() => self.client(passed, called),
                None => continue,
            };
            let edge = self.nodes[caller].edges.entry(node).or_default();
            edge.span.extend(called);
            if !passed.in_progress {
                let call = summary.call(position);
                edge.tally.count(call.flags, call.duration);
            }
        }
    }

    fn client(&mut self, root: &Passed, span: Span) -> usize {
        let node = self.node(&Arc::new(root.service.client()));
        self.nodes[node].span.extend(span);
        node
    }

    fn node(&mut self, service: &Arc<Service>) -> usize {
        if let Some(index) = self.index.get(service) {
            return *index;
        }
        let node = Node {
            service: Arc::clone(service),
            active: false,
            root: false,
            span: Span::default(),
            tally: None,
            edges: BTreeMap::new(),
        };
        self.nodes.push(node);
        self.index.insert(Arc::clone(service), self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// Returns the nodes as X-Ray describes them, in the order of their first start.
    pub(crate) fn services(&self) -> Value {
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|node| (self.nodes[*node].span.start, *node));
        let mut references = vec![0; order.len()];
        for (reference, node) in order.iter().enumerate() {
            references[*node] = reference;
        }
        order.iter().map(|node| self.nodes[*node].service(references[*node], &references)).collect()
    }
}

impl Node {
    fn service(&self, reference: usize, references: &[usize]) -> Value {
        let edges = self.edges.iter().map(|(called, edge)| {
            json!({
                "ReferenceId": references[*called],
                "StartTime": seconds(edge.span.start),
                "EndTime": seconds(edge.span.end),
                "SummaryStatistics": edge.tally.statistics(),
                "ResponseTimeHistogram": edge.tally.histogram(),
                "Aliases": [],
            })
        });
        let mut value = json!({
            "ReferenceId": reference,
            "Name": self.service.name,
            "Names": [self.service.name],
            "State": if self.active { "active" } else { "unknown" },
            "StartTime": seconds(self.span.start),
            "EndTime": seconds(self.span.end),
            "Edges": edges.collect::<Vec<_>>(),
            "ResponseTimeHistogram": [],
            "DurationHistogram": [],
        });
        for (member, text) in [("Type", &self.service.kind), ("AccountId", &self.service.account)] {
            if !text.is_empty() {
                value[member] = json!(text);
            }
        }
        if self.root {
            value["Root"] = json!(true);
        }
        if let Some(tally) = &self.tally {
            value["SummaryStatistics"] = tally.statistics();
            value["ResponseTimeHistogram"] = tally.histogram();
            value["DurationHistogram"] = tally.histogram();
        }
        value
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
