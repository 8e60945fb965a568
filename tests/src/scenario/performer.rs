//! Performs the steps of a scenario with this SDK.

use std::collections::HashMap;

use serde_json::Value;
use xray_core::{Entity, Exception, Namespace, Recorder, Segment, Sql, Subsegment, TraceHeader, try_capture};

use super::actor::Actor;
use super::detached::Detached;
use super::thrown::Thrown;
use crate::steps::{Failure, Flag, Precursor, Step, Target};

/// The name of the actor for a Lambda function. No step can use this name.
const LAMBDA: &str = "@lambda";

type Performed = Result<(), Thrown>;

/// Performs steps and holds what earlier steps created.
#[derive(Debug)]
pub(super) struct Performer {
    recorder: Recorder,
    threshold: Option<usize>,
    actors: HashMap<String, Actor>,
    detached: Detached,
    errors: HashMap<String, Made>,
    /// The entities that steps have made current, innermost last.
    current: Vec<Actor>,
}

/// An error created by a step.
#[derive(Debug)]
struct Made {
    exception: Exception,
    /// Whether it has been thrown as an error value, which this SDK recognises only by its message.
    thrown: bool,
}

impl Performer {
    /// Creates a performer that begins segments with `recorder`, which was built with this threshold.
    pub(super) fn new(recorder: Recorder, threshold: Option<usize>) -> Performer {
        Performer {
            recorder,
            threshold,
            actors: HashMap::new(),
            detached: Detached::default(),
            errors: HashMap::new(),
            current: Vec::new(),
        }
    }

    /// Defines `@lambda`: the segment of the function whose invocation has this header.
    pub(super) fn in_lambda(mut self, header: &str) -> Performer {
        let facade = self.recorder.facade(&TraceHeader::parse(header));
        self.add(LAMBDA, Actor::Facade(facade));
        self
    }

    /// Defines `@current` at the start: the segment of the served request.
    pub(super) fn in_request(mut self, segment: Segment) -> Performer {
        self.current.push(Actor::Segment(segment));
        self
    }

    pub(super) fn perform(&mut self, steps: &[Step]) -> Performed {
        steps.iter().try_for_each(|step| self.step(step))
    }

    fn step(&mut self, step: &Step) -> Performed {
        if self.detached.keeps(step) {
            return Ok(());
        }
        match step {
            Step::Segment { new, name, root, parent } => {
                let header = header(root.as_deref(), parent.as_deref())?;
                self.add(new, Actor::Segment(self.recorder.begin_from(name, &header)));
            }
            Step::Subsegment { on, new, name, without_sampling } => {
                let parent = self.entity(on)?;
                let subsegment =
                    if *without_sampling { parent.unsampled_subsegment() } else { parent.subsegment(name) };
                self.add(new, Actor::Subsegment(subsegment));
            }
            Step::Detached { new, name } => self.detached.begin(new, name),
            Step::Add { on, child } => return self.attach(on, child),
            Step::WithContext { on, body, catch } => return self.with_context(on, body, *catch),
            Step::Capture { name, body } => return self.capture(name, body),
            Step::Annotate { on, key, value } => annotate(&self.entity(on)?, key, value),
            Step::Metadata { on, key, value, namespace } => {
                self.entity(on)?.metadata_in(namespace.as_deref().unwrap_or("default"), key, value);
            }
            Step::User { on, value } => {
                self.segment(on)?.set_user(value);
            }
            Step::Flag { on, flag } => {
                self.entity(on)?.mark(match flag {
                    Flag::Error => xray_core::Flag::Error,
                    Flag::Fault => xray_core::Flag::Fault,
                    Flag::Throttle => xray_core::Flag::Throttle,
                });
            }
            Step::Namespace { on, value } => {
                self.subsegment(on)?.set_namespace(match value.as_str() {
                    "aws" => Namespace::Aws,
                    "remote" => Namespace::Remote,
                    other => return Err(Thrown::impossible(format!("the namespace {other:?}"))),
                });
            }
            Step::Sql { on, sql } => {
                self.subsegment(on)?.set_sql(&query(|field| sql.get(field).map(String::as_str))?);
            }
            Step::Precursor { on, of } => {
                let id = match of {
                    Precursor::IdOf(target) => self.entity(target)?.id(),
                    Precursor::Id(text) => text.parse().ok(),
                };
                self.subsegment(on)?.add_precursor(id.ok_or_else(|| Thrown::impossible("a precursor without an id"))?);
            }
            Step::MakeError { new, kind, message } => {
                self.errors.insert(new.clone(), Made { exception: Exception::new(kind, message), thrown: false });
            }
            Step::Error { on, failure, remote } => self.record(on, failure, *remote)?,
            Step::Throw { error } => {
                let made = self.errors.get_mut(error).ok_or_else(|| unknown(error))?;
                made.thrown = true;
                return Err(Thrown::Error { message: made.exception.message().to_owned() });
            }
            Step::Close { on, failure, remote } => {
                if let Some(failure) = failure {
                    self.record(on, failure, *remote)?;
                }
                match self.actor(on)? {
                    Actor::Segment(segment) => segment.close(),
                    Actor::Subsegment(subsegment) => subsegment.close(),
                    Actor::Facade(_) => return Err(Thrown::impossible("closing the segment of a Lambda function")),
                }
            }
            Step::Flush { on } => {
                self.entity(on)?.announce();
            }
            Step::NotTraced { on } => self.segment(on)?.discard(),
            // The recorder was built with this threshold.
            Step::Threshold { value } if self.threshold == Some(*value) => {}
            Step::Threshold { .. } => return Err(Thrown::impossible("a second threshold")),
            Step::Repeat(repeat) => return (0..repeat.count()).try_for_each(|i| self.perform(&repeat.round(i))),
            Step::Mark { .. } => {}
        }
        Ok(())
    }

