//! Central sampling: the rules and quotas of the X-Ray service, fetched through the daemon or directly.
//!
//! [`Central`] combines the parts of this module. Each part also works alone, to try rules out or to build a sampler of
//! your own: [`ServiceRules`] matches requests, [`Quota`] is a rule's reservoir, and [`Statistics`] counts decisions.
//!
//! # How a rule decides
//!
//! A rule matches if all its conditions match. `ServiceName` and `ServiceType` match a request whose value is unknown; an
//! `Attribute` must be present; a missing part of the request is matched by `*` only:
//!
//! | condition | compared with |
//! |---|---|
//! | `ServiceName` | [`SamplingRequest::service`], the name of the segment |
//! | `ServiceType` | [`SamplingRequest::service_type`], the `origin` that a [plugin](crate::plugin) has detected |
//! | `Host`, `HTTPMethod`, `URLPath` | [`SamplingRequest::host`], `method` and `path` |
//! | `Attributes` | [`SamplingRequest::attributes`], which a layer's `sampling_attributes` provides |
//! | `ResourceARN` | must be `*`; other rules are skipped |
//!
//! The first matching rule in the order of priority decides:
//! 1. The quota that the service has assigned to this process records the first requests of each second.
//! 2. While there is no valid quota, one request each second is borrowed, if the rule has a reservoir.
//! 3. The rule's rate, which the service may change or boost, records a share of the others.
//!
//! ```
//! use xray_core::sampling::central::{Quota, ServiceRules, Statistics};
//! use xray_core::sampling::{Rate, SamplingRequest};
//!
//! # fn main() -> Result<(), xray_core::sampling::central::ResponseError> {
//! let rules = ServiceRules::from_json(r#"{"SamplingRuleRecords": [{"SamplingRule": {
//!     "RuleName": "checkout", "Priority": 1, "FixedRate": 0.1, "ReservoirSize": 1, "Version": 1, "ResourceARN": "*",
//!     "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "POST", "URLPath": "/checkout"
//! }}]}"#)?;
//! let request = SamplingRequest::new("shop").method("POST").path("/checkout");
//! assert_eq!(rules.matching(&request), Some("checkout"));
//!
//! let (quota, statistics) = (Quota::default(), Statistics::default());
//! quota.load(Some(1), Some(1_700_000_010));
//! let second = || 1_700_000_000;
//! let decisions = [(); 2].map(|()| statistics.sample_and_count(quota.take(second, true), Rate(0.1), || 0.5));
//! assert_eq!(decisions, [true, false], "one by the quota, and then the rate decides");
//! # Ok(())
//! # }
//! ```

mod anomaly;
mod api;
mod boost;
mod poller;
mod quota;
mod rule;
mod statistics;

pub use anomaly::Anomaly;
pub use api::{CallError, SamplingApi};
pub(crate) use boost::{RequestTracker, TrackedRequest};
pub use quota::{Grant, Quota};
pub use rule::{ResponseError, ServiceRules};
pub use statistics::{Counts, Statistics};

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use crate::process::PerProcess;
use crate::sampling::local::Random;
use crate::sampling::{
    Decision, Explanation, Fallback, MatchedRule, Outcome, ParseRulesError, Reason, Rules, Sampler, SamplerContext,
    SamplingRequest,
};
use crate::time::Timestamp;

use api::{Connect, Proxy};
use poller::{Poller, Running};
use rule::ServiceRule;

/// How long fetched rules apply, in seconds.
const LIFE: u64 = 3600;

