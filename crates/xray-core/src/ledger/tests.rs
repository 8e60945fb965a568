//! The rules of the ledger, as properties over random histories.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::document::MAX_DOCUMENT;

fn id(number: u64) -> EntityId {
    EntityId::from_u64(number).unwrap()
}

const START: Timestamp = Timestamp::from_micros(1_500_000_000_000_000);
const END: Timestamp = Timestamp::from_micros(1_500_000_001_000_000);

fn members(out: &mut Vec<u8>, bytes: usize) {
    if bytes == 0 {
        return;
    }
    out.extend_from_slice(format!(",\"metadata\":{{\"default\":{{\"x\":\"{}\"}}}}", "x".repeat(bytes)).as_bytes());
}

/// A ledger and the documents that it has sent.
struct Run {
    ledger: Ledger,
    refs: Vec<SlotRef>,
    parents: Vec<usize>,
    open: BTreeSet<usize>,
    documents: Vec<Document>,
}

const ROOT: usize = 0;

impl Run {
    fn new(threshold: usize) -> Run {
        let segment = Head { id: id(1), name: "n1", start: START };
        let (ledger, root) = Ledger::new(TraceId::from_u128(1), threshold, segment);
        Run { ledger, refs: vec![root], parents: vec![0], open: [ROOT].into(), documents: vec![] }
    }

    fn begin(&mut self, parent: usize) -> usize {
        let number = self.refs.len() as u64 + 1;
        let mut out = Outbox::default();
        let parent_id = id(parent as u64 + 1);
        let head = Head { id: id(number), name: &format!("n{number}"), start: START };
        let slot = self.ledger.begin(self.refs[parent], parent_id, head, &mut out);
        self.refs.push(slot);
        self.parents.push(parent);
        self.open.insert(self.refs.len() - 1);
        self.documents.extend(out);
        self.check_held();
        self.refs.len() - 1
    }

    fn close(&mut self, entity: usize, bytes: usize) {
        if !self.open.remove(&entity) {
            return;
        }
        let mut out = Outbox::default();
        let members = |out: &mut Vec<u8>| members(out, bytes);
        match entity {
            ROOT => self.ledger.close_root(self.refs[ROOT], END, members, &mut out),
            _ => self.ledger.close(self.refs[entity], END, members, &mut out),
        }
        self.documents.extend(out);
        self.check_held();
    }

    /// Checks that no complete subtree is held while the ledger is over its limits.
    fn check_held(&self) {
        let ledger = &self.ledger;
        assert!(!ledger.is_over() || ledger.ready == 0, "over the limits, but {} subtrees are held", ledger.ready);
    }

    /// Returns the final version of each entity with its parent, by id. Checks the structure of all documents.
    fn union(&self) -> BTreeMap<String, (String, Value)> {
        let mut finals = BTreeMap::new();
        for document in &self.documents {
            assert!(document.json().len() <= MAX_DOCUMENT, "{} bytes", document.json().len());
            let mut reader = serde_json::Deserializer::from_str(document.json());
            reader.disable_recursion_limit();
            let value = <Value as serde::Deserialize>::deserialize(&mut reader).unwrap();
            let parent = value["parent_id"].as_str().unwrap_or_default().to_owned();
            let mut work = vec![(value, parent, false)];
            while let Some((mut value, parent, under_stub)) = work.pop() {
                let id = value["id"].as_str().unwrap().to_owned();
                let is_stub = value.get("in_progress").is_some();
                assert_ne!(is_stub, value.get("end_time").is_some());
                assert!(!under_stub || is_stub, "{id} is complete under a stub");
                let children = value.as_object_mut().unwrap().remove("subsegments");
                let begun: Vec<_> =
                    children.iter().flat_map(Value::as_array).flatten().map(|c| c["id"].to_string()).collect();
                assert!(begun.is_sorted(), "siblings are in the order of their start: {begun:?}");
                if let Some(Value::Array(children)) = children {
                    work.extend(children.into_iter().map(|child| (child, id.clone(), is_stub)));
                }
                if !is_stub {
                    assert!(finals.insert(id.clone(), (parent, value)).is_none(), "{id} twice");
                }
            }
        }
        finals
    }

