//! The poller against a fake daemon, with a clock that the test advances.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use super::*;
use crate::diagnostics::{Diagnostics, Logger, Stderr};
use crate::emit::DaemonAddress;
use crate::sampling::central::api::Proxy;
use crate::sampling::{Central, FixedTarget, Rate, Rules, Sampler, SamplingRequest};
use crate::time::Clock;
use daemon::{Call, Daemon, Reply};

#[path = "../../../../tests/support/daemon.rs"]
mod daemon;

const START: u64 = 1_700_000_000;

/// A sampler and its poller, which the test drives with a manual clock.
struct Rig {
    central: Central,
    poller: Poller,
    clock: Clock,
    log: Arc<Mutex<Vec<String>>>,
}

impl Rig {
    fn new(to: &DaemonAddress) -> Rig {
        let log = Arc::new(Mutex::new(Vec::new()));
        let sink = log.clone();
        let logger: Logger = Arc::new(move |diagnostic| sink.lock().unwrap().push(diagnostic.to_string()));
        let clock = Clock::manual(Timestamp::from_micros(START * 1_000_000));
        let diagnostics = Diagnostics::new(Some(logger), Stderr { level: Some(Level::Info), ..Stderr::default() });
        let context = SamplerContext { clock: clock.clone(), daemon: Some(to.clone()), diagnostics };
        let fallback = Rules::new(FixedTarget(0), Rate(0.0)).with_clock(clock.clone());
        let (central, poller) = Central::driven(context, fallback);
        Rig { central: central.with_random(|| 0.999), poller, clock, log }
    }

    /// Creates a rig whose poller has polled once.
    fn started(service: impl FnMut(&Call) -> Reply + Send + 'static) -> (Rig, Daemon) {
        let daemon = Daemon::start(service);
        let mut rig = Rig::new(&daemon.address().into());
        rig.poller.poll();
        (rig, daemon)
    }

    /// Lets time pass, polling when the poller's thread would.
    fn pass(&mut self, time: Duration) {
        let until = self.clock.elapsed() + time;
        loop {
            let pause = self.poller.poll();
            let left = until.saturating_sub(self.clock.elapsed());
            if pause > left {
                return self.clock.advance(left);
            }
            // The clock's resolution is microseconds, that of the jitter nanoseconds.
            self.clock.advance(pause.max(Duration::from_micros(1)));
        }
    }

    /// Lets one period between reports pass.
    fn period(&mut self) {
        self.pass(Duration::from_millis(10_200));
    }

    fn decide(&self, path: &str) -> bool {
        self.central.decide(&SamplingRequest::new("shop").path(path)).is_sampled()
    }

    fn explain(&self, path: &str) -> String {
        self.central.explain(&SamplingRequest::new("shop").path(path)).to_string()
    }
}

fn rule(name: &str, path: &str, rate: f64, reservoir: u32) -> Value {
    json!({"SamplingRule": {
        "RuleName": name, "Priority": 100, "FixedRate": rate, "ReservoirSize": reservoir, "Version": 1, "ResourceARN": "*",
        "Host": "*", "HTTPMethod": "*", "URLPath": path, "ServiceName": "*", "ServiceType": "*", "Attributes": {},
    }, "CreatedAt": 0, "ModifiedAt": 0})
}

fn rules(records: &[Value]) -> Value {
    json!({ "SamplingRuleRecords": records })
}

fn targets(documents: &Value) -> Value {
    json!({"SamplingTargetDocuments": documents, "LastRuleModification": 0.0, "UnprocessedStatistics": []})
}

/// Responds with these rules, and with targets that grant nothing.
fn by(records: Vec<Value>) -> impl FnMut(&Call) -> Reply {
    move |call| match call.operation.as_str() {
        "GetSamplingRules" => Reply::Json(rules(&records)),
        _ => Reply::Json(targets(&json!([]))),
    }
}

/// Returns the rule and counts of each reported document.
fn reported(calls: &[Call]) -> Vec<(String, [u64; 3])> {
    let documents = calls.iter().flat_map(|call| list(&call.body["SamplingStatisticsDocuments"]));
    let number = |document: &Value, name: &str| document[name].as_u64().unwrap();
    documents
        .map(|document| {
            let counts = ["RequestCount", "BorrowCount", "SampledCount"].map(|name| number(document, name));
            (document["RuleName"].as_str().unwrap().to_owned(), counts)
        })
        .collect()
}

