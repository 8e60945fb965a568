//! The steps of a scenario, which goldens list in `input`.

mod members;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub(crate) use members::Members;
pub use members::ParseStepsError;

/// A scenario of kind `steps`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Scenario {
    /// Its environment variables.
    pub env: BTreeMap<String, String>,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// An operation of a scenario.
///
/// Exhaustive on purpose, so that code which performs scenarios must handle every operation.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "an interpreter has to know every step")]
pub enum Step {
    /// Begins a segment called `new`.
    Segment {
        /// The name by which later steps refer to it.
        new: String,
        /// The segment's name.
        name: String,
        /// A given trace id.
        root: Option<String>,
        /// The id of the caller's subsegment.
        parent: Option<String>,
    },
    /// Begins a subsegment.
    Subsegment {
        /// Its parent.
        on: Target,
        /// The name by which later steps refer to it.
        new: String,
        /// The subsegment's name.
        name: String,
        /// Whether it is muted.
        without_sampling: bool,
    },
    /// Begins a subsegment that has no parent yet.
    Detached {
        /// The name by which later steps refer to it.
        new: String,
        /// The subsegment's name.
        name: String,
    },
    /// Adds a detached subsegment to its parent.
    Add {
        /// The parent.
        on: Target,
        /// The detached subsegment.
        child: Target,
    },
    /// Performs steps while an entity is current.
    WithContext {
        /// The entity.
        on: Target,
        /// The steps.
        body: Vec<Step>,
        /// Whether errors thrown by the steps are caught here.
        catch: bool,
    },
    /// Performs steps as a captured function.
    Capture {
        /// The name of the function's subsegment.
        name: String,
        /// The steps.
        body: Vec<Step>,
    },
    /// Adds an annotation. Its value can have any type, because the SDK must reject invalid types.
    Annotate {
        /// The annotated entity.
        on: Target,
        /// The key.
        key: String,
        /// The value.
        value: Value,
    },
    /// Adds metadata.
    Metadata {
        /// The entity.
        on: Target,
        /// The key.
        key: String,
        /// The value.
        value: Value,
        /// The namespace, if it is not the default.
        namespace: Option<String>,
    },
    /// Sets a segment's user.
    User {
        /// The segment.
        on: Target,
        /// The user.
        value: String,
    },
    /// Sets a flag.
    Flag {
        /// The entity.
        on: Target,
        /// The flag.
        flag: Flag,
    },
    /// Sets a subsegment's namespace.
    Namespace {
        /// The subsegment.
        on: Target,
        /// The namespace.
        value: String,
    },
    /// Describes an SQL query.
    Sql {
        /// The subsegment.
        on: Target,
        /// The description, by field.
        sql: BTreeMap<String, String>,
    },
    /// Adds the id of an earlier subsegment.
    Precursor {
        /// The subsegment.
        on: Target,
        /// The earlier one.
        of: Precursor,
    },
    /// Creates an error value.
    MakeError {
        /// The name by which later steps refer to it.
        new: String,
        /// Its type, in the language of the recording.
        kind: String,
        /// Its message.
        message: String,
    },
    /// Records an error on an entity.
    Error {
        /// The entity.
        on: Target,
        /// The error.
        failure: Failure,
        /// Whether it happened downstream.
        remote: bool,
    },
    /// Throws an error, which ends the enclosing bodies.
    Throw {
        /// The error.
        error: String,
    },
    /// Closes an entity.
    Close {
        /// The entity.
        on: Target,
        /// The error with which it ends, if any.
        failure: Option<Failure>,
        /// Whether the error happened downstream.
        remote: bool,
    },
    /// Sends an open entity as in progress.
    Flush {
        /// The entity.
        on: Target,
    },
    /// Withdraws the sampling decision of a segment.
    NotTraced {
        /// The segment.
        on: Target,
    },
    /// Sets the streaming threshold.
    Threshold {
        /// The number of subsegments held.
        value: usize,
    },
    /// Performs steps repeatedly.
    Repeat(Repeat),
    /// Does nothing: a remark in the recording.
    Mark {
        /// The remark.
        label: String,
    },
}

/// The entity that a step refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "an interpreter has to know every target")]
pub enum Target {
    /// An entity named by an earlier step.
    Named(String),
    /// `@current`: the current entity.
    Current,
    /// `@lambda`: the facade of the Lambda function's segment.
    Lambda,
}

/// A flag of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the format has these three")]
pub enum Flag {
    /// A client error.
    Error,
    /// A server failure.
    Fault,
    /// Too many requests.
    Throttle,
}

/// The error of a step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "an interpreter has to know every failure")]
pub enum Failure {
    /// An error created by an earlier step.
    Error(String),
    /// A plain string.
    Text(String),
}

/// A reference to an earlier subsegment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "an interpreter has to know both")]
pub enum Precursor {
    /// A subsegment of this scenario.
    IdOf(Target),
    /// A literal id.
    Id(String),
}

/// Steps to repeat. `{i}` in their strings is replaced by the number of the round, starting at 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeat {
    count: usize,
    body: Vec<Value>,
}

impl Scenario {
    /// Parses the `input` of a golden.
    ///
    /// # Errors
    /// Returns an error if the input contains anything unknown or lacks anything required.
    pub fn parse(input: &Value) -> Result<Scenario, ParseStepsError> {
        parse::scenario(input)
    }
}

/// Parses a list of steps.
///
/// # Errors
/// The same as for [`Scenario::parse`].
pub fn parse(steps: &[Value]) -> Result<Vec<Step>, ParseStepsError> {
    parse::steps(steps, "steps")
}

impl Step {
    /// Returns the entity that the step refers to, if any.
    pub fn on(&self) -> Option<&Target> {
        match self {
            Step::Subsegment { on, .. }
            | Step::Add { on, .. }
            | Step::WithContext { on, .. }
            | Step::Annotate { on, .. }
            | Step::Metadata { on, .. }
            | Step::User { on, .. }
            | Step::Flag { on, .. }
            | Step::Namespace { on, .. }
            | Step::Sql { on, .. }
            | Step::Precursor { on, .. }
            | Step::Error { on, .. }
            | Step::Close { on, .. }
            | Step::Flush { on }
            | Step::NotTraced { on } => Some(on),
            Step::Segment { .. }
            | Step::Detached { .. }
            | Step::Capture { .. }
            | Step::MakeError { .. }
            | Step::Throw { .. }
            | Step::Threshold { .. }
            | Step::Repeat(_)
            | Step::Mark { .. } => None,
        }
    }
}

impl Repeat {
    /// Returns the number of rounds.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the steps of one round.
    ///
    /// # Panics
    /// Never. The first round was parsed together with the scenario, and the number does not change the kind of a step.
    pub fn round(&self, i: usize) -> Vec<Step> {
        parse::steps(&numbered_all(&self.body, i), "body").expect("only numbers differ from the first round")
    }
}

/// Inserts the number of a round into all strings, except those of an inner `repeat`, which has its own rounds.
fn numbered(value: &Value, i: usize) -> Value {
    let fill = |text: &String| text.replace("{i}", &i.to_string());
    match value {
        Value::String(text) => fill(text).into(),
        Value::Array(items) => numbered_all(items, i).into(),
        Value::Object(members) if members.get("op").is_some_and(|op| op == "repeat") => value.clone(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (fill(name), numbered(value, i))).collect::<Map<_, _>>().into()
        }
        _ => value.clone(),
    }
}

fn numbered_all(values: &[Value], i: usize) -> Vec<Value> {
    values.iter().map(|value| numbered(value, i)).collect()
}
