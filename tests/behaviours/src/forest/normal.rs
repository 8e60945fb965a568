//! Normalises entities: replaces values that differ from run to run, such as ids, times and ports. Links between ids
//! are kept.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::{Map, Value};

use super::{Entity, Forest};

/// Stable names for the ids of some entities, in the order of the entities: `id-1`, `trace-1`, `exception-1`, …
#[derive(Debug)]
pub struct Names {
    names: HashMap<String, String>,
    given: Option<String>,
}

impl Names {
    /// Names ids by position. A gap also uses a number, so that two forests can be named consistently, pair by pair.
    ///
    /// `given` is the text of a scenario. Trace ids that it contains stay unchanged, and so do ids of unknown entities
    /// that it contains; other ids are replaced. Without `given`, all trace ids are replaced and all ids of unknown
    /// entities stay.
    pub fn new<'a>(entities: impl IntoIterator<Item = Option<&'a Entity>>, given: Option<String>) -> Names {
        let mut names = HashMap::new();
        let mut traces = 0;
        for (number, entity) in (1..).zip(entities) {
            let Some(entity) = entity else { continue };
            names.insert(entity.id.clone(), format!("id-{number}"));
            if let Entry::Vacant(vacant) = names.entry(entity.trace_id.clone()) {
                traces += 1;
                let kept = given.as_ref().is_some_and(|given| given.contains(&entity.trace_id));
                vacant.insert(if kept { entity.trace_id.clone() } else { format!("trace-{traces}") });
            }
            let exceptions = entity.at("/cause/exceptions").and_then(Value::as_array);
            for (place, exception) in (1..).zip(exceptions.into_iter().flatten()) {
                if let Some(id) = exception["id"].as_str() {
                    names.insert(id.to_owned(), format!("exception-{number}.{place}"));
                }
            }
        }
        Names { names, given }
    }

    /// Returns the name for an id.
    pub fn of<'a>(&'a self, id: &'a str) -> &'a str {
        match (self.names.get(id), &self.given) {
            (Some(name), _) => name,
            (None, Some(given)) if !given.contains(id) => "unknown",
            (None, _) => id,
        }
    }

    fn put(&self, value: Option<&mut Value>) {
        if let Some(Value::String(id)) = value {
            *id = self.of(id).to_owned();
        }
    }

    /// Returns the normalised members of an entity. Leaves out `type`, `trace_id` and `parent_id` if the place in the
    /// tree implies them.
    pub fn normal(&self, entity: &Entity) -> Map<String, Value> {
        let mut members = entity.members.clone();
        if entity.parent.is_some() {
            for name in ["type", "trace_id", "parent_id"] {
                members.remove(name);
            }
        }
        for name in ["start_time", "end_time"] {
            if let Some(time) = members.get_mut(name).filter(|time| time.is_number()) {
                *time = "TIME".into();
            }
        }
        for name in ["id", "trace_id", "parent_id"] {
            self.put(members.get_mut(name));
        }
        for id in members.get_mut("precursor_ids").and_then(Value::as_array_mut).into_iter().flatten() {
            self.put(Some(id));
        }
        if let Some(cause) = members.get_mut("cause") {
            self.put(cause.get_mut("id"));
            for exception in cause.get_mut("exceptions").and_then(Value::as_array_mut).into_iter().flatten() {
                self.put(exception.get_mut("id"));
                self.put(exception.get_mut("cause"));
            }
            self.put(Some(cause));
        }
        if let Some(Value::String(url)) = members.get_mut("http").and_then(|http| http.pointer_mut("/request/url")) {
            *url = without_port_number(url);
        }
        members
    }
}