#[test]
fn rules_are_fetched_statistics_reported_and_quotas_applied() {
    let (mut rig, daemon) = Rig::started(|call| {
        let ttl = START + 40;
        let target = json!([{"RuleName": "orders", "FixedRate": 0.0, "ReservoirQuota": 3, "ReservoirQuotaTTL": ttl,
            "Interval": 10, "NewMember": {}}]);
        match call.operation.as_str() {
            "GetSamplingRules" => Reply::Json(rules(&[rule("orders", "/orders*", 0.0, 1)])),
            _ => Reply::Json(targets(&target)),
        }
    });
    let calls = daemon.calls();
    assert_eq!((&*calls[0].operation, &calls[0].body), ("GetSamplingRules", &json!({})));
    let mut headers = calls[0].headers.clone();
    headers.sort();
    let host = daemon.address().to_string();
    let want = [("content-length", "2"), ("content-type", "application/json"), ("host", &*host)];
    assert_eq!(headers, want.map(|(name, value)| (name.to_owned(), value.to_owned())));

    assert_eq!([1, 2, 3].map(|_| rig.decide("/orders/1")), [true, false, false], "one is borrowed");
    assert!(!rig.decide("/"), "the local rules decide");
    rig.period();
    let calls = daemon.calls();
    let mut body = calls[0].body.clone();
    let document = &mut body["SamplingStatisticsDocuments"][0];
    let client = document["ClientID"].take();
    let client = client.as_str().unwrap();
    assert!(client.len() == 24 && client.bytes().all(|byte| byte.is_ascii_hexdigit()), "{client}");
    assert!((START + 10..=START + 11).contains(&document["Timestamp"].take().as_u64().unwrap()));
    let counts = json!({"RuleName": "orders", "ClientID": null, "RequestCount": 3, "BorrowCount": 1,
        "SampledCount": 0, "Timestamp": null});
    assert_eq!(body, json!({ "SamplingStatisticsDocuments": [counts] }));

    assert_eq!(rig.explain("/orders/1"), "sampled by the rule \"orders\": 0 of its quota of 3 used this second");
    assert_eq!([1, 2, 3, 4].map(|_| rig.decide("/orders/1")), [true, true, true, false]);
    rig.pass(Duration::from_secs(25));
    assert_eq!([1, 2].map(|_| rig.decide("/orders/1")), [true, true], "each report renews the quota");
    rig.pass(Duration::from_secs(60));
    assert_eq!([1, 2].map(|_| rig.decide("/orders/1")), [true, false], "the quota has ended");
    assert_eq!(
        rig.explain("/orders/1"),
        "not sampled by the rule \"orders\": no quota known, and nothing left to borrow"
    );
    assert_eq!(rig.log.lock().unwrap().len(), 0);
}

#[test]
fn unused_rules_are_not_reported() {
    let (mut rig, daemon) = Rig::started(by(vec![rule("a", "/a", 1.0, 1), rule("b", "/b", 1.0, 1)]));
    rig.period();
    assert_eq!(daemon.operations(), ["GetSamplingRules"]);
    rig.decide("/b");
    rig.period();
    assert_eq!(reported(&daemon.calls()), [("b".to_owned(), [1, 1, 0])]);
    rig.period();
    assert_eq!(daemon.calls().len(), 0);
}

#[test]
fn all_pages_are_fetched_up_to_a_limit() {
    let (rig, daemon) = Rig::started(|call| {
        let page = call.body["NextToken"].as_str().map_or(0, |token| token.parse::<u32>().unwrap());
        let mut answer = rules(&[rule(&format!("rule{page}"), &format!("/{page}"), 1.0, 0)]);
        answer["NextToken"] = if page < 2 { json!((page + 1).to_string()) } else { Value::Null };
        Reply::Json(answer)
    });
    assert_eq!(daemon.calls().len(), 3);
    assert!(["/0", "/1", "/2"].iter().all(|path| rig.decide(path)));
    let (rig, daemon) = Rig::started(|_| {
        let mut answer = rules(&[rule("a", "*", 1.0, 0)]);
        answer["NextToken"] = json!("again");
        Reply::Json(answer)
    });
    assert_eq!(daemon.calls().len(), MAX_PAGES);
    assert!(!rig.decide("/"));
}

