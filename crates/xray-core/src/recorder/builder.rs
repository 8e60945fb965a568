//! The builder: all configuration of a recorder.

use std::fmt;
use std::sync::Arc;

use super::{Inner, Recorder};
use crate::diagnostics::{Cause, Diagnostic, Diagnostics, Level, Logger};
use crate::emit::{BackgroundEmitter, DaemonAddress, Emitter, EmitterContext, InlineEmitter};
use crate::env::Environment;
use crate::id::IdSource;
use crate::missing::ContextMissing;
use crate::pipeline::Pipeline;
use crate::plugin::{self, Plugin};
use crate::sampling::{Central, ParseRulesError, Rules, Sampler, SamplerContext};
use crate::service_info::ServiceInfo;
use crate::stats::Counters;
use crate::time::Clock;
use crate::user_code;
use crate::w3c::Propagation;

/// The default of [`RecorderBuilder::streaming_threshold`].
const STREAMING_THRESHOLD: usize = 100;

/// Configures a [`Recorder`].
///
/// Every option has a default. Variables of the environment override options in code:
///
/// | option | default | variable that overrides it |
/// |---|---|---|
/// | [`enabled`](Self::enabled) | on | `AWS_XRAY_SDK_ENABLED`, `AWS_XRAY_SDK_DISABLED` |
/// | [`service`](Self::service), [`service_version`](Self::service_version) | none | |
/// | [`daemon`](Self::daemon) | `127.0.0.1:2000` | `AWS_XRAY_DAEMON_ADDRESS` |
/// | [`sampling`](Self::sampling) | [`Central`], and local rules without the X-Ray service | |
/// | [`streaming_threshold`](Self::streaming_threshold) | 100, on Lambda 0 | |
/// | [`propagation`](Self::propagation) | [`Propagation::default`] | |
/// | [`context_missing`](Self::context_missing) | [`ContextMissing::Log`] | `AWS_XRAY_CONTEXT_MISSING` |
/// | [`capture_backtraces`](Self::capture_backtraces) | off | |
/// | [`collect_sql_queries`](Self::collect_sql_queries) | off | `AWS_XRAY_COLLECT_SQL_QUERIES` |
/// | [`emitter`](Self::emitter) | UDP to the daemon | |
/// | [`on_diagnostic`](Self::on_diagnostic) | the `log` crate, or standard error | |
/// | [`diagnostic_level`](Self::diagnostic_level) | see there | `AWS_XRAY_LOG_LEVEL`, `AWS_XRAY_DEBUG_MODE` |
/// | [`plugin`](Self::plugin) | none | |
///
/// [`build`](Self::build) reads the variables, from the process or from the function given to
/// [`environment`](Self::environment). `AWS_XRAY_TRACING_NAME`, `AWS_XRAY_COLLECT_SQL_QUERIES` and `AWS_LOG_GROUP` have
/// no option here: see the [crate documentation](crate#environment).
///
/// ```
/// use xray_core::Recorder;
/// use xray_core::sampling::{FixedTarget, Rate, Rules};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let recorder = Recorder::builder()
///     .service("shop")
///     .daemon("xray-daemon.internal:2000".parse()?)
///     .sampling(Rules::new(FixedTarget(1), Rate(0.05)))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until it is built"]
pub struct RecorderBuilder {
    /// `None` for the environment of the process.
    environment: Option<Environment>,
    enabled: bool,
    service: Option<String>,
    service_version: Option<String>,
    daemon: DaemonAddress,
    propagation: Propagation,
    threshold: Option<usize>,
    context_missing: ContextMissing,
    backtraces: bool,
    collects_sql: bool,
    sampler: Option<Arc<dyn Sampler>>,
    emitter: Option<Arc<dyn Emitter>>,
    logger: Option<Logger>,
    level: Option<Level>,
    plugins: Vec<Box<dyn Plugin>>,
    clock: Clock,
    ids: IdSource,
}

impl RecorderBuilder {
    pub(super) fn new() -> RecorderBuilder {
        RecorderBuilder {
            environment: None,
            enabled: true,
            service: None,
            service_version: None,
            daemon: DaemonAddress::default(),
            propagation: Propagation::default(),
            threshold: None,
            context_missing: ContextMissing::default(),
            backtraces: false,
            collects_sql: false,
            sampler: None,
            emitter: None,
            logger: None,
            level: None,
            plugins: Vec::new(),
            clock: Clock::system(),
            ids: IdSource::default(),
        }
    }

