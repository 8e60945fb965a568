//! Parses steps from JSON.

use std::collections::BTreeMap;

use serde_json::Value;

use super::members::{Members, ParseStepsError};
use super::{Failure, Flag, Precursor, Repeat, Scenario, Step, Target, numbered_all};

/// The fields that describe an SQL query.
const SQL: [&str; 8] = [
    "connection_string",
    "database_type",
    "database_version",
    "driver_version",
    "preparation",
    "sanitized_query",
    "url",
    "user",
];

pub(super) fn scenario(input: &Value) -> Result<Scenario, ParseStepsError> {
    let mut members = Members::new(input, "input")?;
    let env = match members.take("env") {
        None => BTreeMap::new(),
        Some(env) => serde_json::from_value(env).map_err(|_| members.error("`env` is not a map of strings"))?,
    };
    let all = members.list("steps")?;
    members.finish()?;
    Ok(Scenario { env, steps: steps(&all, "steps")? })
}

pub(super) fn steps(steps: &[Value], place: &str) -> Result<Vec<Step>, ParseStepsError> {
    steps.iter().enumerate().map(|(i, value)| step(value, &format!("{place}[{i}]"))).collect()
}

fn step(value: &Value, place: &str) -> Result<Step, ParseStepsError> {
    let mut m = Members::new(value, place)?;
    let op = m.text("op")?;
    let step = match op.as_str() {
        "segment" => Step::Segment {
            new: m.text("as")?,
            name: m.text("name")?,
            root: m.optional_text("root")?,
            parent: m.optional_text("parent")?,
        },
        "subsegment" => Step::Subsegment {
            on: m.target("on")?,
            new: m.text("as")?,
            name: m.text("name")?,
            without_sampling: m.switch("without_sampling")?,
        },
        "detached" => Step::Detached { new: m.text("as")?, name: m.text("name")? },
        "add" => Step::Add { on: m.target("on")?, child: m.child()? },
        "with_context" => Step::WithContext { on: m.target("on")?, body: m.body()?, catch: m.switch("catch")? },
        "capture" => Step::Capture { name: m.text("name")?, body: m.body()? },
        "annotate" => Step::Annotate { on: m.target("on")?, key: m.text("key")?, value: m.value() },
        "metadata" => Step::Metadata {
            on: m.target("on")?,
            key: m.text("key")?,
            value: m.value(),
            namespace: m.optional_text("namespace")?,
        },
        "user" => Step::User { on: m.target("on")?, value: m.text("value")? },
        "flag" => Step::Flag { on: m.target("on")?, flag: m.flag()? },
        "namespace" => Step::Namespace { on: m.target("on")?, value: m.text("value")? },
        "sql" => Step::Sql { on: m.target("on")?, sql: m.sql()? },
        "precursor" => Step::Precursor { on: m.target("on")?, of: m.precursor()? },
        "make_error" => Step::MakeError { new: m.text("as")?, kind: m.text("type")?, message: m.text("message")? },
        "error" => Step::Error {
            on: m.target("on")?,
            failure: m.failure()?.ok_or_else(|| m.error("`error` is missing"))?,
            remote: m.switch("remote")?,
        },
        "throw" => Step::Throw { error: m.text("error")? },
        "close" => Step::Close { on: m.target("on")?, failure: m.failure()?, remote: m.switch("remote")? },
        "flush" => Step::Flush { on: m.target("on")? },
        "not_traced" => Step::NotTraced { on: m.target("on")? },
        "threshold" => Step::Threshold { value: m.count("value")? },
        "repeat" => Step::Repeat(m.repeat()?),
        "mark" => Step::Mark { label: m.text("label")? },
        _ => return Err(m.error(format!("unknown step `{op}`"))),
    };
    // A remark for readers, which is ignored.
    m.optional_text("note")?;
    m.finish()?;
    Ok(step)
}

impl Members {
    fn target(&mut self, name: &str) -> Result<Target, ParseStepsError> {
        let text = self.text(name)?;
        match text.as_str() {
            "@current" => Ok(Target::Current),
            "@lambda" => Ok(Target::Lambda),
            _ if text.starts_with('@') => Err(self.error(format!("unknown entity `{text}`"))),
            _ => Ok(Target::Named(text)),
        }
    }

    /// Takes the child of `add`, for which goldens use different member names.
    fn child(&mut self) -> Result<Target, ParseStepsError> {
        const NAMES: [&str; 5] = ["child", "subsegment", "entity", "what", "as"];
        match NAMES.iter().find(|name| self.has(name)) {
            Some(name) => self.target(name),
            None => Err(self.error("`child` is missing")),
        }
    }

    /// Takes a value. An absent one is null, because JSON has no `undefined`.
    fn value(&mut self) -> Value {
        self.take("value").unwrap_or_default()
    }

    fn body(&mut self) -> Result<Vec<Step>, ParseStepsError> {
        let body = self.list("body")?;
        steps(&body, &format!("{}.body", self.place()))
    }

    fn flag(&mut self) -> Result<Flag, ParseStepsError> {
        match self.text("flag")?.as_str() {
            "error" => Ok(Flag::Error),
            "fault" => Ok(Flag::Fault),
            "throttle" => Ok(Flag::Throttle),
            other => Err(self.error(format!("unknown flag `{other}`"))),
        }
    }

    fn sql(&mut self) -> Result<BTreeMap<String, String>, ParseStepsError> {
        let mut sql = BTreeMap::new();
        for name in SQL {
            if let Some(text) = self.optional_text(name)? {
                sql.insert(name.to_owned(), text);
            }
        }
        Ok(sql)
    }

    fn precursor(&mut self) -> Result<Precursor, ParseStepsError> {
        match self.optional_text("id")? {
            Some(id) => Ok(Precursor::Id(id)),
            None => Ok(Precursor::IdOf(self.target("id_of")?)),
        }
    }

    fn failure(&mut self) -> Result<Option<Failure>, ParseStepsError> {
        match (self.optional_text("error")?, self.optional_text("error_string")?) {
            (None, None) => Ok(None),
            (Some(error), None) => Ok(Some(Failure::Error(error))),
            (None, Some(text)) => Ok(Some(Failure::Text(text))),
            (Some(_), Some(_)) => Err(self.error("both `error` and `error_string`")),
        }
    }

    fn repeat(&mut self) -> Result<Repeat, ParseStepsError> {
        let (count, body) = (self.count("count")?, self.list("body")?);
        steps(&numbered_all(&body, 0), &format!("{}.body", self.place()))?;
        Ok(Repeat { count, body })
    }
}