#[test]
fn changed_rules_are_fetched_after_the_next_report() {
    let changed = Arc::new(AtomicBool::new(false));
    let is_changed = changed.clone();
    let (mut rig, daemon) = Rig::started(move |call| {
        let changed = is_changed.load(SeqCst);
        match call.operation.as_str() {
            "GetSamplingRules" => Reply::Json(rules(&[rule("a", "*", if changed { 1.0 } else { 0.0 }, 0)])),
            _ => {
                let mut answer = targets(&json!([]));
                answer["LastRuleModification"] = json!(if changed { START as f64 + 5.5 } else { 0.0 });
                Reply::Json(answer)
            }
        }
    });
    assert!(!rig.decide("/"));
    rig.period();
    assert_eq!(daemon.operations(), ["GetSamplingRules", "SamplingTargets"]);
    assert!(!rig.decide("/"));
    changed.store(true, SeqCst);
    rig.period();
    assert_eq!(daemon.operations(), ["SamplingTargets", "GetSamplingRules"]);
    assert!(rig.decide("/"));
    rig.period();
    assert_eq!(daemon.operations(), ["SamplingTargets"], "the rules are newer than the change");
}

#[test]
fn statistics_of_failed_reports_are_reported_later() {
    let replies = [
        Reply::Status(500, "{}"),
        Reply::Status(502, ""),
        Reply::Status(429, r#"{"message":"slow down"}"#),
        Reply::Status(200, ""),
        Reply::Status(200, "<html>"),
        Reply::Status(200, "[]"),
        Reply::Status(200, r#"{"SamplingTargetDocuments":[]}"#),
        Reply::Status(301, ""),
        Reply::Raw(""),
        Reply::Raw("nonsense\r\n\r\n"),
        Reply::Raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"LastRule"),
        Reply::HalfClosed,
        Reply::Silence,
        Reply::Trickle,
    ];
    let bad = replies.len() as u64;
    let mut replies = replies.into_iter();
    let (mut rig, daemon) = Rig::started(move |call| match call.operation.as_str() {
        "GetSamplingRules" => Reply::Json(rules(&[rule("a", "*", 0.0, 1)])),
        // Slow, but within the timeout.
        _ => replies.next().unwrap_or_else(|| Reply::Late(Duration::from_millis(50), targets(&json!([])))),
    });
    let tcp = rig.poller.context.daemon.as_ref().unwrap().tcp().clone();
    rig.poller.api = Box::new(Proxy::with_timeout(&tcp, Duration::from_millis(300)));
    for round in 1..=bad + 1 {
        assert!(rig.decide("/"), "the fetched rules still apply: one is borrowed");
        rig.period();
        let last = daemon.calls().into_iter().rfind(|call| call.operation == "SamplingTargets").unwrap();
        assert_eq!(reported(&[last]), [("a".to_owned(), [round, round, 0])], "round {round}");
    }
    let log = rig.log.lock().unwrap();
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(log[0].starts_with("cannot reach the X-Ray service through the daemon: it responded with status 500"));
    assert!(log[1].starts_with("reached the X-Ray service again"));
}

#[test]
fn an_absent_daemon_is_queried_again_with_a_growing_backoff() {
    let absent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut rig = Rig::new(&absent.into());
    let mut asked = Vec::new();
    for _ in 0..8 {
        rig.poller.poll();
        asked.push(rig.clock.elapsed().as_secs());
        let pause = rig.poller.next_rules - rig.clock.elapsed();
        rig.clock.advance(pause);
    }
    assert_eq!(asked, [0, 10, 30, 70, 130, 190, 250, 310]);
    assert!(!rig.decide("/"));
    assert_eq!(
        rig.explain("/"),
        "not sampled by the default local rule: by its rate alone (no rules fetched from the X-Ray service yet)"
    );
    assert_eq!(rig.log.lock().unwrap().len(), 1);
}

#[test]
fn rules_are_fetched_every_five_minutes_and_apply_for_an_hour() {
    let present = Arc::new(AtomicBool::new(true));
    let is_present = present.clone();
    let (mut rig, daemon) = Rig::started(move |call| match (is_present.load(SeqCst), call.operation.as_str()) {
        (true, _) => Reply::Json(rules(&[rule("a", "*", 1.0, 0)])),
        (false, _) => Reply::Status(500, ""),
    });
    rig.pass(Duration::from_secs(3000));
    assert_eq!(daemon.calls().len(), 10, "with 0 to 5 s of jitter");
    assert!(rig.decide("/"));
    present.store(false, SeqCst);
    rig.pass(Duration::from_secs(3290));
    assert!(rig.decide("/"));
    rig.pass(Duration::from_secs(400));
    assert!(!rig.decide("/"));
    assert!(rig.explain("/").ends_with("(the rules of the X-Ray service have expired)"));
    present.store(true, SeqCst);
    rig.pass(Duration::from_secs(310));
    assert!(rig.decide("/"));
}

#[test]
fn a_response_without_rules_is_ignored() {
    let mut answers = 0;
    let (mut rig, _) = Rig::started(move |_| {
        answers += 1;
        Reply::Json(rules(&if answers == 1 { vec![rule("a", "*", 1.0, 0)] } else { vec![] }))
    });
    rig.pass(Duration::from_secs(3500));
    assert!(rig.decide("/"));
    rig.pass(Duration::from_secs(110));
    assert!(!rig.decide("/"), "nor does it extend the life of the rules");
}

#[test]
fn a_rule_reports_at_the_interval_that_the_service_sets() {
    for (interval, periods) in
        [(json!(10), 1), (json!(30), 3), (json!(35.0), 4), (json!(0), 1), (json!("30"), 1), (json!(-30), 1)]
    {
        let (mut rig, daemon) = Rig::started(move |call| match call.operation.as_str() {
            "GetSamplingRules" => Reply::Json(rules(&[rule("a", "*", 0.0, 0)])),
            _ => {
                Reply::Json(targets(&json!([{"RuleName": "a", "Interval": interval}, {"RuleName": "other"}, null, 1])))
            }
        });
        rig.decide("/");
        rig.period();
        daemon.calls();
        for period in 1..=2 * periods {
            rig.decide("/");
            rig.period();
            let due = period % periods == 0;
            let want = if due { vec![("a".to_owned(), [periods, 0, 0])] } else { vec![] };
            assert_eq!(reported(&daemon.calls()), want, "period {period} of {periods}");
        }
    }
}

#[test]
fn reports_of_other_rules_do_not_delay_a_waiting_rule() {
    let (mut rig, daemon) = Rig::started(|call| match call.operation.as_str() {
        "GetSamplingRules" => Reply::Json(rules(&[rule("a", "/a", 0.0, 0), rule("b", "/b", 0.0, 0)])),
        _ => Reply::Json(targets(&json!([{"RuleName": "a", "Interval": 10}, {"RuleName": "b", "Interval": 30}]))),
    });
    let mut periods = Vec::new();
    for _ in 0..7 {
        rig.decide("/a");
        rig.decide("/b");
        daemon.calls();
        rig.period();
        let b = reported(&daemon.calls()).into_iter().find(|(name, _)| name == "b");
        periods.push(b.map_or(0, |(_, counts)| counts[0]));
    }
    assert_eq!(periods, [1, 0, 0, 3, 0, 0, 3]);
}

#[test]
fn the_last_counts_of_a_removed_rule_are_reported() {
    let mut fetches = 0;
    let (mut rig, daemon) = Rig::started(move |call| match call.operation.as_str() {
        "GetSamplingRules" => {
            fetches += 1;
            Reply::Json(rules(&[rule(if fetches == 1 { "old" } else { "new" }, "*", 0.0, 0)]))
        }
        _ => {
            let mut answer = targets(&json!([]));
            if call.body.to_string().contains("old") {
                answer["UnprocessedStatistics"] = json!([{"RuleName": "old", "ErrorCode": "400", "Message": "none"}]);
            }
            Reply::Json(answer)
        }
    });
    rig.decide("/");
    rig.poller.fetch();
    rig.decide("/");
    daemon.calls();
    rig.period();
    let want = [("new".to_owned(), [1, 0, 0]), ("old".to_owned(), [1, 0, 0])];
    assert_eq!(reported(&daemon.calls()), want);
    rig.decide("/");
    rig.period();
    assert_eq!(reported(&daemon.calls()), want[..1], "the rejection is not logged");
    assert_eq!(rig.log.lock().unwrap().len(), 0);
}

#[test]
fn a_failing_operation_is_logged_once_and_does_not_stop_the_other() {
    for (failing, asked_in_ten_minutes) in [("GetSamplingRules", 9..=15), ("SamplingTargets", 57..=60)] {
        let bad = Arc::new(AtomicBool::new(false));
        let is_bad = bad.clone();
        let (mut rig, daemon) = Rig::started(move |call| match call.operation.as_str() {
            operation if operation == failing && is_bad.load(SeqCst) => Reply::Status(403, "{}"),
            "GetSamplingRules" => Reply::Json(rules(&[rule("a", "*", 0.0, 0)])),
            _ => Reply::Json(targets(&json!([]))),
        });
        bad.store(true, SeqCst);
        let minutes = |rig: &mut Rig, minutes: u64| {
            for _ in 0..minutes * 6 {
                rig.decide("/");
                rig.pass(Duration::from_secs(10));
            }
        };
        minutes(&mut rig, 6);
        daemon.calls();
        minutes(&mut rig, 10);
        let asked = daemon.operations().iter().filter(|operation| *operation == failing).count();
        assert!(asked_in_ten_minutes.contains(&asked), "{failing}: {asked}");
        assert_eq!(rig.log.lock().unwrap().len(), 1, "{failing}");
        bad.store(false, SeqCst);
        minutes(&mut rig, 6);
        let log = rig.log.lock().unwrap();
        assert_eq!(log.len(), 2, "{failing}: {log:?}");
        assert!(log[1].starts_with("reached the X-Ray service again"));
    }
}

#[test]
fn a_change_is_noticed_even_if_the_services_clock_is_behind() {
    let modified = Arc::new(AtomicU64::new(START - 100));
    let last_change = modified.clone();
    let (mut rig, daemon) = Rig::started(move |call| match call.operation.as_str() {
        "GetSamplingRules" => Reply::Json(rules(&[rule("a", "*", 0.0, 0)])),
        _ => {
            let mut answer = targets(&json!([]));
            answer["LastRuleModification"] = last_change.load(SeqCst).into();
            Reply::Json(answer)
        }
    });
    for (change, want) in [
        (0, &["GetSamplingRules", "SamplingTargets"][..]),
        (0, &["SamplingTargets"]),
        (1, &["SamplingTargets", "GetSamplingRules"]),
        (0, &["SamplingTargets"]),
    ] {
        modified.fetch_add(change, SeqCst);
        rig.decide("/");
        rig.period();
        assert_eq!(daemon.operations(), want);
    }
}

#[test]
fn a_report_has_at_most_25_rules() {
    let records: Vec<_> = (0..60).map(|n| rule(&format!("r{n}"), &format!("/{n}"), 0.0, 0)).collect();
    let mut calls = 0;
    let (mut rig, daemon) = Rig::started(move |call| match call.operation.as_str() {
        "GetSamplingRules" => Reply::Json(rules(&records)),
        _ => {
            calls += 1;
            if calls == 2 { Reply::Status(500, "") } else { Reply::Json(targets(&json!([]))) }
        }
    });
    for n in 0..60 {
        rig.decide(&format!("/{n}"));
    }
    daemon.calls();
    rig.period();
    let sizes =
        |calls: &[Call]| calls.iter().map(|call| reported(std::slice::from_ref(call)).len()).collect::<Vec<_>>();
    let first = daemon.calls();
    assert_eq!(sizes(&first), [25, 25, 10], "a rejected report does not hold up the others");
    rig.period();
    let second: Vec<_> = daemon.calls().into_iter().filter(|call| call.operation == "SamplingTargets").collect();
    assert_eq!(sizes(&second), [25]);
    let mut all = [reported(&first[..1]), reported(&first[2..]), reported(&second)].concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 60);
}