    /// A builder that ignores the environment.
    pub(super) fn isolated() -> RecorderBuilder {
        RecorderBuilder { environment: Some(Environment::default()), ..RecorderBuilder::new() }
    }

    /// Reads the variables of the environment with `lookup` (default: from the process).
    ///
    /// For variables that come from a configuration file, and for tests, which must not depend on what is set on a
    /// machine. `lookup` is called now, once for each variable. Calling this again replaces all of them.
    ///
    /// ```
    /// use xray_core::Recorder;
    ///
    /// let off = |name: &str| (name == "AWS_XRAY_SDK_ENABLED").then(|| "false".to_owned());
    /// assert!(!Recorder::builder().environment(off).build()?.is_enabled());
    /// assert!(Recorder::builder().environment(|_| None).build()?.is_enabled());
    /// # Ok::<(), xray_core::ConfigError>(())
    /// ```
    pub fn environment(mut self, lookup: impl Fn(&str) -> Option<String>) -> RecorderBuilder {
        self.environment = Some(Environment::from_lookup(lookup));
        self
    }

    /// Sets whether the recorder records at all (default: on).
    ///
    /// A disabled recorder sends nothing, starts no thread, and calls carry no trace header.
    /// `AWS_XRAY_SDK_ENABLED=false` and `AWS_XRAY_SDK_DISABLED=true` disable it in any case. Calling this again
    /// replaces the value.
    ///
    /// ```
    /// # use xray_core::Recorder;
    /// # let on_call = false;
    /// let recorder = Recorder::builder().enabled(on_call).build()?;
    /// assert!(!recorder.is_enabled() && !recorder.begin("shop").is_recording());
    /// # Ok::<(), xray_core::ConfigError>(())
    /// ```
    pub fn enabled(mut self, enabled: bool) -> RecorderBuilder {
        self.enabled = enabled;
        self
    }

    /// Sets the application's name, `service.name` in segments (default: none).
    ///
    /// Longer names are cut to 200 characters. It does not name the segments: the server layer or [`Recorder::begin`] does. Calling
    /// this again replaces the name.
    pub fn service(mut self, name: impl Into<String>) -> RecorderBuilder {
        self.service = Some(name.into());
        self
    }

    /// Sets the application's version, `service.version` in segments (default: none).
    ///
    /// Usually `env!("CARGO_PKG_VERSION")`. Longer versions are cut to 200 characters. Calling this again replaces the version.
    pub fn service_version(mut self, version: impl Into<String>) -> RecorderBuilder {
        self.service_version = Some(version.into());
        self
    }

