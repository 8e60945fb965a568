//! The sampling operations on the TCP side.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver as Events};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use xray_local::{Receiver, ReceiverBuilder, RulesError, SamplingEvent, SamplingRules};

use crate::http::{call, exchange, post};

const ALICE: &str = "aaaaaaaaaaaaaaaaaaaaaaaa";
const BOB: &str = "bbbbbbbbbbbbbbbbbbbbbbbb";

pub(crate) fn rules(text: &Value) -> SamplingRules {
    SamplingRules::from_json(&text.to_string()).unwrap()
}

fn rule(name: &str, reservoir: u32) -> Value {
    let rule = json!({"RuleName": name, "Priority": 10, "FixedRate": 0.5, "ReservoirSize": reservoir});
    json!({"SamplingRuleRecords": [{"SamplingRule": rule}]})
}

/// Starts a receiver and returns it with a channel of its sampling events.
fn watched(builder: ReceiverBuilder) -> (Receiver, Events<SamplingEvent>) {
    let (sender, events) = mpsc::channel();
    let receiver = builder.on_sampling(move |event| sender.send(event.clone()).unwrap()).bind("127.0.0.1:0").unwrap();
    (receiver, events)
}

fn next(events: &Events<SamplingEvent>) -> SamplingEvent {
    events.recv_timeout(Duration::from_secs(10)).unwrap()
}

fn report(rule: &str, client: &str) -> Value {
    json!({
        "RuleName": rule, "ClientID": client, "RequestCount": 3, "BorrowCount": 1, "SampledCount": 0,
        "Timestamp": 1_795_400_842,
    })
}

fn targets(receiver: &Receiver, reports: &[Value]) -> Value {
    call(receiver.address(), "/SamplingTargets", &json!({"SamplingStatisticsDocuments": reports}))
}

fn names(receiver: &Receiver) -> Vec<String> {
    let response = call(receiver.address(), "/GetSamplingRules", &json!({}));
    let records = response["SamplingRuleRecords"].as_array().unwrap();
    records.iter().map(|record| record["SamplingRule"]["RuleName"].as_str().unwrap().to_owned()).collect()
}

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// A temporary file, removed on drop.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &Value) -> File {
        let path = std::env::temp_dir().join(format!("xray-local-{name}-{}.json", std::process::id()));
        let file = File(path);
        file.write(&text.to_string());
        file
    }

    fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}

#[test]
fn recorded_rules_are_served_unchanged() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/central_sampling_exchange.json");
    let golden: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let receiver = Receiver::builder().rules(rules(&golden["rules_answer"])).bind("127.0.0.1:0").unwrap();
    let mut want = golden["rules_answer"].clone();
    for record in want["SamplingRuleRecords"].as_array_mut().unwrap() {
        for time in ["CreatedAt", "ModifiedAt"] {
            record[time] = json!(record[time].as_f64());
        }
    }
    assert_eq!(call(receiver.address(), "/GetSamplingRules", &golden["http_requests"][0]["body"]), want);

    let response =
        targets(&receiver, golden["http_requests"][1]["body"]["SamplingStatisticsDocuments"].as_array().unwrap());
    let like = &golden["targets_answer"];
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&response), members(like));
    let (target, like) = (&response["SamplingTargetDocuments"][0], &like["SamplingTargetDocuments"][0]);
    assert_eq!(members(target), members(like));
    assert_eq!(target["RuleName"], "orders");
}

#[test]
fn without_rules_the_default_rule_of_x_ray_is_served() {
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    let response = call(receiver.address(), "/GetSamplingRules", &json!({}));
    let rule = &response["SamplingRuleRecords"][0]["SamplingRule"];
    assert_eq!(response["SamplingRuleRecords"].as_array().unwrap().len(), 1);
    let shown = json!([rule["RuleName"], rule["Priority"], rule["ReservoirSize"], rule["FixedRate"], rule["Version"]]);
    assert_eq!(shown, json!(["Default", 10_000, 1, 0.05, 1]));
}

#[test]
fn each_report_gets_a_target() {
    let begin = now();
    let (receiver, events) = watched(Receiver::builder().rules(rules(&rule("orders", 5))));
    let response = targets(&receiver, &[report("orders", ALICE), report("gone", ALICE), report("Default", ALICE)]);
    let until = response["SamplingTargetDocuments"][0]["ReservoirQuotaTTL"].as_u64().unwrap();
    assert!((begin + 10.0..now() + 20.0).contains(&(until as f64)), "{until}");
    let modified = response["LastRuleModification"].as_f64().unwrap();
    assert!((begin - 1.0..now()).contains(&modified), "{modified}");
    let target = |name: &str, rate: f64, quota: u32, until: u64| {
        json!({
            "RuleName": name, "FixedRate": rate, "ReservoirQuota": quota, "ReservoirQuotaTTL": until, "Interval": 10,
        })
    };
    assert_eq!(
        response["SamplingTargetDocuments"],
        json!([target("orders", 0.5, 5, until), target("Default", 0.05, 1, until)])
    );
    assert_eq!(
        response["UnprocessedStatistics"],
        json!([{"RuleName": "gone", "ErrorCode": "404", "Message": "unknown rule"}])
    );
    let mut lines = Vec::new();
    for _ in 0..3 {
        lines.push(next(&events).to_string());
    }
    assert_eq!(
        lines,
        [
            "orders: 3 requests, 0 sampled, 1 borrowed; target: 5 per second and 50 % of the rest \
             (client aaaaaaaaaaaaaaaaaaaaaaaa)",
            "gone: 3 requests, 0 sampled, 1 borrowed; unknown rule (client aaaaaaaaaaaaaaaaaaaaaaaa)",
            "Default: 3 requests, 0 sampled, 1 borrowed; target: 1 per second and 5 % of the rest \
             (client aaaaaaaaaaaaaaaaaaaaaaaa)",
        ]
    );
}

