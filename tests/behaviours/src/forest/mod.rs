//! Assembles documents into whole traces by id.
//!
//! The tree does not depend on how a trace was split into documents: a subsegment that was sent on its own is placed
//! under its `parent_id`, and the final version of an entity replaces versions in progress.

mod assemble;
mod normal;
mod text;

use serde_json::{Map, Value};

use crate::document::Document;

pub use normal::Names;

/// The trees of all traces in some documents.
#[derive(Debug, Default)]
pub struct Forest {
    entities: Vec<Entity>,
    roots: Vec<usize>,
    problems: Vec<String>,
}

/// A segment or subsegment at its place in a tree.
#[derive(Debug)]
pub struct Entity {
    id: String,
    trace_id: String,
    parent: Option<usize>,
    children: Vec<usize>,
    members: Map<String, Value>,
    sent: Sent,
}

/// The ways in which an entity was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// The final version was sent as a separate document.
    pub alone: bool,
    /// It was sent in progress, as a separate document.
    pub announced: bool,
    /// It was sent in progress, inside its parent.
    pub stub: bool,
    /// It was sent inside its parent with `type`, `trace_id` or `parent_id`, which are valid only in a separate
    /// document.
    pub redundant: bool,
}

impl Forest {
    /// Assembles received documents.
    pub fn of(documents: &[Document]) -> Forest {
        Forest::from_documents(documents.iter().map(Document::json))
    }

    /// Assembles documents.
    pub fn from_documents<'a>(documents: impl IntoIterator<Item = &'a Value>) -> Forest {
        assemble::assemble(documents)
    }

    /// Returns violations that no correct SDK causes: an entity that ended twice or moved, siblings out of order, an
    /// end before the start.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Returns the entities whose parent is not in this forest, in the order in which they began: segments, and
    /// subsegments of segments that another process sends.
    pub fn roots(&self) -> &[usize] {
        &self.roots
    }

    /// Returns the entity at an index.
    ///
    /// # Panics
    /// Panics if the index does not belong to this forest.
    pub fn entity(&self, index: usize) -> &Entity {
        &self.entities[index]
    }

    /// Returns all entities with their depth, each before its children.
    pub fn walk(&self) -> Vec<(usize, &Entity)> {
        self.walk_from(&self.roots).into_iter().map(|(depth, index)| (depth, self.entity(index))).collect()
    }

    /// Like [`walk`](Forest::walk), but for some subtrees, and returns indices.
    pub fn walk_from(&self, roots: &[usize]) -> Vec<(usize, usize)> {
        let mut all = Vec::new();
        let mut pending: Vec<_> = roots.iter().rev().map(|&root| (0, root)).collect();
        while let Some((depth, index)) = pending.pop() {
            all.push((depth, index));
            pending.extend(self.entities[index].children.iter().rev().map(|&child| (depth + 1, child)));
        }
        all
    }

    /// Returns the first entity with a name.
    pub fn find(&self, name: &str) -> Option<&Entity> {
        self.walk().into_iter().map(|(_, entity)| entity).find(|entity| entity.name() == name)
    }

    /// Returns the names from the root to an entity, such as `shop/load-cart/load-items`.
    pub fn place(&self, index: usize) -> String {
        let line = std::iter::successors(Some(index), |&index| self.entities[index].parent);
        let mut names: Vec<_> = line.map(|index| self.entities[index].name()).collect();
        names.reverse();
        names.join("/")
    }

    /// Removes the subtrees whose topmost entity satisfies `condition`, and returns their places.
    pub fn prune(&mut self, condition: impl Fn(&Entity) -> bool) -> Vec<String> {
        let out: Vec<_> = self
            .walk_from(&self.roots)
            .into_iter()
            .map(|(_, index)| index)
            .filter(|&i| condition(&self.entities[i]))
            .collect();
        let places = out.iter().map(|&index| self.place(index)).collect();
        self.roots.retain(|root| !out.contains(root));
        for entity in &mut self.entities {
            entity.children.retain(|child| !out.contains(child));
        }
        places
    }
}

impl Entity {
    /// Returns the name, or an empty string if there is none.
    pub fn name(&self) -> &str {
        self.members.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the entity id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the trace id.
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// Returns the index of its parent.
    pub fn parent(&self) -> Option<usize> {
        self.parent
    }

    /// Returns the indices of its children, in the order in which they began.
    pub fn children(&self) -> &[usize] {
        &self.children
    }

    /// Returns a member of its final version by JSON pointer, such as `/http/response/status`. There is never a member
    /// `subsegments`.
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        let (first, rest) = pointer.strip_prefix('/').map(|path| path.split_once('/').unwrap_or((path, "")))?;
        let member = self.members.get(first)?;
        if rest.is_empty() { Some(member) } else { member.pointer(&format!("/{rest}")) }
    }

