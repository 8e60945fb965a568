//! Where the faults and errors of a trace began.

use super::entity::Flags;
use super::{Exception, Node, Service, Trace};

/// The path from the root of a trace to an entity where a fault or an error began.
pub(crate) struct Cause {
    pub(crate) services: Vec<CauseService>,
    /// Whether the client of the trace saw it: the root has the flag.
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
            causes.push(Cause { services: services(&path), client_impacting });
            if causes.len() == MAX_CAUSES {
                break;
            }
        }
    }
    causes
}

/// Groups the entities of a path by the service they belong to.
fn services(path: &[Node<'_>]) -> Vec<CauseService> {
    let mut services: Vec<CauseService> = Vec::new();
    let entity = |node: &Node<'_>, last: bool| CauseEntity {
        name: node.entity().name().into(),
        remote: Service::is_call(node.entity()),
        exceptions: if last { node.entity().exceptions().to_vec() } else { Vec::new() },
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
    let inferred = path.last().and_then(|node| Some((node, Service::inferred(node.entity())?)));
    if let Some((node, service)) = inferred {
        services.push(CauseService { service, inferred: true, entities: vec![entity(node, true)] });
    }
    services
}
