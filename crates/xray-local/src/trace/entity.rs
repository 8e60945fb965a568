//! One segment or subsegment: the fields that a viewer shows, and its JSON for everything else.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use serde::de::MapAccess;
use serde_json::Number;

use super::loose::{List, Loose, Object, Scalar, object, skip};
use crate::id::{EntityId, TraceId};

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
    inferred: bool,
    name: Box<str>,
    namespace: Option<Box<str>>,
    origin: Option<Box<str>>,
    user: Option<Box<str>>,
    start: Duration,
    end: Option<Duration>,
    flags: Flags,
    http: Option<Http>,
    sql: Option<Sql>,
    aws: Aws,
    resource_arn: Option<Box<str>>,
    annotations: Vec<Annotation>,
    exceptions: Vec<Exception>,
    json: Box<str>,
}

/// The flags of an entity, independent of each other: a set of bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flags(u8);

/// The members of an entity's `aws` object that identify a resource or a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Aws {
    pub(crate) operation: Option<Box<str>>,
    pub(crate) table_name: Option<Box<str>>,
    pub(crate) queue_url: Option<Box<str>>,
    pub(crate) bucket_name: Option<Box<str>>,
    pub(crate) function_name: Option<Box<str>>,
    pub(crate) topic_arn: Option<Box<str>>,
    pub(crate) instance_id: Option<Box<str>>,
    pub(crate) availability_zone: Option<Box<str>>,
    pub(crate) sampling_rule: Option<Box<str>>,
    pub(crate) account_id: Option<Box<str>>,
}

/// An annotation, with its value as text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Annotation {
    pub(crate) key: Box<str>,
    text: Box<str>,
    kind: AnnotationKind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum AnnotationKind {
    Text,
    Number(f64),
    Bool(bool),
}

/// The typed value of an annotation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum AnnotationValue<'a> {
    Text(&'a str),
    Number(f64),
    Bool(bool),
}

impl Annotation {
    pub(crate) fn value(&self) -> AnnotationValue<'_> {
        match self.kind {
            AnnotationKind::Text => AnnotationValue::Text(&self.text),
            AnnotationKind::Number(number) => AnnotationValue::Number(number),
            AnnotationKind::Bool(value) => AnnotationValue::Bool(value),
        }
    }
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
    /// The `User-Agent` of the client.
    pub user_agent: Option<Box<str>>,
    /// The address of the client.
    pub client_ip: Option<Box<str>>,
    /// Whether the called service records a segment of its own.
    pub traced: bool,
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exception {
    /// The name of its type; empty if only a message was recorded.
    pub kind: Box<str>,
    /// Its message.
    pub message: Box<str>,
}

impl Entity {
    /// Reads an entity from its own JSON and returns it with its trace id, which only the first entity of a document
    /// needs. `enclosing` is the entity it is embedded in.
    pub(crate) fn parse(json: String, enclosing: Option<EntityId>, position: u32) -> Option<(Option<TraceId>, Entity)> {
        let Loose(read) = serde_json::from_str::<Loose<Members<'_>>>(&json).ok()?;
        let parent_id = read.parent_id.text().and_then(|id| id.parse().ok());
        let start = time(&read.start)?;
        let end = time(&read.end).filter(|_| !read.in_progress.is_true());
        let trace_id = read.trace_id.text().and_then(|id| id.parse().ok());
        let entity = Entity {
            id: read.id.text()?.parse().ok()?,
            parent_id: enclosing.or(parent_id),
            position,
            segment: enclosing.is_none() && read.kind.text() != Some("subsegment"),
            inferred: read.inferred.is_true(),
            name: read.name.boxed()?,
            namespace: read.namespace.boxed(),
            origin: read.origin.boxed(),
            user: read.user.boxed(),
            start,
            // An end before the start means that the clock was set back. The real duration is unknown, so use zero.
            end: end.map(|end| end.max(start)),
            flags: Flags::new(read.error.is_true(), read.throttle.is_true(), read.fault.is_true()),
            http: read.http.map(HttpMembers::http),
            sql: read.sql.map(|sql| Sql { query: sql.query.boxed(), url: sql.url.boxed() }),
            aws: read.aws,
            resource_arn: read.resource_arn.boxed(),
            annotations: read.annotations.0,
            exceptions: read.cause.exceptions,
            json: json.into(),
        };
        Some((trace_id, entity))
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
        self.aws.operation.as_deref()
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
        self.flags.outcome()
    }