#[test]
fn rejected_statistics_are_kept_and_logged() {
    let mut calls = 0;
    let (mut rig, daemon) = Rig::started(move |call| match call.operation.as_str() {
        "GetSamplingRules" => Reply::Json(rules(&[rule("a", "/a", 0.0, 0), rule("b", "/b", 0.0, 0)])),
        _ => {
            calls += 1;
            let mut answer = targets(&json!([]));
            if calls == 1 {
                answer["UnprocessedStatistics"] =
                    json!([{"RuleName": "b", "ErrorCode": "500", "Message": "later"}, {}]);
            }
            Reply::Json(answer)
        }
    });
    rig.decide("/a");
    rig.decide("/b");
    rig.period();
    daemon.calls();
    rig.decide("/b");
    rig.period();
    assert_eq!(reported(&daemon.calls()), [("b".to_owned(), [2, 0, 0])]);
    assert!(rig.log.lock().unwrap()[0].contains("later"));
}

#[test]
fn a_rule_keeps_quota_and_counts_when_the_rules_are_fetched_again() {
    let (mut rig, daemon) = Rig::started(|call| match call.operation.as_str() {
        "GetSamplingRules" => Reply::Json(rules(&[rule("a", "*", 0.0, 1)])),
        _ => Reply::Json(targets(
            &json!([{"RuleName": "a", "ReservoirQuota": 2, "ReservoirQuotaTTL": START + 9_999_999}]),
        )),
    });
    rig.decide("/");
    rig.pass(Duration::from_secs(299));
    daemon.calls();
    assert!(rig.decide("/"));
    rig.poller.fetch();
    assert_eq!([rig.decide("/"), rig.decide("/")], [true, false]);
    rig.period();
    assert_eq!(reported(&daemon.calls()), [("a".to_owned(), [3, 0, 2])]);
}

