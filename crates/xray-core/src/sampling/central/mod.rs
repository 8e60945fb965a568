//! Central sampling: the rules and quotas of the X-Ray service, fetched through the daemon.
//!
//! [`Central`] puts the parts together. Each works alone, to try rules out or in a sampler of your own.

mod anomaly;
mod boost;
mod poller;
mod proxy;
mod quota;
mod rule;
mod statistics;

pub use anomaly::Anomaly;
pub(crate) use boost::{Watch, Watched};
pub use quota::{Grant, Quota};
pub use rule::{AnswerError, ServiceRules};
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

use poller::{Poller, Running};
use rule::ServiceRule;

/// How long the last answer of the service counts, in seconds.
const LIFE: u64 = 3600;

/// Samples by the rules of the X-Ray service, which the daemon is asked for: a recorder's default.
///
/// With the first decision a thread starts that fetches the rules, every 5 minutes, and reports every 10 seconds how
/// often each was used. The service answers by quotas: so many requests of each second this process may record,
/// beside the share that the rule's rate says. Before the first quota of a rule one request of each second is
/// *borrowed*. A change of the rules is followed with the next report.
///
/// Local rules decide as long as the service has not answered, when its last answer is older than an hour, for a
/// request that no rule is for, and wherever nobody is asked: on Lambda, which decides itself, and in a disabled
/// recorder. Without a daemon there is one warning, and nothing is slower.
///
/// ```
/// use xray_core::Recorder;
/// use xray_core::sampling::{Central, FixedTarget, Rate, Rules};
///
/// # fn main() -> Result<(), xray_core::ConfigError> {
/// // As by default, with other local rules.
/// let recorder = Recorder::builder().sampling(Central::with_fallback(Rules::new(FixedTarget(1), Rate(0.01)))).build()?;
/// // Local rules alone: nobody is asked.
/// let recorder = Recorder::builder().sampling(Rules::default()).build()?;
/// # Ok(())
/// # }
/// ```
///
/// The thread ends with the recorder. A forked child starts its own, in the second after the fork, and decides by the
/// rules of its parent until it has fetched them.
#[derive(Default)]
pub struct Central {
    fallback: Rules,
    random: Random,
    anomalies: Arc<[Anomaly]>,
    rules: Arc<Current>,
    context: OnceLock<SamplerContext>,
    running: PerProcess<OnceLock<Option<Running>>>,
    /// The last second in which it was made sure that this process has one: a forked child starts its own.
    checked: AtomicU64,
}

/// The rules that hold now. Decisions read them without a lock; the poller puts others in their place.
#[derive(Debug, Default)]
pub(super) struct Current {
    fetched: ArcSwap<Fetched>,
    /// The service that boosts are reported for: that of the first request which a rule with a boost was for.
    pub(super) service: OnceLock<Box<str>>,
}

/// What was fetched at once.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    pub(super) rules: ServiceRules,
    /// When the service was asked; `None` before the first answer.
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

    /// Why the rule of the service that is for a request, if any, does not decide.
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
    /// The rules of the service, and the [default local ones](Rules::default) where they do not decide.
    pub fn new() -> Central {
        Central::default()
    }

    /// The rules of the service, and these where they do not decide.
    pub fn with_fallback(rules: Rules) -> Central {
        Central { fallback: rules, ..Central::default() }
    }

    /// Takes random numbers in `[0, 1)` from this function, as [`Rules::with_random`] does for the local rules.
    pub fn with_random(mut self, random: impl Fn() -> f64 + Send + Sync + 'static) -> Central {
        self.random = Random::injected(random);
        self
    }

    /// Counts requests of this kind as anomalies, which the service may answer by boosting their rule for a while:
    /// sampling more of its requests. It does so for rules that say `SamplingRateBoost`. Requests that come through a
    /// layer are counted, sampled or not, each for the rule that decided on it; one that came with its caller's
    /// decision is not.
    ///
    /// With several calls each kind counts; without any the [default](Anomaly), unless the rule says
    /// `DisableDefaultAnomalyDetection`. From the 65th on they are ignored.
    pub fn anomaly(mut self, anomaly: Anomaly) -> Central {
        self.anomalies = self.anomalies.iter().cloned().chain([anomaly]).take(64).collect();
        self
    }

    /// A sampler whose poller is driven by a test.
    #[cfg(test)]
    fn driven(context: SamplerContext, fallback: Rules) -> (Central, Poller) {
        let central = Central::with_fallback(fallback);
        let poller = Poller::new(&context, central.rules.clone()).unwrap();
        central.start(&context);
        central.running.get(OnceLock::new).set(Some(Running::default())).unwrap();
        (central, poller)
    }

    /// Makes sure that this process has a poller. Which process it is costs a system call, more than the rest of a
    /// decision: that is asked once a second.
    fn keep_polling(&self, context: &SamplerContext, now: Timestamp) {
        let second = now.as_secs() + 1; // 0: never yet
        if self.checked.load(Relaxed) == second {
            return;
        }
        let forked = || {
            // The parent reports what it has counted itself.
            self.rules.load().rules.states().for_each(|rule| {
                rule.statistics.take();
            });
            OnceLock::new()
        };
        self.running.get(forked).get_or_init(|| Poller::start(context, &self.rules));
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
        let decision = match state.statistics.decide(grant, state.rate(now), || self.random.draw()) {
            true => Decision::sampled().with_rule(state.name.clone()),
            false => Decision::not_sampled(),
        };
        decision.with_watch(rule.may_be_boosted.then(|| {
            self.rules.service.get_or_init(|| request.service.into());
            Watch::new(rule, &self.anomalies)
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
            return local(Fallback::NotAsked);
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
            (None, _) => Reason::NothingToBorrow,
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
