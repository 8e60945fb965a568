//! What the traces of a list have in common: counts of their values.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hash, Hasher};

use serde_json::{Map, Value, json};

use crate::store::Summarized;
use crate::trace::{AnnotationValue, LabelKind};

const MAX_FACETS: usize = 50;

/// The classes of HTTP statuses.
const STATUSES: [&str; 6] = ["2xx", "3xx", "4xx", "429", "5xx", "none"];

const OUTCOMES: [&str; 4] = ["fault", "throttle", "error", "partial"];

/// Buckets of response times: one for those that are 0, then ten for each decade of all numbers.
const BUCKETS: usize = 1 + 10 * 20;

/// Counts the values of traces, as `web/traces.rs` describes.
pub(super) fn facets(traces: &[Summarized]) -> Value {
    let mut latency = [0_u64; BUCKETS];
    let mut minutes: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let (mut status, mut outcomes) = ([0_u64; STATUSES.len()], [0_u64; OUTCOMES.len()]);
    let (mut services, mut users) = (Shared::default(), Shared::default());
    let mut urls: HashMap<&str, u64> = HashMap::new();
    let mut annotations: HashMap<Address<'_>, HashMap<FacetValue<'_>, u64>, ByAddress> = HashMap::default();
    let mut seen: Vec<&str> = Vec::new();
    for Summarized { summary, .. } in traces {
        latency[bucket(summary.response_time)] += 1;
        let minute = minutes.entry(summary.start - summary.start % 60_000_000).or_default();
        minute.0 += 1;
        minute.1 += u64::from(summary.root.fault());
        status[status_class(summary.status)] += 1;
        let root = summary.root;
        let worst = [root.fault(), root.throttle(), root.error()].into_iter().position(|is_set| is_set);
        for outcome in worst.into_iter().chain(summary.in_progress.then_some(3)) {
            outcomes[outcome] += 1;
        }
        services.count(&mut seen, summary.services.iter().map(|passed| &*passed.service.name));
        let labels = summary.labels.iter().filter(|label| label.kind == LabelKind::User);
        users.count(&mut seen, labels.map(|label| &*label.text));
        if let Some(url) = summary.url() {
            *urls.entry(url).or_default() += 1;
        }
        for annotation in &summary.annotations {
            let values = annotations.entry(Address(&annotation.key)).or_default();
            *values.entry(FacetValue::of(summary.value(annotation))).or_default() += 1;
        }
    }
    json!({
        "latency": latencies(&latency),
        "status": named(STATUSES, status),
        "service": most_frequent(services.sums()),
        "user": most_frequent(users.sums()),
        "url": most_frequent(urls),
        "annotation": frequent_annotations(annotations),
        "outcome": named(OUTCOMES, outcomes),
        "minute": minutes.into_iter().map(|(at, (all, faults))| json!([at, all, faults])).collect::<Vec<_>>(),
    })
}

/// A text that summaries share, compared by its place in memory. The same text may have several places.
#[derive(Debug, Clone, Copy)]
struct Address<'a>(&'a str);

impl PartialEq for Address<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Address<'_> {}

impl Hash for Address<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.0.as_ptr().addr());
    }
}

type ByAddress = BuildHasherDefault<AddressHasher>;

/// Spreads addresses, which no sender of documents can choose.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize((*byte).into()));
    }

    fn write_usize(&mut self, value: usize) {
        let mixed = (self.0 ^ value as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Counts of texts that summaries share.
#[derive(Default)]
struct Shared<'a>(HashMap<Address<'a>, u64, ByAddress>);

impl<'a> Shared<'a> {
    /// Counts each distinct value of a trace once.
    fn count(&mut self, seen: &mut Vec<&'a str>, values: impl Iterator<Item = &'a str>) {
        seen.clear();
        for value in values {
            if !seen.contains(&value) {
                seen.push(value);
                *self.0.entry(Address(value)).or_default() += 1;
            }
        }
    }

    fn sums(self) -> HashMap<&'a str, u64> {
        let mut sums = HashMap::new();
        for (Address(text), count) in self.0 {
            *sums.entry(text).or_default() += count;
        }
        sums
    }
}

/// A value of an annotation that can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum FacetValue<'a> {
    Bool(bool),
    /// The bits of the number.
    Number(u64),
    Text(&'a str),
}

