//! A view of recorded traces for tests, reassembled from their documents.
//!
//! [`Recorder::in_memory`](crate::Recorder::in_memory) returns a recorder that records every request, and the
//! [`Traces`] that it sends.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use crate::document::Document;
use crate::emit::MemoryEmitter;

/// The traces that a recorder of [`Recorder::in_memory`](crate::Recorder::in_memory) has sent. Clones share them.
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
///
/// Code that uses the current entity is tested within the segment:
///
/// ```
/// use xray_core::Recorder;
///
/// fn load(id: u64) {
///     xray_core::capture("load", |subsegment| _ = subsegment.annotate("id", id));
/// }
///
/// let (recorder, traces) = Recorder::in_memory();
/// let segment = recorder.begin("test");
/// let entered = segment.enter();
/// load(7);
/// drop(entered);
/// segment.close();
/// assert_eq!(traces.take().single().tree(), "test\n  load [id=7]\n");
/// ```
///
/// A document is sent when its segment closes, so nothing is taken before that.
///
/// A test of several services uses one recorder for all of them, or one each, and passes the header:
///
/// ```
/// use xray_core::{Recorder, TraceHeader};
///
/// let (recorder, traces) = Recorder::in_memory();
/// let shop = recorder.begin("shop");
/// let call = shop.subsegment("stock.local");
/// let header = call.trace_header().map(|header| header.to_string()).unwrap_or_default();
/// recorder.begin_from("stock", &TraceHeader::parse(&header)).close();
/// call.close();
/// shop.close();
///
/// let trace = traces.take().single();
/// assert_eq!(trace.tree(), "shop\n  stock.local\n    stock\n");
/// assert_eq!(trace.children(trace.find("stock.local"))[0].name(), "stock");
/// ```
#[derive(Clone, Debug)]
pub struct Traces {
    emitter: MemoryEmitter,
}

impl Traces {
    pub(crate) fn new(emitter: MemoryEmitter) -> Traces {
        Traces { emitter }
    }

    /// Removes and returns everything that was sent since the last call.
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
    /// Returns the documents, in the order in which they were sent.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// Whether nothing was sent.
    ///
    /// ```
    /// use xray_core::{Recorder, TraceHeader};
    ///
    /// let (recorder, traces) = Recorder::in_memory();
    /// recorder.begin_from("shop", &TraceHeader::parse("Sampled=0")).close();
    /// assert!(traces.take().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// Returns the traces, in the order of their first document.
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

    /// Returns the only trace.
    ///
    /// # Panics
    ///
    /// There is no trace, or more than one.
    pub fn single(self) -> Trace {
        let mut traces = self.traces();
        assert_eq!(traces.len(), 1, "expected exactly one trace");
        traces.remove(0)
    }
}

/// Parses a document, however deeply it is nested.
fn parse(json: &str) -> Value {
    let mut reader = serde_json::Deserializer::from_str(json);
    reader.disable_recursion_limit();
    Value::deserialize(&mut reader).unwrap_or_default()
}

/// Adds the entities of one document. A finished entity replaces one in progress.
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

/// One trace: its segments and subsegments, reassembled from all its documents.
#[derive(Clone, Debug)]
pub struct Trace {
    entities: Vec<Recorded>,
}

impl Trace {
    /// Returns the entity at the top: the segment of the service that was called first. The segment of a called service is
    /// below the subsegment of the call, if both were recorded.
    ///
    /// # Panics
    ///
    /// There is no such entity.
    pub fn root(&self) -> &Recorded {
        self.roots().next().expect("a trace has an entity without a parent in it")
    }

    fn roots(&self) -> impl Iterator<Item = &Recorded> {
        self.entities.iter().filter(|entity| {
            entity.parent.as_ref().is_none_or(|parent| !self.entities.iter().any(|other| other.id == *parent))
        })
    }

    /// Returns the first entity with this name.
    ///
    /// # Panics
    ///
    /// There is no such entity. The message contains the [`tree`](Trace::tree).
    pub fn find(&self, name: &str) -> &Recorded {
        let found = self.entities.iter().find(|entity| entity.name() == name);
        found.unwrap_or_else(|| panic!("no entity is named {name:?}:\n{}", self.tree()))
    }

    /// Returns the entities directly below another one, ordered by their start.
    pub fn children(&self, parent: &Recorded) -> Vec<&Recorded> {
        let of_parent = |entity: &&Recorded| entity.parent.as_deref() == Some(&*parent.id);
        let mut children: Vec<_> = self.entities.iter().filter(of_parent).collect();
        children.sort_by(|a, b| a.start().total_cmp(&b.start()));
        children
    }

    /// Returns all entities as indented text, one per line: name, namespace, status, flags and annotations. The segment of
    /// a called service is below the subsegment of the call.
    ///
    /// ```
    /// use xray_core::{Namespace, Recorder};
    /// use xray_core::http::HttpResponse;
    ///
    /// let (recorder, traces) = Recorder::in_memory();
    /// let segment = recorder.begin("shop");
    /// let call = segment.subsegment("billing");
    /// call.set_namespace(Namespace::Remote).set_http_response(&HttpResponse::new(503));
    /// call.throttle();
    /// # drop(call);
    /// segment.annotate("tier", "gold");
    /// # segment.close();
    /// let tree = "shop [tier=gold]\n  billing remote 503 error throttle\n";
    /// assert_eq!(traces.take().single().tree(), tree);
    /// ```
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

/// One segment or subsegment as it was sent, without the entities below it.
#[derive(Clone, Debug)]
pub struct Recorded {
    id: String,
    parent: Option<String>,
    json: Value,
}

impl Recorded {
    /// Returns its members, without `subsegments`.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        self.json["name"].as_str().unwrap_or_default()
    }

    /// Returns the value of an annotation, or JSON's null if there is none.
    pub fn annotation(&self, key: &str) -> &Value {
        &self.json["annotations"][key]
    }

    /// Returns a metadata value, or JSON's null if there is none. The default namespace is `default`.
    pub fn metadata(&self, namespace: &str, key: &str) -> &Value {
        &self.json["metadata"][namespace][key]
    }

    /// Whether a flag is set: `error`, `fault` or `throttle`.
    pub fn has(&self, flag: &str) -> bool {
        self.json[flag] == true
    }

    fn start(&self) -> f64 {
        self.json["start_time"].as_f64().unwrap_or_default()
    }

    /// Returns the line of [`tree`](Trace::tree) for this entity.
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