    /// Closes everything, and checks that all documents together have the final version of each entity exactly once.
    fn check_union(mut self) {
        for entity in self.open.clone().into_iter().rev() {
            self.close(entity, 0);
        }
        let finals = self.union();
        assert_eq!(finals.len(), self.refs.len());
        for (entity, parent) in self.parents.iter().enumerate().skip(1) {
            let (found, _) = &finals[&id(entity as u64 + 1).to_string()];
            assert_eq!(*found, id(*parent as u64 + 1).to_string(), "the parent of {entity}");
        }
        assert_eq!(self.ledger.footprint(), (0, 0), "nothing is left");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Begin(prop::sample::Index),
    Close(prop::sample::Index, usize),
    CloseRoot(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![8 => 0usize..100, 1 => 10_000usize..60_000];
    let step = prop_oneof![
        10 => any::<prop::sample::Index>().prop_map(Step::Begin),
        9 => (any::<prop::sample::Index>(), size.clone()).prop_map(|(index, bytes)| Step::Close(index, bytes)),
        1 => size.prop_map(Step::CloseRoot),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    #[test]
    fn every_entity_is_sent_exactly_once_in_any_order_of_closing(threshold in 0usize..12, steps in steps()) {
        let mut run = Run::new(threshold);
        for step in steps {
            match step {
                // The parent may be closed or sent.
                Step::Begin(parent) => { let parent = parent.index(run.refs.len()); run.begin(parent); }
                Step::Close(entity, bytes) => {
                    let entity = entity.index(run.refs.len());
                    if entity != ROOT { run.close(entity, bytes); }
                }
                Step::CloseRoot(bytes) => run.close(ROOT, bytes),
            }
        }
        run.check_union();
    }

    #[test]
    fn with_the_threshold_0_each_subsegment_is_sent_at_its_close(steps in steps()) {
        let mut run = Run::new(0);
        for step in steps {
            match step {
                Step::Begin(parent) => { let parent = parent.index(run.refs.len()); run.begin(parent); }
                Step::Close(entity, bytes) => {
                    let entity = entity.index(run.refs.len());
                    if entity == ROOT { continue; }
                    let (was_open, sent) = (run.open.contains(&entity), run.documents.len());
                    run.close(entity, bytes);
                    prop_assert_eq!(run.documents.len() - sent, usize::from(was_open));
                }
                Step::CloseRoot(_) => {}
            }
        }
        run.check_union();
    }
}

#[test]
fn open_subsegments_are_announced_in_the_order_of_their_start_and_sent_again_at_their_close() {
    let mut run = Run::new(0);
    let (first, closed) = (run.begin(ROOT), run.begin(ROOT));
    let second = run.begin(closed);
    run.close(closed, 0);
    let third = run.begin(first); // in the slot of the closed one
    let mut out = Outbox::default();
    run.ledger.announce_open(&mut out);
    let announced: Vec<Value> = out.into_iter().map(|one| serde_json::from_str(one.json()).unwrap()).collect();
    let ids: Vec<_> = announced.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, [first, second, third].map(|entity| id(entity as u64 + 1).to_string()));
    assert!(announced.iter().all(|one| one["in_progress"] == true && one["type"] == "subsegment"));
    for entity in [first, second, third] {
        run.close(entity, 0);
    }
    run.check_union();
}

#[test]
fn sequential_children_are_sent_when_one_more_than_the_threshold_begins() {
    let mut run = Run::new(100);
    for _ in 0..120 {
        let child = run.begin(ROOT);
        run.close(child, 0);
    }
    assert_eq!(run.documents.len(), 100);
    run.close(ROOT, 0);
    assert_eq!(run.documents.len(), 101);
    run.check_union();
}

#[test]
fn above_the_threshold_a_child_is_sent_when_it_completes() {
    let mut run = Run::new(100);
    let children: Vec<_> = (0..105).map(|_| run.begin(ROOT)).collect();
    for child in children {
        run.close(child, 0);
    }
    assert_eq!(run.documents.len(), 5);
    run.close(ROOT, 0);
    assert_eq!(run.documents.len(), 6);
    run.check_union();
}

#[test]
fn too_many_held_bytes_have_the_effect_of_too_many_subsegments() {
    let mut run = Run::new(100);
    for _ in 0..10 {
        let child = run.begin(ROOT);
        run.close(child, 10_000);
    }
    assert_eq!(run.documents.len(), 10, "two times five");
    run.check_union();
}

#[test]
fn a_leaked_child_holds_nothing_back() {
    let mut run = Run::new(100);
    let leaked = run.begin(ROOT);
    let closed_below = run.begin(leaked);
    run.close(closed_below, 0);
    run.close(ROOT, 0);
    let jsons: Vec<Value> = run.documents.iter().map(|d| serde_json::from_str(d.json()).unwrap()).collect();
    assert_eq!(jsons.len(), 2);
    assert_eq!((&jsons[0]["name"], &jsons[0]["parent_id"]), (&"n3".into(), &"0000000000000002".into()));
    assert_eq!(jsons[1]["subsegments"][0]["in_progress"], true);
    run.close(leaked, 0);
    assert_eq!(run.documents.len(), 3);
    run.check_union();
}

#[test]
fn a_large_root_detaches_its_largest_subtrees() {
    let mut run = Run::new(1000);
    let large = run.begin(ROOT);
    let small = run.begin(ROOT);
    run.close(small, 100);
    run.close(large, 40_000);
    run.close(ROOT, 40_000);
    let names: Vec<Value> =
        run.documents.iter().map(|d| serde_json::from_str::<Value>(d.json()).unwrap()["name"].clone()).collect();
    assert_eq!(names, ["n1", "n2"]);
    run.check_union();
}

#[test]
fn a_chain_of_ten_thousand_neither_overflows_nor_is_lost() {
    for (threshold, inner_first) in [(100, true), (100, false), (usize::MAX, true), (usize::MAX, false)] {
        let mut run = Run::new(threshold);
        let mut parent = ROOT;
        let chain: Vec<_> = std::iter::repeat_with(|| {
            parent = run.begin(parent);
            parent
        })
        .take(10_000)
        .collect();
        if inner_first {
            chain.iter().rev().for_each(|entity| run.close(*entity, 0));
        } else {
            chain.iter().for_each(|entity| run.close(*entity, 0));
        }
        run.close(ROOT, 0);
        std::thread::Builder::new().stack_size(256 << 20).spawn(|| run.check_union()).unwrap().join().unwrap();
    }
}

#[test]
fn a_segment_that_stays_open_keeps_no_memory_of_sent_children() {
    let mut run = Run::new(100);
    for _ in 0..200_000 {
        let mut out = Outbox::default();
        let head = Head { id: id(2), name: "n2", start: START };
        let slot = run.ledger.begin(run.refs[ROOT], id(1), head, &mut out);
        run.ledger.close(slot, END, |out| members(out, 0), &mut out);
    }
    let (slots, bytes) = run.ledger.footprint();
    assert!(slots <= 102 && bytes < 128 * 1024, "{slots} slots, {bytes} bytes");
}

#[test]
fn a_reused_slot_is_not_confused_with_its_former_entity() {
    let mut run = Run::new(0);
    let sent = run.begin(ROOT);
    run.close(sent, 0);
    let tenant = run.begin(ROOT);
    assert_eq!(run.refs[tenant].index, run.refs[sent].index);
    let late = run.begin(sent);
    run.close(tenant, 0);
    run.close(late, 0);
    run.check_union();
}

#[test]
fn an_entity_without_members_is_sent_after_others_were_compacted() {
    let mut run = Run::new(100);
    let long = run.begin(ROOT);
    for _ in 0..10 {
        let large = run.begin(ROOT);
        run.close(large, 9_000);
    }
    let bare = run.begin(long);
    run.close(bare, 0);
    for _ in 0..10 {
        let large = run.begin(ROOT);
        run.close(large, 9_000);
    }
    run.close(long, 0);
    run.check_union();
}

#[test]
fn a_document_fills_the_buffer_that_was_allocated_for_it() {
    let mut run = Run::new(1);
    let (first, second) = (run.begin(ROOT), run.begin(ROOT));
    run.close(second, 0);
    let (child, sibling) = (run.begin(first), run.begin(first));
    run.close(child, 200);
    run.close(sibling, 0);
    run.close(first, 100);
    assert_eq!(run.documents.len(), 3);
    for document in run.documents {
        let datagram = document.into_datagram();
        assert_eq!(datagram.capacity(), datagram.len());
    }
}
