//! The configuration of a recorder.

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

/// Subsegments that a trace holds before complete ones are sent ahead of their segment.
const STREAMING_THRESHOLD: usize = 100;

/// Configures a [`Recorder`]. Everything has a default; the environment, read by [`build`](RecorderBuilder::build)
/// or [given](RecorderBuilder::environment), wins over what is said here.
#[must_use = "a builder does nothing until it is built"]
pub struct RecorderBuilder {
    /// `None`: that of the process.
    environment: Option<Environment>,
    enabled: bool,
    service: Option<String>,
    service_version: Option<String>,
    daemon: DaemonAddress,
    propagation: Propagation,
    threshold: Option<usize>,
    context_missing: ContextMissing,
    backtraces: bool,
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
            sampler: None,
            emitter: None,
            logger: None,
            level: None,
            plugins: Vec::new(),
            clock: Clock::system(),
            ids: IdSource::default(),
        }
    }

    /// A builder that reads no environment.
    pub(super) fn isolated() -> RecorderBuilder {
        RecorderBuilder { environment: Some(Environment::default()), ..RecorderBuilder::new() }
    }

    /// Takes the variables from `lookup` instead of the process: from a configuration that has them, or from
    /// nowhere, so that what is set on a machine does not decide a test.
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

    /// Turns recording off: nothing is sent, and calls carry no header (default: on). `AWS_XRAY_SDK_ENABLED=false`
    /// and `AWS_XRAY_SDK_DISABLED=true` turn it off in any case.
    pub fn enabled(mut self, enabled: bool) -> RecorderBuilder {
        self.enabled = enabled;
        self
    }

    /// The application's name, `service.name` in segments; 200 characters are kept. Segments themselves are named by
    /// their layer.
    pub fn service(mut self, name: impl Into<String>) -> RecorderBuilder {
        self.service = Some(name.into());
        self
    }

    /// The application's version, `service.version` in segments: usually `env!("CARGO_PKG_VERSION")`. 200 characters are
    /// kept.
    pub fn service_version(mut self, version: impl Into<String>) -> RecorderBuilder {
        self.service_version = Some(version.into());
        self
    }

    /// Where the X-Ray daemon listens (default: `127.0.0.1:2000`). `AWS_XRAY_DAEMON_ADDRESS` overrides it.
    pub fn daemon(mut self, address: DaemonAddress) -> RecorderBuilder {
        self.daemon = address;
        self
    }

    /// Who decides which requests are recorded when their caller has not (default: [`Central`], the rules of the
    /// X-Ray service, and [`Rules::default`] without them: one request each second and 5 % of the others). With
    /// `sampling(Rules::default())` nobody is asked.
    pub fn sampling(mut self, sampler: impl Sampler) -> RecorderBuilder {
        self.sampler = Some(Arc::new(sampler));
        self
    }

    /// How many subsegments a trace holds before those that are complete are sent ahead of their segment
    /// (default: 100; on Lambda 0). With 0 each subsegment leaves when it closes.
    pub fn streaming_threshold(mut self, subsegments: usize) -> RecorderBuilder {
        self.threshold = Some(subsegments);
        self
    }

    /// Which headers join services (default: `traceparent` is read where X-Ray's header is absent, and sent on
    /// where it came).
    pub fn propagation(mut self, propagation: Propagation) -> RecorderBuilder {
        self.propagation = propagation;
        self
    }

    /// What to do when code asks for the current entity and there is none (default: log an error).
    /// `AWS_XRAY_CONTEXT_MISSING` overrides it.
    pub fn context_missing(mut self, strategy: ContextMissing) -> RecorderBuilder {
        self.context_missing = strategy;
        self
    }

    /// Whether each exception gets the stack of the place where it is recorded (default: no, since capturing
    /// one costs many microseconds).
    pub fn capture_backtraces(mut self, capture: bool) -> RecorderBuilder {
        self.backtraces = capture;
        self
    }

    /// Where finished documents go (default: to the daemon by UDP, from a thread of its own; on Lambda from the
    /// thread that finishes them).
    pub fn emitter(mut self, emitter: impl Emitter) -> RecorderBuilder {
        self.emitter = Some(Arc::new(emitter));
        self
    }

    /// Calls `logger` with the messages of the SDK about itself (default: the `log` facade under the target `xray`,
    /// or standard error when the application has installed no logger). Calling this again replaces the function.
    ///
    /// It receives warnings and errors, at most one of each [cause](crate::diagnostics::Cause) every ten seconds;
    /// [`diagnostic_level`](RecorderBuilder::diagnostic_level) adds the lower levels.
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

    /// Sets the least level of messages (default: `Warn` for a function given to
    /// [`on_diagnostic`](RecorderBuilder::on_diagnostic), which receives warnings and errors in any case, and
    /// `Error` for standard error). An application's own logger decides by its own level.
    /// `AWS_XRAY_LOG_LEVEL` and `AWS_XRAY_DEBUG_MODE` override it.
    ///
    /// At `Debug` there are several lines for each request: see [`diagnostics`](crate::diagnostics).
    pub fn diagnostic_level(mut self, level: Level) -> RecorderBuilder {
        self.level = Some(level);
        self
    }

    /// Adds a plugin, which finds out what the service runs on, once, on a thread that starts with the recorder.
    /// Nothing waits for it: segments that close before its answer lack the block. See [`plugin`](crate::plugin).
    pub fn plugin(mut self, plugin: impl Plugin) -> RecorderBuilder {
        self.plugins.push(Box::new(plugin));
        self
    }

    /// Where times come from, for tests (default: the system's clocks).
    pub fn clock(mut self, clock: Clock) -> RecorderBuilder {
        self.clock = clock;
        self
    }

    /// Makes the same ids in each run, for tests.
    pub fn seed(mut self, seed: u64) -> RecorderBuilder {
        self.ids = IdSource::seeded(seed);
        self
    }

    /// Reads the environment and makes the recorder. No thread is started and no socket opened before the first
    /// document, but for plugins, and for the thread of [`Central`](crate::sampling::Central) with the first decision.
    ///
    /// # Errors
    /// When something said in code makes no sense. A bad environment variable is logged, and ignored.
    pub fn build(self) -> Result<Recorder, ConfigError> {
        if let Some(sampler) = &self.sampler {
            user_code::call(|| sampler.validate()).unwrap_or(Ok(())).map_err(ConfigError::Sampling)?;
        }
        Ok(self.build_valid())
    }

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
            // In one message: a second one of the same cause would be held back.
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
            diagnostics.error(Cause::SamplerPanicked, format_args!("the sampler panicked when it was started"));
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
                collects_sql: environment.collect_sql,
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

/// Something that was said in code and makes no sense. The text names the field and what it accepts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A sampling rule is out of range.
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
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = told.clone();
        let logger = move |diagnostic: &Diagnostic<'_>| sink.lock().unwrap().push(diagnostic.to_string());
        let bad = |name: &str| name.starts_with("AWS_XRAY_").then(|| "nonsense".to_owned());
        let recorder = Recorder::builder().environment(bad).on_diagnostic(logger).build().unwrap();
        assert_eq!(recorder.tracing_name(), Some("nonsense"));
        let told = told.lock().unwrap().concat();
        assert!(told.contains("AWS_XRAY_SDK_DISABLED=\"nonsense\""), "{told}");
        assert!(told.contains(": documents are sent to 127.0.0.1:2000"), "{told}");
        assert!(told.contains(": the strategy is Log"), "{told}");
        for name in ["AWS_XRAY_DAEMON_ADDRESS", "AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_LOG_LEVEL"] {
            assert!(told.contains(name), "{name}: {told}");
        }
    }
}
