//! Central sampling through a recorder: its thread, and the cases without one.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xray_core::diagnostics::{Cause, Level};
use xray_core::emit::MemoryEmitter;
use xray_core::sampling::{Central, FixedTarget, Rate, Rules, SamplingRequest, TailSampler};
use xray_core::{Recorder, RecorderBuilder};

use daemon::{Daemon, Reply};

#[path = "support/daemon.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod daemon;

const SOON: Duration = Duration::from_secs(20);

fn rules(rate: f64) -> Value {
    json!({"SamplingRuleRecords": [{"SamplingRule": {
        "RuleName": "orders", "Priority": 100, "FixedRate": rate, "ReservoirSize": 0, "Version": 1, "ResourceARN": "*",
        "Host": "*", "HTTPMethod": "*", "URLPath": "*", "ServiceName": "shop", "ServiceType": "*",
    }}]})
}

/// Starts a daemon that sends the operation of each call to `calls`.
fn reporting_to(calls: Sender<String>) -> Daemon {
    Daemon::start(move |call| {
        calls.send(call.operation.clone()).unwrap();
        Reply::Json(rules(1.0))
    })
}

fn recorder(daemon: &Daemon) -> (RecorderBuilder, MemoryEmitter) {
    let emitter = MemoryEmitter::new();
    (Recorder::builder().environment(|_| None).emitter(emitter.clone()).daemon(daemon.address().into()), emitter)
}

fn local() -> Rules {
    Rules::new(FixedTarget(0), Rate(0.0))
}

/// Waits until the rules have been fetched.
fn wait_for_rules(recorder: &Recorder) {
    wait_until(|| recorder.explain(&SamplingRequest::new("shop")).to_string().contains("orders"));
}

fn wait_until(condition: impl Fn() -> bool) {
    let end = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < end, "the condition is not met in time");
        std::thread::yield_now();
    }
}

#[test]
fn the_first_decision_starts_the_thread_and_the_recorders_end_stops_it() {
    let (sender, calls) = channel();
    let daemon = reporting_to(sender);
    let (builder, emitter) = recorder(&daemon);
    let recorder = builder.sampling(Central::with_fallback(local())).build().unwrap();
    assert!(calls.try_recv().is_err());
    let request = SamplingRequest::new("shop").method("GET").host("shop.test").path("/");
    let none = "not sampled by the default local rule: by its rate alone (no rules fetched from the X-Ray service yet)";
    assert_eq!(recorder.explain(&request).to_string(), none);
    recorder.begin("shop").close();
    assert_eq!(calls.recv_timeout(SOON).unwrap(), "GetSamplingRules");
    wait_for_rules(&recorder);
    recorder.begin("shop").close();
    recorder.begin("another service").close();
    let documents = emitter.take();
    assert_eq!(documents.len(), 1);
    let document: Value = serde_json::from_str(documents[0].json()).unwrap();
    assert_eq!(document["aws"]["xray"]["sampling_rule_name"], "orders");
    drop(recorder);
    // The threads of the other tests end as well.
    wait_until(|| !thread_names().contains(&"xray-sampling".to_owned()));
}

/// Returns the names of the process's threads, on systems that list them.
fn thread_names() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}

#[test]
fn the_service_is_not_queried_with_local_rules_on_lambda_or_when_disabled() {
    let lambda = |name: &str| (name == "LAMBDA_TASK_ROOT").then(|| "/var/task".to_owned());
    let check = |calls: &Receiver<String>, recorder: &Recorder, case: &str| {
        recorder.begin("shop").close();
        assert!(calls.try_recv().is_err(), "{case}");
        assert!(!recorder.explain(&SamplingRequest::new("shop")).to_string().contains("orders"), "{case}");
    };
    let (sender, calls) = channel();
    let daemon = reporting_to(sender);
    let builder = || recorder(&daemon).0;
    check(&calls, &builder().sampling(Rules::default()).build().unwrap(), "local rules");
    check(&calls, &builder().enabled(false).build().unwrap(), "disabled");
    let recorder = builder().environment(lambda).build().unwrap();
    check(&calls, &recorder, "on Lambda");
    let line = recorder.explain(&SamplingRequest::new("shop")).to_string();
    assert!(line.ends_with("(the X-Ray service is not queried)"), "{line}");
}

#[test]
fn a_sampler_that_wraps_another_starts_it() {
    let (sender, calls) = channel();
    let daemon = reporting_to(sender);
    let sampler = TailSampler::failures().or_sampled_by(Central::with_fallback(local()));
    let recorder = recorder(&daemon).0.sampling(sampler).build().unwrap();
    let request = SamplingRequest::new("shop");
    assert!(recorder.explain(&request).to_string().starts_with("recorded, and kept if it fails or is slow"));
    recorder.begin("shop").close();
    assert_eq!(calls.recv_timeout(SOON).unwrap(), "GetSamplingRules");
    wait_for_rules(&recorder);
    assert!(recorder.explain(&request).to_string().starts_with("sampled by the rule \"orders\""));
}

#[test]
fn each_decision_is_explained_at_debug_level() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let recorder = Recorder::builder()
        .environment(|_| None)
        .emitter(MemoryEmitter::new())
        .sampling(Rules::new(FixedTarget(1), Rate(0.0)))
        .diagnostic_level(Level::Debug)
        .on_diagnostic(move |diagnostic| {
            if diagnostic.level() == Level::Debug && diagnostic.cause() == Cause::Decision {
                sink.lock().unwrap().push(diagnostic.to_string());
            }
        })
        .build()
        .unwrap();
    // Two requests within one second, unless it ends in between.
    let trace_id = recorder.begin("shop").trace_id().unwrap();
    recorder.begin("shop").close();
    let lines = lines.lock().unwrap();
    let explained = "sampled by the default local rule: 0 of its fixed target of 1 used this second";
    assert_eq!(lines[0], format!("trace {trace_id}: \"shop\": {explained}"));
    assert_eq!(lines.len(), 2);
}
