//! The conversation with the X-Ray service: rules come, statistics go, quotas come.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::Current;
use super::boost::BoostCounts;
use super::proxy::{Proxy, ProxyError};
use super::rule::{AnswerError, RuleState, ServiceRules, records};
use super::statistics::Counts;
use crate::diagnostics::{Cause, Level};
use crate::random;
use crate::sampling::{Rate, SamplerContext};
use crate::time::Timestamp;

/// Between two fetches of the rules, and what is added by chance so that processes started together part ways.
const RULES: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(5));

/// The longest time between two attempts at the rules while they fail.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// As [`RULES`], between two reports.
const TARGETS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_millis(100));

/// The longest time between two reports of a rule, in periods, whatever the service says: its statistics are for an hour.
const SELDOM: u32 = 360;

/// Statistics that a call may bring.
const MAX_DOCUMENTS: usize = 25;

/// Rules that are no more, and wait to be reported: more only come when each report fails.
const MAX_LEAVING: usize = 1000;

/// Pages of rules that are fetched: there are some hundred rules at most, and 100 on a page.
const MAX_PAGES: usize = 100;

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

/// 24 hex digits. A forked child has its parent's generator, but not its number.
fn client_id() -> String {
    let random = random::with(|rng| rng.u128(..)) ^ u128::from(process::id()) << 32;
    format!("{:024x}", random >> 32)
}

/// See the module.
#[derive(Debug)]
pub(super) struct Poller {
    proxy: Proxy,
    context: SamplerContext,
    current: Arc<Current>,
    client_id: String,
    /// How long a failed fetch of the rules is waited for: more each time.
    backoff: Duration,
    /// By the monotonic clock.
    next_rules: Duration,
    next_targets: Duration,
    /// Rules that report less often than at each period.
    seldom: HashMap<Arc<str>, Seldom>,
    /// Rules that are no more, and of which something is left to be reported.
    leaving: Vec<Arc<RuleState>>,
    /// When the rules were changed last, as far as the service has said.
    modified: f64,
    /// The rules could not be fetched when they were last asked for.
    without_rules: bool,
    /// The last report failed.
    without_targets: bool,
}

/// When a rule reports, in periods.
#[derive(Clone, Copy, Debug)]
struct Seldom {
    every: u32,
    since: u32,
}

impl Poller {
    /// Starts a poller on a thread, unless there is nobody to ask.
    pub(super) fn start(context: &SamplerContext, current: &Arc<Current>) -> Option<Running> {
        let mut poller = Poller::new(context, current.clone())?;
        let stop = Arc::new(Stop::default());
        let theirs = stop.clone();
        let work = move || {
            while !theirs.wait(poller.poll_unfailing()) {}
        };
        match thread::Builder::new().name("xray-sampling".to_owned()).spawn(work) {
            Ok(_) => Some(Running(stop)),
            Err(error) => {
                let message = format_args!("local sampling rules decide: no thread to fetch others: {error}");
                context.diagnostics.report(Level::Warn, Cause::NoSamplingThread, message);
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
            client_id: client_id(),
            backoff: TARGETS.0,
            next_rules: now,
            next_targets: now + with_jitter(TARGETS),
            seldom: HashMap::new(),
            leaving: Vec::new(),
            modified: f64::INFINITY,
            without_rules: false,
            without_targets: false,
        })
    }

    /// As [`poll`](Poller::poll), and goes on after a panic, which nothing in it should cause.
    fn poll_unfailing(&mut self) -> Duration {
        catch_unwind(AssertUnwindSafe(|| self.poll())).unwrap_or_else(|_| {
            self.context.diagnostics.report(
                Level::Error,
                Cause::SamplerPanicked,
                format_args!("asking for sampling rules panicked"),
            );
            TARGETS.0
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
                self.backoff = TARGETS.0;
                if std::mem::take(&mut self.without_rules) {
                    self.tell_of_return();
                }
                let rules = ServiceRules::compile(&records, &self.current.load().rules);
                if !rules.is_empty() {
                    self.replace(rules, asked);
                }
                with_jitter(RULES)
            }
            Err(error) => {
                self.tell_of_failure(&error);
                self.without_rules = true;
                let pause = self.backoff;
                self.backoff = (pause * 2).min(MAX_BACKOFF);
                pause
            }
        };
        self.next_rules = self.context.clock.elapsed() + pause;
    }

    /// Puts the rules in the place of those before.
    fn replace(&mut self, rules: ServiceRules, asked: Timestamp) {
        let before = self.current.load().clone();
        self.seldom.retain(|name, _| rules.state(name).is_some());
        self.leaving.extend(before.rules.states().filter(|rule| rules.state(&rule.name).is_none()).cloned());
        self.leaving.truncate(MAX_LEAVING);
        self.current.store(rules, asked);
    }

