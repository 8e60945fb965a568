//! `X-Amzn-Trace-Id`: read, written, answered.

use serde_json::{Map, Value, json};
use xray_core::{Recorder, SamplingFlag, TraceHeader};

use crate::vectors::Verdict;

pub(super) fn check(case: &Value) -> Verdict {
    let got = match case["kind"].as_str() {
        Some("parse") => parsed(case),
        Some("format") => formatted(case).into(),
        Some("response") => response(case).into(),
        other => panic!("unknown kind {other:?}"),
    };
    Verdict::new(got, case["expected"].clone())
}

fn header(case: &Value) -> TraceHeader<'_> {
    case["header"].as_str().map(TraceHeader::parse).unwrap_or_default()
}

fn parsed(case: &Value) -> Value {
    let header = header(case);
    let data: Map<_, _> = header.fields().map(|(key, value)| (key.to_owned(), value.into())).collect();
    let segment = segment_of(&header);
    let continued = header.trace_id().is_some_and(|trace_id| segment["trace_id"] == trace_id.to_string());
    json!({
        "root": header.root(),
        "parent": header.parent().map(|parent| parent.to_string()),
        "sampled": header.sampled().map(text_of),
        "data": data,
        "segment_parent": segment["parent_id"],
        "segment_trace_id": if continued { segment["trace_id"].clone() } else { "GENERATED".into() },
    })
}

/// The document of a segment that continues the header's trace. It is recorded whatever the header decides.
fn segment_of(header: &TraceHeader<'_>) -> Value {
    let (recorder, traces) = Recorder::in_memory();
    recorder.begin_from("svc", &header.clone().with_sampled(true)).close();
    traces.take().single().root().json().clone()
}

fn formatted(case: &Value) -> String {
    let text = |name: &str| case[name].as_str();
    let mut header = match text("root") {
        Some(root) => TraceHeader::new(root.parse().expect("`root` is a trace id")),
        None => TraceHeader::default(),
    };
    if let Some(parent) = text("parent") {
        header = header.with_parent(parent.parse().expect("`parent` is an entity id"));
    }
    if let Some(sampled) = text("sampled") {
        header = header.with_sampled(flag_of(sampled));
    }
    let data = case["data"].as_object().into_iter().flatten();
    let mut fields: Vec<_> = data.map(|(key, value)| format!("{key}={}", value.as_str().expect("texts"))).collect();
    // Parsing the file has sorted the fields; the expected header has their original order.
    fields.sort_by_key(|field| case["expected"].as_str().and_then(|wanted| wanted.find(field.as_str())));
    header.with_fields(&fields.join(";")).to_string()
}

fn response(case: &Value) -> Option<String> {
    let trace_id = case["segment_trace_id"].as_str().and_then(|id| id.parse().ok());
    let sampled = case["decision"].as_bool().expect("`decision` is a bool");
    header(case).response(trace_id.expect("`segment_trace_id` is a trace id"), sampled).map(|header| header.to_string())
}

const FLAGS: [(&str, SamplingFlag); 3] =
    [("1", SamplingFlag::Sampled), ("0", SamplingFlag::NotSampled), ("?", SamplingFlag::Requested)];

fn text_of(flag: SamplingFlag) -> &'static str {
    FLAGS.iter().find(|(_, known)| *known == flag).expect("there are three").0
}

fn flag_of(text: &str) -> SamplingFlag {
    FLAGS.iter().find(|(known, _)| *known == text).expect("`sampled` is 0, 1 or ?").1
}