#[test]
fn the_rate_that_the_service_assigned_outlives_the_next_fetch() {
    let (mut rig, _daemon) = Rig::started(|call| match call.operation.as_str() {
        "GetSamplingRules" => Reply::Json(rules(&[rule("a", "*", 0.0, 0)])),
        _ => Reply::Json(targets(&json!([{"RuleName": "a", "FixedRate": 1.0}]))),
    });
    assert!(!rig.decide("/"));
    rig.period();
    assert!(rig.decide("/"), "the target's rate");
    rig.poller.fetch();
    assert!(rig.decide("/"));
}

/// The service's side of a reservoir: all clients that report share it.
fn shared_reservoir(size: u64) -> impl FnMut(&Call) -> Reply {
    let mut clients = BTreeMap::<String, u64>::new();
    move |call| {
        let Some(document) = call.body["SamplingStatisticsDocuments"].get(0) else {
            return Reply::Json(rules(&[rule("a", "*", 0.0, 1)]));
        };
        let now = document["Timestamp"].as_u64().unwrap();
        clients.insert(document["ClientID"].as_str().unwrap().to_owned(), now);
        clients.retain(|_, seen| *seen + 30 > now);
        let place = clients.keys().position(|client| client == document["ClientID"].as_str().unwrap()).unwrap() as u64;
        let count = clients.len() as u64;
        let quota = size / count + u64::from(place < size % count);
        Reply::Json(targets(&json!([{"RuleName": "a", "ReservoirQuota": quota, "ReservoirQuotaTTL": now + 15}])))
    }
}