    fn with_context(&mut self, on: &Target, body: &[Step], catch: bool) -> Performed {
        let actor = self.actor(on)?.clone();
        let entered = actor.entity().enter();
        self.current.push(actor);
        let performed = self.perform(body);
        self.current.pop();
        drop(entered);
        match performed {
            Err(Thrown::Error { .. }) if catch => Ok(()),
            other => other,
        }
    }

    fn capture(&mut self, name: &str, body: &[Step]) -> Performed {
        try_capture(name, |subsegment| {
            self.current.push(Actor::Subsegment(subsegment.clone()));
            let performed = self.perform(body);
            self.current.pop();
            performed
        })
    }

    /// Begins a detached subsegment below its parent and performs the deferred steps.
    fn attach(&mut self, on: &Target, child: &Target) -> Performed {
        let Target::Named(child) = child else { return Err(Thrown::impossible("adding the current entity")) };
        let parent = self.entity(on)?;
        let (name, kept) = self.detached.take(child).ok_or_else(|| unknown(child))?;
        self.add(child, Actor::Subsegment(parent.subsegment(name)));
        self.perform(&kept)
    }

    fn record(&self, on: &Target, failure: &Failure, remote: bool) -> Performed {
        let exception = match failure {
            Failure::Text(text) => Exception::from(text.as_str()),
            Failure::Error(name) => match self.errors.get(name).ok_or_else(|| unknown(name))? {
                Made { exception, thrown: false } => exception.clone(),
                Made { exception, thrown: true } => {
                    Exception::from(&Thrown::Error { message: exception.message().to_owned() })
                }
            },
        };
        self.entity(on)?.fault(exception.remote(remote));
        Ok(())
    }

    fn add(&mut self, new: &str, actor: Actor) {
        self.actors.insert(new.to_owned(), actor);
    }

    fn actor(&self, target: &Target) -> Result<&Actor, Thrown> {
        match target {
            Target::Named(name) => self.actors.get(name).ok_or_else(|| unknown(name)),
            Target::Current => self.current.last().ok_or_else(|| unknown("@current")),
            Target::Lambda => self.actors.get(LAMBDA).ok_or_else(|| unknown(LAMBDA)),
        }
    }

    /// Returns an entity. For `@current` this is the SDK's own current entity.
    fn entity(&self, target: &Target) -> Result<Entity, Thrown> {
        let entity = self.actor(target)?.entity();
        if *target != Target::Current || !entity.is_recording() {
            return Ok(entity);
        }
        let current = xray_core::current();
        if current.id() != entity.id() {
            return Err(Thrown::impossible(format!("{current:?} is current instead of {entity:?}")));
        }
        Ok(current)
    }

    fn segment(&self, target: &Target) -> Result<&Segment, Thrown> {
        match self.actor(target)? {
            Actor::Segment(segment) => Ok(segment),
            other => Err(Thrown::impossible(format!("{other:?} as a segment"))),
        }
    }

    fn subsegment(&self, target: &Target) -> Result<&Subsegment, Thrown> {
        match self.actor(target)? {
            Actor::Subsegment(subsegment) => Ok(subsegment),
            other => Err(Thrown::impossible(format!("{other:?} as a subsegment"))),
        }
    }
}

fn unknown(name: &str) -> Thrown {
    Thrown::impossible(format!("no entity or error named {name:?}"))
}

fn header<'a>(root: Option<&str>, parent: Option<&str>) -> Result<TraceHeader<'a>, Thrown> {
    let Some(root) = root else { return Ok(TraceHeader::default()) };
    let header = TraceHeader::new(root.parse().map_err(|_| Thrown::impossible(format!("the trace id {root:?}")))?);
    match parent {
        None => Ok(header),
        Some(text) => {
            let parent = text.parse().map_err(|_| Thrown::impossible(format!("the entity id {text:?}")))?;
            Ok(header.with_parent(parent))
        }
    }
}

/// Annotates an entity. A value of a type that annotations do not support is left out here; in Rust code it does not
/// compile.
fn annotate(entity: &Entity, key: &str, value: &Value) {
    match value {
        Value::String(text) => entity.annotate(key, text),
        Value::Bool(value) => entity.annotate(key, *value),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), _, _) => entity.annotate(key, number),
            (_, Some(number), _) => entity.annotate(key, number),
            (_, _, Some(number)) => entity.annotate(key, number),
            _ => entity,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => entity,
    };
}

fn query<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Result<Sql, Thrown> {
    let url = field("url").unwrap_or_default();
    let mut sql = match (field("user"), url.split_once("://")) {
        (None, _) => Sql::from_url(url),
        (Some(user), Some((scheme, rest))) => Sql::from_url(&format!("{scheme}://{user}@{rest}")),
        (Some(_), None) => return Err(Thrown::impossible("a database user without a URL")),
    };
    // Only the fields of the step count, so remove those that were derived from the URL.
    sql = sql.database_type(field("database_type").unwrap_or_default());
    if let Some(version) = field("database_version") {
        sql = sql.database_version(version);
    }
    if let Some(version) = field("driver_version") {
        sql = sql.driver_version(version);
    }
    match field("preparation") {
        None => {}
        Some("statement") => sql = sql.prepared(),
        Some(other) => return Err(Thrown::impossible(format!("the preparation {other:?}"))),
    }
    match (field("connection_string"), field("sanitized_query")) {
        (Some(_), _) => Err(Thrown::impossible("a connection string, because the SDK records only URLs")),
        (None, Some(text)) => Ok(sql.query(text)),
        (None, None) => Ok(sql),
    }
}