    /// Returns its flags.
    pub(crate) fn flags(&self) -> Flags {
        self.flags
    }

    /// Returns the kind of resource that recorded it, such as `AWS::ECS::Container`.
    pub(crate) fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Returns the user of the request.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Whether the X-Ray service derived it from a call to a service that sends no segments.
    pub(crate) fn is_inferred(&self) -> bool {
        self.inferred
    }

    /// Returns what its `aws` object says about resources and hosts.
    pub(crate) fn aws(&self) -> &Aws {
        &self.aws
    }

    /// Returns the ARN of the resource that recorded it.
    pub(crate) fn resource_arn(&self) -> Option<&str> {
        self.resource_arn.as_deref()
    }

    /// Returns the annotations with their types.
    pub(crate) fn typed_annotations(&self) -> &[Annotation] {
        &self.annotations
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
        self.annotations.iter().map(|annotation| (&*annotation.key, &*annotation.text))
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
    pub(crate) fn begin_order(&self) -> (Duration, u32, EntityId) {
        (self.start, self.position, self.id)
    }

    /// Returns what decides between versions of this entity without the entity itself.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            parent_id: self.parent_id,
            end: self.end,
            length: self.json.len(),
            position: Reverse(self.position),
            hash: hash(self.json.as_bytes()),
            is_segment: self.segment,
            is_traced: self.is_traced_call(),
        }
    }

    /// Whether it is a call to a service that says that it sends a segment.
    pub(crate) fn is_traced_call(&self) -> bool {
        !self.segment && self.http.as_ref().is_some_and(|http| http.traced)
    }
}

/// What remains of an entity while its document is packed: enough to know whether a trace is complete, and whether
/// another version of the entity is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) parent_id: Option<EntityId>,
    end: Option<Duration>,
    length: usize,
    position: Reverse<u32>,
    hash: u64,
    pub(crate) is_segment: bool,
    /// Whether the called service says that it sends a segment.
    pub(crate) is_traced: bool,
}

impl Mark {
    pub(crate) fn is_in_progress(&self) -> bool {
        self.end.is_none()
    }

    /// Whether this version replaces another one. Versions that differ only in their text count as replaced, which at
    /// worst shows a trace again.
    pub(crate) fn replaces(&self, other: &Mark) -> bool {
        let rank = |mark: &Mark| (mark.end, mark.length, mark.parent_id, mark.position);
        rank(self).cmp(&rank(other)).then(self.hash.cmp(&other.hash)).is_gt()
    }
}

/// It only distinguishes texts that are equal in everything else, so it may be weak but must be fast.
fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word)).chain(rest.iter().map(|&byte| byte.into()));
    words.fold(0, |hash: u64, word| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95))
}

impl Flags {
    pub(crate) fn new(error: bool, throttle: bool, fault: bool) -> Flags {
        Flags(u8::from(error) | u8::from(throttle) << 1 | u8::from(fault) << 2)
    }

    /// Returns the flags that [`Flags::bits`] has returned.
    pub(crate) fn from_bits(bits: u8) -> Flags {
        Flags(bits & 7)
    }

    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    pub(crate) fn error(self) -> bool {
        self.0 & 1 != 0
    }

    pub(crate) fn throttle(self) -> bool {
        self.0 & 2 != 0
    }

    pub(crate) fn fault(self) -> bool {
        self.0 & 4 != 0
    }

