//! The traces of `tests/data/corpus.json`, 190 further ones that differ little, and what filters find of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use xray_local::Receiver;

use crate::http::call;
use crate::tree::datagram;

/// The first start of the trace with the number 0, in seconds since the epoch.
pub(crate) const START: u64 = 1_750_000_000;

const BULK: std::ops::RangeInclusive<u64> = 11..=200;

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

pub(crate) fn trace_id(number: u64) -> String {
    format!("1-{:08x}-{number:024x}", START + number)
}

/// Replaces numbers by ids, and times since the start of a trace by times.
fn complete(entity: &mut Value, number: u64) {
    for name in ["id", "parent_id"] {
        if let Some(id) = entity[name].as_u64() {
            entity[name] = json!(format!("{:016x}", number << 8 | id));
        }
    }
    for name in ["start_time", "end_time"] {
        if let Some(time) = entity[name].as_f64() {
            entity[name] = json!((START + number) as f64 + time);
        }
    }
    let exceptions = entity.pointer_mut("/cause/exceptions").and_then(Value::as_array_mut);
    for exception in exceptions.into_iter().flatten() {
        exception["id"] = json!(format!("{:016x}", number << 8 | exception["id"].as_u64().unwrap()));
    }
    if let Some(object) = entity.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    for child in entity.get_mut("subsegments").and_then(Value::as_array_mut).into_iter().flatten() {
        complete(child, number);
    }
}

/// Returns all documents.
pub(crate) fn documents() -> Vec<String> {
    let bulk = BULK.map(|number| {
        let request = json!({ "method": "GET", "url": format!("http://bulk.example.com/{number}") });
        let http = json!({ "request": request, "response": { "status": 200 } });
        let document = json!({ "id": 1, "name": "bulk", "start_time": 0, "end_time": 0.02, "http": http });
        json!({ "number": number, "documents": [document] })
    });
    let traces = read(include_str!("../data/corpus.json")).as_array().unwrap().clone();
    let documents = traces.into_iter().chain(bulk).flat_map(|trace| {
        let number = trace["number"].as_u64().unwrap();
        trace["documents"].as_array().unwrap().clone().into_iter().map(move |mut document| {
            complete(&mut document, number);
            document["trace_id"] = json!(trace_id(number));
            document.to_string()
        })
    });
    documents.collect()
}

/// Returns a receiver that has all traces and the group `slow`.
pub(crate) fn receiver() -> Receiver {
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    for document in documents() {
        receiver.store().accept(&datagram(&document)).unwrap();
    }
    let slow = json!({ "GroupName": "slow", "FilterExpression": "duration > 0.5" });
    call(receiver.address(), "/CreateGroup", &slow);
    receiver
}

/// Returns the expressions, each with the ids of what it finds.
pub(crate) fn expectations() -> Vec<(String, BTreeSet<String>)> {
    let numbers = |value: &Value| -> Vec<u64> {
        match (value.as_u64(), value.as_str()) {
            (Some(number), _) => vec![number],
            (_, Some("bulk")) => BULK.collect(),
            (_, Some(text)) => {
                let (first, last) = text.split_once('-').unwrap();
                (first.parse().unwrap()..=last.parse().unwrap()).collect()
            }
            _ => panic!("{value}"),
        }
    };
    let rows = read(include_str!("../data/filters.json"));
    let rows = rows.as_array().unwrap().iter().map(|row| {
        let found = row[1].as_array().unwrap().iter().flat_map(numbers).map(trace_id).collect();
        (row[0].as_str().unwrap().to_owned(), found)
    });
    rows.collect()
}