#[test]
fn four_processes_share_a_quota_exactly_in_each_second_of_an_hour() {
    const SIZE: u64 = 10;
    let daemon = Daemon::start(shared_reservoir(SIZE));
    let mut processes: Vec<_> = (0..4).map(|_| Rig::new(&daemon.address().into())).collect();
    for second in 0..3600 {
        let mut taken = 0;
        for process in &mut processes {
            process.pass(Duration::from_secs(1));
            taken += (0..8).filter(|_| process.decide("/")).count() as u64;
        }
        // At first each process borrows one; then they receive quotas, one after the other.
        match second {
            0..30 => assert!(taken <= 4 * SIZE),
            _ => assert_eq!(taken, SIZE, "second {second}"),
        }
    }
}

#[test]
fn statistics_of_sixteen_threads_add_up_while_every_other_report_fails() {
    let mut fails = false;
    let total = Arc::new(AtomicU64::new(0));
    let sum = total.clone();
    let (mut rig, _daemon) = Rig::started(move |call| {
        if call.operation == "GetSamplingRules" {
            return Reply::Json(rules(&[rule("a", "*", 0.5, 1)]));
        }
        fails = !fails;
        if fails {
            return Reply::Status(500, "");
        }
        let [requests, borrowed, sampled] = reported(std::slice::from_ref(call))[0].1;
        assert!(borrowed + sampled <= requests);
        sum.fetch_add(requests, SeqCst);
        Reply::Json(targets(&json!([])))
    });
    let Rig { central, poller, clock, .. } = &mut rig;
    thread::scope(|scope| {
        let central = &*central;
        let threads: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| (0..20_000).for_each(|_| drop(central.decide(&SamplingRequest::new("shop"))))))
            .collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            clock.advance(Duration::from_secs(11));
            poller.poll();
        }
    });
    for _ in 0..3 {
        clock.advance(Duration::from_secs(11));
        poller.poll();
    }
    assert_eq!(total.load(SeqCst), 16 * 20_000);
}

#[test]
fn a_decision_allocates_nothing() {
    let records: Vec<_> = (0..20).map(|n| rule(&format!("r{n}"), &format!("/*/{n}?/*"), 0.5, 1)).collect();
    let (rig, _daemon) = Rig::started(by(records));
    rig.decide("/a/190/b");
    for path in ["/a/10b/c", "/a/19x/b", "/nothing"] {
        let counted = allocation_counter::measure(|| _ = rig.decide(path));
        assert_eq!(counted.count_total, 0, "{path}");
    }
}

