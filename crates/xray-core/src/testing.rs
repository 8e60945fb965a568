//! Traces as tests look at them: what was recorded, reassembled from the documents.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use crate::document::Document;
use crate::emit::MemoryEmitter;

/// The traces that a recorder of [`Recorder::in_memory`](crate::Recorder::in_memory) has sent.
///
/// ```
/// use xray_core::Recorder;
///
/// let (recorder, traces) = Recorder::in_memory();
/// let segment = recorder.begin("shop");
/// segment.subsegment("load order").annotate("order_id", 7);
/// segment.close();
///
/// let trace = traces.take().single();
/// assert_eq!(trace.tree(), "shop\n  load order [order_id=7]\n");
/// assert_eq!(trace.find("load order").annotation("order_id"), 7);
/// ```
#[derive(Clone, Debug)]
pub struct Traces {
    emitter: MemoryEmitter,
}

impl Traces {
    pub(crate) fn new(emitter: MemoryEmitter) -> Traces {
        Traces { emitter }
    }

    /// All that was sent since the last call.
    pub fn take(&self) -> Taken {
        Taken { documents: self.emitter.take() }
    }
}

/// Documents taken from [`Traces`].
#[derive(Clone, Debug)]
pub struct Taken {
    documents: Vec<Document>,
}

impl Taken {
    /// The documents, in the order in which they were sent.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// Whether nothing was sent.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// The traces, in the order of their first document.
    pub fn traces(self) -> Vec<Trace> {
        let mut order: Vec<String> = Vec::new();
        let mut entities: HashMap<String, Vec<Recorded>> = HashMap::new();
        for document in &self.documents {
            let value = parse(document.json());
            let trace_id = value["trace_id"].as_str().unwrap_or_default().to_owned();
            let of_trace = entities.entry(trace_id.clone()).or_insert_with(|| {
                order.push(trace_id);
                Vec::new()
            });
            flatten(value, of_trace);
        }
        order.into_iter().filter_map(|id| entities.remove(&id)).map(|entities| Trace { entities }).collect()
    }

    /// The only trace.
    ///
    /// # Panics
    /// When there is none or more than one.
    pub fn single(self) -> Trace {
        let mut traces = self.traces();
        assert_eq!(traces.len(), 1, "expected exactly one trace");
        traces.remove(0)
    }
}

fn parse(json: &str) -> Value {
    let mut reader = serde_json::Deserializer::from_str(json);
    reader.disable_recursion_limit();
    Value::deserialize(&mut reader).unwrap_or_default()
}

/// Adds the entities of one document; a finished one takes the place of one in progress.
fn flatten(document: Value, entities: &mut Vec<Recorded>) {
    let mut work = vec![(document, None)];
    while let Some((mut json, parent)) = work.pop() {
        let children = json.as_object_mut().and_then(|members| members.remove("subsegments"));
        let id = json["id"].as_str().unwrap_or_default().to_owned();
        let parent = parent.or_else(|| json["parent_id"].as_str().map(str::to_owned));
        if let Some(Value::Array(children)) = children {
            work.extend(children.into_iter().rev().map(|child| (child, Some(id.clone()))));
        }
        let recorded = Recorded { id, parent, json };
        match entities.iter_mut().find(|known| known.id == recorded.id) {
            Some(known) if known.json.get("end_time").is_none() => *known = recorded,
            Some(_) => {}
            None => entities.push(recorded),
        }
    }
}

/// One trace: its segments and subsegments, however they were split into documents.
#[derive(Clone, Debug)]
pub struct Trace {
    entities: Vec<Recorded>,
}

impl Trace {
    /// The entity that all others are below: the segment of the service that was called first. The segment of a
    /// called service is below the subsegment of the call, if both are in the trace.
    ///
    /// # Panics
    /// When there is none.
    pub fn root(&self) -> &Recorded {
        self.roots().next().expect("a trace has an entity without a parent in it")
    }

    fn roots(&self) -> impl Iterator<Item = &Recorded> {
        self.entities.iter().filter(|entity| {
            entity.parent.as_ref().is_none_or(|parent| !self.entities.iter().any(|other| other.id == *parent))
        })
    }

    /// The first entity of that name.
    ///
    /// # Panics
    /// When there is none.
    pub fn find(&self, name: &str) -> &Recorded {
        let found = self.entities.iter().find(|entity| entity.name() == name);
        found.unwrap_or_else(|| panic!("no entity is named {name:?}:\n{}", self.tree()))
    }

    /// The entities directly below another, by the time of their beginning.
    pub fn children(&self, parent: &Recorded) -> Vec<&Recorded> {
        let of_parent = |entity: &&Recorded| entity.parent.as_deref() == Some(&*parent.id);
        let mut children: Vec<_> = self.entities.iter().filter(of_parent).collect();
        children.sort_by(|a, b| a.start().total_cmp(&b.start()));
        children
    }

    /// All as indented text, a line each: name, namespace, status, flags, annotations. The segment of a called
    /// service stands below the subsegment of the call.
    pub fn tree(&self) -> String {
        let mut text = String::new();
        let mut work: Vec<_> = self.roots().map(|root| (root, 0)).collect();
        work.reverse();
        while let Some((entity, depth)) = work.pop() {
            let _ = writeln!(text, "{:indent$}{}", "", entity.line(), indent = depth * 2);
            work.extend(self.children(entity).into_iter().rev().map(|child| (child, depth + 1)));
        }
        text
    }
}

/// One segment or subsegment as it was sent, without those below it.
#[derive(Clone, Debug)]
pub struct Recorded {
    id: String,
    parent: Option<String>,
    json: Value,
}

impl Recorded {
    /// Its members, without `subsegments`.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.json["name"].as_str().unwrap_or_default()
    }

    /// The value of an annotation; null when there is none.
    pub fn annotation(&self, key: &str) -> &Value {
        &self.json["annotations"][key]
    }

    /// A metadata value; null when there is none.
    pub fn metadata(&self, namespace: &str, key: &str) -> &Value {
        &self.json["metadata"][namespace][key]
    }

    /// Whether a flag (`error`, `fault`, `throttle`) is set.
    pub fn has(&self, flag: &str) -> bool {
        self.json[flag] == true
    }

    fn start(&self) -> f64 {
        self.json["start_time"].as_f64().unwrap_or_default()
    }

    fn line(&self) -> String {
        let mut line = self.name().to_owned();
        for word in [&self.json["namespace"], &self.json["http"]["response"]["status"]] {
            match word {
                Value::Null => {}
                Value::String(text) => line.extend([" ", text]),
                other => line.extend([" ", &other.to_string()]),
            }
        }
        for flag in ["error", "throttle", "fault", "in_progress"] {
            if self.has(flag) {
                line.extend([" ", flag]);
            }
        }
        if let Some(annotations) = self.json["annotations"].as_object() {
            let pairs: Vec<_> = annotations
                .iter()
                .map(|(key, value)| {
                    format!("{key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                })
                .collect();
            let _ = write!(line, " [{}]", pairs.join(", "));
        }
        line
    }
}