    /// The records of all pages.
    fn rules(&self) -> Result<Vec<Value>, ProxyError> {
        let (mut all, mut body) = (Vec::new(), json!({}));
        for _ in 0..MAX_PAGES {
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
        let mut failure = None;
        for rules in due.chunks(MAX_DOCUMENTS) {
            let taken: Vec<_> = rules.iter().map(Taken::from).collect();
            match self.targets(&taken) {
                Ok(answer) => self.follow(&answer, &taken),
                Err(error) => {
                    taken.iter().for_each(Taken::add_back);
                    taken.iter().for_each(Taken::add_boost_back);
                    // What is wrong with these may be right with the others, if there is anybody at all.
                    let is_absent = matches!(error, ProxyError::Exchange(_));
                    failure = Some(error);
                    if is_absent {
                        break;
                    }
                }
            }
        }
        self.leaving.retain(|rule| rule.was_used());
        match failure {
            Some(error) => {
                self.tell_of_failure(&error);
                self.without_targets = true;
            }
            None if !due.is_empty() && std::mem::take(&mut self.without_targets) => {
                self.tell_of_return();
                // Not when the backoff with an absent daemon ends.
                self.next_rules = Duration::ZERO;
            }
            None => {}
        }
    }

    /// The rules that were used and whose time has come.
    fn due(&mut self) -> Vec<Arc<RuleState>> {
        self.seldom.values_mut().for_each(|seldom| seldom.since = seldom.since.saturating_add(1));
        let is_time = |name| self.seldom.get(name).is_none_or(|seldom| seldom.since >= seldom.every);
        let fetched = self.current.load();
        let current = fetched.rules.states().filter(|rule| is_time(&rule.name));
        current.chain(&self.leaving).filter(|rule| rule.was_used()).cloned().collect()
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
        for taken in taken {
            if let Some(seldom) = self.seldom.get_mut(&taken.rule.name) {
                seldom.since = 0;
            }
        }
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
                // The service may name rules that were not reported: those go on waiting.
                match (seconds / TARGETS.0.as_secs_f64()).ceil() as u32 {
                    0 | 1 => drop(self.seldom.remove(&rule.name)),
                    periods => {
                        let every = periods.min(SELDOM);
                        self.seldom.entry(rule.name.clone()).or_insert(Seldom { every, since: 0 }).every = every;
                    }
                }
            }
        }
        for (member, add_back) in [
            ("UnprocessedStatistics", Taken::add_back as fn(&Taken)),
            ("UnprocessedBoostStatistics", Taken::add_boost_back),
        ] {
            for refused in list(&answer[member]) {
                let name = refused["RuleName"].as_str();
                let refused_of = taken.iter().filter(|taken| Some(&*taken.rule.name) == name);
                let (current, gone): (Vec<_>, _) = refused_of.partition(|taken| self.is_current(&taken.rule));
                current.iter().copied().for_each(add_back);
                if current.is_empty() && !gone.is_empty() {
                    // The service knows the rule no more.
                    continue;
                }
                let message = format_args!("the X-Ray service refused the statistics of a sampling rule: {refused}");
                self.context.diagnostics.report(Level::Warn, Cause::SamplingStatistics, message);
            }
        }
        let modified = answer["LastRuleModification"].as_f64().unwrap_or_default();
        let fetched = self.current.load().at.map_or(0.0, |at: Timestamp| at.as_micros() as f64 / 1e6);
        // The service's clock need not agree with ours: any new change counts, too.
        if modified > fetched || modified > self.modified {
            self.next_rules = Duration::ZERO;
        }
        self.modified = modified;
    }

    fn is_current(&self, rule: &Arc<RuleState>) -> bool {
        self.current.load().rules.state(&rule.name).is_some_and(|current| Arc::ptr_eq(current, rule))
    }

    fn state(&self, name: &str) -> Option<Arc<RuleState>> {
        self.current.load().rules.state(name).cloned()
    }

    fn call(&self, operation: &str, body: &Value) -> Result<Value, ProxyError> {
        let answer = self.proxy.call(operation, &body.to_string())?;
        serde_json::from_str(&answer).map_err(|_| AnswerError::Json.into())
    }

    /// One of the two operations works again, which is said when both do.
    fn tell_of_return(&self) {
        if !self.without_rules && !self.without_targets {
            let message = format_args!("reached the X-Ray service again: its sampling rules apply");
            self.context.diagnostics.report(Level::Info, Cause::SamplingServiceBack, message);
        }
    }

    /// Before the failure is noted: the first one is a warning.
    fn tell_of_failure(&self, error: &ProxyError) {
        if self.without_rules || self.without_targets {
            let message = format_args!("still cannot reach the X-Ray service through the daemon: {error}");
            return self.context.diagnostics.report(Level::Debug, Cause::SamplingService, message);
        }
        let message = format_args!(
            "cannot reach the X-Ray service through the daemon: {error}. Sampling rules that were fetched apply for an \
             hour, then local rules"
        );
        self.context.diagnostics.report(Level::Warn, Cause::SamplingService, message);
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
    period + jitter.mul_f64(random::share())
}

#[cfg(test)]
mod tests;
