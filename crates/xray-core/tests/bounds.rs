//! The content of an entity is bounded, in bytes and in number, and each addition has the same cost.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use xray_core::diagnostics::{Cause, Diagnostic};
use xray_core::emit::MemoryEmitter;
use xray_core::sampling::Always;
use xray_core::{Recorder, Subsegment};

/// The causes of the logged messages.
type Causes = Arc<Mutex<Vec<Cause>>>;

fn recorder() -> (Recorder, MemoryEmitter, Causes) {
    let (emitter, causes) = (MemoryEmitter::new(), Causes::default());
    let sink = causes.clone();
    let recorder = Recorder::builder()
        .environment(|_| None)
        .sampling(Always)
        .emitter(emitter.clone())
        .on_diagnostic(move |diagnostic: &Diagnostic<'_>| sink.lock().unwrap().push(diagnostic.cause()))
        .build();
    (recorder.unwrap(), emitter, causes)
}

/// Returns the document of a subsegment that `add` fills, the recorder, and the causes of its log lines.
fn filled(add: impl FnOnce(&Subsegment)) -> (Value, Recorder, Vec<Cause>) {
    let (recorder, emitter, causes) = recorder();
    let segment = recorder.begin("shop");
    let part = segment.subsegment("part");
    add(&part);
    part.close();
    segment.close();
    let documents = emitter.take();
    let [document] = &documents[..] else { panic!("{} documents", documents.len()) };
    let mut document: Value = serde_json::from_str(document.json()).unwrap();
    assert_eq!(recorder.stats().dropped_oversize, 0);
    let causes = causes.lock().unwrap().clone();
    (document["subsegments"][0].take(), recorder, causes)
}

#[test]
fn the_first_thousand_metadata_values_are_kept() {
    let (part, recorder, causes) = filled(|part| {
        (0..40_000).for_each(|n| _ = part.metadata(&format!("k{n}"), &n));
    });
    let kept = part["metadata"]["default"].as_object().unwrap();
    assert_eq!((kept.len(), &kept["k0"], &kept["k999"]), (1000, &json!(0), &json!(999)));
    assert_eq!((recorder.stats().metadata_dropped, recorder.stats().trimmed), (39_000, 0));
    assert_eq!(causes, [Cause::Metadata], "logged once");
}

#[test]
fn namespaces_count_like_keys() {
    let (part, recorder, _) = filled(|part| {
        (0..16_000).for_each(|n| _ = part.metadata_in(&format!("n{n}"), "k", &n));
    });
    let kept = part["metadata"].as_object().unwrap();
    assert_eq!((kept.len(), &kept["n999"]["k"]), (1000, &json!(999)));
    assert_eq!(recorder.stats().metadata_dropped, 15_000);
}

#[test]
fn a_value_beyond_the_limit_in_bytes_is_replaced_by_a_marker() {
    let large = "x".repeat(1024 * 1024);
    let (part, recorder, _) = filled(|part| {
        (0..40).for_each(|n| _ = part.metadata(&format!("large {n}"), &large));
        part.metadata("small", "kept");
    });
    let kept = part["metadata"]["default"].as_object().unwrap();
    assert_eq!((kept.len(), &kept["large 39"], &kept["small"]), (41, &json!("removed: 1048578 bytes"), &json!("kept")));
    assert_eq!(recorder.stats().metadata_dropped, 40);
}

#[test]
fn an_existing_key_can_be_replaced_even_if_its_entity_is_full() {
    let (part, recorder, _) = filled(|part| {
        (0..1000).for_each(|n| _ = part.metadata(&format!("k{n}"), &n));
        (0..5000).for_each(|n| _ = part.metadata("k7", &n));
        part.metadata("k8", &"x".repeat(300_000)).metadata("k8", "short again");
        // There is room for the SDK's own metadata.
        part.metadata_in("xray", "cancelled", &true);
    });
    assert_eq!(
        (&part["metadata"]["default"]["k7"], &part["metadata"]["default"]["k8"]),
        (&json!(4999), &json!("short again"))
    );
    assert_eq!(part["metadata"]["xray"], json!({"cancelled": true}));
    assert_eq!(recorder.stats().metadata_dropped, 1, "the long value");
}

#[test]
fn dropped_and_replaced_values_do_not_use_memory() {
    let (recorder, _, _) = recorder();
    let segment = recorder.begin("shop");
    let value = "x".repeat(1000);
    let add = |range: std::ops::Range<usize>| {
        range.for_each(|n| _ = segment.metadata(&format!("k{n}"), &value).metadata_in(&format!("n{n}"), "k", &value));
    };
    add(0..2000);
    let more = allocation_counter::measure(|| add(2000..20_000));
    assert!(more.bytes_max < 1024 * 1024, "{more:?}");
}

#[test]
fn exceptions_beyond_the_limit_are_counted_and_the_flag_is_set() {
    let (part, recorder, causes) = filled(|part| (0..40).for_each(|n| _ = part.fault(format!("{n}"))));
    assert_eq!((part["cause"]["exceptions"].as_array().unwrap().len(), &part["fault"]), (32, &json!(true)));
    assert_eq!((recorder.stats().exceptions_dropped, causes), (8, vec![Cause::Exception]));
}

#[test]
fn precursors_beyond_the_limit_are_left_out() {
    let (recorder, _) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let before: Vec<_> = (0..200).map(|_| segment.subsegment("before").id().unwrap()).collect();
    let (part, _, _) = filled(|part| before.iter().for_each(|id| _ = part.add_precursor(*id)));
    assert_eq!(part["precursor_ids"].as_array().unwrap().len(), 100);
}