/// Samples by the rules of the X-Ray service, fetched through the daemon. This is the default sampler of a recorder.
///
/// The first decision starts a thread. It fetches the rules every 5 minutes, and reports every 10 seconds how often
/// each rule was used. The service responds with quotas: the number of requests that this process may record each
/// second, in addition to the share given by the rule's rate. Until a rule has a quota, one request each second is
/// *borrowed*. A change of the rules takes effect after the next report.
///
/// Local rules decide instead
/// - until the service has responded, and if its last response is more than an hour old,
/// - for requests that no rule of the service matches,
/// - in a disabled recorder, and on Lambda, which decides itself for each invocation. The service is not queried there.
///
/// If the daemon cannot be reached, the recorder logs one warning, and requests are not slowed down.
///
/// The daemon's role needs the permissions `xray:GetSamplingRules` and `xray:GetSamplingTargets`. Calls use the TCP
/// port of the daemon's address (`AWS_XRAY_DAEMON_ADDRESS`, default `127.0.0.1:2000`). Where no daemon runs, another
/// [`SamplingApi`] can [call the service](Self::through).
///
/// ```
/// use xray_core::Recorder;
/// use xray_core::sampling::{Central, FixedTarget, Rate, Rules};
///
/// # fn main() -> Result<(), xray_core::ConfigError> {
/// // The default, with other local rules.
/// let recorder = Recorder::builder().sampling(Central::with_fallback(Rules::new(FixedTarget(1), Rate(0.01)))).build()?;
/// // Local rules alone: the service is not queried.
/// let recorder = Recorder::builder().sampling(Rules::default()).build()?;
/// # Ok(())
/// # }
/// ```
///
/// To find out which rule applies to a request, and why, ask the recorder:
///
/// ```
/// use xray_core::Recorder;
/// use xray_core::sampling::SamplingRequest;
///
/// # fn main() -> Result<(), xray_core::ConfigError> {
/// let recorder = Recorder::builder().environment(|_| None).build()?;
/// let request = SamplingRequest::new("shop").method("GET").path("/orders/7");
/// let explanation = recorder.explain(&request).to_string();
/// let by_local_rule = "sampled by the default local rule: 0 of its fixed target of 1 used this second";
/// assert_eq!(explanation, format!("{by_local_rule} (no rules fetched from the X-Ray service yet)"));
/// # Ok(())
/// # }
/// ```
///
/// The thread ends with the recorder. A forked child starts its own thread within a second of the fork, and uses the
/// rules of its parent until it has fetched them itself.
#[derive(Default)]
pub struct Central {
    fallback: Rules,
    random: Random,
    anomalies: Arc<[Anomaly]>,
    /// Creates the client of a poller; `None` for the daemon's.
    connect: Option<Connect>,
    rules: Arc<Current>,
    context: OnceLock<SamplerContext>,
    running: PerProcess<OnceLock<Option<Running>>>,
    /// The last second in which `keep_polling` checked that this process has a poller. A forked child has none yet.
    checked: AtomicU64,
}

/// The current rules. Decisions read them without a lock; the poller replaces them.
#[derive(Debug, Default)]
pub(super) struct Current {
    fetched: ArcSwap<Fetched>,
    /// The service name in reports about boosts: that of the first request that matched a rule with a boost.
    pub(super) service: OnceLock<Box<str>>,
}

/// The rules of one fetch.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    pub(super) rules: ServiceRules,
    /// The time of the request; `None` before the first response.
    pub(super) at: Option<Timestamp>,
}

impl Current {
    pub(super) fn load(&self) -> impl std::ops::Deref<Target = Arc<Fetched>> {
        self.fetched.load()
    }

    pub(super) fn store(&self, rules: ServiceRules, at: Timestamp) {
        self.fetched.store(Arc::new(Fetched { rules, at: Some(at) }));
    }
}

impl Fetched {
    fn is_expired(&self, now: Timestamp) -> bool {
        self.at.is_none_or(|at| now.as_secs().saturating_sub(at.as_secs()) > LIFE)
    }

    /// Why `rule`, the one that matches a request, does not decide; `None` if it does.
    fn refusal(&self, rule: Option<&ServiceRule>, now: Timestamp) -> Option<Fallback> {
        match (self.at, rule) {
            (None, _) => Some(Fallback::NoRules),
            (Some(_), _) if self.is_expired(now) => Some(Fallback::Expired),
            (Some(_), None) => Some(Fallback::NoMatch),
            (Some(_), Some(_)) => None,
        }
    }
}

