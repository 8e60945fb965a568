//! Valid and invalid scenarios.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Failure, Flag, Precursor, Scenario, Step, Target, parse};

fn goldens() -> Vec<Value> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let files = fs::read_dir(directory).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    files.map(|bytes| serde_json::from_slice(&bytes).unwrap()).collect()
}

/// Counts the steps, including those in bodies, for each round.
fn count(steps: &[Step]) -> usize {
    steps
        .iter()
        .map(|step| match step {
            Step::WithContext { body, .. } | Step::Capture { body, .. } => 1 + count(body),
            Step::Repeat(repeat) => (0..repeat.count()).map(|i| count(&repeat.round(i))).sum(),
            _ => 1,
        })
        .sum()
}

#[test]
fn every_golden_can_be_parsed() {
    let mut scenarios = 0;
    for golden in goldens() {
        if golden["kind"] == "steps" {
            let scenario = Scenario::parse(&golden["input"]).unwrap();
            assert!(count(&scenario.steps) > 0, "{}", golden["scenario"]);
            scenarios += 1;
        }
        for route in golden["input"]["routes"].as_array().into_iter().flatten() {
            if let Some(steps) = route["steps"].as_array() {
                assert!(count(&parse(steps).unwrap()) > 0);
            }
        }
    }
    assert_eq!(scenarios, 24);
}

#[test]
fn steps_are_typed() {
    let named = |name: &str| Target::Named(name.to_owned());
    let text = str::to_owned;
    for (json, want) in [
        (
            json!({"op": "segment", "as": "s", "name": "svc", "root": "1-2-3"}),
            Step::Segment { new: text("s"), name: text("svc"), root: Some(text("1-2-3")), parent: None },
        ),
        (
            json!({"op": "subsegment", "on": "@current", "as": "a", "name": "x", "without_sampling": true, "note": "n"}),
            Step::Subsegment { on: Target::Current, new: text("a"), name: text("x"), without_sampling: true },
        ),
        (json!({"op": "add", "on": "s", "child": "d"}), Step::Add { on: named("s"), child: named("d") }),
        (
            json!({"op": "metadata", "on": "s", "key": "k", "value": null, "namespace": "n"}),
            Step::Metadata { on: named("s"), key: text("k"), value: Value::Null, namespace: Some(text("n")) },
        ),
        (json!({"op": "flag", "on": "s", "flag": "throttle"}), Step::Flag { on: named("s"), flag: Flag::Throttle }),
        (
            json!({"op": "close", "on": "s", "error_string": "bad", "remote": true}),
            Step::Close { on: named("s"), failure: Some(Failure::Text(text("bad"))), remote: true },
        ),
        (
            json!({"op": "error", "on": "@lambda", "error": "E"}),
            Step::Error { on: Target::Lambda, failure: Failure::Error(text("E")), remote: false },
        ),
        (
            json!({"op": "precursor", "on": "b", "id_of": "a"}),
            Step::Precursor { on: named("b"), of: Precursor::IdOf(named("a")) },
        ),
        (
            json!({"op": "with_context", "on": "s", "catch": true, "body": [{"op": "throw", "error": "E"}]}),
            Step::WithContext { on: named("s"), body: vec![Step::Throw { error: text("E") }], catch: true },
        ),
    ] {
        assert_eq!(parse(&[json]).unwrap(), [want]);
    }
}

#[test]
fn unknown_or_missing_members_are_errors_with_their_place() {
    for (json, want) in [
        (json!({"op": "dance"}), "steps[0]: unknown step `dance`"),
        (json!({"on": "s"}), "steps[0]: `op` is missing"),
        (json!({"op": "flush", "on": "s", "now": true}), "steps[0]: unknown member `now`"),
        (json!({"op": "flush"}), "steps[0]: `on` is missing"),
        (json!({"op": "flush", "on": "@other"}), "steps[0]: unknown entity `@other`"),
        (json!({"op": "user", "on": "s", "value": 1}), "steps[0]: `value` is not a string"),
        (json!({"op": "flag", "on": "s", "flag": "blue"}), "steps[0]: unknown flag `blue`"),
        (json!({"op": "error", "on": "s"}), "steps[0]: `error` is missing"),
        (json!({"op": "threshold", "value": -1}), "steps[0]: `value` is missing or not a number"),
        (json!({"op": "capture", "name": "x", "body": [{"op": "mark"}]}), "steps[0].body[0]: `label` is missing"),
        (
            json!({"op": "repeat", "count": 0, "body": [{"op": "flush", "on": "c{i}", "x": 1}]}),
            "steps[0].body[0]: unknown member `x`",
        ),
        (json!("flush"), "steps[0]: not an object"),
    ] {
        assert_eq!(parse(&[json]).unwrap_err().to_string(), want);
    }
    assert!(Scenario::parse(&json!({"steps": [], "mode": "manual"})).is_err());
    assert!(Scenario::parse(&json!({"env": {"A": 1}, "steps": []})).is_err());
}

#[test]
fn every_string_contains_the_number_of_its_round() {
    let body = json!([
        {"op": "annotate", "on": "c{i}", "key": "k{i}", "value": "{i}/{i}"},
        {"op": "metadata", "on": "c{i}", "key": "k", "value": {"a{i}": ["{i}", 7]}},
        {"op": "repeat", "count": 2, "body": [{"op": "flush", "on": "c{i}"}]},
    ]);
    let steps = parse(&[json!({"op": "repeat", "count": 12, "body": body})]).unwrap();
    let [Step::Repeat(repeat)] = &steps[..] else { panic!("{steps:?}") };
    let round = repeat.round(11);
    let on = Target::Named("c11".to_owned());
    assert_eq!(round[0], Step::Annotate { on: on.clone(), key: "k11".to_owned(), value: json!("11/11") });
    let value = json!({"a11": ["11", 7]});
    assert_eq!(round[1], Step::Metadata { on, key: "k".to_owned(), value, namespace: None });
    let Step::Repeat(inner) = &round[2] else { panic!("{round:?}") };
    assert_eq!(inner.round(1), [Step::Flush { on: Target::Named("c1".to_owned()) }]);
}
