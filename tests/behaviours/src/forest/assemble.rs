//! Builds trees from documents.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Entity, Forest, Sent};

/// An entity as one document shows it.
struct Sighting<'a> {
    members: &'a Map<String, Value>,
    trace_id: &'a str,
    /// The enclosing entity, or `None` for the outermost entity of a document.
    inside: Option<&'a str>,
}

/// Trees under construction.
#[derive(Default)]
struct Nursery {
    entities: Vec<Entity>,
    /// Indices by trace id and entity id, because ids are unique only within a trace.
    by_id: HashMap<(String, String), usize>,
    /// The parent's id of each entity.
    parents: Vec<Option<String>>,
    problems: Vec<String>,
}

pub(super) fn assemble<'a>(documents: impl IntoIterator<Item = &'a Value>) -> Forest {
    let mut nursery = Nursery::default();
    for document in documents {
        for sighting in sightings(document) {
            nursery.see(&sighting);
        }
    }
    nursery.grow()
}

/// Returns the entities of a document, each before its children. Not recursive, because a document may be deep.
fn sightings(document: &Value) -> Vec<Sighting<'_>> {
    let trace_id = text(document, "trace_id");
    let mut all = Vec::new();
    let mut pending = vec![(document, None)];
    while let Some((value, inside)) = pending.pop() {
        let Some(members) = value.as_object() else { continue };
        all.push(Sighting { members, trace_id, inside });
        let children = members.get("subsegments").and_then(Value::as_array);
        pending.extend(children.into_iter().flatten().rev().map(|child| (child, Some(text(value, "id")))));
    }
    all
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

impl Nursery {
    fn see(&mut self, sighting: &Sighting<'_>) {
        let members = sighting.members;
        let member = |name: &str| members.get(name).and_then(Value::as_str);
        let name = member("name").unwrap_or_default();
        let Some(id) = member("id") else {
            return self.problems.push(format!("{name}: no id"));
        };
        self.check_state(name, members);
        let parent = match sighting.inside {
            Some(parent) => Some(parent),
            None if member("type") == Some("subsegment") => member("parent_id"),
            None => None,
        };
        let open = members.contains_key("in_progress");
        let redundant = || ["type", "trace_id", "parent_id"].iter().any(|name| members.contains_key(*name));
        let sent = Sent {
            alone: sighting.inside.is_none() && !open,
            announced: sighting.inside.is_none() && open,
            stub: sighting.inside.is_some() && open,
            redundant: sighting.inside.is_some() && redundant(),
        };
        let final_members =
            || members.iter().filter(|(name, _)| *name != "subsegments").map(|(k, v)| (k.clone(), v.clone())).collect();
        let key = (sighting.trace_id.to_owned(), id.to_owned());
        let Some(&index) = self.by_id.get(&key) else {
            self.by_id.insert(key, self.entities.len());
            self.parents.push(parent.map(str::to_owned));
            return self.entities.push(Entity {
                id: id.to_owned(),
                trace_id: sighting.trace_id.to_owned(),
                parent: None,
                children: Vec::new(),
                members: final_members(),
                sent,
            });
        };
        if self.parents[index].as_deref() != parent {
            self.problems.push(format!("{name}: seen under {:?} and under {parent:?}", self.parents[index]));
        }
        let known = &mut self.entities[index];
        let same_start = time(&known.members, "start_time") == time(members, "start_time");
        if known.name() != name || !same_start {
            self.problems.push(format!("{name}: another name or another start than before"));
        }
        let ended = !known.members.contains_key("in_progress");
        if ended && !open {
            self.problems.push(format!("{name}: ended twice"));
        }
        // The final document may arrive before one in progress.
        if !ended || !open {
            known.members = final_members();
        }
        known.sent = Sent {
            alone: known.sent.alone || sent.alone,
            announced: known.sent.announced || sent.announced,
            stub: known.sent.stub || sent.stub,
            redundant: known.sent.redundant || sent.redundant,
        };
    }

    fn check_state(&mut self, name: &str, members: &Map<String, Value>) {
        let open = members.get("in_progress");
        if open.is_some_and(|open| *open != Value::Bool(true)) || open.is_some() == members.contains_key("end_time") {
            self.problems.push(format!("{name}: neither open nor ended, or both"));
        }
        let (start, end) = (time(members, "start_time"), time(members, "end_time"));
        if end.is_some() && end < start {
            self.problems.push(format!("{name}: ended before it began"));
        }
        let children = members.get("subsegments").and_then(Value::as_array).into_iter().flatten();
        let starts: Vec<_> = children.filter_map(|child| time(child.as_object()?, "start_time")).collect();
        if !starts.is_sorted() {
            self.problems.push(format!("{name}: its subsegments are not in the order in which they began"));
        }
    }

    fn grow(mut self) -> Forest {
        let mut roots = Vec::new();
        for index in 0..self.entities.len() {
            let parent = self.parents[index]
                .take()
                .and_then(|parent| self.by_id.get(&(self.entities[index].trace_id.clone(), parent)).copied());
            self.entities[index].parent = parent;
            match parent {
                Some(parent) => self.entities[parent].children.push(index),
                None => roots.push(index),
            }
        }
        // The sort is stable: entities with equal times keep the order in which they first appeared.
        let starts: Vec<_> =
            self.entities.iter().map(|entity| time(&entity.members, "start_time").unwrap_or(0.0)).collect();
        let by_start = |a: &usize, b: &usize| starts[*a].total_cmp(&starts[*b]);
        roots.sort_by(by_start);
        for entity in &mut self.entities {
            entity.children.sort_by(by_start);
        }
        let mut forest = Forest { entities: self.entities, roots, problems: self.problems };
        let reached = forest.walk_from(&forest.roots).len();
        if reached < forest.entities.len() {
            let lost = forest.entities.len() - reached;
            forest.problems.push(format!("{lost} entities whose parents form a circle"));
        }
        forest
    }
}

fn time(members: &Map<String, Value>, name: &str) -> Option<f64> {
    members.get(name).and_then(Value::as_f64)
}
