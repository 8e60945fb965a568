//! The store file: what is acknowledged survives.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use xray_local::Receiver;

use crate::daemon::{Daemon, TempFile, command, segment};

/// Rounds of killing the program. `XRAY_LOCAL_KILL_ROUNDS=50` takes about a minute.
#[cfg(unix)]
fn rounds() -> u64 {
    std::env::var("XRAY_LOCAL_KILL_ROUNDS").map_or(3, |rounds| rounds.parse().unwrap())
}

#[test]
fn traces_are_there_after_a_restart() {
    let file = TempFile::new();
    let open = || Receiver::builder().settle_time(Duration::ZERO).store_file(file.path()).bind("127.0.0.1:0").unwrap();
    let first = open();
    for number in 0..100 {
        first
            .store()
            .accept(format!("{{\"format\":\"json\",\"version\":1}}\n{}", segment(number).0).as_bytes())
            .unwrap();
    }
    assert!(first.wait_for(100, Duration::from_secs(20)));
    let before: Vec<_> = first.store().traces().iter().map(|trace| (trace.id(), trace.duration())).collect();
    drop(first);

    let second = open();
    let after: Vec<_> = second.store().traces().iter().map(|trace| (trace.id(), trace.duration())).collect();
    assert_eq!(after.len(), 100);
    assert_eq!(sorted(before), sorted(after));
    // A document that arrives later joins those in the file.
    let (_, id) = segment(5);
    let late = format!(
        r#"{{"trace_id":"{id}","id":"00000000000000ff","parent_id":"0000000000000006","name":"late","type":"subsegment","start_time":1480615200,"end_time":1480615200.05}}"#
    );
    second.store().accept(format!("{{\"format\":\"json\",\"version\":1}}\n{late}").as_bytes()).unwrap();
    assert_eq!(second.store().get(id.parse().unwrap()).unwrap().len(), 2);
    drop(second);
    assert_eq!(open().store().get(id.parse().unwrap()).unwrap().len(), 2);
}

#[test]
fn groups_tags_and_edited_rules_survive_kill_9() {
    let (file, rules) = (TempFile::new(), TempFile::new());
    fs::write(rules.path(), r#"{"SamplingRuleRecords":[]}"#).unwrap();
    let start = || Daemon::start(&["--store", file.text(), "--rules", rules.text()]);
    let daemon = start();
    let rule =
        |name: &str, rate: f64| json!({ "RuleName": name, "Priority": 1, "FixedRate": rate, "ReservoirSize": 1 });
    let group =
        json!({ "GroupName": "slow", "FilterExpression": "duration > 0.5", "Tags": [{ "Key": "a", "Value": "b" }] });
    let arn = daemon.call("/CreateGroup", &group)["Group"]["GroupARN"].clone();
    daemon.call("/CreateGroup", &json!({ "GroupName": "gone", "FilterExpression": "fault" }));
    daemon.call("/DeleteGroup", &json!({ "GroupName": "gone" }));
    daemon.call("/CreateSamplingRule", &json!({ "SamplingRule": rule("checkout", 0.5) }));
    daemon.call("/UpdateSamplingRule", &json!({ "SamplingRuleUpdate": { "RuleName": "checkout", "FixedRate": 0.25 } }));
    daemon.call("/TagResource", &json!({ "ResourceARN": arn, "Tags": [{ "Key": "c", "Value": "d" }] }));
    let questions = || {
        [
            ("/Groups", json!({})),
            ("/ListTagsForResource", json!({ "ResourceARN": arn })),
            ("/GetSamplingRules", json!({})),
        ]
    };
    let before = questions().map(|(path, body)| daemon.call(path, &body));
    assert_eq!(before[1]["Tags"].as_array().unwrap().len(), 2);
    // Sends SIGKILL.
    drop(daemon);

    let daemon = start();
    let mut after = questions().map(|(path, body)| daemon.call(path, &body));
    // Times are floating-point numbers, which may be rounded.
    let mut before = before;
    for answers in [&mut before, &mut after] {
        let records = answers[2]["SamplingRuleRecords"].as_array_mut().unwrap();
        assert_eq!(records.len(), 2);
        records.iter_mut().for_each(|record| *record = record["SamplingRule"].take());
    }
    assert_eq!(after, before);
    drop(daemon);

    // A file of rules that was edited meanwhile replaces what was edited by calls.
    fs::write(rules.path(), json!({ "SamplingRuleRecords": [{ "SamplingRule": rule("file", 1.0) }] }).to_string())
        .unwrap();
    let daemon = start();
    let names = daemon.call("/GetSamplingRules", &json!({}))["SamplingRuleRecords"].clone();
    let names: Vec<_> =
        names.as_array().unwrap().iter().map(|record| record["SamplingRule"]["RuleName"].clone()).collect();
    assert_eq!(names, ["file", "Default"]);
    assert_eq!(daemon.call("/Groups", &json!({}))["Groups"].as_array().unwrap().len(), 2);
}

fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort();
    values
}

