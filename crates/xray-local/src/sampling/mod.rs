//! The two sampling operations of the X-Ray service that SDKs call, served from a rules file.

mod error;
mod event;
mod reservoir;
mod rules;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use crate::http::{Request, Response};
use reservoir::Reservoir;

pub use error::{RulePlace, RulesError};
pub use event::{SamplingEvent, SamplingReport, SamplingTarget};
pub use rules::SamplingRules;

/// Seconds between two reports of a client.
const INTERVAL: u64 = 10;

/// Responds to sampling calls like the X-Ray service.
#[derive(Debug)]
pub(crate) struct Sampling {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rules: SamplingRules,
    /// Reservoirs by the name of the rule.
    reservoirs: HashMap<String, Reservoir>,
}

/// Events in order, to be passed to the callback when no lock is held.
pub(crate) type Events = Vec<SamplingEvent>;

impl Sampling {
    pub(crate) fn new(rules: SamplingRules) -> Sampling {
        Sampling { state: Mutex::new(State { rules, reservoirs: HashMap::new() }) }
    }

    pub(crate) fn respond(&self, request: &Request) -> (Response, Events) {
        let operation = match request.path.as_str() {
            "/GetSamplingRules" => State::rules,
            "/SamplingTargets" => State::targets,
            _ => {
                return (
                    Response::error(404, "unknown operation: expected /GetSamplingRules or /SamplingTargets"),
                    Events::new(),
                );
            }
        };
        if request.method != "POST" {
            return (Response::error(405, "method not allowed: use POST"), Events::new());
        }
        let Some(call) = arguments(&request.body) else {
            return (Response::error(400, "the body is not a JSON object"), Events::new());
        };
        let now = epoch();
        let mut events = Events::new();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Clients call every ten seconds: often enough to notice a change of the file, and rarely enough to read it on
        // each call.
        match state.rules.refresh(now) {
            None => {}
            Some(Ok(())) => {
                let State { rules, reservoirs } = &mut *state;
                reservoirs.retain(|name, _| rules.get(name).is_some());
                events.push(SamplingEvent::RulesChanged(rules.names().count()));
            }
            Some(Err(error)) => events.push(SamplingEvent::RulesRefused(error)),
        }
        let response = match operation(&mut state, &call, now, &mut events) {
            Ok(body) => Response::ok(body),
            Err(refusal) => Response::error(400, refusal.to_string()),
        };
        (response, events)
    }
}

/// Parses the body of a call. Like the service, this accepts an empty body as an empty object.
fn arguments(body: &[u8]) -> Option<Map<String, Value>> {
    if body.is_empty() { Some(Map::new()) } else { serde_json::from_slice(body).ok() }
}

impl State {
    /// `GetSamplingRules`: returns all rules on one page.
    fn rules(&mut self, _: &Map<String, Value>, _: Duration, _: &mut Events) -> Result<Value, Refusal> {
        let records: Vec<_> = self.rules.records().collect();
        Ok(json!({ "NextToken": null, "SamplingRuleRecords": records }))
    }

    /// `GetSamplingTargets`: returns a target for each report. One invalid report refuses the whole call, so that no
    /// quota is granted by a call that fails.
    fn targets(&mut self, call: &Map<String, Value>, now: Duration, events: &mut Events) -> Result<Value, Refusal> {
        let documents = call.get("SamplingStatisticsDocuments").and_then(Value::as_array);
        let documents = documents.ok_or(Refusal("SamplingStatisticsDocuments"))?;
        let reports = documents.iter().map(report).collect::<Result<Vec<_>, Refusal>>()?;
        let (mut targets, mut unprocessed) = (Vec::new(), Vec::new());
        for mut report in reports {
            match self.rules.get(&report.rule) {
                Some(rule) => {
                    let reservoir = self.reservoirs.entry(report.rule.clone()).or_default();
                    let grant = reservoir.grant(&report.client, rule.reservoir, now.as_secs());
                    report.target = Some(SamplingTarget { quota: grant.quota, rate: rule.rate });
                    targets.push(json!({
                        "RuleName": report.rule,
                        "FixedRate": rule.rate,
                        "ReservoirQuota": grant.quota,
                        "ReservoirQuotaTTL": grant.until,
                        "Interval": INTERVAL,
                    }));
                }
                None => unprocessed.push(json!({
                    "RuleName": report.rule,
                    "ErrorCode": "404",
                    "Message": "unknown rule",
                })),
            }
            events.push(SamplingEvent::Reported(report));
        }
        Ok(json!({
            "SamplingTargetDocuments": targets,
            "LastRuleModification": self.rules.modified().as_secs_f64(),
            "UnprocessedStatistics": unprocessed,
        }))
    }
}

/// Reads an element of `SamplingStatisticsDocuments`, as strictly as the service's documentation describes it.
fn report(document: &Value) -> Result<SamplingReport, Refusal> {
    let text = |name: &'static str| document[name].as_str().ok_or(Refusal(name));
    let count = |name: &'static str| document[name].as_u64().ok_or(Refusal(name));
    let rule = text("RuleName")?;
    if !(1..=32).contains(&rule.chars().count()) {
        return Err(Refusal("RuleName"));
    }
    let client = text("ClientID")?;
    if client.len() != 24 || !client.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Refusal("ClientID"));
    }
    document["Timestamp"].as_f64().ok_or(Refusal("Timestamp"))?;
    Ok(SamplingReport {
        rule: rule.to_owned(),
        client: client.to_owned(),
        requests: count("RequestCount")?,
        sampled: count("SampledCount")?,
        borrowed: if document["BorrowCount"].is_null() { 0 } else { count("BorrowCount")? },
        target: None,
    })
}

/// The member of a call that is missing or invalid.
#[derive(Debug)]
struct Refusal(&'static str);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is missing or invalid", self.0)
    }
}

/// Returns the current time since the epoch.
fn epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
