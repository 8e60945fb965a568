//! Compares our documents with those of a recording.
//!
//! The recordings come from an older SDK in another language, which has known defects. Where a correct SDK must differ,
//! the comparison recognises the difference by its form, allows it, and names it. Any other difference is a failure.

mod allowed;
mod difference;
mod pairing;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use crate::diff;
use crate::forest::{Forest, Names};
use allowed::Couple;
use pairing::Pairing;

pub use difference::Difference;

/// The result of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// The allowed differences, in the order of the tree.
    pub differences: Vec<Used>,
    /// The failures, one line each.
    pub failures: Vec<String>,
}

/// An allowed difference at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Used {
    /// The reason why it is allowed.
    pub difference: Difference,
    /// The names from the root to the entity.
    pub place: String,
    /// A description of the difference.
    pub text: String,
}

impl Comparison {
    /// Whether there are no failures.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// Returns the allowed differences, each once.
    pub fn codes(&self) -> BTreeSet<Difference> {
        self.differences.iter().map(|used| used.difference).collect()
    }

    fn allow(&mut self, difference: Difference, place: impl Into<String>, text: impl Into<String>) {
        self.differences.push(Used { difference, place: place.into(), text: text.into() });
    }
}

impl fmt::Display for Comparison {
    /// Writes the failures and then the differences, one line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(f, "{failure}")?;
        }
        self.differences.iter().try_for_each(|used| writeln!(f, "{used}"))
    }
}

impl fmt::Display for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Used { difference, place, text } = self;
        write!(f, "allowed ({difference}) at {place}: {text}")
    }
}

/// Compares the documents of a golden with those that we sent for its input. `golden` is the whole file.
///
/// Both are assembled by id first, so the way in which the trees were split into documents is not compared.
pub fn compare(golden: &Value, ours: &[Value]) -> Comparison {
    let mut comparison = Comparison::default();
    let Some(documents) = golden["datagrams"].as_array() else {
        comparison.failures.push("the golden has no datagrams".to_owned());
        return comparison;
    };
    let mut theirs = Forest::from_documents(documents);
    let ours = Forest::from_documents(ours);
    comparison.failures.extend(ours.problems().iter().cloned());
    for place in theirs.prune(|entity| entity.at("/notTraced") == Some(&Value::Bool(true))) {
        comparison.allow(Difference::Muted, place, "not written");
    }
    let pairing = Pairing::new(&theirs, &ours);
    compare_shape(golden, &theirs, &ours, &pairing, &mut comparison);
    compare_sending(&theirs, &ours, &pairing, &mut comparison);
    compare_entities(golden, &theirs, &ours, &pairing, &mut comparison);
    comparison
}

/// Compares which entities there are: missing, extra and reordered ones.
fn compare_shape(golden: &Value, theirs: &Forest, ours: &Forest, pairing: &Pairing, comparison: &mut Comparison) {
    for &missing in &pairing.missing {
        comparison.failures.push(format!("{}: missing", theirs.place(missing)));
    }
    for &extra in &pairing.extra {
        // The reference holds a segment back until its last child closes, possibly forever. Then there is nothing to
        // compare with, and the golden must say so.
        let held = golden["differences"].get("hold").is_some()
            && ours.entity(extra).is_segment()
            && ours.walk_from(&[extra]).iter().any(|&(_, index)| ours.entity(index).sent().stub);
        if held {
            comparison.allow(Difference::Hold, ours.place(extra), "never sent by the reference");
        } else {
            comparison.failures.push(format!("{}: not in the golden", ours.place(extra)));
        }
    }
    for parent in &pairing.reordered {
        let place = parent.map_or_else(|| "the traces".to_owned(), |index| theirs.place(index));
        comparison.allow(Difference::Order, place, "siblings in the order in which they began");
    }
}

/// Compares how entities were sent.
fn compare_sending(theirs: &Forest, ours: &Forest, pairing: &Pairing, comparison: &mut Comparison) {
    for &(their, our) in &pairing.pairs {
        let (place, want, got) = (ours.place(our), theirs.entity(their).sent(), ours.entity(our).sent());
        if want.announced != got.announced {
            let text = if want.announced { "was not sent in progress" } else { "was sent in progress" };
            comparison.failures.push(format!("{place}: {text}"));
        }
        if got.redundant {
            comparison.failures.push(format!("{place}: type, trace_id or parent_id in an embedded subsegment"));
        } else if want.redundant {
            comparison.allow(Difference::Embedded, &place, "no type, trace_id, parent_id");
        }
        if want.alone != got.alone {
            let difference = if got.stub { Difference::Hold } else { Difference::Stream };
            comparison.allow(difference, place, if got.alone { "sent on its own" } else { "sent inside its parent" });
        }
    }
}

/// Compares the members of entities.
fn compare_entities(golden: &Value, theirs: &Forest, ours: &Forest, pairing: &Pairing, comparison: &mut Comparison) {
    // Ids are named pair by pair, so that equal links get equal names.
    let given = golden["input"].to_string();
    let names = |forest: &Forest, side: fn(&(usize, usize)) -> usize| {
        Names::new(pairing.pairs.iter().map(|pair| Some(forest.entity(side(pair)))), Some(given.clone()))
    };
    let (their_names, our_names) = (names(theirs, |pair| pair.0), names(ours, |pair| pair.1));
    let normal: Vec<_> = pairing
        .pairs
        .iter()
        .map(|&(their, our)| (their_names.normal(theirs.entity(their)), our_names.normal(ours.entity(our))))
        .collect();
    let exceptions = normal.iter().map(|(want, _)| (text(want, "id"), exception_ids(want))).collect();
    for (&(their, our), (mut want, mut got)) in pairing.pairs.iter().zip(normal) {
        let place = ours.place(our);
        compare_rule_name(&place, &mut want, &mut got, comparison);
        let (golden, ours) = (Value::Object(want), Value::Object(got));
        let couple = Couple {
            golden: golden.as_object().expect("made above"),
            ours: ours.as_object().expect("made above"),
            is_segment: theirs.entity(their).is_segment(),
            given: &given,
            exceptions: &exceptions,
        };
        for change in diff::diff(&golden, &ours) {
            match couple.explain(&change) {
                Some(difference) => comparison.allow(difference, &place, change.to_string()),
                None => comparison.failures.push(format!("{place} {change}")),
            }
        }
    }
}

fn text(members: &Map<String, Value>, name: &str) -> String {
    members.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn exception_ids(members: &Map<String, Value>) -> Vec<String> {
    let exceptions = members.get("cause").and_then(|cause| cause.get("exceptions")).and_then(Value::as_array);
    exceptions.into_iter().flatten().filter_map(|exception| exception["id"].as_str()).map(str::to_owned).collect()
}

/// Compares the name of the sampling rule. It is the only value of `aws.xray` that must match, and it has two keys.
fn compare_rule_name(
    place: &str,
    want: &mut Map<String, Value>,
    got: &mut Map<String, Value>,
    comparison: &mut Comparison,
) {
    let take = |members: &mut Map<String, Value>, name| {
        members.get_mut("aws").and_then(|aws| aws.get_mut("xray")?.as_object_mut()?.remove(name))
    };
    let Some(rule) = take(want, "rule_name") else { return };
    let ours = take(got, "sampling_rule_name");
    if ours.as_ref() == Some(&rule) {
        comparison.allow(Difference::RuleName, place, "sampling_rule_name");
    } else {
        let ours = ours.map_or("nothing".to_owned(), |ours| ours.to_string());
        comparison.failures.push(format!("{place} /aws/xray/sampling_rule_name: wanted {rule}, got {ours}"));
    }
}
