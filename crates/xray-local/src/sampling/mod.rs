//! The X-Ray service's side of sampling: rules, and quotas that clients share.

mod edit;
mod error;
mod event;
mod reservoir;
mod rules;
mod usage;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use crate::api::{ApiError, page};
use reservoir::Reservoir;
use usage::Usage;

pub use error::{RulePlace, RulesError};
pub use event::{SamplingEvent, SamplingReport, SamplingTarget};
pub use rules::SamplingRules;

/// Seconds between two reports of a client.
const INTERVAL: u64 = 10;

/// Reports of anomalies in one call.
const MAX_BOOSTS: usize = 25;

/// How long a rate is boosted, in seconds.
const BOOST: u64 = 60;

/// Callback for sampling events.
pub(crate) type Listener = Box<dyn Fn(&SamplingEvent) + Send + Sync>;

/// The rules and their reservoirs.
#[derive(Debug)]
pub(crate) struct Sampling {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rules: SamplingRules,
    /// Reservoirs by the name of the rule.
    reservoirs: HashMap<String, Reservoir>,
    usage: Usage,
    /// By rule, the time to which its rate is boosted, and from which it can be boosted again.
    boosts: HashMap<String, (u64, u64)>,
}

/// One call of a client: the state, the time, and the events so far.
pub(crate) struct Session<'a> {
    state: &'a mut State,
    now: Duration,
    events: Vec<SamplingEvent>,
}

impl Sampling {
    pub(crate) fn new(rules: SamplingRules) -> Sampling {
        Sampling {
            state: Mutex::new(State {
                rules,
                reservoirs: HashMap::new(),
                usage: Usage::default(),
                boosts: HashMap::new(),
            }),
        }
    }

    /// Runs a call with the latest rules. Returns its result with the events, which are to be passed on when no lock is
    /// held.
    pub(crate) fn session<T>(&self, call: impl FnOnce(&mut Session<'_>) -> T) -> (T, Vec<SamplingEvent>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut session = Session { state: &mut state, now: epoch(), events: Vec::new() };
        session.refresh();
        (call(&mut session), session.events)
    }
}

impl Session<'_> {
    /// Reads the rules file again. Clients call every ten seconds: often enough to notice a change, and rarely enough
    /// to read the file on each call.
    fn refresh(&mut self) {
        let State { rules, reservoirs, boosts, .. } = &mut *self.state;
        match rules.refresh(self.now) {
            None => {}
            Some(Ok(())) => {
                reservoirs.retain(|name, _| rules.get(name).is_some());
                boosts.retain(|name, _| rules.get(name).is_some());
                self.events.push(SamplingEvent::RulesChanged(rules.names().count()));
            }
            Some(Err(error)) => self.events.push(SamplingEvent::RulesRefused(error)),
        }
    }

    /// Returns the rules for a store file.
    pub(crate) fn state(&self) -> Value {
        self.state.rules.state()
    }

    /// Returns when the rules came into use, since the epoch.
    pub(crate) fn modified(&self) -> Duration {
        self.state.rules.modified()
    }

    /// Returns the names of the rules.
    pub(crate) fn names(&self) -> Vec<String> {
        self.state.rules.names().map(str::to_owned).collect()
    }

    /// `GetSamplingRules`: returns all rules on one page.
    pub(crate) fn rules(&self) -> Value {
        let records: Vec<_> = self.state.rules.records().collect();
        json!({ "NextToken": null, "SamplingRuleRecords": records })
    }

    /// `GetSamplingStatisticSummaries`: returns the sums of all clients for each window of ten seconds.
    pub(crate) fn statistics(&self, call: &Map<String, Value>) -> Result<Value, ApiError> {
        let summaries = self.state.usage.summaries();
        let (shown, next) = page(call, &summaries, 1_000)?;
        Ok(json!({ "SamplingStatisticSummaries": shown, "NextToken": next }))
    }