    /// Sets the address of the X-Ray daemon (default: `127.0.0.1:2000`).
    ///
    /// The daemon receives documents by UDP, and answers requests for sampling rules by TCP. `AWS_XRAY_DAEMON_ADDRESS`
    /// overrides the address. A host name is resolved again from time to time, so that a daemon that moves is found.
    /// Calling this again replaces the address.
    ///
    /// ```
    /// # use xray_core::Recorder;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let recorder = Recorder::builder().daemon("xray-daemon.internal:2000".parse()?).build()?;
    /// // With different addresses for UDP and TCP:
    /// let recorder = Recorder::builder().daemon("tcp:10.0.0.7:2001 udp:10.0.0.7:2000".parse()?).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn daemon(mut self, address: DaemonAddress) -> RecorderBuilder {
        self.daemon = address;
        self
    }

    /// Sets the sampler, which decides about requests whose caller has not decided.
    ///
    /// The default is [`Central`]: the rules of the X-Ray service, which the SDK fetches through the daemon. Without
    /// them, [`Rules::default`] applies: one request per second and 5 % of the others. With
    /// `sampling(Rules::default())` the SDK uses local rules only and contacts no service. Calling this again replaces
    /// the sampler.
    ///
    /// ```
    /// # use xray_core::Recorder;
    /// use xray_core::sampling::{Always, FixedTarget, Rate, Rule, Rules};
    ///
    /// // In development: everything.
    /// let recorder = Recorder::builder().sampling(Always).build()?;
    /// // Local rules: two requests per second and 10 % of the others, and no health checks.
    /// let rules = Rules::new(FixedTarget(2), Rate(0.1)).rule(Rule::new(FixedTarget(0), Rate(0.0)).path("/health"));
    /// let recorder = Recorder::builder().sampling(rules).build()?;
    /// # Ok::<(), xray_core::ConfigError>(())
    /// ```
    ///
    /// On Lambda the decision comes with each invocation, and the SDK does not fetch rules.
    pub fn sampling(mut self, sampler: impl Sampler) -> RecorderBuilder {
        self.sampler = Some(Arc::new(sampler));
        self
    }

    /// Sets how many subsegments a trace holds before it sends complete ones ahead of its segment (default: 100, on
    /// Lambda 0).
    ///
    /// With 0, each subsegment is sent when it closes. A low threshold shows long requests early and bounds their
    /// memory; a high one needs fewer documents. Calling this again replaces the threshold.
    pub fn streaming_threshold(mut self, subsegments: usize) -> RecorderBuilder {
        self.threshold = Some(subsegments);
        self
    }

    /// Sets which trace headers are read and sent (default: [`Propagation::default`]).
    ///
    /// By default, `traceparent` is read if `X-Amzn-Trace-Id` is absent, and sent in the traces that it started.
    /// Calling this again replaces the value.
    pub fn propagation(mut self, propagation: Propagation) -> RecorderBuilder {
        self.propagation = propagation;
        self
    }

    /// Sets what happens when code needs a current entity and there is none (default: [`ContextMissing::Log`]).
    ///
    /// `AWS_XRAY_CONTEXT_MISSING` overrides it. Calling this again replaces the strategy.
    ///
    /// ```
    /// # use xray_core::Recorder;
    /// use xray_core::ContextMissing;
    ///
    /// // In tests: fail where the context is lost.
    /// let recorder = Recorder::builder().context_missing(ContextMissing::Panic).build()?;
    /// # Ok::<(), xray_core::ConfigError>(())
    /// ```
    pub fn context_missing(mut self, strategy: ContextMissing) -> RecorderBuilder {
        self.context_missing = strategy;
        self
    }

    /// Sets whether each exception has the stack of the place where it is recorded (default: no).
    ///
    /// Capturing a stack takes many microseconds. Calling this again replaces the value.
    pub fn capture_backtraces(mut self, capture: bool) -> RecorderBuilder {
        self.backtraces = capture;
        self
    }

    /// Sets whether the texts of database queries are recorded, with literals replaced (default: no).
    ///
    /// `AWS_XRAY_COLLECT_SQL_QUERIES` overrides it. The crate needs the feature `sql-text`. Calling this again replaces the
    /// value.
    pub fn collect_sql_queries(mut self, collect: bool) -> RecorderBuilder {
        self.collects_sql = collect;
        self
    }

    /// Sets the emitter, which sends finished documents.
    ///
    /// The default sends them to the daemon by UDP, from a thread of its own; on Lambda, from the thread that finishes
    /// a document. Calling this again replaces the emitter.
    ///
    /// ```
    /// # use xray_core::Recorder;
    /// use xray_core::emit::MemoryEmitter;
    /// use xray_core::sampling::Always;
    ///
    /// let memory = MemoryEmitter::new();
    /// let recorder = Recorder::builder().sampling(Always).emitter(memory.clone()).build()?;
    /// recorder.begin("shop").close();
    /// # Ok::<(), xray_core::ConfigError>(())
    /// ```
    pub fn emitter(mut self, emitter: impl Emitter) -> RecorderBuilder {
        self.emitter = Some(Arc::new(emitter));
        self
    }

    /// Sets a function that receives the SDK's messages about itself.
    ///
    /// The default is the `log` crate with the target `xray`, or standard error if the application has not installed a
    /// logger. Calling this again replaces the function.
    ///
    /// The function receives warnings and errors, at most one of each [cause](crate::diagnostics::Cause) every ten
    /// seconds; [`diagnostic_level`](RecorderBuilder::diagnostic_level) adds the lower levels. If it panics, the SDK
    /// catches the panic.
    ///
    /// ```
    /// # use xray_core::Recorder;
    /// let recorder = Recorder::builder()
    ///     .on_diagnostic(|diagnostic| eprintln!("{} {}: {diagnostic}", diagnostic.level(), diagnostic.cause()))
    ///     .build()?;
    /// # Ok::<(), xray_core::ConfigError>(())
    /// ```
    pub fn on_diagnostic(mut self, logger: impl Fn(&Diagnostic<'_>) + Send + Sync + 'static) -> RecorderBuilder {
        self.logger = Some(Arc::new(logger));
        self
    }

    /// Sets the lowest level of the SDK's messages.
    ///
    /// The default is `Warn` for a function given to [`on_diagnostic`](RecorderBuilder::on_diagnostic), which receives
    /// warnings and errors in any case, and `Error` for standard error. A logger of the `log` crate filters by its own
    /// level. `AWS_XRAY_LOG_LEVEL` and `AWS_XRAY_DEBUG_MODE` override it. Calling this again replaces the level.
    ///
    /// At `Debug` there are several messages per request: see [`diagnostics`](crate::diagnostics).
    pub fn diagnostic_level(mut self, level: Level) -> RecorderBuilder {
        self.level = Some(level);
        self
    }

    /// Adds a plugin, which detects the platform that the service runs on (default: none).
    ///
    /// Plugins run once, on a thread that starts with the recorder, and nothing waits for them: segments that close
    /// earlier lack the platform's block. They do not run on Lambda, nor in a disabled recorder. Calling this again
    /// adds another plugin. See [`plugin`](crate::plugin).
    ///
    /// ```no_run
    /// # use xray_core::Recorder;
    /// use xray_core::plugin::{Ec2, Ecs};
    ///
    /// let recorder = Recorder::builder().plugin(Ec2::new()).plugin(Ecs::new()).build()?;
    /// # Ok::<(), xray_core::ConfigError>(())
    /// ```
    pub fn plugin(mut self, plugin: impl Plugin) -> RecorderBuilder {
        self.plugins.push(Box::new(plugin));
        self
    }

    /// Sets the clock, for tests (default: the clocks of the system).
    ///
    /// Calling this again replaces the clock.
    ///
    /// ```
    /// # use xray_core::Recorder;
    /// use std::time::Duration;
    /// use xray_core::time::{Clock, Timestamp};
    ///
    /// let clock = Clock::manual(Timestamp::from_micros(1_700_000_000_000_000));
    /// let recorder = Recorder::builder().clock(clock.clone()).build()?;
    /// let segment = recorder.begin("shop");
    /// clock.advance(Duration::from_millis(25));
    /// segment.close(); // took 25 ms
    /// # Ok::<(), xray_core::ConfigError>(())
    /// ```
    pub fn clock(mut self, clock: Clock) -> RecorderBuilder {
        self.clock = clock;
        self
    }

    /// Seeds the generator of ids, so that each run produces the same ids. For tests (default: a random seed).
    ///
    /// Calling this again replaces the seed.
    pub fn seed(mut self, seed: u64) -> RecorderBuilder {
        self.ids = IdSource::seeded(seed);
        self
    }

    /// Reads the environment and builds the recorder.
    ///
    /// This starts a thread only for plugins. The emitter starts its thread and opens its socket with the first
    /// document, and [`Central`](crate::sampling::Central) starts its thread with the first decision.
    ///
    /// A variable that cannot be understood is not an error: the SDK logs it and uses the value set in code.
    ///
    /// # Errors
    ///
    /// Returns an error if an option has an invalid value, such as a sampling rate above 1.
    pub fn build(self) -> Result<Recorder, ConfigError> {
        if let Some(sampler) = &self.sampler {
            user_code::call(|| sampler.validate()).unwrap_or(Ok(())).map_err(ConfigError::Sampling)?;
        }
        Ok(self.build_valid())
    }

    /// Builds the recorder from options that were validated.
    pub(super) fn build_valid(self) -> Recorder {
        let environment = self.environment.unwrap_or_else(Environment::read);
        let diagnostics = Diagnostics::new(self.logger, environment.stderr(self.level));
        let daemon = environment.daemon.unwrap_or(self.daemon);
        let context_missing = environment.context_missing.unwrap_or(self.context_missing);
        if !environment.problems.is_empty() {
            let problems = environment.problems.iter().map(|problem| match problem.variable {
                "AWS_XRAY_DAEMON_ADDRESS" => format!("{problem}: documents are sent to {daemon}"),
                "AWS_XRAY_CONTEXT_MISSING" => format!("{problem}: the strategy is {context_missing:?}"),
                _ => format!("{problem}: it is ignored"),
            });
            // In one message, because the rate limit would suppress a second one of the same cause.
            let problems: Vec<_> = problems.collect();
            diagnostics.error(Cause::Environment, format_args!("{}", problems.join("; ")));
        }
        let counters = Arc::new(Counters::default());
        let emitter = self.emitter.unwrap_or_else(|| {
            let endpoint = daemon.udp().clone();
            match environment.lambda {
                true => Arc::new(InlineEmitter::new(endpoint, counters.clone(), diagnostics.clone())),
                false => Arc::new(BackgroundEmitter::new(endpoint, counters.clone(), diagnostics.clone())),
            }
        });
        emitter.start(&EmitterContext { counters: counters.clone(), diagnostics: diagnostics.clone() });
        let enabled = self.enabled && !environment.disabled;
        let log_group = environment.log_group.as_deref();
        let service_info = ServiceInfo::new(self.service.as_deref(), self.service_version.as_deref(), log_group);
        if enabled && !environment.lambda && !self.plugins.is_empty() {
            plugin::start(self.plugins, service_info.platform().clone(), log_group.is_none(), diagnostics.clone());
        }
        let sampler = self.sampler.unwrap_or_else(|| {
            let local = Rules::default().with_clock(self.clock.clone());
            Arc::new(Central::with_fallback(local))
        });
        let context = SamplerContext {
            clock: self.clock.clone(),
            // On Lambda the decision comes with each invocation.
            daemon: (enabled && !environment.lambda).then_some(daemon),
            diagnostics: diagnostics.clone(),
        };
        if user_code::call(|| sampler.start(&context)).is_none() {
            diagnostics
                .error(Cause::SamplerPanicked, format_args!("the sampler panicked in `start`: the SDK still uses it"));
        }
        let default_threshold = if environment.lambda { 0 } else { STREAMING_THRESHOLD };
        Recorder(Arc::new(Inner {
            enabled,
            tracing_name: environment.tracing_name,
            context_missing,
            sampler,
            pipeline: Arc::new(Pipeline {
                service_info,
                propagation: self.propagation,
                streaming_threshold: self.threshold.unwrap_or(default_threshold),
                captures_backtraces: self.backtraces,
                collects_sql: environment.collect_sql.unwrap_or(self.collects_sql),
                emitter,
                clock: self.clock,
                ids: self.ids,
                diagnostics,
                counters,
            }),
        }))
    }
}

