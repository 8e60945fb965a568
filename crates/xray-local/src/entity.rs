//! One segment or subsegment: the fields that a viewer shows, and its JSON for everything else.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::id::EntityId;

/// A segment or a subsegment, without its children.
///
/// Strings are returned as they were received. Code that prints them must handle control characters itself, as
/// [`render`](crate::render) does.
pub struct Entity {
    id: EntityId,
    parent_id: Option<EntityId>,
    /// Its position in its document: siblings that began at the same time keep this order.
    position: u32,
    segment: bool,
    name: Box<str>,
    namespace: Option<Box<str>>,
    operation: Option<Box<str>>,
    start: Duration,
    end: Option<Duration>,
    outcome: Outcome,
    http: Option<Http>,
    sql: Option<Sql>,
    annotations: Vec<(Box<str>, Box<str>)>,
    exceptions: Vec<Exception>,
    json: Box<str>,
}

/// The outcome of an entity: the most severe of its flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// No flag is set.
    Ok,
    /// The flag `error`: a client error, status 4xx.
    Error,
    /// The flag `throttle`: the caller sent too many requests, status 429.
    Throttle,
    /// The flag `fault`: a server failure, status 5xx or an exception.
    Fault,
}

/// The HTTP exchange of an entity: for a segment the request it served, for a subsegment the request it made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Http {
    /// `GET`, `POST`, …
    pub method: Option<Box<str>>,
    /// The URL, usually without its query.
    pub url: Option<Box<str>>,
    /// The status of the response, if there was one.
    pub status: Option<u16>,
}

/// The SQL statement of a subsegment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sql {
    /// The statement, without its values.
    pub query: Option<Box<str>>,
    /// The URL of the database, without credentials.
    pub url: Option<Box<str>>,
}

/// An exception recorded on an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exception {
    /// The name of its type; empty if only a message was recorded.
    pub kind: Box<str>,
    /// Its message.
    pub message: Box<str>,
}

impl Entity {
    /// Reads an entity from its own JSON, given both as text and parsed. `enclosing` is the entity it is embedded in.
    pub(crate) fn parse(json: String, value: &Value, enclosing: Option<EntityId>, position: u32) -> Option<Entity> {
        let flag = |name| value.get(name) == Some(&Value::Bool(true));
        let parent_id = value.get("parent_id").and_then(Value::as_str).and_then(|id| id.parse().ok());
        let start = time(value.get("start_time")?)?;
        let end = value.get("end_time").and_then(time).filter(|_| !flag("in_progress"));
        Some(Entity {
            id: value.get("id")?.as_str()?.parse().ok()?,
            parent_id: enclosing.or(parent_id),
            position,
            segment: enclosing.is_none() && value.get("type").and_then(Value::as_str) != Some("subsegment"),
            name: value.get("name")?.as_str()?.into(),
            namespace: text(value, "/namespace"),
            operation: text(value, "/aws/operation"),
            start,
            // An end before the start means that the clock was set back. The real duration is unknown, so use zero.
            end: end.map(|end| end.max(start)),
            outcome: match (flag("fault"), flag("throttle"), flag("error")) {
                (true, ..) => Outcome::Fault,
                (_, true, _) => Outcome::Throttle,
                (.., true) => Outcome::Error,
                _ => Outcome::Ok,
            },
            http: value.get("http").map(Http::parse),
            sql: value.get("sql").map(|sql| Sql { query: text(sql, "/sanitized_query"), url: text(sql, "/url") }),
            annotations: annotations(value),
            exceptions: exceptions(value),
            json: json.into(),
        })
    }

    /// Returns the entity id.
    pub fn id(&self) -> EntityId {
        self.id
    }

    /// Returns the id of its parent: an entity of the same service or, for a segment, the caller's subsegment.
    pub fn parent_id(&self) -> Option<EntityId> {
        self.parent_id
    }

