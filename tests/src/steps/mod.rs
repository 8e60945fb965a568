//! The steps of a scenario, as goldens list them in `input`.

mod members;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub(crate) use members::Members;
pub use members::ParseStepsError;

/// A scenario of the kind `steps`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Scenario {
    /// The environment in which it runs.
    pub env: BTreeMap<String, String>,
    /// What it does.
    pub steps: Vec<Step>,
}

/// An operation of a scenario.
///
/// Exhaustive on purpose: who performs scenarios must not be able to forget one.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "an interpreter has to know every step")]
pub enum Step {
    /// Begins a segment called `new`.
    Segment {
        /// What later steps call it.
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
        /// What later steps call it.
        new: String,
        /// The subsegment's name.
        name: String,
        /// It is muted.
        without_sampling: bool,
    },
    /// Begins a subsegment that has no parent yet.
    Detached {
        /// What later steps call it.
        new: String,
        /// The subsegment's name.
        name: String,
    },
    /// Puts a detached subsegment under its parent.
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
        /// What the steps throw ends here.
        catch: bool,
    },
    /// Performs steps as a captured function.
    Capture {
        /// The name of the function's subsegment.
        name: String,
        /// The steps.
        body: Vec<Step>,
    },
    /// Adds an annotation; of any type, as one of a wrong type is to be rejected.
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
        /// The namespace, where it is not the default.
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
    /// Describes a query.
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
    /// Makes an error value.
    MakeError {
        /// What later steps call it.
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
        /// It happened downstream.
        remote: bool,
    },
    /// Leaves the bodies around with an error.
    Throw {
        /// The error.
        error: String,
    },
    /// Closes an entity.
    Close {
        /// The entity.
        on: Target,
        /// The error with which it ends.
        failure: Option<Failure>,
        /// The error happened downstream.
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
    /// Performs steps many times.
    Repeat(Repeat),
    /// Nothing: a remark of the recording.
    Mark {
        /// The remark.
        label: String,
    },
}

/// The entity which a step is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "an interpreter has to know every target")]
pub enum Target {
    /// One that a step called so.
    Named(String),
    /// `@current`: the current one.
    Current,
    /// `@lambda`: the facade of the Lambda function's segment.
    Lambda,
}

/// A flag of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the format has these three")]
pub enum Flag {
    /// The caller's mistake.
    Error,
    /// Ours.
    Fault,
    /// Too many requests.
    Throttle,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "an interpreter has to know every failure")]
pub enum Failure {
    /// An error made before.
    Error(String),
    /// A plain text.
    Text(String),
}

/// An earlier subsegment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "an interpreter has to know both")]
pub enum Precursor {
    /// One of this scenario.
    IdOf(Target),
    /// Any id.
    Id(String),
}

/// Steps to perform many times, with `{i}` in their texts for the number of the round, from 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeat {
    count: usize,
    body: Vec<Value>,
}

impl Scenario {
    /// Parses the `input` of a golden.
    ///
    /// # Errors
    /// When there is anything that is not known, or anything that is needed is not there.
    pub fn parse(input: &Value) -> Result<Scenario, ParseStepsError> {
        parse::scenario(input)
    }
}

/// Parses a list of steps.
///
/// # Errors
/// As [`Scenario::parse`].
pub fn parse(steps: &[Value]) -> Result<Vec<Step>, ParseStepsError> {
    parse::steps(steps, "steps")
}

impl Step {
    /// The entity which the step is about, if there is one.
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
    /// The number of rounds.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The steps of one round.
    ///
    /// # Panics
    /// Never: the first round was parsed when the scenario was, and a number does not change what a step is.
    pub fn round(&self, i: usize) -> Vec<Step> {
        parse::steps(&numbered_all(&self.body, i), "body").expect("only numbers differ from the first round")
    }
}

/// Puts the number of a round into all texts; an inner `repeat` counts for itself.
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