impl Central {
    /// Creates a sampler that falls back to the [default local rules](Rules::default): one request each second and 5 %
    /// of the others.
    pub fn new() -> Central {
        Central::default()
    }

    /// Creates a sampler that falls back to these local rules.
    pub fn with_fallback(rules: Rules) -> Central {
        Central { fallback: rules, ..Central::default() }
    }

    /// Calls the service by the client that `connect` creates, instead of through the daemon. Calling this again replaces
    /// the client.
    ///
    /// The thread of the sampler creates its client when it starts; a forked child creates its own. As with the daemon, a
    /// disabled recorder and a process on Lambda do not query the service.
    ///
    /// ```
    /// use std::fmt;
    /// use xray_core::Recorder;
    /// use xray_core::sampling::Central;
    /// use xray_core::sampling::central::{CallError, SamplingApi};
    ///
    /// /// Answers with rules of its own.
    /// struct Fixed;
    ///
    /// impl SamplingApi for Fixed {
    ///     fn call(&mut self, operation: &str, _body: &str) -> Result<String, CallError> {
    ///         match operation {
    ///             "GetSamplingRules" => Ok(r#"{"SamplingRuleRecords": []}"#.to_owned()),
    ///             _ => Err(CallError::Refused(format!("{operation} is not supported"))),
    ///         }
    ///     }
    /// }
    ///
    /// impl fmt::Display for Fixed {
    ///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    ///         f.write_str("the fixed rules")
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), xray_core::ConfigError> {
    /// let recorder = Recorder::builder().sampling(Central::new().through(|| Fixed)).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn through<A: SamplingApi + 'static>(mut self, connect: impl Fn() -> A + Send + Sync + 'static) -> Central {
        self.connect = Some(Arc::new(move || Box::new(connect())));
        self
    }

    /// Sets the source of random numbers in `[0, 1)` for the rules of the service (default: a fast generator per
    /// thread). [`Rules::with_random`] sets that of the local rules. Calling this again replaces the source.
    pub fn with_random(mut self, random: impl Fn() -> f64 + Send + Sync + 'static) -> Central {
        self.random = Random::injected(random);
        self
    }

    /// Counts matching requests as anomalies, for adaptive sampling. If a rule has `SamplingRateBoost` and many of its
    /// requests are anomalies, the service may boost the rule: sample more of its requests for a while.
    ///
    /// Requests that come through a server layer are counted, sampled or not, each for the rule that decided about it.
    /// Requests that arrive with their caller's decision are not counted.
    ///
    /// Calling this again adds another kind of anomaly, up to 64; more are ignored. Without any call the
    /// [default](Anomaly) applies, unless the rule sets `DisableDefaultAnomalyDetection`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use xray_core::Recorder;
    /// use xray_core::sampling::{Anomaly, Central};
    ///
    /// let slow = Anomaly::slower_than(Duration::from_secs(1)).operation("POST /checkout");
    /// let sampler = Central::new().anomaly(Anomaly::status("5??")).anomaly(slow);
    /// let recorder = Recorder::builder().sampling(sampler).build();
    /// # assert!(recorder.is_ok());
    /// ```
    pub fn anomaly(mut self, anomaly: Anomaly) -> Central {
        self.anomalies = self.anomalies.iter().cloned().chain([anomaly]).take(64).collect();
        self
    }

    /// Creates a sampler whose poller is driven by a test.
    #[cfg(test)]
    fn driven(context: SamplerContext, fallback: Rules) -> (Central, Poller) {
        let central = Central::with_fallback(fallback);
        let proxy = Proxy::new(context.daemon.as_ref().unwrap().tcp());
        let poller = Poller::new(Box::new(proxy), &context, central.rules.clone());
        central.start(&context);
        central.running.get(OnceLock::new).set(Some(Running::default())).unwrap();
        (central, poller)
    }

    /// Ensures that this process has a poller. Getting the process id is a system call and costs more than the rest of
    /// a decision, so this checks only once a second.
    fn keep_polling(&self, context: &SamplerContext, now: Timestamp) {
        let second = now.as_secs() + 1; // 0: never yet
        if self.checked.load(Relaxed) == second {
            return;
        }
        let forked = || {
            // The parent reports the requests that it has counted.
            self.rules.load().rules.states().for_each(|rule| {
                rule.statistics.take();
            });
            OnceLock::new()
        };
        self.running.get(forked).get_or_init(|| {
            let connect = self.connect.clone().or_else(|| Some(Proxy::connect(context.daemon.as_ref()?.tcp())))?;
            Poller::start(connect, context, &self.rules)
        });
        self.checked.store(second, Relaxed);
    }
}

