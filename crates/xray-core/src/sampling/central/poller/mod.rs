//! The background poller: fetches rules, reports statistics and receives quotas.
//!
//! | call | when |
//! |---|---|
//! | `GetSamplingRules` | at the start, then every 5 minutes, and at once if the service reports a change or is back |
//! | `GetSamplingRules` after a failure | after 10, 20, 40 and then every 60 seconds |
//! | `SamplingTargets` | every 10 seconds, if a rule was used and is due |
//!
//! A failed report is repeated with the next one: its counts are added back, so none is lost or counted twice. A rule that
//! the account no longer has is reported once more, and then dropped. The thread blocks only in calls, each of which ends
//! within 5 seconds, and in the pause between them, which the end of the recorder interrupts.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::Current;
use super::api::{CallError, Connect, SamplingApi};
use super::boost::BoostCounts;
use super::rule::{ResponseError, RuleState, ServiceRules, records};
use super::statistics::Counts;
use crate::diagnostics::{Cause, Level};
use crate::random;
use crate::sampling::{Rate, SamplerContext};
use crate::time::Timestamp;

/// The time between two fetches of the rules, and the random part that is added to it, so that processes that started
/// together drift apart.
const RULES: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(5));

/// The longest time between two attempts to fetch the rules while they fail.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// The time between two reports, and the random part that is added to it.
const TARGETS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_millis(100));

/// The longest time between two reports of a rule, in periods: an hour, even if the service asks for longer intervals.
const MAX_PERIODS: u32 = 360;

/// The largest number of statistics documents in one call.
const MAX_DOCUMENTS: usize = 25;

/// The largest number of removed rules that wait to be reported. It is only reached if reports keep failing.
const MAX_REMOVED: usize = 1000;

/// The largest number of pages that are fetched. There are some hundred rules at most, and 100 per page.
const MAX_PAGES: usize = 100;

/// The handle of a poller that runs on its own thread. Dropping it ends the thread.
#[derive(Debug, Default)]
pub(super) struct Running(Arc<Stop>);

