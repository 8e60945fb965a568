//! The single changes of an entity that are allowed, and the reasons.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::difference::Difference;
use crate::diff::Change;

/// A normalised entity of the recording and its counterpart in ours.
pub(super) struct Couple<'a> {
    pub(super) golden: &'a Map<String, Value>,
    pub(super) ours: &'a Map<String, Value>,
    pub(super) is_segment: bool,
    /// The text of the scenario.
    pub(super) given: &'a str,
    /// The normalised ids of the exceptions that each entity describes, by the entity's id.
    pub(super) exceptions: &'a HashMap<String, Vec<String>>,
}

impl Couple<'_> {
    /// Returns the allowed difference that explains a change, or `None` if the change is a failure.
    pub(super) fn explain(&self, change: &Change) -> Option<Difference> {
        let (want, got) = (change.want.as_ref(), change.got.as_ref());
        let path = change.path.as_str();
        let steps: Vec<_> = path.split('/').skip(1).collect();
        match steps[..] {
            // Only differences inside these blocks are allowed. A block that is missing on one side is a failure.
            ["service", _, ..] | ["aws", "xray", _, ..] if self.is_segment => Some(Difference::Sdk),
            ["cause"] | ["cause", "id"] if self.refers(want, got) => Some(Difference::CauseRef),
            ["cause", "working_directory"] => Some(Difference::Frames),
            ["cause", "exceptions"] if self.is_chain(want, got) => Some(Difference::Frames),
            ["cause", "exceptions", _, "stack" | "type" | "truncated", ..] => Some(Difference::Frames),
            ["cause", "exceptions", _, "message"] if self.is_hosts(want, got) => Some(Difference::Frames),
            ["http", "request", "url"] if self.is_segment && is_without_query(want, got) => Some(Difference::InUrl),
            ["http", "request", "url"] if !self.is_segment && is_with_port(want, got) => Some(Difference::OutPort),
            ["http", "response", "content_length"]
                if self.is_segment && want.is_none() && got.is_some_and(Value::is_u64) =>
            {
                Some(Difference::InLen)
            }
            ["aws", "retries"] if is_one_less(want, got) => Some(Difference::Retries),
            ["fault"] if got.is_none() && self.is_aws_client_error() => Some(Difference::Aws4xx),
            ["notTraced" | "noOp"] if got.is_none() => Some(Difference::Leaked),
            ["annotations" | "metadata", ..] => None,
            [..] if got.is_none() && want.is_some_and(|want| want == "") => Some(Difference::Empty),
            _ => None,
        }
    }

    /// Whether the recording refers to a subsegment that describes the exception, and ours to one of that subsegment's
    /// exceptions. If the recording has exceptions in addition to the reference, ours refers to nothing.
    fn refers(&self, want: Option<&Value>, got: Option<&Value>) -> bool {
        match (want, got) {
            (Some(Value::Object(want)), Some(Value::String(got))) => {
                let described = want.get("id").and_then(Value::as_str).and_then(|id| self.exceptions.get(id));
                described.is_some_and(|exceptions| exceptions.contains(got))
            }
            (Some(Value::String(_)), None) => {
                let own = self.golden["cause"]["exceptions"].as_array();
                own.is_some_and(|own| !own.is_empty()) && self.ours["cause"].is_object()
            }
            _ => false,
        }
    }

    /// Whether both have a message worded by the host's libraries, that is, one that the scenario does not contain.
    fn is_hosts(&self, want: Option<&Value>, got: Option<&Value>) -> bool {
        let (Some(want), Some(Value::String(_))) = (want, got) else { return false };
        !self.given.contains(want.to_string().trim_matches('"'))
    }

    /// Whether the recording has a single error of the host's libraries, and ours has such an error with its causes.
    fn is_chain(&self, want: Option<&Value>, got: Option<&Value>) -> bool {
        let exceptions = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
        let (want, got) = (exceptions(want), exceptions(got));
        let [want] = &want[..] else { return false };
        let linked = got.windows(2).all(|pair| pair[0]["cause"] == pair[1]["id"]);
        let alike = |exception: &Value| exception["remote"] == want["remote"];
        linked && got.iter().all(alike) && self.is_hosts(want.get("message"), got.first().map(|ours| &ours["message"]))
    }

    fn is_aws_client_error(&self) -> bool {
        let status = self.golden.get("http").and_then(|http| http.pointer("/response/status")).and_then(Value::as_u64);
        self.golden.get("namespace").is_some_and(|namespace| namespace == "aws")
            && self.ours.get("error") == Some(&Value::Bool(true))
            && status.is_some_and(|status| (400..500).contains(&status))
    }
}

fn texts<'a>(want: Option<&'a Value>, got: Option<&'a Value>) -> Option<(&'a str, &'a str)> {
    Some((want?.as_str()?, got?.as_str()?))
}

fn is_without_query(want: Option<&Value>, got: Option<&Value>) -> bool {
    texts(want, got).is_some_and(|(want, got)| want.split_once('?').is_some_and(|(want, _)| want == got))
}

fn is_with_port(want: Option<&Value>, got: Option<&Value>) -> bool {
    let Some((want, got)) = texts(want, got) else { return false };
    let Some((scheme, rest)) = got.split_once("://") else { return false };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    authority.rsplit_once(':').is_some_and(|(host, port)| {
        let is_port = port == "PORT" || (!port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
        is_port && want == format!("{scheme}://{host}{path}")
    })
}

fn is_one_less(want: Option<&Value>, got: Option<&Value>) -> bool {
    let number = |value: Option<&Value>| value.and_then(Value::as_u64);
    number(want).zip(number(got)).is_some_and(|(want, got)| want == got + 1)
}