    /// Returns the members of its final version, without `subsegments`.
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// Returns the ways in which it was sent.
    pub fn sent(&self) -> Sent {
        self.sent
    }

    /// Whether it is a segment, not a subsegment.
    pub fn is_segment(&self) -> bool {
        self.parent.is_none() && self.members.get("type").is_none()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TRACE: &str = "1-5759e988-bd862e3fe1be46a994272793";

    fn forest(documents: &[Value]) -> Forest {
        Forest::from_documents(documents)
    }

    fn part(name: &str, id: &str, parent: &str, start: f64) -> Value {
        json!({"name": name, "id": id, "parent_id": parent, "type": "subsegment", "trace_id": TRACE,
            "start_time": start, "end_time": start + 1.0})
    }

    fn root(subsegments: Value) -> Value {
        json!({"name": "shop", "id": "a", "trace_id": TRACE, "start_time": 1, "end_time": 9, "subsegments": subsegments})
    }

    #[test]
    fn separate_subsegments_are_placed_under_their_parents_in_begin_order() {
        let embedded = json!([{"name": "second", "id": "c", "start_time": 2.5, "end_time": 3}]);
        let documents =
            [part("deep", "d", "b", 2.1), part("first", "b", "a", 2.0), part("third", "e", "a", 3.0), root(embedded)];
        let forest = forest(&documents);
        assert_eq!(forest.text(), "shop\n  first\n    deep\n  second\n  third\n");
        assert_eq!(forest.problems(), [""; 0]);
        let deep = forest.find("deep").unwrap();
        assert!(deep.sent().alone && !forest.find("second").unwrap().sent().alone);
        assert_eq!(forest.place(deep.parent().unwrap()), "shop/first");
    }

    #[test]
    fn the_final_version_replaces_those_in_progress() {
        let stub = json!([{"name": "slow", "id": "b", "start_time": 2, "in_progress": true}]);
        for documents in [[root(stub.clone()), part("slow", "b", "a", 2.0)], [part("slow", "b", "a", 2.0), root(stub)]]
        {
            let forest = forest(&documents);
            let slow = forest.find("slow").unwrap();
            assert_eq!(slow.at("/in_progress"), None);
            assert_eq!(slow.at("/end_time"), Some(&json!(3.0)));
            assert_eq!(slow.sent(), Sent { alone: true, stub: true, ..Sent::default() });
            assert_eq!(forest.problems(), [""; 0]);
        }
    }

    #[test]
    fn a_subsegment_without_its_parent_is_a_root() {
        let forest = forest(&[part("x", "b", "elsewhere", 2.0), root(json!([]))]);
        assert_eq!(forest.text(), "shop\nx\n");
        assert!(forest.entity(forest.roots()[0]).is_segment());
        assert!(!forest.find("x").unwrap().is_segment());
    }

    #[test]
    fn invalid_documents_are_reported_as_problems() {
        let child = |id: &str, start: f64| json!({"name": id, "id": id, "start_time": start, "end_time": 9});
        for (documents, problem) in [
            (vec![part("x", "b", "a", 2.0), root(json!([child("b", 2.0)]))], "ended twice"),
            (vec![root(json!([])), root(json!([]))], "ended twice"),
            (vec![root(json!([child("c", 3.0), child("b", 2.0)]))], "order"),
            (vec![root(json!([child("b", 10.0)]))], "before it began"),
            (vec![part("x", "b", "c", 2.0), part("y", "c", "b", 2.0)], "circle"),
            (vec![part("x", "b", "b", 2.0)], "circle"),
            (vec![json!({"name": "x"})], "no id"),
            (vec![json!({"name": "x", "id": "a", "start_time": 1})], "neither"),
            (vec![json!({"name": "x", "id": "a", "start_time": 1, "end_time": 2, "in_progress": true})], "neither"),
            (
                vec![
                    part("x", "b", "a", 2.0),
                    root(json!([{"name": "y", "id": "b", "start_time": 2.0, "in_progress": true}])),
                ],
                "another name",
            ),
        ] {
            let forest = forest(&documents);
            assert!(forest.problems().iter().any(|line| line.contains(problem)), "{problem}: {:?}", forest.problems());
        }
    }

    #[test]
    fn the_same_id_in_two_traces_is_two_entities() {
        let mut other = root(json!([]));
        other["trace_id"] = json!("1-00000000-bd862e3fe1be46a994272793");
        assert_eq!(forest(&[root(json!([])), other]).text(), "shop\nshop\n");
    }

    #[test]
    fn a_chain_of_ten_thousand_uses_no_stack() {
        let chain: Vec<_> = (1..10_000).map(|i| part("n", &i.to_string(), &(i - 1).to_string(), 1.0)).collect();
        let forest = forest(&chain);
        assert_eq!(forest.walk().last().unwrap().0, 9_998);
        assert_eq!(forest.problems(), [""; 0]);
    }
}