/// Replaces the port of a loopback address with `PORT`, because tests use any free port.
fn without_port_number(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once(':') {
        Some((host @ ("127.0.0.1" | "localhost" | "[::1]"), port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            format!("{scheme}://{host}:PORT{path}")
        }
        _ => url.to_owned(),
    }
}

impl Forest {
    /// Returns all trees as JSON that does not depend on the run or the host. Ids and times are replaced by stable
    /// names, and `service`, `aws.xray`, `working_directory` and stack frames are left out.
    pub fn to_json(&self) -> Value {
        let walk = self.walk_from(&self.roots);
        let names = Names::new(walk.iter().map(|&(_, index)| Some(self.entity(index))), None);
        // Goes backwards, so that children are ready before their parent and no recursion can exhaust the stack.
        let mut ready: HashMap<usize, Value> = HashMap::new();
        for &(_, index) in walk.iter().rev() {
            let entity = self.entity(index);
            let mut members = names.normal(entity);
            strip_host(&mut members);
            if !entity.children.is_empty() {
                members.insert("subsegments".to_owned(), take_all(&mut ready, &entity.children));
            }
            ready.insert(index, members.into());
        }
        take_all(&mut ready, &self.roots)
    }
}

fn take_all(ready: &mut HashMap<usize, Value>, indices: &[usize]) -> Value {
    indices.iter().filter_map(|index| ready.remove(index)).collect::<Vec<_>>().into()
}

fn strip_host(members: &mut Map<String, Value>) {
    members.remove("service");
    if let Some(Value::Object(aws)) = members.get_mut("aws") {
        aws.remove("xray");
        if aws.is_empty() {
            members.remove("aws");
        }
    }
    if let Some(Value::Object(cause)) = members.get_mut("cause") {
        cause.remove("working_directory");
        for exception in cause.get_mut("exceptions").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Value::Object(exception) = exception {
                exception.remove("stack");
                exception.remove("truncated");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diff;

    #[test]
    fn only_values_that_differ_from_run_to_run_are_replaced() {
        let trace = "1-5759e988-bd862e3fe1be46a994272793";
        let documents = [
            json!({"name": "late", "id": "cc", "type": "subsegment", "trace_id": trace, "parent_id": "aa",
                "start_time": 3.5, "end_time": 4.5, "precursor_ids": ["bb"], "cause": "dd", "fault": true}),
            json!({"name": "shop", "id": "aa", "trace_id": trace, "parent_id": "53995c3f42cd8ad8",
                "start_time": 1.5, "end_time": 2.5, "service": {"runtime": "rustc"}, "aws": {"xray": {"sdk": "x"}},
                "subsegments": [{"name": "call", "id": "bb", "start_time": 1.75, "in_progress": true,
                    "http": {"request": {"url": "http://127.0.0.1:4711/a:1?b"}},
                    "cause": {"working_directory": "/", "exceptions": [
                        {"id": "dd", "cause": "ee", "stack": [1]}, {"id": "ee", "message": "aa"}]}}]}),
        ];
        let want = json!([{"name": "shop", "id": "id-1", "trace_id": "trace-1", "parent_id": "53995c3f42cd8ad8",
            "start_time": "TIME", "end_time": "TIME", "subsegments": [
                {"name": "call", "id": "id-2", "start_time": "TIME", "in_progress": true,
                    "http": {"request": {"url": "http://127.0.0.1:PORT/a:1?b"}},
                    "cause": {"exceptions": [{"id": "exception-2.1", "cause": "exception-2.2"},
                        {"id": "exception-2.2", "message": "aa"}]}},
                {"name": "late", "id": "id-3", "start_time": "TIME", "end_time": "TIME", "fault": true,
                    "precursor_ids": ["id-2"], "cause": "exception-2.1"}]}]);
        diff::assert_same(&want, &Forest::from_documents(&documents).to_json());
    }

    #[test]
    fn only_given_ids_stay_unchanged() {
        let documents = [
            json!({"name": "a", "id": "aa", "trace_id": "T1", "parent_id": "P1"}),
            json!({"name": "b", "id": "bb", "trace_id": "T2", "parent_id": "P2"}),
        ];
        let forest = Forest::from_documents(&documents);
        let entities = || forest.walk().into_iter().map(|(_, entity)| Some(entity));
        let names = Names::new(entities(), Some("root T1, parent P1".to_owned()));
        assert_eq!(["T1", "T2", "P1", "P2", "bb"].map(|id| names.of(id)), ["T1", "trace-2", "P1", "unknown", "id-2"]);
    }

    #[test]
    fn ports_of_other_hosts_stay_unchanged() {
        for (url, want) in [
            ("http://127.0.0.1:80/x", "http://127.0.0.1:PORT/x"),
            ("http://localhost:8080", "http://localhost:PORT"),
            ("http://[::1]:1?q=:2", "http://[::1]:PORT?q=:2"),
            ("http://127.0.0.1/x:1", "http://127.0.0.1/x:1"),
            ("http://db.example.com:3306/x", "http://db.example.com:3306/x"),
            ("nonsense:1", "nonsense:1"),
        ] {
            assert_eq!(without_port_number(url), want);
        }
    }
}
