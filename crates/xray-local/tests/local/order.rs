//! UDP does not preserve order, so the tree must not depend on the order of arrival.

use std::collections::BTreeSet;

use proptest::prelude::*;
use xray_local::Trace;

use crate::tree::{TRACE, datagram, document, trace, tree};

/// An entity to be sent. Its parent has a lower index.
#[derive(Debug, Clone)]
struct Planned {
    parent: usize,
    /// Sent in a separate document instead of embedded in its parent.
    alone: bool,
    /// A segment of another service, which implies `alone`.
    segment: bool,
    /// Also sent in progress.
    announced: bool,
    start: u32,
}

fn plan() -> impl Strategy<Value = Vec<Planned>> {
    let entity = (any::<prop::sample::Index>(), any::<bool>(), prop::bool::weighted(0.1), any::<bool>(), 0..3_u32);
    prop::collection::vec(entity, 1..24).prop_map(|entities| {
        let planned = |(i, (parent, alone, segment, announced, start)): (usize, (prop::sample::Index, _, _, _, _))| {
            let root = i == 0;
            Planned {
                parent: parent.index(i.max(1)),
                alone: alone || segment || root,
                segment: segment || root,
                announced,
                start,
            }
        };
        entities.into_iter().enumerate().map(planned).collect()
    })
}

/// Returns the JSON members of an entity, including its embedded entities.
fn members(plan: &[Planned], i: usize, open: bool) -> String {
    let embedded =
        plan.iter().enumerate().filter(|(child, planned)| *child > 0 && planned.parent == i && !planned.alone);
    let embedded: Vec<_> = embedded.map(|(child, _)| format!("{{{}}}", members(plan, child, open))).collect();
    let end = if open { "\"in_progress\":true".to_owned() } else { format!("\"end_time\":{}", 100 + i) };
    let start = 10 + plan[i].start;
    let subsegments = embedded.join(",");
    format!(r#""id":"{i:016x}","name":"e{i}","start_time":{start},{end},"subsegments":[{subsegments}]"#)
}

fn datagrams(plan: &[Planned]) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    for (i, planned) in plan.iter().enumerate().filter(|(_, planned)| planned.alone) {
        let parent = if i == 0 { String::new() } else { format!(r#""parent_id":"{:016x}","#, planned.parent) };
        let kind = if planned.segment { "" } else { r#""type":"subsegment","# };
        for open in [true, false] {
            if !open || planned.announced {
                let members = members(plan, i, open);
                datagrams.push(datagram(&format!(r#"{{"trace_id":"{TRACE}",{parent}{kind}{members}}}"#)));
            }
        }
    }
    datagrams
}

fn parents(trace: &Trace) -> BTreeSet<(String, Option<String>)> {
    let parent = |id: xray_local::EntityId| {
        trace.nodes().find(|node| node.children().any(|child| child.id() == id)).map(|node| node.name().to_owned())
    };
    trace.nodes().map(|node| (node.name().to_owned(), parent(node.id()))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_arrival_gives_the_same_tree(
        (sent, shuffled, plan) in plan().prop_flat_map(|plan| {
            let sent = datagrams(&plan);
            (Just(sent.clone()), Just(sent).prop_shuffle(), Just(plan))
        })
    ) {
        let (first, second) = (trace(&sent), trace(&shuffled));
        prop_assert_eq!(tree(&first), tree(&second));
        prop_assert!(first.is_complete());
        let want = plan.iter().enumerate().map(|(i, planned)| {
            (format!("e{i}"), (i > 0).then(|| format!("e{}", planned.parent)))
        });
        prop_assert_eq!(parents(&first), want.collect::<BTreeSet<_>>());
    }

    #[test]
    fn cycles_of_parents_lose_no_entity(links in prop::collection::vec(0..12_u64, 12)) {
        let sent: Vec<_> = links.iter().enumerate().map(|(i, parent)| {
            document(i as u64, "n", &format!(r#","start_time":1,"end_time":2,"parent_id":"{parent:016x}""#))
        }).collect();
        let forward = trace(&sent);
        let ids: BTreeSet<_> = forward.nodes().map(|node| node.id()).collect();
        prop_assert_eq!((forward.len(), ids.len()), (12, 12));
        let backward: Vec<_> = sent.into_iter().rev().collect();
        prop_assert_eq!(tree(&forward), tree(&trace(&backward)));
    }
}

#[test]
fn a_service_is_joined_to_its_callers_subsegment() {
    let shop = document(
        1,
        "shop",
        r#","start_time":1,"end_time":3,"subsegments":[{"id":"0000000000000002","name":"call","start_time":1.5,"end_time":2.5}]"#,
    );
    let stock = document(3, "stock", r#","parent_id":"0000000000000002","start_time":1.6,"end_time":2.4"#);
    for sent in [[shop.clone(), stock.clone()], [stock, shop]] {
        assert_eq!(tree(&trace(&sent)), "shop\n  call\n    stock\n");
    }
}

#[test]
fn the_final_version_wins_in_any_order_of_arrival() {
    let open = document(1, "job", r#","start_time":1,"in_progress":true"#);
    let done = document(1, "job", r#","start_time":1,"end_time":2,"fault":true"#);
    for sent in [[open.clone(), done.clone()], [done, open]] {
        assert_eq!(tree(&trace(&sent)), "job fault\n");
    }
}

#[test]
fn a_segment_with_a_slow_clock_is_moved_into_its_caller() {
    let shop = document(1, "shop", r#","start_time":100,"end_time":103"#);
    let stock = document(
        2,
        "stock",
        r#","parent_id":"0000000000000001","start_time":40,"end_time":41,"subsegments":[{"id":"0000000000000003","name":"load","start_time":40.5,"end_time":41}]"#,
    );
    let trace = trace(&[shop, stock]);
    let offsets: Vec<_> = trace.nodes().map(|node| node.offset().as_millis()).collect();
    assert_eq!(offsets, [0, 1_000, 1_500]);
    assert_eq!(trace.duration().as_secs(), 3);
}
