//! Names of segments: which one a request gets, and how it is cleaned.

use serde_json::Value;
use xray_core::adapter::{ServerOptions, ServerRequest, ServerRequestDetails, ServerRequestInfo};
use xray_core::emit::MemoryEmitter;
use xray_core::sampling::Always;
use xray_core::{Naming, Recorder};

use crate::vectors::Verdict;

pub(super) fn check(case: &Value) -> Verdict {
    let text = |name: &str| case[name].as_str();
    let default = text("default_name").expect("`default_name` is a text");
    let naming = match text("mode") {
        Some("fixed") => Naming::fixed(default),
        Some("dynamic") => match text("pattern") {
            None => Naming::dynamic(default),
            Some(pattern) => Naming::dynamic(default).matching(pattern),
        },
        other => panic!("unknown mode {other:?}"),
    };
    let variable = text("env_AWS_XRAY_TRACING_NAME");
    let environment = |name: &str| variable.filter(|_| name == "AWS_XRAY_TRACING_NAME").map(str::to_owned);
    let name = recorded_name(environment, |recorder| {
        let mut request = ServerRequestInfo::default();
        request.host = text("host");
        ServerRequest::begin(recorder, &ServerOptions::new(naming), &request, ServerRequestDetails::default).end();
    });
    Verdict::new(name, case["expected"].clone())
}

pub(super) fn check_cleaning(case: &Value) -> Verdict {
    let name = case["name"].as_str().expect("`name` is a text");
    Verdict::new(recorded_name(|_| None, |recorder| recorder.begin(name).close()), case["expected"].clone())
}

/// The name of the one segment that `work` records.
fn recorded_name(environment: impl Fn(&str) -> Option<String>, work: impl FnOnce(&Recorder)) -> Value {
    let emitter = MemoryEmitter::new();
    let recorder = Recorder::builder().environment(environment).sampling(Always).emitter(emitter.clone());
    work(&recorder.build().expect("the configuration makes sense"));
    let documents = emitter.take();
    let [document] = &documents[..] else { panic!("{} documents", documents.len()) };
    let document: Value = serde_json::from_str(document.json()).expect("a document is JSON");
    document["name"].clone()
}