impl fmt::Debug for RecorderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecorderBuilder").finish_non_exhaustive()
    }
}

/// An option of the builder has an invalid value. The message names the field and the values that it accepts.
///
/// ```
/// use xray_core::Recorder;
/// use xray_core::sampling::{FixedTarget, Rate, Rules};
///
/// let error = Recorder::builder().sampling(Rules::new(FixedTarget(1), Rate(5.0))).build().unwrap_err();
/// assert!(error.to_string().starts_with("sampling: "), "{error}");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A sampling rule has a value that is out of range.
    Sampling(ParseRulesError),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Sampling(error) => write!(f, "sampling: {error}"),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConfigError::Sampling(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn all_bad_variables_are_reported_with_what_is_used_instead() {
        let messages = Arc::new(Mutex::new(Vec::new()));
        let sink = messages.clone();
        let logger = move |diagnostic: &Diagnostic<'_>| sink.lock().unwrap().push(diagnostic.to_string());
        let bad = |name: &str| name.starts_with("AWS_XRAY_").then(|| "nonsense".to_owned());
        let recorder = Recorder::builder().environment(bad).on_diagnostic(logger).build().unwrap();
        assert_eq!(recorder.tracing_name(), Some("nonsense"));
        let messages = messages.lock().unwrap().concat();
        assert!(messages.contains("AWS_XRAY_SDK_DISABLED=\"nonsense\""), "{messages}");
        assert!(messages.contains(": documents are sent to 127.0.0.1:2000"), "{messages}");
        assert!(messages.contains(": the strategy is Log"), "{messages}");
        for name in ["AWS_XRAY_DAEMON_ADDRESS", "AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_LOG_LEVEL"] {
            assert!(messages.contains(name), "{name}: {messages}");
        }
    }
}
