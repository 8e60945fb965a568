//! Formats trees as indented text, for messages and readable tests.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Entity, Forest};

impl Forest {
    /// Returns one line per entity, indented by depth: name, annotations, then status, flags and other special states.
    ///
    /// ```text
    /// shop 500 fault
    ///   load order [order_id=7]
    ///   127.0.0.1 remote 500 fault
    ///   leaked in_progress
    /// ```
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (depth, entity) in self.walk() {
            let _ = writeln!(text, "{:indent$}{}", "", line(entity), indent = 2 * depth);
        }
        text
    }
}

fn line(entity: &Entity) -> String {
    let mut line = entity.name().to_owned();
    if let Some(annotations) = entity.at("/annotations").and_then(Value::as_object) {
        let pairs: Vec<_> = annotations.iter().map(|(key, value)| format!("{key}={}", plain(value))).collect();
        let _ = write!(line, " [{}]", pairs.join(" "));
    }
    for member in ["/namespace", "/http/response/status"] {
        if let Some(value) = entity.at(member) {
            let _ = write!(line, " {}", plain(value));
        }
    }
    for flag in ["error", "throttle", "fault", "in_progress"] {
        if entity.at(&format!("/{flag}")) == Some(&Value::Bool(true)) {
            let _ = write!(line, " {flag}");
        }
    }
    line
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_shows_annotations_status_flags_and_progress() {
        let document = json!({"name": "shop", "id": "a", "error": true, "throttle": true, "fault": false,
            "http": {"response": {"status": 429}}, "annotations": {"b": "x", "a": 1},
            "subsegments": [{"name": "open", "id": "b", "namespace": "remote", "in_progress": true}]});
        let text = Forest::from_documents([&document]).text();
        assert_eq!(text, "shop [a=1 b=x] 429 error throttle\n  open remote in_progress\n");
    }
}
