//! Where the faults and errors of a trace began, and where its response time went.
//!
//! How the X-Ray service chooses causes is not documented. A fault or an error began in each entity that has the flag and
//! contains none that has it. The cause of the response time is the entity for which the response waited longest, without
//! its children, by the critical path (`critical_path.rs`). It is the root itself if that is what took the time. The coverage of
//! an entity on the way there is the share of the response time that was waited for it and what it contains.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::critical_path::waited_for;
use super::entity::Flags;
use super::{Exception, Node, Service, Trace};

/// The path from the root of a trace to an entity where a fault or an error began, or where the response time went.
pub(crate) struct Cause {
    pub(crate) services: Vec<CauseService>,
    /// Whether the client of the trace saw it: the root has the flag, or it is about the response time.
    pub(crate) client_impacting: bool,
}

/// One service on the path.
pub(crate) struct CauseService {
    pub(crate) service: Service,
    pub(crate) inferred: bool,
    /// The segment, then its subsegments on the path.
    pub(crate) entities: Vec<CauseEntity>,
}

pub(crate) struct CauseEntity {
    pub(crate) name: Box<str>,
    /// Whether it is a call to another service.
    pub(crate) remote: bool,
    /// Those of the entity where the cause is; none on the way to it.
    pub(crate) exceptions: Vec<Exception>,
    /// For the cause of a response time, the share of it from 0 to 1.
    pub(crate) coverage: Option<f64>,
}

/// Maximum number of causes of one trace.
const MAX_CAUSES: usize = 20;

/// Maximum number of entities on a path, so that a very deep trace does not become a very long response.
const MAX_PATH: usize = 200;

/// Finds the causes of a flag: the entities that have it and contain none that has it.
pub(crate) fn causes(trace: &Trace, has: fn(Flags) -> bool) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut path: Vec<Node<'_>> = Vec::new();
    let nodes: Vec<Node<'_>> = trace.nodes().collect();
    // For each index, the number of flagged entities before it.
    let mut before = vec![0_usize];
    for node in &nodes {
        before.push(before[before.len() - 1] + usize::from(has(node.flags())));
    }
    let client_impacting = nodes.first().is_some_and(|root| has(root.flags()));
    for &node in &nodes {
        path.truncate(node.depth());
        path.push(node);
        let first_below = node.index() + 1;
        let below = before[first_below + node.descendants()] - before[first_below];
        if has(node.flags()) && below == 0 {
            causes.push(Cause { services: services(&path, None), client_impacting });
            if causes.len() == MAX_CAUSES {
                break;
            }
        }
    }
    causes
}

/// Finds the cause of the response time. A trace whose first root is in progress, or took no time, has none.
pub(crate) fn response_time_cause(trace: &Trace) -> Option<Cause> {
    let own = waited_for(trace);
    let total: Duration = own.iter().sum();
    // Of equal ones the first, which is closest to the root.
    let slowest = (0..own.len()).rev().max_by_key(|index| own[*index]).filter(|_| !total.is_zero())?;
    let mut path: Vec<Node<'_>> = Vec::new();
    for node in trace.nodes().take(slowest + 1) {
        path.truncate(node.depth());
        path.push(node);
    }
    let coverage = |node: &Node<'_>| {
        let below: Duration = own[node.index()..=node.index() + node.descendants()].iter().sum();
        below.as_secs_f64() / total.as_secs_f64()
    };
    Some(Cause { services: services(&path, Some(&coverage)), client_impacting: true })
}

/// Groups the entities of a path by the service they belong to.
fn services(path: &[Node<'_>], coverage: Option<&dyn Fn(&Node<'_>) -> f64>) -> Vec<CauseService> {
    let mut services: Vec<CauseService> = Vec::new();
    let entity = |node: &Node<'_>, last: bool| CauseEntity {
        name: node.entity().name().into(),
        remote: Service::is_call(node.entity()),
        // The cause of a response time has none.
        exceptions: if last && coverage.is_none() { node.entity().exceptions().to_vec() } else { Vec::new() },
        coverage: coverage.map(|coverage| coverage(node)),
    };
    let path = &path[path.len().saturating_sub(MAX_PATH)..];
    for (index, node) in path.iter().enumerate() {
        let last = index + 1 == path.len();
        match services.last_mut() {
            Some(service) if !node.is_segment() => service.entities.push(entity(node, last)),
            _ => services.push(CauseService {
                service: Service::of_segment(node.entity()),
                inferred: node.is_inferred(),
                entities: vec![entity(node, last)],
            }),
        }
    }
    let inferred = path.last().and_then(|node| Some((node, Service::inferred(node.entity(), node.trace.settled)?)));
    if let Some((node, service)) = inferred {
        services.push(CauseService { service, inferred: true, entities: vec![entity(node, true)] });
    }
    services
}

impl Cause {
    /// Returns the cause as the X-Ray API has it.
    pub(crate) fn json(&self) -> Value {
        let services = self.services.iter().map(|CauseService { service, inferred, entities }| {
            let mut value = service.json();
            value["EntityPath"] = entities.iter().map(CauseEntity::json).collect();
            value["Inferred"] = json!(inferred);
            value
        });
        json!({ "Services": services.collect::<Vec<_>>(), "ClientImpacting": self.client_impacting })
    }
}

impl CauseEntity {
    fn json(&self) -> Value {
        let mut members = Map::from_iter([("Name".into(), json!(self.name)), ("Remote".into(), json!(self.remote))]);
        match self.coverage {
            Some(coverage) => members.insert("Coverage".into(), json!(coverage)),
            None => {
                let exception = |it: &Exception| json!({ "Name": it.kind, "Message": it.message });
                members.insert("Exceptions".into(), self.exceptions.iter().map(exception).collect())
            }
        };
        Value::Object(members)
    }
}