/// A rule whose rate may be boosted.
fn boosted_rule(name: &str, path: &str) -> Value {
    let mut record = rule(name, path, 0.0, 0);
    record["SamplingRule"]["SamplingRateBoost"] = json!({"MaxRate": 0.8, "CooldownWindowMinutes": 10});
    record
}

/// Returns the reports about boosts, without the times.
fn boosts(calls: &[Call]) -> Vec<Value> {
    let documents = calls.iter().flat_map(|call| list(&call.body["SamplingBoostStatisticsDocuments"]));
    documents
        .map(|document| {
            let mut document = document.clone();
            assert!(document["Timestamp"].take().as_u64().unwrap() > START);
            document
        })
        .collect()
}

/// Serves requests through a recorder; each gets a status or is dropped.
fn serve(recorder: &crate::Recorder, target: &str, header: Option<&str>, statuses: &[Option<u16>]) {
    use crate::adapter::{BodyLength, ServerOptions, ServerRequest, ServerRequestDetails, ServerRequestInfo};
    use crate::http::HttpResponse;
    for status in statuses {
        let request = ServerRequestInfo { method: "GET", target, trace_header: header, ..ServerRequestInfo::default() };
        let mut incoming =
            ServerRequest::begin(recorder, &ServerOptions::new("shop"), &request, ServerRequestDetails::default);
        if let Some(status) = status {
            incoming.head(HttpResponse::new(*status), BodyLength::Nothing);
        }
    }
}

/// Creates a recorder with a rig's sampler.
fn recorder(rig: &mut Rig) -> crate::Recorder {
    let central = std::mem::take(&mut rig.central);
    recorder_by(rig, central)
}

fn recorder_by(rig: &Rig, sampler: impl Sampler) -> crate::Recorder {
    let builder = crate::Recorder::builder().environment(|_| None).emitter(crate::emit::MemoryEmitter::new());
    builder.clock(rig.clock.clone()).sampling(sampler).build().unwrap()
}

#[test]
fn requests_of_a_rule_with_a_boost_are_counted_whether_sampled_or_not() {
    let (mut rig, daemon) = Rig::started(by(vec![boosted_rule("a", "/a"), rule("b", "/b", 1.0, 0)]));
    let recorder = recorder(&mut rig);
    serve(&recorder, "/a", None, &[Some(200), Some(499), Some(500), Some(503), None]);
    serve(&recorder, "/b", None, &[Some(500)]);
    let decided = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=";
    serve(&recorder, "/a", Some(&format!("{decided}0")), &[Some(500)]);
    serve(&recorder, "/a", Some(&format!("{decided}1")), &[Some(500)]);
    daemon.calls();
    rig.period();
    let calls = daemon.calls();
    assert_eq!(
        boosts(&calls),
        [json!({"RuleName": "a", "ServiceName": "shop", "Timestamp": null, "TotalCount": 5,
        "AnomalyCount": 3, "SampledAnomalyCount": 0})]
    );
    assert_eq!(reported(&calls), [("a".to_owned(), [5, 0, 0]), ("b".to_owned(), [1, 0, 1])]);
    rig.period();
    assert_eq!(daemon.calls().len(), 0);
}

#[test]
fn requests_with_a_deferred_decision_are_counted_too() {
    let (mut rig, daemon) = Rig::started(by(vec![boosted_rule("a", "*")]));
    let central = std::mem::take(&mut rig.central);
    let recorder = recorder_by(&rig, crate::sampling::TailSampler::failures().or_sampled_by(central));
    serve(&recorder, "/", None, &[Some(200), Some(500), Some(200)]);
    daemon.calls();
    rig.period();
    let got = &boosts(&daemon.calls())[0];
    let counts = ["TotalCount", "AnomalyCount", "SampledAnomalyCount"].map(|name| got[name].as_u64());
    assert_eq!(counts, [Some(3), Some(1), Some(1)]);
}

