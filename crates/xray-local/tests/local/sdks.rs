//! The X-Ray SDKs for Node.js and Python, which know only the address: their traces, and their shares of a reservoir.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};
use xray_local::{Receiver, SamplingEvent};

use crate::aws::{client, path};
use crate::http::call;
use crate::sampling::rules;

/// The reservoir of the only rule.
const RESERVOIR: u32 = 5;

#[test]
fn two_sdks_share_a_reservoir_and_their_traces_arrive() {
    let node = client("XRAY_TEST_XRAY_NODE", "a folder with the module aws-xray-sdk-core");
    let python = client("XRAY_TEST_XRAY_PYTHON", "a Python that has aws_xray_sdk");
    let (Some(node), Some(python)) = (node, python) else { return };
    let rule = json!({ "RuleName": "all", "Priority": 10, "FixedRate": 0.1, "ReservoirSize": RESERVOIR });
    let (reported, reports) = mpsc::channel();
    let receiver = Receiver::builder()
        .rules(rules(&json!({ "SamplingRuleRecords": [{ "SamplingRule": rule }] })))
        .on_sampling(move |event| {
            if let SamplingEvent::Reported(report) = event {
                reported.send(report.clone()).unwrap();
            }
        })
        .bind("127.0.0.1:0")
        .unwrap();
    let start = |command: &mut Command| {
        command
            .env("AWS_XRAY_DAEMON_ADDRESS", receiver.address().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let services = [
        start(Command::new("node").arg(path("xray_sdk.cjs")).arg(node)),
        start(Command::new(python).arg(path("xray_sdk.py"))),
    ];

    // The first client has the whole reservoir until its next report, ten seconds later.
    let mut quotas = BTreeMap::new();
    while quotas.len() < 2 || quotas.values().sum::<u32>() != RESERVOIR || quotas.values().any(|quota| *quota == 0) {
        let report = reports.recv_timeout(Duration::from_secs(60)).expect("both clients report each ten seconds");
        assert_eq!(report.rule, "all");
        quotas.insert(report.client, report.target.unwrap().quota);
    }

    let mut sent = BTreeSet::new();
    for service in services {
        let Printed { requests, sampled } = end(service);
        assert!(!sampled.is_empty() && sampled.len() < requests, "{} of {requests}", sampled.len());
        sent.extend(sampled);
    }
    assert!(receiver.wait_for(sent.len(), Duration::from_secs(20)));
    let found = call(receiver.address(), "/Traces", &json!({ "TraceIds": sent }));
    assert_eq!(found["UnprocessedTraceIds"], json!([]));
    assert_eq!(receiver.store().stats().traces, sent.len());
    // The first decisions are local, until the rules arrive.
    let mut central = 0;
    for trace in found["Traces"].as_array().unwrap() {
        let text = trace["Segments"][0]["Document"].as_str().unwrap();
        let document: Value = serde_json::from_str(text).unwrap();
        assert_eq!(document["subsegments"][0]["name"], "step", "{document}");
        let by = &document["aws"]["xray"];
        central += usize::from(by["sampling_rule_name"] == "all" || by["rule_name"] == "all");
    }
    assert!(central > sent.len() / 2, "{central} of {}", sent.len());
}

/// What a service prints at its end.
struct Printed {
    requests: usize,
    sampled: Vec<String>,
}

/// Ends a service's standard input and reads what it prints.
fn end(mut service: Child) -> Printed {
    drop(service.stdin.take());
    let mut text = String::new();
    service.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(service.wait().unwrap().success());
    let printed: Value = serde_json::from_str(&text).unwrap();
    let sampled = printed["sampled"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned());
    Printed { requests: printed["requests"].as_u64().unwrap().try_into().unwrap(), sampled: sampled.collect() }
}
