//! Scenarios of kind `central`: decisions by rules of the service, the resulting calls, and decisions by quotas.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{io, thread};

use serde_json::{Value, json};
use xray_core::Recorder;
use xray_core::emit::DaemonAddress;
use xray_core::sampling::{
    Central, Decision, Explanation, FixedTarget, MatchedRule, Rate, Reason, Rules, Sampler, SamplerContext,
    SamplingRequest,
};

use super::{compare, sent};
use crate::daemon::{ApiCall, Daemon, Proxy};
use crate::golden::Comparison;

/// Timeout for a call that is due within 10 seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Performs the decisions, and compares them, the calls, and the documents.
pub(super) fn perform(golden: &Value) -> Result<Comparison, String> {
    let (rules, targets) = (golden["rules_answer"].clone(), golden["targets_answer"].clone());
    let proxy = Proxy::start(move |call| match call.path.as_str() {
        "/GetSamplingRules" => Some(rules.clone()),
        "/SamplingTargets" => Some(targets.clone()),
        _ => None,
    });
    let proxy = proxy.map_err(|error: io::Error| error.to_string())?;
    let daemon = Daemon::start();
    let address: DaemonAddress = format!("udp:{} tcp:{}", daemon.address(), proxy.address())
        .parse()
        .map_err(|error: xray_core::emit::ParseAddressError| error.to_string())?;
    let sampler = Arc::new(Asked::default());
    let recorder = Recorder::builder().environment(|_| None).daemon(address).sampling(sampler.clone()).build();
    let recorder = recorder.map_err(|error| error.to_string())?;

    // The first decision starts the fetch of the rules, which arrive too late for it.
    recorder.begin("before").close();
    let mut calls = vec![proxy.call(CALL_TIMEOUT).map_err(|error| format!("the rules were not fetched: {error}"))?];
    wait(&recorder, |explanation| matches!(explanation.rule, MatchedRule::Named(_)))?;
    let mut decisions = decide(&recorder, &sampler, &golden["first_decisions_within_one_second"]);
    calls.push(proxy.call(CALL_TIMEOUT).map_err(|error| format!("nothing was reported: {error}"))?);
    wait(&recorder, |explanation| matches!(explanation.reason, Reason::Quota { .. }))?;
    decisions.extend(decide(&recorder, &sampler, &golden["later_decisions"]));

    let mut sent = sent(&recorder, &daemon);
    let recorded = list(&golden["first_decisions_within_one_second"]).iter().chain(list(&golden["later_decisions"]));
    let recorded: Vec<_> = recorded.map(|decision| decision["sampled"] == true).collect();
    // A request that the reference wrongly did not sample has no recorded document to compare with.
    let sampled = decisions.iter().zip(&recorded).filter(|(decision, _)| decision.sampled);
    let mut known = sampled.map(|(_, recorded)| *recorded);
    sent.documents.retain(|_| known.next().unwrap_or(true));
    let mut comparison = compare(golden, sent);
    comparison.failures.extend(wrong_decisions(golden, &decisions));
    let wanted = list(&golden["http_requests"]);
    comparison.failures.extend(wanted.iter().zip(&calls).flat_map(|(want, got)| wrong_call(want, got, &proxy)));
    Ok(comparison)
}

/// The decision on a path.
struct Decided {
    sampled: bool,
    rule: Option<String>,
}

/// Makes all decisions of a list, at the beginning of a second.
fn decide(recorder: &Recorder, sampler: &Asked, decisions: &Value) -> Vec<Decided> {
    let into = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    thread::sleep(Duration::from_nanos(1_000_000_000 - u64::from(into)));
    let decided = list(decisions).iter().map(|decision| {
        *sampler.path() = decision["path"].as_str().unwrap_or_default().to_owned();
        recorder.begin("shop").close();
        let last = sampler.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        let rule = last.as_ref().and_then(Decision::rule).map(|rule| rule.to_string());
        Decided { sampled: last.is_some_and(|decision| decision.is_sampled()), rule }
    });
    decided.collect()
}