#[test]
fn a_fault_of_grpc_is_an_anomaly() {
    use crate::adapter::{BodyLength, ServerOptions, ServerRequest, ServerRequestDetails, ServerRequestInfo};
    use crate::grpc::GrpcStatus;
    use crate::http::HttpResponse;
    for configured in [false, true] {
        let (mut rig, daemon) = Rig::started(by(vec![boosted_rule("a", "*")]));
        if configured {
            rig.central = std::mem::take(&mut rig.central).anomaly(crate::sampling::Anomaly::status("5??"));
        }
        let recorder = recorder(&mut rig);
        // Not found, internal and unavailable, in the headers or in the trailers.
        for (code, in_headers) in [(5, true), (5, false), (13, true), (14, false)] {
            let request =
                ServerRequestInfo { method: "POST", target: "/shop.Orders/Place", ..ServerRequestInfo::default() };
            let mut incoming =
                ServerRequest::begin(&recorder, &ServerOptions::new("shop"), &request, ServerRequestDetails::default);
            if in_headers {
                incoming.grpc_status(GrpcStatus::new(code));
                incoming.head(HttpResponse::new(200), BodyLength::Nothing);
            } else {
                incoming.head(HttpResponse::new(200), BodyLength::Unknown);
                incoming.grpc_status(GrpcStatus::new(code));
                incoming.end();
            }
        }
        daemon.calls();
        rig.period();
        let got = &boosts(&daemon.calls())[0];
        assert_eq!((&got["TotalCount"], &got["AnomalyCount"]), (&json!(4), &json!(2)), "{configured}");
    }
}

#[test]
fn a_rule_may_disable_the_default_anomalies() {
    for (conditions, anomalies) in [(false, 0), (true, 1)] {
        let mut record = boosted_rule("a", "*");
        record["SamplingRule"]["SamplingRateBoost"]["DisableDefaultAnomalyDetection"] = json!(true);
        let (mut rig, daemon) = Rig::started(by(vec![record]));
        if conditions {
            rig.central = std::mem::take(&mut rig.central).anomaly(crate::sampling::Anomaly::status("5??"));
        }
        let recorder = recorder(&mut rig);
        serve(&recorder, "/", None, &[Some(500)]);
        daemon.calls();
        rig.period();
        let got = &boosts(&daemon.calls())[0];
        assert_eq!((&got["TotalCount"], &got["AnomalyCount"]), (&json!(1), &json!(anomalies)));
    }
}

#[test]
fn a_boost_replaces_the_rate_until_it_ends_or_is_revoked() {
    let mut calls = 0;
    let (mut rig, daemon) = Rig::started(move |call| {
        if call.operation == "GetSamplingRules" {
            return Reply::Json(rules(&[boosted_rule("a", "*")]));
        }
        calls += 1;
        let mut target = json!({"RuleName": "a", "FixedRate": 0.0});
        if calls % 2 == 1 {
            target["SamplingBoost"] =
                json!({"BoostRate": 1.0, "BoostRateTTL": START as f64 + 10.5 * calls as f64 + 15.0});
        }
        Reply::Json(targets(&json!([target])))
    });
    assert!(!rig.decide("/"));
    rig.period();
    assert!(rig.decide("/"), "boosted");
    assert!(rig.explain("/").starts_with("sampled by the rule \"a\""));
    rig.period();
    assert!(!rig.decide("/"), "a target without a boost ends it");
    rig.period();
    assert!(rig.decide("/"));
    rig.pass(Duration::from_secs(9));
    daemon.calls();
    rig.clock.advance(Duration::from_secs(9));
    assert!(!rig.decide("/"), "it ends without a response of the service");
}

#[test]
fn configured_anomalies_replace_the_default_and_failed_reports_lose_nothing() {
    let mut calls = 0;
    let (mut rig, daemon) = Rig::started(move |call| {
        if call.operation == "GetSamplingRules" {
            return Reply::Json(rules(&[boosted_rule("a", "*")]));
        }
        calls += 1;
        let mut answer = targets(&json!([]));
        if calls == 2 {
            answer["UnprocessedBoostStatistics"] = json!([{"RuleName": "a", "ErrorCode": "500", "Message": "later"}]);
        }
        if calls == 1 { Reply::Status(500, "") } else { Reply::Json(answer) }
    });
    let slow = crate::sampling::Anomaly::slower_than(Duration::ZERO).operation("GET /slow");
    rig.central = std::mem::take(&mut rig.central).anomaly(crate::sampling::Anomaly::status("4??")).anomaly(slow);
    let recorder = recorder(&mut rig);
    daemon.calls();
    serve(&recorder, "/", None, &[Some(200), Some(404), Some(500)]);
    serve(&recorder, "/slow/1", None, &[Some(200)]);
    for (total, anomalies) in [(4, 2), (5, 3), (6, 4)] {
        rig.period();
        let calls: Vec<_> = daemon.calls().into_iter().filter(|call| call.operation == "SamplingTargets").collect();
        let got = &boosts(&calls)[0];
        assert_eq!((&got["TotalCount"], &got["AnomalyCount"]), (&json!(total), &json!(anomalies)));
        serve(&recorder, "/", None, &[Some(429)]);
    }
}