impl Sampler for Central {
    fn decide(&self, request: &SamplingRequest<'_>) -> Decision {
        let request = request.without_query();
        let Some(context) = self.context.get().filter(|context| context.daemon.is_some()) else {
            return self.fallback.decide(&request);
        };
        let fetched = self.rules.load();
        let Some(rule) = fetched.rules.find(&request) else {
            self.keep_polling(context, context.clock.now());
            return self.fallback.decide(&request);
        };
        let state = &rule.state;
        let used = state.quota.used();
        let now = context.clock.now();
        self.keep_polling(context, now);
        if fetched.is_expired(now) {
            return self.fallback.decide(&request);
        }
        let second = || context.clock.now().as_secs();
        let grant = state.quota.take_after(used, now.as_secs(), second, rule.may_borrow);
        let decision = match state.statistics.sample_and_count(grant, state.rate(now), || self.random.draw()) {
            true => Decision::sampled().with_rule(state.name.clone()),
            false => Decision::not_sampled(),
        };
        decision.with_tracker(rule.may_be_boosted.then(|| {
            self.rules.service.get_or_init(|| request.service.into());
            RequestTracker::new(rule, &self.anomalies)
        }))
    }

    fn validate(&self) -> Result<(), ParseRulesError> {
        self.fallback.validate()
    }

    fn start(&self, context: &SamplerContext) {
        // A sampler that two recorders share belongs to the first.
        let _ = self.context.set(context.clone());
        self.fallback.start(context);
    }

    fn explain(&self, request: &SamplingRequest<'_>) -> Explanation {
        let request = request.without_query();
        let local = |why| Explanation { fallback: Some(why), ..self.fallback.explain(&request) };
        let Some(context) = self.context.get().filter(|context| context.daemon.is_some()) else {
            return local(Fallback::NotQueried);
        };
        let (fetched, now) = (self.rules.load(), context.clock.now());
        let rule = fetched.rules.find(&request);
        if let Some(why) = fetched.refusal(rule, now) {
            return local(why);
        }
        let Some(ServiceRule { state, may_borrow, .. }) = rule else { return local(Fallback::NoMatch) };
        let (grant, taken, quota) = state.quota.peek(now.as_secs(), *may_borrow);
        let outcome = match grant {
            Grant::Take | Grant::Borrow => Outcome::Sampled,
            Grant::No => state.rate(now).into(),
        };
        let reason = match (quota, grant) {
            (Some(quota), _) => Reason::Quota { taken, quota },
            (None, Grant::Borrow) => Reason::Borrowed,
            (None, _) => Reason::NoQuota,
        };
        Explanation::new(outcome).by(MatchedRule::Named(state.name.clone()), reason)
    }
}

impl fmt::Debug for Central {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.rules.load().rules.names().map(str::to_owned).collect();
        f.debug_struct("Central").field("rules", &names).field("fallback", &self.fallback).finish_non_exhaustive()
    }
}
