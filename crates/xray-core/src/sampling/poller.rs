//! The conversation with the X-Ray service: rules come, statistics go, quotas come.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::boost::BoostCounts;
use super::central::Current;
use super::proxy::{Proxy, ProxyError};
use super::service_rule::{AnswerError, RuleState, ServiceRules, records};
use super::statistics::Counts;
use super::{Rate, SamplerContext};
use crate::diagnostics::Level;
use crate::time::Timestamp;

/// Between two fetches of the rules, and what is added by chance so that processes started together part ways.
const RULES: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(5));

/// The same between two reports.
const TARGETS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_millis(100));

/// The longest time between two reports of a rule, in periods, whatever the service says: its statistics are for an hour.
const SELDOM: u32 = 360;

/// Statistics that a call may bring.
const MOST_DOCUMENTS: usize = 25;

/// Pages of rules that are fetched: there are some hundred rules at most, and 100 on a page.
const MOST_PAGES: usize = 100;

/// A poller on a thread of its own, which ends when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Running(Arc<Stop>);

#[derive(Debug, Default)]
struct Stop {
    stopped: Mutex<bool>,
    told: Condvar,
}

impl Stop {
    /// Waits for so long, or until it must stop.
    fn wait(&self, pause: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.told.wait_timeout_while(stopped, pause, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Running {
    /// A call that is under way is not waited for.
    fn drop(&mut self) {
        *self.0.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.told.notify_all();
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Poller {
    proxy: Proxy,
    context: SamplerContext,
    current: Arc<Current>,
    client_id: String,
    /// How long a failed fetch of the rules is waited for: more each time.
    patience: Duration,
    /// By the monotonic clock.
    next_rules: Duration,
    next_targets: Duration,
    /// Rules that report less often than at each period: how often, and periods since they did.
    seldom: HashMap<Arc<str>, (u32, u32)>,
    /// The last call failed.
    away: bool,
}

impl Poller {
    /// Starts a poller on a thread, unless there is nobody to ask.
    pub(super) fn start(context: &SamplerContext, current: &Arc<Current>) -> Option<Running> {
        let mut poller = Poller::new(context, current.clone())?;
        let stop = Arc::new(Stop::default());
        let theirs = stop.clone();
        let work = move || {
            while !theirs.wait(poller.poll()) {}
        };
        match thread::Builder::new().name("xray-sampling".to_owned()).spawn(work) {
            Ok(_) => Some(Running(stop)),
            Err(error) => {
                let message = format_args!("local sampling rules decide: no thread to fetch others: {error}");
                context.report(Level::Warn, "no_sampling_thread", message);
                None
            }
        }
    }

    pub(super) fn new(context: &SamplerContext, current: Arc<Current>) -> Option<Poller> {
        let now = context.clock.elapsed();
        Some(Poller {
            proxy: Proxy::new(context.daemon.as_ref()?.tcp()),
            context: context.clone(),
            current,
            client_id: format!("{:024x}", fastrand::u128(..) >> 32),
            patience: TARGETS.0,
            next_rules: now,
            next_targets: now + with_jitter(TARGETS),
            seldom: HashMap::new(),
            away: false,
        })
    }

    /// Does what is due, and tells for how long nothing will be.
    fn poll(&mut self) -> Duration {
        if self.context.clock.elapsed() >= self.next_targets {
            self.next_targets = self.context.clock.elapsed() + with_jitter(TARGETS);
            self.report();
        }
        if self.context.clock.elapsed() >= self.next_rules {
            self.fetch();
        }
        self.next_rules.min(self.next_targets).saturating_sub(self.context.clock.elapsed())
    }

    /// Fetches the rules. An answer without any does not count: every account has one.
    fn fetch(&mut self) {
        let asked = self.context.clock.now();
        let pause = match self.rules() {
            Ok(records) => {
                self.patience = TARGETS.0;
                self.answered();
                let rules = ServiceRules::compile(&records, &self.current.load().rules);
                if !rules.is_empty() {
                    self.seldom.retain(|name, _| rules.state(name).is_some());
                    self.current.store(rules, asked);
                }
                with_jitter(RULES)
            }
            Err(error) => {
                self.failed(&error);
                let pause = self.patience;
                self.patience = (pause * 2).min(RULES.0);
                pause
            }
        };
        self.next_rules = self.context.clock.elapsed() + pause;
    }

    /// The records of all pages.
    fn rules(&self) -> Result<Vec<Value>, ProxyError> {
        let (mut all, mut body) = (Vec::new(), json!({}));
        for _ in 0..MOST_PAGES {
            let answer = self.call("GetSamplingRules", &body)?;
            all.extend_from_slice(records(&answer)?);
            match answer["NextToken"].as_str() {
                None | Some("") => return Ok(all),
                Some(next) => body = json!({ "NextToken": next }),
            }
        }
        Err(AnswerError::Pages.into())
    }

    /// Reports what became of requests, and takes what the service answers.
    fn report(&mut self) {
        let due = self.due();
        for rules in due.chunks(MOST_DOCUMENTS) {
            let taken: Vec<_> = rules.iter().map(Taken::from).collect();
            match self.targets(&taken) {
                Ok(answer) => {
                    self.answered();
                    self.follow(&answer, &taken);
                }
                Err(error) => {
                    taken.iter().for_each(Taken::add_back);
                    taken.iter().for_each(Taken::add_boost_back);
                    return self.failed(&error);
                }
            }
        }
        for rule in due {
            if let Some((_, since)) = self.seldom.get_mut(&rule.name) {
                *since = 0;
            }
        }
    }

    /// The rules that were used and whose time has come.
    fn due(&mut self) -> Vec<Arc<RuleState>> {
        self.seldom.values_mut().for_each(|(_, since)| *since = since.saturating_add(1));
        let is_time = |name| self.seldom.get(name).is_none_or(|(every, since)| since >= every);
        let fetched = self.current.load();
        let was_used = |rule: &RuleState| rule.statistics.counts().requests > 0 || rule.boost.has_counted();
        let used = fetched.rules.states().filter(|rule| was_used(rule));
        used.filter(|rule| is_time(&rule.name)).cloned().collect()
    }

    fn targets(&self, taken: &[Taken]) -> Result<Value, ProxyError> {
        let now = self.context.clock.now().as_secs();
        let used = taken.iter().filter(|taken| taken.counts.requests > 0);
        let documents: Vec<_> = used.map(|taken| taken.document(&self.client_id, now)).collect();
        let mut body = json!({ "SamplingStatisticsDocuments": documents });
        let watched = taken.iter().filter(|taken| taken.boost.total > 0);
        let service = self.current.service.get().map_or("", |service| service);
        let documents: Vec<_> = watched.map(|taken| taken.boost_document(service, now)).collect();
        if !documents.is_empty() {
            body["SamplingBoostStatisticsDocuments"] = documents.into();
        }
        let answer = self.call("SamplingTargets", &body)?;
        match answer["LastRuleModification"].as_f64() {
            Some(_) => Ok(answer),
            None => Err(AnswerError::Field("LastRuleModification").into()),
        }
    }

    fn follow(&mut self, answer: &Value, taken: &[Taken]) {
        for target in list(&answer["SamplingTargetDocuments"]) {
            let Some(rule) = target["RuleName"].as_str().and_then(|name| self.state(name)) else { continue };
            let number = |name: &str| target[name].as_f64().filter(|number| *number >= 0.0);
            rule.boost.set(boost(&target["SamplingBoost"]));
            rule.quota.load(
                number("ReservoirQuota").map(|quota| quota as u32),
                number("ReservoirQuotaTTL").map(|seconds| seconds as u64),
            );
            if let Some(rate) = number("FixedRate") {
                rule.set_rate(Rate(rate.min(1.0)));
            }
            if let Some(seconds) = number("Interval") {
                let periods = (seconds / TARGETS.0.as_secs_f64()).ceil() as u32;
                match periods {
                    0 | 1 => drop(self.seldom.remove(&rule.name)),
                    _ => drop(self.seldom.insert(rule.name.clone(), (periods.min(SELDOM), 0))),
                }
            }
        }
        for (member, add_back) in [
            ("UnprocessedStatistics", Taken::add_back as fn(&Taken)),
            ("UnprocessedBoostStatistics", Taken::add_boost_back),
        ] {
            for refused in list(&answer[member]) {
                let name = refused["RuleName"].as_str();
                taken.iter().filter(|taken| Some(&*taken.rule.name) == name).for_each(add_back);
                let message = format_args!("the X-Ray service refused the statistics of a sampling rule: {refused}");
                self.context.report(Level::Warn, "sampling statistics", message);
            }
        }
        let modified = answer["LastRuleModification"].as_f64().unwrap_or_default();
        let fetched = self.current.load().at.map_or(0.0, |at: Timestamp| at.as_micros() as f64 / 1e6);
        if modified > fetched {
            self.next_rules = Duration::ZERO;
        }
    }

    fn state(&self, name: &str) -> Option<Arc<RuleState>> {
        self.current.load().rules.state(name).cloned()
    }

    fn call(&self, operation: &str, body: &Value) -> Result<Value, ProxyError> {
        let answer = self.proxy.call(operation, &body.to_string())?;
        serde_json::from_str(&answer).map_err(|_| AnswerError::Json.into())
    }

    fn answered(&mut self) {
        if std::mem::take(&mut self.away) {
            let message = format_args!("the X-Ray service answers again: its sampling rules are followed");
            self.context.report(Level::Info, "sampling service is back", message);
            // Not when the patience with an absent daemon ends.
            self.next_rules = Duration::ZERO;
        }
    }

    fn failed(&mut self, error: &ProxyError) {
        if std::mem::replace(&mut self.away, true) {
            let message = format_args!("the X-Ray service is still not reached: {error}");
            return self.context.report(Level::Debug, "sampling service", message);
        }
        let message = format_args!(
            "the X-Ray service is not reached through the daemon: {error}. What is known of its sampling rules counts \
             for an hour, then local rules"
        );
        self.context.report(Level::Warn, "sampling service", message);
    }
}

/// What is reported of a rule.
struct Taken {
    rule: Arc<RuleState>,
    counts: Counts,
    boost: BoostCounts,
}

impl From<&Arc<RuleState>> for Taken {
    fn from(rule: &Arc<RuleState>) -> Taken {
        Taken { rule: rule.clone(), counts: rule.statistics.take(), boost: rule.boost.take() }
    }
}

impl Taken {
    fn add_back(&self) {
        self.rule.statistics.add_back(self.counts);
    }

    fn add_boost_back(&self) {
        self.rule.boost.add_back(self.boost);
    }

    fn document(&self, client_id: &str, now: u64) -> Value {
        json!({
            "RuleName": &*self.rule.name,
            "ClientID": client_id,
            "RequestCount": self.counts.requests,
            "BorrowCount": self.counts.borrowed,
            "SampledCount": self.counts.sampled,
            "Timestamp": now,
        })
    }

    fn boost_document(&self, service: &str, now: u64) -> Value {
        json!({
            "RuleName": &*self.rule.name,
            "ServiceName": service,
            "Timestamp": now,
            "AnomalyCount": self.boost.anomalies,
            "TotalCount": self.boost.total,
            "SampledAnomalyCount": self.boost.sampled_anomalies,
        })
    }
}

/// The boost that a target grants; a target without one ends what was granted before.
fn boost(granted: &Value) -> Option<(Rate, Timestamp)> {
    let number = |name: &str| granted[name].as_f64().filter(|number| *number >= 0.0);
    let until = Timestamp::from_micros((number("BoostRateTTL")? * 1e6) as u64);
    Some((Rate(number("BoostRate")?.min(1.0)), until))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn with_jitter((period, jitter): (Duration, Duration)) -> Duration {
    period + jitter.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests;