/// Returns text that does not compress well.
fn noise(number: u64) -> String {
    (0..3_000_u64).map(|i| char::from(b'a' + (((i * i + number) * 7_919 + i * 31) % 26) as u8)).collect()
}

/// Returns the document of a trace that takes about 3 KB.
fn large(number: u64) -> String {
    segment(number).0.replacen('{', &format!(r#"{{"metadata":{{"noise":"{}"}},"#, noise(number)), 1)
}

#[test]
fn documents_that_leave_the_memory_are_read_from_the_file() {
    let file = TempFile::new();
    let daemon = Daemon::start(&["--store", file.text(), "--max-memory", "200K"]);
    // Only what is in the file leaves the memory, and a batch is acknowledged when it is there.
    for batch in 0..20 {
        let documents: Vec<String> = (0..10).map(|i| large(batch * 10 + i)).collect();
        assert_eq!(daemon.put(&documents), Some(true));
    }
    let status = daemon.get("/api/status");
    assert!(status["bytes"].as_u64().unwrap() <= 200 << 10, "{status}");
    assert_eq!((&status["traces"], &status["forgotten"]), (&json!(200), &json!(0)));
    let exported = String::from_utf8(daemon.run(&["export"]).stdout).unwrap();
    assert!(exported.len() > 200 * 3_000 && exported.lines().count() == 200);
    // A second document of a trace that left.
    let (_, id) = segment(0);
    let late = format!(
        r#"{{"trace_id":"{id}","id":"00000000000000ff","name":"late","start_time":1480615200,"end_time":1480615200.05}}"#
    );
    assert_eq!(daemon.put(&[late]), Some(true));
    assert_eq!(daemon.get(&format!("/api/traces/{id}"))["entities"]["id"].as_array().unwrap().len(), 2);
}

#[test]
fn a_number_of_traces_and_an_age_bound_the_file() {
    let file = TempFile::new();
    let open = |max: usize| Receiver::builder().max_traces(max).store_file(file.path()).bind("127.0.0.1:0").unwrap();
    let receiver = open(10);
    for number in 0..30 {
        receiver
            .store()
            .accept(format!("{{\"format\":\"json\",\"version\":1}}\n{}", segment(number).0).as_bytes())
            .unwrap();
    }
    assert_eq!((receiver.store().stats().traces, receiver.store().stats().evicted), (10, 20));
    drop(receiver);
    let receiver = open(1_000);
    assert_eq!(receiver.store().stats().traces, 10);
    drop(receiver);
    let receiver = Receiver::builder().max_age(Duration::ZERO).store_file(file.path()).bind("127.0.0.1:0").unwrap();
    let begin = Instant::now();
    while receiver.store().stats().traces > 0 {
        assert!(begin.elapsed() < Duration::from_secs(20));
        thread::yield_now();
    }
    drop(receiver);
    assert_eq!(open(1_000).store().stats().traces, 0);
}

#[test]
fn a_file_of_another_program_is_refused_and_unchanged() {
    let file = TempFile::new();
    for content in ["important\n".to_owned(), "x".repeat(100_000)] {
        fs::write(file.path(), &content).unwrap();
        let error = Receiver::builder().store_file(file.path()).bind("127.0.0.1:0").unwrap_err();
        assert!(error.to_string().contains("not a file of xray-local"), "{error}");
        assert_eq!(fs::read_to_string(file.path()).unwrap(), content);
    }
    let open = TempFile::new();
    let _first = Receiver::builder().store_file(open.path()).bind("127.0.0.1:0").unwrap();
    let error = Receiver::builder().store_file(open.path()).bind("127.0.0.1:0").unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
}

#[test]
#[cfg(unix)]
fn what_was_acknowledged_survives_kill_9() {
    let file = TempFile::new();
    let (mut number, mut acknowledged) = (0, Vec::new());
    for round in 0..rounds() {
        let mut daemon = Daemon::start(&["--store", file.text()]);
        let begin = Instant::now();
        // Different in each round, so that the end falls into different moments of a transaction.
        let life = Duration::from_millis(150 + round * 37 % 200);
        let (pid, killer) = (daemon.child.id(), life);
        let killing = thread::spawn(move || {
            thread::sleep(killer);
            Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap()
        });
        while begin.elapsed() < life + Duration::from_secs(10) {
            let batch: Vec<_> = (0..20).map(|i| segment(number + i)).collect();
            number += 20;
            let documents: Vec<String> = batch.iter().map(|(document, _)| document.clone()).collect();
            match daemon.put(&documents) {
                Some(true) => acknowledged.extend(batch.into_iter().map(|(_, id)| id)),
                Some(false) => panic!("documents were refused"),
                None => break,
            }
        }
        killing.join().unwrap();
        daemon.child.wait().unwrap();
    }
    assert!(!acknowledged.is_empty());
    let daemon = Daemon::start(&["--store", file.text()]);
    let exported = daemon.run(&["export"]).stdout;
    let exported = String::from_utf8(exported).unwrap();
    let lost = acknowledged.iter().filter(|id| !exported.contains(id.as_str())).count();
    println!("{} rounds, {} traces acknowledged, {lost} lost", rounds(), acknowledged.len());
    assert_eq!(lost, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_reported_and_survived() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        eprintln!("skipped: prlimit is not installed");
        return;
    }
    let file = TempFile::new();
    let started = command(&["--store", file.text()]);
    // A limit of the size of files behaves like a full disk, if its signal is ignored.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; exec prlimit --fsize=2500000:unlimited \"$@\"", "sh"]);
    limited.arg(started.get_program()).args(started.get_args());
    let daemon = Daemon::spawn(limited);
    let (mut acknowledged, mut number) = (Vec::new(), 0);
    loop {
        assert!(number < 20_000, "the disk is never full");
        let batch: Vec<String> = (0..20).map(|i| large(number + i)).collect();
        let accepted = daemon.put(&batch).unwrap();
        if !accepted {
            break;
        }
        acknowledged.extend((0..20).map(|i| segment(number + i).1));
        number += 20;
    }
    let store = daemon.get("/api/status")["store"].clone();
    assert!(store["failure"].is_string() && store["failures"].as_u64() > Some(0), "{store}");
    // What was refused is in memory, as is everything else.
    assert_eq!(daemon.get("/api/status")["traces"], json!(number + 20));

    let pid = daemon.child.id().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap().success());
    let begin = Instant::now();
    while !daemon.get("/api/status")["store"]["failure"].is_null() {
        assert!(begin.elapsed() < Duration::from_secs(30), "the file is not written again");
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(daemon.put(&[large(number + 20)]), Some(true));
    drop(daemon);
    let daemon = Daemon::start(&["--store", file.text()]);
    assert_eq!(daemon.get("/api/status")["traces"], json!(number + 21));
}
