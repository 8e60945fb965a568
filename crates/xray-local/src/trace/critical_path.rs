//! Where the response time of a trace went.

use std::time::Duration;

use super::{Node, Trace};

/// Returns, for each entity of a trace in the order of [`Trace::nodes`], the time for which the response waited for it
/// alone, without its children; `None` for entities for which nothing waited.
///
/// The path is followed back from the end of the first root: among the children that end by then, the one that ends last
/// was waited for. What lies between its end and that time is the parent's own; the path continues inside the child, and
/// before it. Children are cut at their parent's start and end, and entities in progress are left out.
pub(crate) fn critical_path(trace: &Trace) -> Vec<Option<Duration>> {
    let mut own = vec![None; trace.len()];
    let Some((root, end)) = trace.nodes().next().and_then(|root| Some((root, end(root)?))) else { return own };
    // No recursion: traces may be deep.
    let mut waiting = vec![(root, root.offset(), end)];
    while let Some((node, start, end)) = waiting.pop() {
        let mut children: Vec<_> = node.children().filter_map(|child| within(child, start, end)).collect();
        // The last to end first; of those that end together the longest.
        children.sort_by(|a, b| b.2.cmp(&a.2).then(a.1.cmp(&b.1)));
        let (mut before, mut alone) = (end, Duration::ZERO);
        for (child, begin, end) in children {
            if end <= before {
                alone += before - end;
                waiting.push((child, begin, end));
                before = begin;
            }
        }
        own[node.index()] = Some(alone + (before - start));
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
    use super::*;
    use crate::store::Store;

    /// Returns the own times in milliseconds of entities with these names, parents, starts and ends in milliseconds.
    fn path(entities: &[(&str, u64, u64, u64, u64)]) -> Vec<(String, Option<u128>)> {
        let store = Store::new();
        for (name, id, parent, start, end) in entities {
            let parent = if *parent == 0 { String::new() } else { format!(r#","parent_id":"{parent:016x}""#) };
            let end = if *end == 0 { String::new() } else { format!(r#","end_time":{}"#, *end as f64 / 1e3) };
            let start = *start as f64 / 1e3;
            let trace = "1-5759e988-bd862e3fe1be46a994272793";
            let text = format!(
                r#"{{"trace_id":"{trace}","id":"{id:016x}","name":"{name}","type":"subsegment","start_time":{start}{end}{parent}}}"#
            );
            store.accept_document(&text).unwrap();
        }
        let trace = &store.traces()[0];
        let own = critical_path(trace);
        let names = trace.nodes().map(|node| node.name().to_owned());
        names.zip(own.iter().map(|own| own.map(|own| own.as_millis()))).collect()
    }

    #[test]
    fn the_response_waits_for_the_last_to_end() {
        for (entities, want) in [
            (&[("a", 1, 0, 0, 100)][..], &[("a", Some(100))][..]),
            // One after the other, with gaps.
            (
                &[("a", 1, 0, 0, 100), ("b", 2, 1, 10, 40), ("c", 3, 1, 50, 90), ("d", 4, 3, 60, 80)],
                &[("a", Some(30)), ("b", Some(30)), ("c", Some(20)), ("d", Some(20))],
            ),
            // At the same time: the longer one counts.
            (
                &[("a", 1, 0, 0, 100), ("b", 2, 1, 10, 90), ("c", 3, 1, 20, 80)],
                &[("a", Some(20)), ("b", Some(80)), ("c", None)],
            ),
            // Outlives its parent; in progress.
            (
                &[("a", 1, 0, 0, 100), ("b", 2, 1, 50, 200), ("c", 3, 1, 60, 0)],
                &[("a", Some(50)), ("b", Some(50)), ("c", None)],
            ),
            (&[("a", 1, 0, 0, 0), ("b", 2, 1, 50, 80)], &[("a", None), ("b", None)]),
        ] {
            let want: Vec<_> = want.iter().map(|(name, own)| ((*name).to_owned(), *own)).collect();
            assert_eq!(path(entities), want);
        }
    }
}