    /// Returns the clients that report.
    pub(crate) fn clients(&self) -> Vec<Value> {
        self.state.usage.clients(self.now.as_secs())
    }

    /// `GetSamplingTargets`: returns a target for each report. One invalid report refuses the whole call, so that no
    /// quota is granted by a call that fails.
    pub(crate) fn targets(&mut self, call: &Map<String, Value>) -> Result<Value, ApiError> {
        let documents = call.get("SamplingStatisticsDocuments").and_then(Value::as_array);
        let documents = documents.ok_or(Refusal("SamplingStatisticsDocuments"))?;
        let reports = documents.iter().map(report).collect::<Result<Vec<_>, Refusal>>()?;
        let boosts = match call.get("SamplingBoostStatisticsDocuments") {
            None | Some(Value::Null) => None,
            Some(boosts) => {
                let boosts = boosts.as_array().filter(|boosts| boosts.len() <= MAX_BOOSTS);
                Some(boosts.ok_or(Refusal("SamplingBoostStatisticsDocuments"))?)
            }
        };
        let (mut targets, mut unprocessed) = (Vec::new(), Vec::new());
        for mut report in reports {
            match self.state.rules.get(&report.rule) {
                Some(rule) => {
                    let reservoir = self.state.reservoirs.entry(report.rule.clone()).or_default();
                    let grant = reservoir.grant(&report.client, rule.reservoir, self.now.as_secs());
                    report.target = Some(SamplingTarget { quota: grant.quota, rate: rule.rate });
                    self.state.usage.add(&report, grant, self.now.as_secs());
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
            self.events.push(SamplingEvent::Reported(report));
        }
        let mut response = json!({
            "SamplingTargetDocuments": targets,
            "LastRuleModification": self.state.rules.modified().as_secs_f64(),
            "UnprocessedStatistics": unprocessed,
        });
        if let Some(boosts) = boosts {
            let targets = response["SamplingTargetDocuments"].as_array_mut();
            response["UnprocessedBoostStatistics"] = self.boost(boosts, targets.into_iter().flatten());
        }
        Ok(response)
    }
}

impl Session<'_> {
    /// Boosts the rates of rules with anomalies, if they permit it, and adds the boosts to the targets. Returns the reports
    /// on unknown rules.
    fn boost<'t>(&mut self, reports: &[Value], targets: impl Iterator<Item = &'t mut Value>) -> Value {
        let now = self.now.as_secs();
        let mut unprocessed = Vec::new();
        let limits = |rule: &Value| {
            let boost = rule["SamplingRule"].get("SamplingRateBoost")?;
            Some((boost["MaxRate"].as_f64()?, boost["CooldownWindowMinutes"].as_u64()?))
        };
        for report in reports {
            let name = report["RuleName"].as_str().unwrap_or_default();
            let Some(rule) = self.state.rules.get(name) else {
                unprocessed.push(json!({ "RuleName": name, "ErrorCode": "404", "Message": "unknown rule" }));
                continue;
            };
            let anomalies = report["AnomalyCount"].as_u64().unwrap_or_default();
            let Some((_, cooldown)) = limits(&rule.record).filter(|_| anomalies > 0) else { continue };
            let (until, again) = self.state.boosts.entry(name.to_owned()).or_default();
            if *again <= now {
                *until = now + BOOST;
                *again = until.saturating_add(cooldown.saturating_mul(60));
            }
        }
        for target in targets {
            let name = target["RuleName"].as_str().unwrap_or_default();
            let until = self.state.boosts.get(name).map(|(until, _)| *until).filter(|until| *until > now);
            let rate = self.state.rules.get(name).and_then(|rule| limits(&rule.record)).map(|(rate, _)| rate);
            if let Some((until, rate)) = until.zip(rate) {
                target["SamplingBoost"] = json!({ "BoostRate": rate, "BoostRateTTL": until });
            }
        }
        json!(unprocessed)
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

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> ApiError {
        ApiError::invalid(refusal.to_string())
    }
}

/// Returns the current time since the epoch.
fn epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