#[test]
fn invalid_reports_are_refused_and_change_nothing() {
    let (receiver, events) = watched(Receiver::builder().rules(rules(&rule("orders", 4))));
    let bad = |field: &str, value: Value| {
        let mut report = report("orders", BOB);
        report[field] = value;
        json!({"SamplingStatisticsDocuments": [self::report("orders", ALICE), report]}).to_string()
    };
    for (body, field) in [
        ("{}".to_owned(), "SamplingStatisticsDocuments"),
        (r#"{"SamplingStatisticsDocuments":{}}"#.to_owned(), "SamplingStatisticsDocuments"),
        (r#"{"SamplingStatisticsDocuments":[1]}"#.to_owned(), "RuleName"),
        (bad("RuleName", json!("")), "RuleName"),
        (bad("RuleName", json!("x".repeat(33))), "RuleName"),
        (bad("ClientID", json!("abc")), "ClientID"),
        (bad("ClientID", json!("xxxxxxxxxxxxxxxxxxxxxxxx")), "ClientID"),
        (bad("RequestCount", json!(-1)), "RequestCount"),
        (bad("SampledCount", json!("1")), "SampledCount"),
        (bad("BorrowCount", json!(1.5)), "BorrowCount"),
        (bad("Timestamp", json!(null)), "Timestamp"),
    ] {
        let (status, response) = exchange(receiver.address(), post("/SamplingTargets", &body));
        assert_eq!(status, 400, "{body}");
        assert!(response.contains(&format!("`{field}` is missing or invalid")), "{response}");
    }
    // None of them counts as a client.
    let response = targets(&receiver, &[report("orders", "cccccccccccccccccccccccc")]);
    assert_eq!(response["SamplingTargetDocuments"][0]["ReservoirQuota"], 4);
    assert!(matches!(next(&events), SamplingEvent::Reported(report) if report.client.starts_with("cc")));
}

#[test]
fn two_clients_share_a_reservoir() {
    let receiver = Receiver::builder().rules(rules(&rule("orders", 5))).bind("127.0.0.1:0").unwrap();
    let quota = |client| {
        targets(&receiver, &[report("orders", client)])["SamplingTargetDocuments"][0]["ReservoirQuota"].clone()
    };
    // The first client gives up its grant only at its next report.
    assert_eq!([ALICE, BOB, ALICE, BOB, ALICE, BOB].map(quota), [5, 0, 3, 2, 3, 2]);
}

#[test]
fn an_edited_file_is_reloaded() {
    let file = File::new("edited", &rule("first", 1));
    let (receiver, events) = watched(Receiver::builder().rules(SamplingRules::from_file(&file.0).unwrap()));
    assert_eq!(names(&receiver), ["first", "Default"]);
    let modified = |receiver: &Receiver| targets(receiver, &[])["LastRuleModification"].as_f64().unwrap();
    let before = modified(&receiver);
    assert_eq!(modified(&receiver), before);

    let fetched = now();
    file.write(&rule("second", 1).to_string());
    // A client asks for targets first, and fetches the rules when they are newer than those it has.
    assert!(modified(&receiver) > fetched.max(before));
    assert_eq!(next(&events), SamplingEvent::RulesChanged(2));
    assert_eq!(names(&receiver), ["second", "Default"]);
    assert!(modified(&receiver) < now());
    assert!(events.try_recv().is_err());
}

#[test]
fn an_invalid_edit_keeps_the_last_valid_rules_and_is_reported_once() {
    let file = File::new("broken", &rule("good", 1));
    let (receiver, events) = watched(Receiver::builder().rules(SamplingRules::from_file(&file.0).unwrap()));
    let before = targets(&receiver, &[])["LastRuleModification"].clone();
    file.write(&rule("bad", 1).to_string().replace("0.5", "50"));
    for _ in 0..3 {
        assert_eq!(names(&receiver), ["good", "Default"]);
    }
    assert_eq!(
        next(&events).to_string(),
        format!(
            "rules file changed but cannot be used, keeping the last valid rules: {}: sampling rule 0 \"bad\": \
             `FixedRate` is 50, but must be a number from 0 to 1",
            file.0.display()
        )
    );
    fs::remove_file(&file.0).unwrap();
    assert_eq!(names(&receiver), ["good", "Default"]);
    assert!(matches!(next(&events), SamplingEvent::RulesRefused(RulesError::File { .. })));
    assert_eq!(targets(&receiver, &[])["LastRuleModification"], before);

    file.write(&rule("better", 1).to_string());
    assert_eq!(names(&receiver), ["better", "Default"]);
    assert_eq!(next(&events), SamplingEvent::RulesChanged(2));
    assert!(events.try_recv().is_err());
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_at_the_start() {
    let file = File::new("unusable", &rule("x", 1));
    file.write(&" ".repeat((1 << 20) + 1));
    for (path, want) in [
        (PathBuf::from("/nowhere/rules.json"), std::io::ErrorKind::NotFound),
        (file.0.clone(), std::io::ErrorKind::FileTooLarge),
    ] {
        let want = RulesError::File { path: path.clone(), kind: want };
        assert_eq!(SamplingRules::from_file(&path).unwrap_err(), want);
    }
}

#[test]
fn a_panicking_listener_does_not_stop_the_responses() {
    let receiver = Receiver::builder().on_sampling(|_| panic!("on purpose")).bind("127.0.0.1:0").unwrap();
    for _ in 0..2 {
        assert_eq!(targets(&receiver, &[report("Default", ALICE)])["SamplingTargetDocuments"][0]["ReservoirQuota"], 1);
    }
}
