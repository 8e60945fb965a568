//! Texts of queries: what is recorded of them when queries are collected.

use serde_json::{Value, json};
use xray_core::emit::MemoryEmitter;
use xray_core::sampling::Always;
use xray_core::{Recorder, Sql};

use crate::vectors::Verdict;

pub(super) fn check(case: &Value) -> Verdict {
    let text = |name: &str| case[name].as_str();
    let kind = text("kind").expect("`kind` is a text");
    let query = text("query").expect("`query` is a text");
    let emitter = MemoryEmitter::new();
    let collect = |name: &str| (name == "AWS_XRAY_COLLECT_SQL_QUERIES").then(|| "true".to_owned());
    let recorder = Recorder::builder()
        .environment(collect)
        .sampling(Always)
        .emitter(emitter.clone())
        .build()
        .expect("these settings are right");
    let segment = recorder.begin("svc");
    segment.subsegment("query").set_sql(&Sql::to(kind, "h", None, "d", None).query(query));
    segment.close();
    let document: Value = serde_json::from_str(emitter.take()[0].json()).expect("documents are JSON");
    let sql = &document["subsegments"][0]["sql"];
    let recorded = sql["sanitized_query"].as_str().unwrap_or_default();

    let absent = case["absent"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let leaked: Vec<&str> = absent.filter(|word| sql.to_string().contains(word)).collect();
    let squeezed = recorded.split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted = text("expected").unwrap_or(&squeezed);
    Verdict::new(json!({"query": squeezed, "leaked": leaked}), json!({"query": wanted, "leaked": []}))
}