    /// Returns each flag that is set here or there.
    pub(crate) fn or(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    pub(crate) fn outcome(self) -> Outcome {
        match self {
            _ if self.fault() => Outcome::Fault,
            _ if self.throttle() => Outcome::Throttle,
            _ if self.error() => Outcome::Error,
            _ => Outcome::Ok,
        }
    }
}

impl fmt::Debug for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.json)
    }
}

/// The members of an entity, as far as they are read.
#[derive(Default)]
struct Members<'de> {
    trace_id: Scalar<'de>,
    id: Scalar<'de>,
    parent_id: Scalar<'de>,
    kind: Scalar<'de>,
    name: Scalar<'de>,
    namespace: Scalar<'de>,
    origin: Scalar<'de>,
    user: Scalar<'de>,
    start: Scalar<'de>,
    end: Scalar<'de>,
    in_progress: Scalar<'de>,
    inferred: Scalar<'de>,
    error: Scalar<'de>,
    throttle: Scalar<'de>,
    fault: Scalar<'de>,
    resource_arn: Scalar<'de>,
    http: Option<HttpMembers<'de>>,
    sql: Option<SqlMembers<'de>>,
    aws: Aws,
    annotations: Annotations,
    cause: Cause,
}

impl<'de> Object<'de> for Members<'de> {
    fn member<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let scalar = match key {
            "http" => return object(map).map(|http| self.http = Some(http)),
            "sql" => return object(map).map(|sql| self.sql = Some(sql)),
            "aws" => return object(map).map(|aws| self.aws = aws),
            "annotations" => return object(map).map(|annotations| self.annotations = annotations),
            "cause" => return object(map).map(|cause| self.cause = cause),
            "trace_id" => &mut self.trace_id,
            "id" => &mut self.id,
            "parent_id" => &mut self.parent_id,
            "type" => &mut self.kind,
            "name" => &mut self.name,
            "namespace" => &mut self.namespace,
            "origin" => &mut self.origin,
            "user" => &mut self.user,
            "start_time" => &mut self.start,
            "end_time" => &mut self.end,
            "in_progress" => &mut self.in_progress,
            "inferred" => &mut self.inferred,
            "error" => &mut self.error,
            "throttle" => &mut self.throttle,
            "fault" => &mut self.fault,
            "resource_arn" => &mut self.resource_arn,
            _ => return skip(map),
        };
        *scalar = map.next_value()?;
        Ok(())
    }
}

#[derive(Default)]
struct HttpMembers<'de> {
    request: HttpRequest<'de>,
    response: HttpResponse<'de>,
}

#[derive(Default)]
struct HttpRequest<'de> {
    method: Scalar<'de>,
    url: Scalar<'de>,
    user_agent: Scalar<'de>,
    client_ip: Scalar<'de>,
    traced: Scalar<'de>,
}

#[derive(Default)]
struct HttpResponse<'de> {
    status: Scalar<'de>,
}

impl HttpMembers<'_> {
    fn http(self) -> Http {
        Http {
            method: self.request.method.boxed(),
            url: self.request.url.boxed(),
            status: self.response.status.whole().and_then(|status| status.try_into().ok()),
            user_agent: self.request.user_agent.boxed(),
            client_ip: self.request.client_ip.boxed(),
            traced: self.request.traced.is_true(),
        }
    }
}

impl<'de> Object<'de> for HttpMembers<'de> {
    fn member<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "request" => object(map).map(|request| self.request = request),
            "response" => object(map).map(|response| self.response = response),
            _ => skip(map),
        }
    }
}

impl<'de> Object<'de> for HttpRequest<'de> {
    fn member<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let scalar = match key {
            "method" => &mut self.method,
            "url" => &mut self.url,
            "user_agent" => &mut self.user_agent,
            "client_ip" => &mut self.client_ip,
            "traced" => &mut self.traced,
            _ => return skip(map),
        };
        *scalar = map.next_value()?;
        Ok(())
    }
}

impl<'de> Object<'de> for HttpResponse<'de> {
    fn member<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "status" => self.status = map.next_value()?,
            _ => return skip(map),
        }
        Ok(())
    }
}