    /// Whether this is a segment, which represents a service's work on one request. Everything else is a subsegment.
    pub fn is_segment(&self) -> bool {
        self.segment
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns `aws` or `remote` if it is a call to an AWS service or another remote service.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Returns the operation of a call to an AWS service, such as `PutObject`.
    pub fn operation(&self) -> Option<&str> {
        self.operation.as_deref()
    }

    /// Returns the start time since the Unix epoch in microsecond resolution, by the clock of its own service.
    pub fn start(&self) -> Duration {
        self.start
    }

    /// Returns the end time since the Unix epoch, or `None` while it is in progress.
    pub fn end(&self) -> Option<Duration> {
        self.end
    }

    /// Returns the time from start to end, or `None` while it is in progress.
    pub fn duration(&self) -> Option<Duration> {
        self.end.map(|end| end.saturating_sub(self.start))
    }

    /// Whether it was sent before it ended and its final version has not arrived.
    pub fn is_in_progress(&self) -> bool {
        self.end.is_none()
    }

    /// Returns the outcome so far.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Returns the HTTP exchange, if it has one.
    pub fn http(&self) -> Option<&Http> {
        self.http.as_ref()
    }

    /// Returns the SQL statement, if it has one.
    pub fn sql(&self) -> Option<&Sql> {
        self.sql.as_ref()
    }

    /// Returns the annotations, with values as text.
    pub fn annotations(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.annotations.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Returns the exceptions recorded on it, including their causes.
    pub fn exceptions(&self) -> &[Exception] {
        &self.exceptions
    }

    /// Returns the received JSON of the entity with `subsegments` emptied. It includes metadata, stack frames, plugin
    /// data and everything else that was sent.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Whether this version replaces another one of the same entity.
    ///
    /// A final version replaces one in progress. Between equal versions some order must decide, but not the order of
    /// arrival, because UDP does not preserve order.
    pub(crate) fn replaces(&self, other: &Entity) -> bool {
        let rank = |entity: &Entity| (entity.end, entity.json.len(), entity.parent_id, Reverse(entity.position));
        rank(self).cmp(&rank(other)).then_with(|| self.json.cmp(&other.json)).is_gt()
    }

    /// Returns the sort key of siblings: the start time, with unique tie-breakers.
    pub(crate) fn begin_order(&self) -> impl Ord + use<> {
        (self.start, self.position, self.id)
    }

    /// Returns its approximate size in bytes, accurate enough to limit memory.
    pub(crate) fn weight(&self) -> usize {
        let annotations = self.annotations.iter().map(|(key, value)| key.len() + value.len() + 32);
        let exceptions = self.exceptions.iter().map(|exception| exception.kind.len() + exception.message.len() + 32);
        size_of::<Entity>() + 2 * self.json.len() + annotations.sum::<usize>() + exceptions.sum::<usize>()
    }
}

impl fmt::Debug for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.json)
    }
}

impl Http {
    fn parse(value: &Value) -> Http {
        let status = value.pointer("/response/status").and_then(Value::as_u64);
        Http {
            method: text(value, "/request/method"),
            url: text(value, "/request/url"),
            status: status.and_then(|status| status.try_into().ok()),
        }
    }
}

fn text(value: &Value, pointer: &str) -> Option<Box<str>> {
    Some(value.pointer(pointer)?.as_str()?.into())
}

/// Converts epoch seconds with a fraction. A 64-bit float resolves a quarter of a microsecond today, hence the
/// rounding.
fn time(value: &Value) -> Option<Duration> {
    // The cast saturates, so no number is out of range, and a time before 1970 becomes 1970.
    Some(Duration::from_micros((value.as_f64()? * 1e6).round() as u64))
}

fn annotations(value: &Value) -> Vec<(Box<str>, Box<str>)> {
    let Some(Value::Object(members)) = value.get("annotations") else { return Vec::new() };
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string().into()),
        _ => None,
    };
    members.iter().filter_map(|(key, value)| Some((key.as_str().into(), scalar(value)?))).collect()
}

fn exceptions(value: &Value) -> Vec<Exception> {
    let Some(Value::Array(exceptions)) = value.pointer("/cause/exceptions") else { return Vec::new() };
    let parse = |exception| Exception {
        kind: text(exception, "/type").unwrap_or_default(),
        message: text(exception, "/message").unwrap_or_default(),
    };
    exceptions.iter().map(parse).collect()
}