/// Waits until the recorder's explanation for a request to the first path satisfies the condition.
fn wait(recorder: &Recorder, until: impl Fn(&Explanation) -> bool) -> Result<(), String> {
    let end = Instant::now() + CALL_TIMEOUT;
    loop {
        let explanation = recorder.explain(&SamplingRequest::new("shop"));
        if until(&explanation) {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(format!("the response was not applied: {explanation}"));
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn wrong_decisions(golden: &Value, decisions: &[Decided]) -> Vec<String> {
    let first = list(&golden["first_decisions_within_one_second"]);
    let later = list(&golden["later_decisions"]);
    let corrected = list(&golden["expected_later_sampled"]);
    let wanted = first.iter().map(|decision| (decision, &decision["sampled"])).chain(
        later.iter().enumerate().map(|(at, decision)| (decision, corrected.get(at).unwrap_or(&decision["sampled"]))),
    );
    let mut wrong = Vec::new();
    for ((recorded, want), got) in wanted.zip(decisions) {
        let rule_is_right = recorded["sampled"] != json!(got.sampled) || recorded["rule_name"] == json!(got.rule);
        if *want != json!(got.sampled) || !rule_is_right {
            wrong.push(format!("{}: sampled {} by {:?}, wanted {want}", recorded["path"], got.sampled, got.rule));
        }
    }
    wrong
}

fn wrong_call(want: &Value, got: &ApiCall, proxy: &Proxy) -> Vec<String> {
    let mut body = got.body.clone();
    for document in body["SamplingStatisticsDocuments"].as_array_mut().into_iter().flatten() {
        let client = document["ClientID"].as_str().unwrap_or_default();
        if client.len() == 24 && client.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            document["ClientID"] = "volatile".into();
        }
        if document["Timestamp"].is_u64() {
            document["Timestamp"] = "volatile".into();
        }
    }
    let mut wanted = want["body"].clone();
    for document in wanted["SamplingStatisticsDocuments"].as_array_mut().into_iter().flatten() {
        (document["ClientID"], document["Timestamp"]) = ("volatile".into(), "volatile".into());
    }
    let host = proxy.address().to_string();
    let wanted = json!({
        "method": want["method"], "path": want["path"], "body": wanted,
        "content-type": want["headers"]["content-type"], "content-length": got.length.to_string(), "host": host,
        "accept-encoding": want["headers"]["accept_encoding"],
    });
    let header = |name: &str| got.header(name);
    let got = json!({
        "method": got.method, "path": got.path, "body": body,
        "content-type": header("content-type"), "content-length": header("content-length"), "host": header("host"),
        "accept-encoding": header("accept-encoding"),
    });
    crate::diff::diff(&wanted, &got).into_iter().map(|line| format!("{}: {line}", want["path"])).collect()
}

/// A sampler that uses central sampling for a path set by the scenario, and remembers the last decision.
#[derive(Default)]
struct Asked {
    central: Inner,
    path: Mutex<String>,
    last: Mutex<Option<Decision>>,
}

struct Inner(Central);

/// The local rules sample nothing.
impl Default for Inner {
    fn default() -> Inner {
        Inner(Central::with_fallback(Rules::new(FixedTarget(0), Rate(0.0))))
    }
}

impl Asked {
    fn path(&self) -> std::sync::MutexGuard<'_, String> {
        self.path.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sampler for Asked {
    fn decide(&self, request: &SamplingRequest<'_>) -> Decision {
        let path = self.path();
        let decision = self.central.0.decide(&request.path(path.as_str()));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(decision.clone());
        decision
    }

    fn start(&self, context: &SamplerContext) {
        self.central.0.start(context);
    }

    fn explain(&self, request: &SamplingRequest<'_>) -> Explanation {
        let path = self.path();
        self.central.0.explain(&request.path(path.as_str()))
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
