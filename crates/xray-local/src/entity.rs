//! One segment or subsegment: what a viewer shows of it, and its own JSON for those who want more.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::id::EntityId;

/// A segment or a subsegment, without its children.
///
/// Texts are as they were received: whoever prints them takes care of control characters, as
/// [`render`](crate::render) does.
pub struct Entity {
    id: EntityId,
    parent_id: Option<EntityId>,
    /// Where in its document it stood: siblings that began in the same instant are kept in this order.
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

/// How an entity went: the worst of its flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// No flag is set.
    Ok,
    /// `error`: the caller's mistake, 4xx.
    Error,
    /// `throttle`: the caller was too fast, 429.
    Throttle,
    /// `fault`: the server's failure, 5xx or an exception.
    Fault,
}

/// The HTTP exchange of an entity: one it served when it is a segment, one it asked for when it is a subsegment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Http {
    /// `GET`, `POST`, …
    pub method: Option<Box<str>>,
    /// The URL, mostly without its query.
    pub url: Option<Box<str>>,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
}

/// The SQL statement of a subsegment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sql {
    /// The statement with its values left out.
    pub query: Option<Box<str>>,
    /// The database, without credentials.
    pub url: Option<Box<str>>,
}

/// An exception recorded on an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exception {
    /// The type's name; empty when only a text was recorded.
    pub kind: Box<str>,
    /// What it said.
    pub message: Box<str>,
}

impl Entity {
    /// Reads an entity from its own JSON, given as text and parsed; `enclosing` is the entity it was embedded in.
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
            // An end before the start is a clock that was set back meanwhile: it took no time we know of.
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

    /// Its id.
    pub fn id(&self) -> EntityId {
        self.id
    }

    /// The entity it was called by: of the same service, or the caller's subsegment when it is a segment.
    pub fn parent_id(&self) -> Option<EntityId> {
        self.parent_id
    }

    /// A segment stands for a service's work on one request; everything below it is a subsegment.
    pub fn is_segment(&self) -> bool {
        self.segment
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `aws` or `remote` when it is a call to something else.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The operation of a call to an AWS service, such as `PutObject`.
    pub fn operation(&self) -> Option<&str> {
        self.operation.as_deref()
    }

    /// When it began, since the Unix epoch, by its own service's clock; to the microsecond.
    pub fn start(&self) -> Duration {
        self.start
    }

    /// When it ended; nothing while it is in progress.
    pub fn end(&self) -> Option<Duration> {
        self.end
    }

    /// How long it took; nothing while it is in progress.
    pub fn duration(&self) -> Option<Duration> {
        self.end.map(|end| end.saturating_sub(self.start))
    }

    /// Whether it was sent before its end, and the end has not come.
    pub fn is_in_progress(&self) -> bool {
        self.end.is_none()
    }

    /// How it went so far.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Its HTTP exchange.
    pub fn http(&self) -> Option<&Http> {
        self.http.as_ref()
    }

    /// Its SQL statement.
    pub fn sql(&self) -> Option<&Sql> {
        self.sql.as_ref()
    }

    /// Its annotations, values as text.
    pub fn annotations(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.annotations.iter().map(|(key, value)| (&**key, &**value))
    }

    /// The exceptions recorded on it, the causes among them.
    pub fn exceptions(&self) -> &[Exception] {
        &self.exceptions
    }

    /// Its own document as received, with `subsegments` emptied: metadata, stack frames, plugins' data, all there is.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Whether this version replaces another one of the same entity.
    ///
    /// An end replaces what was in progress; among equals some order must decide, and it must not be the order of
    /// arrival: UDP keeps none.
    pub(crate) fn replaces(&self, other: &Entity) -> bool {
        let rank = |entity: &Entity| (entity.end, entity.json.len(), entity.parent_id, Reverse(entity.position));
        rank(self).cmp(&rank(other)).then_with(|| self.json.cmp(&other.json)).is_gt()
    }

    /// The order of siblings: as they began, and never left open by equal times.
    pub(crate) fn begin_order(&self) -> impl Ord + use<> {
        (self.start, self.position, self.id)
    }

    /// The bytes it holds, near enough to bound memory by.
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

/// Epoch seconds with a fraction: 64-bit floats of today resolve a quarter of a microsecond, hence the rounding.
fn time(value: &Value) -> Option<Duration> {
    // The cast saturates, so no number is out of range; a time before 1970 is 1970.
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