#[derive(Default)]
struct SqlMembers<'de> {
    query: Scalar<'de>,
    url: Scalar<'de>,
}

impl<'de> Object<'de> for SqlMembers<'de> {
    fn member<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "sanitized_query" => self.query = map.next_value()?,
            "url" => self.url = map.next_value()?,
            _ => return skip(map),
        }
        Ok(())
    }
}

impl<'de> Object<'de> for Aws {
    fn member<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let text = match key {
            "operation" => &mut self.operation,
            "table_name" => &mut self.table_name,
            "queue_url" => &mut self.queue_url,
            "bucket_name" => &mut self.bucket_name,
            "function_name" => &mut self.function_name,
            "topic_arn" => &mut self.topic_arn,
            "account_id" => &mut self.account_id,
            "ec2" => {
                let Ec2 { instance_id, availability_zone } = object(map)?;
                (self.instance_id, self.availability_zone) = (instance_id, availability_zone);
                return Ok(());
            }
            "xray" => {
                let Sdk { sampling_rule } = object(map)?;
                self.sampling_rule = sampling_rule;
                return Ok(());
            }
            _ => return skip(map),
        };
        *text = map.next_value::<Scalar<'de>>()?.boxed();
        Ok(())
    }
}

#[derive(Default)]
struct Ec2 {
    instance_id: Option<Box<str>>,
    availability_zone: Option<Box<str>>,
}

impl<'de> Object<'de> for Ec2 {
    fn member<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "instance_id" => self.instance_id = map.next_value::<Scalar<'de>>()?.boxed(),
            "availability_zone" => self.availability_zone = map.next_value::<Scalar<'de>>()?.boxed(),
            _ => return skip(map),
        }
        Ok(())
    }
}

#[derive(Default)]
struct Sdk {
    sampling_rule: Option<Box<str>>,
}

impl<'de> Object<'de> for Sdk {
    fn member<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            // The SDKs for Node.js and Java say `rule_name`.
            "sampling_rule_name" | "rule_name" => self.sampling_rule = map.next_value::<Scalar<'de>>()?.boxed(),
            _ => return skip(map),
        }
        Ok(())
    }
}

#[derive(Default)]
struct Annotations(Vec<Annotation>);

impl<'de> Object<'de> for Annotations {
    fn member<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let (text, kind): (Box<str>, _) = match map.next_value::<Scalar<'de>>()? {
            Scalar::Text(text) => (text.into(), AnnotationKind::Text),
            Scalar::Bool(value) => (value.to_string().into(), AnnotationKind::Bool(value)),
            Scalar::Number(number) => (number.to_string().into(), AnnotationKind::Number(float(&number))),
            Scalar::Missing => return Ok(()),
        };
        self.0.push(Annotation { key: key.into(), text, kind });
        Ok(())
    }
}

#[derive(Default)]
struct Cause {
    exceptions: Vec<Exception>,
}

impl<'de> Object<'de> for Cause {
    fn member<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "exceptions" => {
                let List(exceptions) = map.next_value::<List<Exception>>()?;
                self.exceptions = exceptions;
                Ok(())
            }
            _ => skip(map),
        }
    }
}

impl<'de> Object<'de> for Exception {
    fn member<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "type" => self.kind = map.next_value::<Scalar<'de>>()?.boxed().unwrap_or_default(),
            "message" => self.message = map.next_value::<Scalar<'de>>()?.boxed().unwrap_or_default(),
            _ => return skip(map),
        }
        Ok(())
    }
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or_default()
}

/// Converts epoch seconds with a fraction. A 64-bit float resolves a quarter of a microsecond today, hence the
/// rounding.
fn time(value: &Scalar<'_>) -> Option<Duration> {
    // The cast saturates, so no number is out of range, and a time before 1970 becomes 1970.
    Some(Duration::from_micros((value.number()? * 1e6).round() as u64))
}