#[derive(Debug, Default)]
struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Waits for the duration, or until it must stop. Returns whether it must stop.
    fn wait(&self, pause: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(stopped, pause, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Running {
    /// Does not wait for a call that is in progress.
    fn drop(&mut self) {
        *self.0.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }
}

/// Creates a client id of 24 hex digits. It includes the process id, because a forked child inherits the state of its
/// parent's random generator.
fn client_id() -> String {
    let random = random::with(|rng| rng.u128(..)) ^ u128::from(process::id()) << 32;
    format!("{:024x}", random >> 32)
}

/// The state of the poller.
pub(super) struct Poller {
    api: Box<dyn SamplingApi>,
    context: SamplerContext,
    current: Arc<Current>,
    client_id: String,
    /// The pause after the next failed fetch of the rules. It doubles each time.
    backoff: Duration,
    /// When the rules are fetched next, by the monotonic clock.
    next_rules: Duration,
    /// When statistics are reported next, by the monotonic clock.
    next_targets: Duration,
    /// Rules that report less often than every period.
    intervals: HashMap<Arc<str>, Interval>,
    /// Rules that were removed and still have something to report.
    removed: Vec<Arc<RuleState>>,
    /// The time of the last change of the rules, as the service reported it.
    modified: f64,
    /// Whether the last fetch of the rules failed.
    without_rules: bool,
    /// Whether the last report failed.
    without_targets: bool,
}

/// How often a rule reports, and the time since its last report, in periods.
#[derive(Clone, Copy, Debug)]
struct Interval {
    every: u32,
    since: u32,
}

impl Poller {
    /// Starts a poller on its own thread, which creates its client. Returns `None` if the thread cannot be started.
    pub(super) fn start(connect: Connect, context: &SamplerContext, current: &Arc<Current>) -> Option<Running> {
        let stop = Arc::new(Stop::default());
        let (stopping, thread_context, current) = (stop.clone(), context.clone(), current.clone());
        let work = move || {
            let Ok(api) = catch_unwind(AssertUnwindSafe(|| connect())) else {
                let message =
                    format_args!("creating the client for sampling rules panicked: local sampling rules apply");
                return thread_context.diagnostics.report(Level::Error, Cause::SamplerPanicked, message);
            };
            let mut poller = Poller::new(api, &thread_context, current);
            while !stopping.wait(poller.poll_catching_panics()) {}
        };
        match thread::Builder::new().name("xray-sampling".to_owned()).spawn(work) {
            Ok(_) => Some(Running(stop)),
            Err(error) => {
                let message = format_args!(
                    "cannot start the thread that fetches sampling rules ({error}): local sampling rules apply"
                );
                context.diagnostics.report(Level::Warn, Cause::NoSamplingThread, message);
                None
            }
        }
    }

    pub(super) fn new(api: Box<dyn SamplingApi>, context: &SamplerContext, current: Arc<Current>) -> Poller {
        let now = context.clock.elapsed();
        Poller {
            api,
            context: context.clone(),
            current,
            client_id: client_id(),
            backoff: TARGETS.0,
            next_rules: now,
            next_targets: now + with_jitter(TARGETS),
            intervals: HashMap::new(),
            removed: Vec::new(),
            modified: f64::INFINITY,
            without_rules: false,
            without_targets: false,
        }
    }

    /// As [`poll`](Poller::poll), but survives a panic. Nothing in it should panic.
    fn poll_catching_panics(&mut self) -> Duration {
        catch_unwind(AssertUnwindSafe(|| self.poll())).unwrap_or_else(|_| {
            self.context.diagnostics.report(
                Level::Error,
                Cause::SamplerPanicked,
                format_args!("fetching sampling rules panicked: it is tried again"),
            );
            TARGETS.0
        })
    }

    /// Reports and fetches if that is due. Returns the time until something is due again.
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

    /// Fetches the rules. A response without any rule is ignored: every account has one.
    fn fetch(&mut self) {
        let requested_at = self.context.clock.now();
        let pause = match self.rules() {
            Ok(records) => {
                self.backoff = TARGETS.0;
                if std::mem::take(&mut self.without_rules) {
                    self.report_recovery();
                }
                let rules = ServiceRules::compile(&records, &self.current.load().rules);
                if !rules.is_empty() {
                    self.replace(rules, requested_at);
                }
                with_jitter(RULES)
            }
            Err(error) => {
                self.report_failure(&error);
                self.without_rules = true;
                let pause = self.backoff;
                self.backoff = (pause * 2).min(MAX_BACKOFF);
                pause
            }
        };
        self.next_rules = self.context.clock.elapsed() + pause;
    }

    /// Replaces the current rules, and keeps removed ones until they are reported.
    fn replace(&mut self, rules: ServiceRules, requested_at: Timestamp) {
        let before = self.current.load().clone();
        self.intervals.retain(|name, _| rules.state(name).is_some());
        self.removed.extend(before.rules.states().filter(|rule| rules.state(&rule.name).is_none()).cloned());
        self.removed.truncate(MAX_REMOVED);
        self.current.store(rules, requested_at);
    }

    /// Fetches the records of all pages.
    fn rules(&mut self) -> Result<Vec<Value>, PollError> {
        let (mut all, mut body) = (Vec::new(), json!({}));
        for _ in 0..MAX_PAGES {
            let response = self.call("GetSamplingRules", &body)?;
            all.extend_from_slice(records(&response)?);
            match response["NextToken"].as_str() {
                None | Some("") => return Ok(all),
                Some(next) => body = json!({ "NextToken": next }),
            }
        }
        Err(ResponseError::Pages.into())
    }

    /// Reports the statistics of all rules that are due, and applies the targets in the response.
    fn report(&mut self) {
        let due = self.due();
        let mut failure = None;
        for rules in due.chunks(MAX_DOCUMENTS) {
            let taken: Vec<_> = rules.iter().map(Taken::from).collect();
            match self.targets(&taken) {
                Ok(response) => self.apply(&response, &taken),
                Err(error) => {
                    taken.iter().for_each(Taken::add_back);
                    taken.iter().for_each(Taken::add_boost_back);
                    // A rejected report says nothing about the others, unlike an unreachable daemon.
                    let is_unreachable = matches!(error, PollError::Call(CallError::Unreachable(_)));
                    failure = Some(error);
                    if is_unreachable {
                        break;
                    }
                }
            }
        }
        self.removed.retain(|rule| rule.was_used());
        match failure {
            Some(error) => {
                self.report_failure(&error);
                self.without_targets = true;
            }
            None if !due.is_empty() && std::mem::take(&mut self.without_targets) => {
                self.report_recovery();
                // Fetch the rules at once, instead of waiting for the end of the backoff.
                self.next_rules = Duration::ZERO;
            }
            None => {}
        }
    }

    /// Returns the rules that were used and are due to report.
    fn due(&mut self) -> Vec<Arc<RuleState>> {
        self.intervals.values_mut().for_each(|interval| interval.since = interval.since.saturating_add(1));
        let is_time = |name| self.intervals.get(name).is_none_or(|interval| interval.since >= interval.every);
        let fetched = self.current.load();
        let current = fetched.rules.states().filter(|rule| is_time(&rule.name));
        current.chain(&self.removed).filter(|rule| rule.was_used()).cloned().collect()
    }

    /// Reports the statistics, and returns the response with the targets.
    fn targets(&mut self, taken: &[Taken]) -> Result<Value, PollError> {
        let now = self.context.clock.now().as_secs();
        let used = taken.iter().filter(|taken| taken.counts.requests > 0);
        let documents: Vec<_> = used.map(|taken| taken.document(&self.client_id, now)).collect();
        let mut body = json!({ "SamplingStatisticsDocuments": documents });
        let with_boost = taken.iter().filter(|taken| taken.boost.total > 0);
        let service = self.current.service.get().map_or("", |service| service);
        let documents: Vec<_> = with_boost.map(|taken| taken.boost_document(service, now)).collect();
        if !documents.is_empty() {
            body["SamplingBoostStatisticsDocuments"] = documents.into();
        }
        let response = self.call("SamplingTargets", &body)?;
        match response["LastRuleModification"].as_f64() {
            Some(_) => Ok(response),
            None => Err(ResponseError::Field("LastRuleModification").into()),
        }
    }

    /// Applies the targets in a response, adds rejected statistics back, and schedules a fetch if the rules changed.
    fn apply(&mut self, response: &Value, taken: &[Taken]) {
        for taken in taken {
            if let Some(interval) = self.intervals.get_mut(&taken.rule.name) {
                interval.since = 0;
            }
        }
        for target in list(&response["SamplingTargetDocuments"]) {
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
                // The response may name rules that were not reported: their time since the last report stays.
                match (seconds / TARGETS.0.as_secs_f64()).ceil() as u32 {
                    0 | 1 => drop(self.intervals.remove(&rule.name)),
                    periods => {
                        let every = periods.min(MAX_PERIODS);
                        self.intervals.entry(rule.name.clone()).or_insert(Interval { every, since: 0 }).every = every;
                    }
                }
            }
        }
        for (member, add_back) in [
            ("UnprocessedStatistics", Taken::add_back as fn(&Taken)),
            ("UnprocessedBoostStatistics", Taken::add_boost_back),
        ] {
            for rejected in list(&response[member]) {
                let name = rejected["RuleName"].as_str();
                let of_rule = taken.iter().filter(|taken| Some(&*taken.rule.name) == name);
                let (current, removed): (Vec<_>, _) = of_rule.partition(|taken| self.is_current(&taken.rule));
                current.iter().copied().for_each(add_back);
                if current.is_empty() && !removed.is_empty() {
                    // The service no longer knows a removed rule.
                    continue;
                }
                let message = format_args!("the X-Ray service rejected the statistics of a sampling rule: {rejected}");
                self.context.diagnostics.report(Level::Warn, Cause::SamplingStatistics, message);
            }
        }
        let modified = response["LastRuleModification"].as_f64().unwrap_or_default();
        let fetched = self.current.load().at.map_or(0.0, |at: Timestamp| at.as_micros() as f64 / 1e6);
        // The service's clock may differ from ours, so any new change counts as well.
        if modified > fetched || modified > self.modified {
            self.next_rules = Duration::ZERO;
        }
        self.modified = modified;
    }

    /// Whether the rule is still among the fetched ones.
    fn is_current(&self, rule: &Arc<RuleState>) -> bool {
        self.current.load().rules.state(&rule.name).is_some_and(|current| Arc::ptr_eq(current, rule))
    }

    fn state(&self, name: &str) -> Option<Arc<RuleState>> {
        self.current.load().rules.state(name).cloned()
    }

    /// Calls an operation, and parses its response as JSON.
    fn call(&mut self, operation: &str, body: &Value) -> Result<Value, PollError> {
        let response = self.api.call(operation, &body.to_string())?;
        serde_json::from_str(&response).map_err(|_| ResponseError::Json.into())
    }

    /// Logs that the service can be reached again, once both operations work.
    fn report_recovery(&self) {
        if !self.without_rules && !self.without_targets {
            let message = format_args!("reached the X-Ray service again: its sampling rules apply");
            self.context.diagnostics.report(Level::Info, Cause::SamplingServiceBack, message);
        }
    }

    /// Logs a failed call: the first one as a warning, further ones at `debug`. Must be called before the failure is
    /// stored.
    fn report_failure(&self, error: &PollError) {
        if self.without_rules || self.without_targets {
            let message = format_args!("still cannot reach {}: {error}", self.api);
            return self.context.diagnostics.report(Level::Debug, Cause::SamplingService, message);
        }
        let message = format_args!(
            "cannot reach {}: {error}. Sampling rules that were fetched apply for an hour, then local rules",
            self.api
        );
        self.context.diagnostics.report(Level::Warn, Cause::SamplingService, message);
    }
}

/// Why a fetch or a report failed.
#[derive(Debug)]
enum PollError {
    Call(CallError),
    /// The content of the response cannot be used.
    Response(ResponseError),
}

impl From<CallError> for PollError {
    fn from(error: CallError) -> PollError {
        PollError::Call(error)
    }
}

impl From<ResponseError> for PollError {
    fn from(error: ResponseError) -> PollError {
        PollError::Response(error)
    }
}

impl fmt::Display for PollError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PollError::Call(error) => write!(f, "{error}"),
            PollError::Response(error) => write!(f, "{error}"),
        }
    }
}

/// The counts of a rule in one report.
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

/// Reads the boost of a target. A target without one ends an earlier boost.
fn boost(granted: &Value) -> Option<(Rate, Timestamp)> {
    let number = |name: &str| granted[name].as_f64().filter(|number| *number >= 0.0);
    let until = Timestamp::from_micros((number("BoostRateTTL")? * 1e6) as u64);
    Some((Rate(number("BoostRate")?.min(1.0)), until))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Adds a random part to a period.
fn with_jitter((period, jitter): (Duration, Duration)) -> Duration {
    period + jitter.mul_f64(random::share())
}

#[cfg(test)]
mod tests;
