//! The differences between two JSON values, line by line.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// One place where two values differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The place as a JSON pointer without escapes.
    pub path: String,
    /// The expected value, if any.
    pub want: Option<Value>,
    /// The actual value, if any.
    pub got: Option<Value>,
}

/// Returns all differences, as deep inside the values as possible. Arrays of different lengths differ as a whole.
/// Numbers with the same value are equal, however they are written.
pub fn diff(want: &Value, got: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut pending = vec![(String::new(), Some(want), Some(got))];
    while let Some((path, want, got)) = pending.pop() {
        match (want, got) {
            (Some(Value::Object(want)), Some(Value::Object(got))) => {
                let names: BTreeSet<_> = want.keys().chain(got.keys()).collect();
                pending.extend(
                    names.into_iter().rev().map(|name| (format!("{path}/{name}"), want.get(name), got.get(name))),
                );
            }
            (Some(Value::Array(want)), Some(Value::Array(got))) if want.len() == got.len() => {
                let pairs = want.iter().zip(got).enumerate().rev();
                pending.extend(pairs.map(|(index, (want, got))| (format!("{path}/{index}"), Some(want), Some(got))));
            }
            (want, got) => {
                if !same(want, got) {
                    changes.push(Change { path, want: want.cloned(), got: got.cloned() });
                }
            }
        }
    }
    changes
}

fn same(want: Option<&Value>, got: Option<&Value>) -> bool {
    match (want, got) {
        // 1 and 1.0 are the same number, but large integers must not be compared as floats.
        (Some(Value::Number(want)), Some(Value::Number(got))) if want.is_f64() || got.is_f64() => {
            want.as_f64() == got.as_f64()
        }
        (want, got) => want == got,
    }
}

/// Asserts that two values are equal.
///
/// # Panics
/// Panics with a list of the differences if the values differ.
#[track_caller]
pub fn assert_same(want: &Value, got: &Value) {
    let changes: Vec<_> = diff(want, got).iter().map(Change::to_string).collect();
    assert!(changes.is_empty(), "{} differences:\n{}", changes.len(), changes.join("\n"));
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
        write!(f, "{}: wanted {}, got {}", self.path, show(&self.want), show(&self.got))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_difference_is_reported_with_its_path() {
        let want = json!({"a": {"b": [1, {"c": "x"}]}, "gone": null, "same": 1, "list": [1]});
        let got = json!({"a": {"b": [1, {"c": "y"}]}, "new": [], "same": 1.0, "list": [1, 2]});
        let lines: Vec<_> = diff(&want, &got).iter().map(Change::to_string).collect();
        assert_eq!(
            lines,
            [
                "/a/b/1/c: wanted \"x\", got \"y\"",
                "/gone: wanted null, got nothing",
                "/list: wanted [1], got [1,2]",
                "/new: wanted nothing, got []",
            ]
        );
    }

    #[test]
    fn large_integers_are_compared_exactly() {
        assert_eq!(diff(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64)).len(), 1);
        assert_eq!(diff(&json!(0.1), &json!(0.1)).len(), 0);
        assert_eq!(diff(&json!(1), &json!("1")).len(), 1);
    }
}