impl<'a> FacetValue<'a> {
    fn of(value: AnnotationValue<'a>) -> FacetValue<'a> {
        match value {
            AnnotationValue::Text(text) => FacetValue::Text(text),
            AnnotationValue::Number(number) => FacetValue::Number(number.to_bits()),
            AnnotationValue::Bool(value) => FacetValue::Bool(value),
        }
    }

    fn json(self) -> String {
        match self {
            FacetValue::Text(text) => Value::from(text).to_string(),
            FacetValue::Number(bits) => f64::from_bits(bits).to_string(),
            FacetValue::Bool(value) => value.to_string(),
        }
    }
}

/// Returns the counts that are not 0, by name.
fn named<const N: usize>(names: [&str; N], counts: [u64; N]) -> Map<String, Value> {
    let counted = names.into_iter().zip(counts).filter(|(_, count)| *count > 0);
    counted.map(|(name, count)| (name.to_owned(), count.into())).collect()
}

fn most_frequent(counts: HashMap<&str, u64>) -> Map<String, Value> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    counts.truncate(MAX_FACETS);
    counts.into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect()
}

/// Returns the annotations that occur most often, each with its most frequent values as JSON.
fn frequent_annotations(
    annotations: HashMap<Address<'_>, HashMap<FacetValue<'_>, u64>, ByAddress>,
) -> Map<String, Value> {
    let mut sums: HashMap<&str, HashMap<FacetValue<'_>, u64>> = HashMap::new();
    for (Address(key), values) in annotations {
        let sum = sums.entry(key).or_default();
        values.into_iter().for_each(|(value, count)| *sum.entry(value).or_default() += count);
    }
    let total = |values: &HashMap<FacetValue<'_>, u64>| values.values().sum::<u64>();
    let mut keys: Vec<_> = sums.into_iter().collect();
    keys.sort_unstable_by(|a, b| total(&b.1).cmp(&total(&a.1)).then(a.0.cmp(b.0)));
    keys.truncate(MAX_FACETS);
    let values = keys.into_iter().map(|(key, values)| {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        values.truncate(MAX_FACETS);
        let values = values.into_iter().map(|(value, count)| (value.json(), count.into()));
        (key.to_owned(), Value::Object(values.collect()))
    });
    values.collect()
}

/// Returns the index of a response time's bucket.
fn bucket(micros: u64) -> usize {
    // The casts are lossless enough: a bucket is 26 % wide. 10^20 is more than any number of microseconds.
    if micros == 0 { 0 } else { 1 + ((micros as f64).log10() * 10.0 + 1e-9) as usize }
}

/// Returns the buckets that are not empty, each by its lower bound, which the smallest ones share.
fn latencies(counts: &[u64; BUCKETS]) -> Vec<Value> {
    let mut found: BTreeMap<u64, u64> = BTreeMap::new();
    for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let from = if index == 0 { 0 } else { 10_f64.powf((index - 1) as f64 / 10.0) as u64 };
        *found.entry(from).or_default() += count;
    }
    found.into_iter().map(|(from, count)| json!([from, count])).collect()
}

fn status_class(status: u16) -> usize {
    match status {
        429 => 3,
        200..300 => 0,
        300..400 => 1,
        400..500 => 2,
        500..600 => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn a_response_time_is_in_the_bucket_below_it() {
        for (micros, from) in
            [(0, 0), (1, 1), (9, 7), (10, 10), (999, 794), (1_000, 1_000), (1_258, 1_000), (1_259, 1_258)]
        {
            let mut counts = [0; BUCKETS];
            counts[bucket(micros)] += 1;
            assert_eq!(latencies(&counts), [json!([from, 1])], "{micros}");
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn equal_values_are_counted_together_and_once_for_each_trace() {
        let store = Store::new();
        let other = Store::new();
        let call = |id, name| {
            format!(r#"{{"id":"{id:016x}","name":"{name}","namespace":"remote","start_time":1,"end_time":2}}"#)
        };
        for (number, tier) in [(1, "\"gold\""), (2, "\"gold\""), (3, "1"), (4, "true")] {
            let head =
                format!(r#""trace_id":"1-684ee180-{number:024x}","id":"00000000000000aa","start_time":1,"end_time":2"#);
            let members = format!(r#""name":"shop","user":"ann","annotations":{{"tier":{tier}}}"#);
            let calls = [call(1, "db"), call(2, "db"), call(3, "shop")].join(",");
            // Texts of another store have other addresses.
            let store = if number == 1 { &other } else { &store };
            store.accept_document(&format!(r#"{{{head},{members},"subsegments":[{calls}]}}"#)).unwrap();
        }
        let all = [store.summaries(0), other.summaries(0)].concat();
        let found = facets(&all);
        assert_eq!(found["service"], json!({ "shop": 4, "db": 4 }));
        assert_eq!(found["user"], json!({ "ann": 4 }));
        assert_eq!(found["annotation"], json!({ "tier": { "\"gold\"": 2, "1": 1, "true": 1 } }));
        assert_eq!((&found["status"], &found["outcome"]), (&json!({ "none": 4 }), &json!({})));
    }
}
