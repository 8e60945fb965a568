//! Where the response time of a trace went.

use std::time::Duration;

use super::{Node, Trace};

/// A time for which the response waited for one entity alone, without its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The index of the entity in [`Trace::nodes`].
    pub(crate) index: usize,
    /// Since the start of the trace, as [`Node::offset`].
    pub(crate) start: Duration,
    pub(crate) end: Duration,
}

/// Returns what the response of a trace waited for, from the start of its first root to the end. There is nothing if that
/// root is in progress.
///
/// The path is followed back from the end of the root: among the children that end by then, the one that ends last
/// was waited for. What lies between its end and that time is the parent's own; the path continues inside the child, and
/// before it. Children are cut at their parent's start and end, and entities in progress are left out.
pub(crate) fn critical_path(trace: &Trace) -> Vec<Stretch> {
    let mut path = Vec::new();
    let Some((root, end)) = trace.nodes().next().and_then(|root| Some((root, end(root)?))) else { return path };
    // No recursion: traces may be deep.
    let mut waiting = vec![(root, root.offset(), end)];
    while let Some((node, start, end)) = waiting.pop() {
        let mut own = |start, end| path.extend((start < end).then_some(Stretch { index: node.index(), start, end }));
        let mut children: Vec<_> = node.children().filter_map(|child| within(child, start, end)).collect();
        // The last to end first; of those that end together the longest.
        children.sort_by(|a, b| b.2.cmp(&a.2).then(a.1.cmp(&b.1)));
        let mut before = end;
        for (child, begin, end) in children {
            if end <= before {
                own(end, before);
                waiting.push((child, begin, end));
                before = begin;
            }
        }
        own(start, before);
    }
    path.sort_unstable_by_key(|stretch| stretch.start);
    path
}

/// Returns, for each entity of a trace in the order of [`Trace::nodes`], the time that the critical path spends in it.
pub(crate) fn waited_for(trace: &Trace) -> Vec<Duration> {
    let mut own = vec![Duration::ZERO; trace.len()];
    for Stretch { index, start, end } in critical_path(trace) {
        own[index] += end - start;
    }
    own
}

fn end(node: Node<'_>) -> Option<Duration> {
    Some(node.offset().saturating_add(node.duration()?))
}

/// Returns a child with its start and end inside its parent, unless that is an empty stretch.
fn within(child: Node<'_>, start: Duration, until: Duration) -> Option<(Node<'_>, Duration, Duration)> {
    let (begin, end) = (child.offset().max(start), end(child)?.min(until));
    (begin < end).then_some((child, begin, end))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::trace::Entity;

    /// Makes a trace of entities with these ids, parents, starts and ends in milliseconds; those without an end are in progress.
    fn trace(entities: impl IntoIterator<Item = (u64, u64, u64, Option<u64>)>) -> Trace {
        let entities = entities.into_iter().map(|(id, parent, start, end)| {
            let parent = if parent == 0 { String::new() } else { format!(r#","parent_id":"{parent:016x}""#) };
            let end = end.map_or_else(String::new, |end| format!(r#","end_time":{}"#, end as f64 / 1e3));
            let start = start as f64 / 1e3;
            let json =
                format!(r#"{{"id":"{id:016x}","name":"a","type":"subsegment","start_time":{start}{end}{parent}}}"#);
            Arc::new(Entity::parse(json, None, 0).unwrap().1)
        });
        let id = "1-5759e988-bd862e3fe1be46a994272793".parse().unwrap();
        Trace::new(id, entities, false, true)
    }

    #[test]
    fn the_response_waits_for_the_last_to_end() {
        // Entities as above, and stretches: the id of the entity, from, to.
        for (name, entities, want) in [
            ("no entity", &[][..], &[][..]),
            ("a leaf", &[(1, 0, 0, Some(100))], &[(1, 0, 100)]),
            ("one child", &[(1, 0, 0, Some(10)), (2, 1, 2, Some(8))], &[(1, 0, 2), (2, 2, 8), (1, 8, 10)]),
            (
                "one after the other, with gaps",
                &[(1, 0, 0, Some(100)), (2, 1, 10, Some(40)), (3, 1, 50, Some(90)), (4, 3, 60, Some(80))],
                &[(1, 0, 10), (2, 10, 40), (1, 40, 50), (3, 50, 60), (4, 60, 80), (3, 80, 90), (1, 90, 100)],
            ),
            (
                "at the same time: the last to end counts",
                &[(1, 0, 0, Some(10)), (2, 1, 1, Some(6)), (3, 1, 2, Some(9))],
                &[(1, 0, 2), (3, 2, 9), (1, 9, 10)],
            ),
            (
                "until the same time: the longer one counts",
                &[(1, 0, 0, Some(10)), (2, 1, 4, Some(9)), (3, 1, 2, Some(9))],
                &[(1, 0, 2), (3, 2, 9), (1, 9, 10)],
            ),
            ("outlives its parent", &[(1, 0, 0, Some(10)), (2, 1, 4, Some(30))], &[(1, 0, 4), (2, 4, 10)]),
            (
                "a child of one that outlives its parent",
                &[(1, 0, 0, Some(10)), (2, 1, 4, Some(30)), (3, 2, 5, Some(20))],
                &[(1, 0, 4), (2, 4, 5), (3, 5, 10)],
            ),
            ("begins after its parent's end", &[(1, 0, 0, Some(10)), (2, 1, 12, Some(30))], &[(1, 0, 10)]),
            ("a child in progress", &[(1, 0, 0, Some(10)), (2, 1, 4, None)], &[(1, 0, 10)]),
            ("a root in progress", &[(1, 0, 0, None), (2, 1, 4, Some(6))], &[]),
            ("no time", &[(1, 0, 5, Some(5))], &[]),
            ("another root", &[(1, 0, 0, Some(10)), (2, 0, 3, Some(30))], &[(1, 0, 10)]),
        ] {
            let trace = trace(entities.iter().copied());
            let ids: Vec<u64> =
                trace.nodes().map(|node| u64::from_str_radix(&node.id().to_string(), 16).unwrap()).collect();
            let path = critical_path(&trace);
            let found = path.iter().map(|it| (ids[it.index], it.start.as_millis(), it.end.as_millis()));
            assert_eq!(found.collect::<Vec<_>>(), want, "{name}");
            let total: Duration = waited_for(&trace).iter().sum();
            assert_eq!(total, path.iter().map(|it| it.end - it.start).sum::<Duration>(), "{name}");
        }
    }

    #[test]
    fn the_parts_join_without_gaps_however_deep_a_trace_is() {
        const DEPTH: u64 = 20_000;
        let trace = trace((1..=DEPTH).map(|id| (id, id - 1, id, Some(3 * DEPTH - id))));
        let path = critical_path(&trace);
        assert_eq!(path.len() as u64, 2 * DEPTH - 1);
        assert!(path.windows(2).all(|pair| pair[0].end == pair[1].start));
        let (first, last) = (path[0], path[path.len() - 1]);
        assert_eq!((first.start, last.end), (Duration::ZERO, trace.duration()));
    }
}
