//! The recorder: all configuration in one place, and the way from a request to its segment.

mod builder;
mod flush;

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub use builder::{ConfigError, RecorderBuilder};
pub use flush::FlushedFuture;

use crate::diagnostics::{Cause, Diagnostics, Level};
use crate::emit::{Flushed, MemoryEmitter};
use crate::entity::{Facade, Handle, Kind, Node, NonRecording, Segment, SegmentStart};
use crate::env::Environment;
use crate::header::{SamplingFlag, TraceHeader};
use crate::id::TraceId;
use crate::missing::{ContextMissing, MissingContext};
use crate::naming::repair_name;
use crate::pipeline::Pipeline;
use crate::sampling::{Decision, Explanation, Outcome, Sampler, SamplingRequest, Watch};
use crate::stats::Stats;
use crate::testing::Traces;
use crate::time::{Anchor, Clock};
use crate::user_code;
use crate::w3c::Propagation;

/// The recorder of the process, once there is one.
static GLOBAL: OnceLock<Global> = OnceLock::new();

/// The recorder of the process, and which line made it so.
struct Global {
    recorder: Recorder,
    made: Made,
}

enum Made {
    Installed(&'static Location<'static>),
    /// Something asked for it before any was installed.
    FirstUse(&'static Location<'static>),
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Made::Installed(location) => write!(f, "installed at {location}"),
            Made::FirstUse(location) => write!(f, "made with the default configuration by the first use at {location}"),
        }
    }
}

/// How long the guard of [`Recorder::install`] waits for documents to leave.
const FLUSH_AT_EXIT: Duration = Duration::from_secs(1);

/// Begins segments, and sends what they record: configured once, then immutable, and cheap to clone.
///
/// Most programs need one at most: [`Recorder::builder`] makes it, [`install`](Recorder::install) makes it the
/// process's. Without it [`Recorder::global`] builds itself from the environment.
///
/// ```
/// use xray_core::Recorder;
/// use xray_core::sampling::{FixedTarget, Rate, Rules};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let recorder = Recorder::builder()
///     .service("shop")
///     .service_version(env!("CARGO_PKG_VERSION"))
///     .daemon("127.0.0.1:2000".parse()?)
///     .sampling(Rules::new(FixedTarget(1), Rate(0.05)))
///     .build()?;
/// let _flushed_when_dropped = recorder.install();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    enabled: bool,
    tracing_name: Option<String>,
    context_missing: ContextMissing,
    sampler: Arc<dyn Sampler>,
    /// Everything that outlives the beginning of a trace.
    pipeline: Arc<Pipeline>,
}

/// What stands in while there is no recorder: the environment alone, read once. Asking for it makes no recorder, so that
/// one can still be installed.
struct Unclaimed {
    diagnostics: Diagnostics,
    /// `None` when the SDK is disabled.
    context_missing: Option<ContextMissing>,
}

impl Unclaimed {
    fn get() -> &'static Unclaimed {
        static UNCLAIMED: OnceLock<Unclaimed> = OnceLock::new();
        UNCLAIMED.get_or_init(|| {
            let environment = Environment::read();
            let context_missing = environment.context_missing.clone().unwrap_or_default();
            Unclaimed {
                diagnostics: Diagnostics::new(None, environment.stderr(None)),
                context_missing: (!environment.disabled).then_some(context_missing),
            }
        })
    }
}

/// Where to report what no recorder has to do with: to the process's one, or as one does that is configured by the
/// environment alone.
pub(crate) fn diagnostics_of_process() -> Diagnostics {
    match GLOBAL.get() {
        Some(global) => global.recorder.diagnostics().clone(),
        None => Unclaimed::get().diagnostics.clone(),
    }
}

/// What to do about a missing context. `None` where nothing is recorded anyway.
pub(crate) fn strategy_of_process() -> Option<(&'static ContextMissing, Diagnostics)> {
    let strategy = match GLOBAL.get() {
        Some(Global { recorder: Recorder(inner), .. }) => inner.enabled.then_some(&inner.context_missing),
        None => Unclaimed::get().context_missing.as_ref(),
    };
    Some((strategy?, diagnostics_of_process()))
}

impl Recorder {
    /// Starts the configuration of a recorder.
    pub fn builder() -> RecorderBuilder {
        RecorderBuilder::new()
    }

    /// The recorder of the process: the one [installed](Recorder::install), else one that is configured by the
    /// environment alone, made now.
    #[track_caller]
    pub fn global() -> &'static Recorder {
        if let Some(global) = GLOBAL.get() {
            return &global.recorder;
        }
        let made = Made::FirstUse(Location::caller());
        // Made before the lock is taken: it may log, and the application's logger may use the SDK.
        let recorder = Recorder::builder().build().unwrap_or_else(|_| Recorder::disabled());
        &GLOBAL.get_or_init(|| Global { recorder, made }).recorder
    }

    /// A recorder that does nothing: no thread, no socket, no header, as under `AWS_XRAY_SDK_ENABLED=false`.
    pub fn disabled() -> Recorder {
        RecorderBuilder::isolated().enabled(false).build_valid()
    }

    /// A recorder for tests that samples everything and keeps it in memory, and what it has kept. It reads no
    /// environment.
    pub fn in_memory() -> (Recorder, Traces) {
        let emitter = MemoryEmitter::new();
        let recorder =
            RecorderBuilder::isolated().sampling(crate::sampling::Always).emitter(emitter.clone()).build_valid();
        (recorder, Traces::new(emitter))
    }

    /// Makes this the recorder of the process, for all layers and clients that were not given one. The first
    /// installation counts; so does the first use of [`Recorder::global`]: install at the start of `main`. Code that
    /// asks for the current entity is no such use. [`Installed::is_active`] says whether it counted.
    ///
    /// The guard flushes when it is dropped: hold it until `main` ends, and outside of an asynchronous runtime. A
    /// runtime that ends drops its tasks, which closes what they record; within `#[tokio::main]` the guard would be
    /// dropped before that.
    ///
    /// ```no_run
    /// # use xray_core::Recorder;
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let _flushed_when_dropped = Recorder::builder().service("shop").build()?.install();
    ///     serve() // a function with `#[tokio::main]`: its runtime has ended when it returns
    /// }
    /// # fn serve() -> Result<(), Box<dyn std::error::Error>> { Ok(()) }
    /// ```
    ///
    /// The guard of an installation that came too late flushes the process's recorder as well.
    #[track_caller]
    pub fn install(self) -> Installed {
        let made = Made::Installed(Location::caller());
        if GLOBAL.set(Global { recorder: self.clone(), made }).is_err() {
            self.report_late_install(Location::caller());
        }
        Installed { recorder: self }
    }

    fn report_late_install(&self, location: &Location<'_>) {
        let Some(Global { made, .. }) = GLOBAL.get() else { return };
        self.diagnostics().error(
            Cause::LateInstall,
            format_args!(
                "`install()` at {location} comes too late: the process already has a recorder, {made}. The sampling \
                 rules, the daemon's address and all else of this one are not used. Install it first in `main`"
            ),
        );
    }

    /// Begins a segment of a new trace, if it is sampled.
    #[must_use = "a segment closes when its last handle is dropped"]
    pub fn begin(&self, name: impl AsRef<str>) -> Segment {
        self.begin_from(name, &TraceHeader::default())
    }

    /// Begins a segment that continues the trace of a header: from a message's attribute, or from a protocol
    /// that no adapter knows. A header without a decision leaves it to the sampler.
    ///
    /// ```
    /// # let (recorder, _) = xray_core::Recorder::in_memory();
    /// # let attribute = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
    /// use xray_core::TraceHeader;
    ///
    /// let segment = recorder.begin_from("worker", &TraceHeader::parse(attribute));
    /// ```
    #[must_use = "a segment closes when its last handle is dropped"]
    pub fn begin_from(&self, name: impl AsRef<str>, header: &TraceHeader<'_>) -> Segment {
        self.begin_request(&SamplingRequest::new(name.as_ref()), header)
    }

    /// As [`begin_from`](Recorder::begin_from), with more for sampling rules to go by: where the request was sent,
    /// and what the application knows of it. The segment has the name of the service.
    ///
    /// ```
    /// # let (recorder, _) = xray_core::Recorder::in_memory();
    /// use xray_core::TraceHeader;
    /// use xray_core::sampling::SamplingRequest;
    ///
    /// let attributes = [("tier", "gold")];
    /// let request = SamplingRequest::new("worker").path("/queues/orders").attributes(&attributes);
    /// let segment = recorder.begin_request(&request, &TraceHeader::default());
    /// ```
    #[must_use = "a segment closes when its last handle is dropped"]
    pub fn begin_request(&self, request: &SamplingRequest<'_>, header: &TraceHeader<'_>) -> Segment {
        self.begin_watched(request, header).0
    }

    /// Begins a segment; the sampler decides if the header does not. Its decision may want the end of the request
    /// to be watched.
    pub(crate) fn begin_watched(
        &self,
        request: &SamplingRequest<'_>,
        header: &TraceHeader<'_>,
    ) -> (Segment, Option<Watch>) {
        if !self.0.enabled {
            return (Segment::begun(Handle::Noop), None);
        }
        let cleaned = repair_name(request.service, &self.pipeline().counters, self.diagnostics());
        let service_type = request.service_type.or_else(|| self.pipeline().service_info.origin());
        let request = SamplingRequest { service: &cleaned, service_type, ..*request };
        let (mut decision, explanation) = match header.sampled() {
            Some(SamplingFlag::Sampled) => (Decision::sampled(), None),
            Some(SamplingFlag::NotSampled) => (Decision::not_sampled(), None),
            Some(SamplingFlag::Requested) | None => self.decide(&request),
        };
        let watch = decision.take_watch();
        let segment = Segment::begun(self.begin_decided(Kind::Segment, &cleaned, header, &decision));
        if self.diagnostics().enabled(Level::Debug) {
            self.report_decision(segment.trace_id(), &request, &decision, explanation);
        }
        (segment, watch)
    }

    /// The facade of a Lambda invocation whose header is given: subsegments begun below it belong to the
    /// segment that Lambda sends.
    ///
    /// A header with `Root`, `Parent` and `Sampled` is followed. With `Root` alone Lambda passes a trace
    /// through: then nothing is recorded, and calls carry what was received, `Lineage` included. A header that lacks
    /// more or cannot be read is logged as an error, and without any the [context-missing strategy](ContextMissing)
    /// applies, though it never panics here; in both cases nothing is recorded and calls carry no header.
    pub fn facade(&self, header: &TraceHeader<'_>) -> Facade {
        if !self.0.enabled {
            return Facade::new(Handle::Noop);
        }
        Facade::new(match (header.trace_id(), header.parent(), header.sampled()) {
            (Some(trace_id), Some(_), Some(sampled)) => {
                let sampled = sampled == SamplingFlag::Sampled;
                let decision = if sampled { Decision::sampled() } else { Decision::not_sampled() };
                let said = if sampled { "sampled" } else { "not sampled" };
                let message = format_args!("trace {trace_id}: an invocation of this function: {said} by Lambda");
                self.diagnostics().debug(Cause::Decision, message);
                match self.begin_decided(Kind::Facade, "facade", header, &decision) {
                    Handle::NonRecording(passive) => Handle::NonRecording(passive.serving_invocation()),
                    facade => facade,
                }
            }
            (Some(trace_id), None, None) => Handle::NonRecording(
                NonRecording::passing_through(self.pipeline(), trace_id, header.carried(), header.received())
                    .serving_invocation(),
            ),
            (None, None, None) if header.root().is_none() => {
                self.0.context_missing.apply_in_call(&MissingContext::in_invocation(), self.diagnostics());
                Handle::Noop
            }
            _ => {
                self.diagnostics().error(
                    Cause::InvocationHeader,
                    format_args!(
                        "invocation not recorded: its trace header lacks a readable Root, Parent or Sampled ({header})"
                    ),
                );
                Handle::Noop
            }
        })
    }

    fn begin_decided(&self, kind: Kind, name: &str, header: &TraceHeader<'_>, decision: &Decision) -> Handle {
        let (carried, received) = (header.carried(), header.received());
        if !decision.is_sampled() {
            return Handle::NonRecording(match header.trace_id() {
                Some(trace_id) => NonRecording::new(self.pipeline(), trace_id, carried, received),
                None => NonRecording::without_timestamp(self.pipeline(), carried, received),
            });
        }
        let anchor = Anchor::new(self.clock());
        self.pipeline().ids.reseed(anchor.entropy());
        let (trace_id, parent) = match header.trace_id() {
            Some(trace_id) => (trace_id, header.parent()),
            // A parent without its trace cannot be found.
            None => (self.pipeline().ids.trace_id(anchor.start()), None),
        };
        let beginning = SegmentStart { kind, name, trace_id, parent, carried, received, anchor, decision };
        Handle::Recorded(Node::begin(self.pipeline(), beginning))
    }

    /// Decides, and explains it when someone wants to know.
    fn decide(&self, request: &SamplingRequest<'_>) -> (Decision, Option<Explanation>) {
        // Before it counts the request.
        let explanation = self.diagnostics().enabled(Level::Debug).then(|| self.explanation(request));
        let decision = user_code::call(|| self.0.sampler.decide(request)).unwrap_or_else(|| {
            self.diagnostics()
                .error(Cause::SamplerPanicked, format_args!("the sampler panicked: the request is not sampled"));
            Decision::not_sampled()
        });
        let explanation = explanation.map(|explanation| explanation.decided(&decision));
        (decision, explanation)
    }

    /// Logs a decision; without an explanation it is the caller's.
    fn report_decision(
        &self,
        trace_id: Option<TraceId>,
        request: &SamplingRequest<'_>,
        decision: &Decision,
        explanation: Option<Explanation>,
    ) {
        let Some(trace_id) = trace_id else { return };
        let caller = format_args!("{} by its caller", if decision.is_sampled() { "sampled" } else { "not sampled" });
        match explanation {
            Some(explanation) => {
                self.diagnostics().debug(Cause::Decision, format_args!("trace {trace_id}: {request}: {explanation}"));
            }
            None => self.diagnostics().debug(Cause::Decision, format_args!("trace {trace_id}: {request}: {caller}")),
        }
    }

    /// What the sampler would decide on a request now, by which rule and why. The request is not counted.
    ///
    /// ```
    /// use xray_core::Recorder;
    /// use xray_core::sampling::{FixedTarget, Rate, Rule, Rules, SamplingRequest};
    ///
    /// let rules = Rules::new(FixedTarget(1), Rate(0.05)).rule(Rule::new(FixedTarget(0), Rate(0.0)).path("/health"));
    /// let recorder = Recorder::builder().sampling(rules).build()?;
    /// let request = SamplingRequest::new("shop").method("GET").path("/health");
    /// assert_eq!(recorder.explain(&request).to_string(), "not sampled by the local rule 0: by its rate alone");
    /// # Ok::<(), xray_core::ConfigError>(())
    /// ```
    ///
    /// A caller's own decision comes before that: it is followed unasked.
    pub fn explain(&self, request: &SamplingRequest<'_>) -> Explanation {
        if !self.0.enabled {
            return Explanation::new(Outcome::NotSampled);
        }
        let service_type = request.service_type.or_else(|| self.pipeline().service_info.origin());
        self.explanation(&SamplingRequest { service_type, ..*request })
    }

    fn explanation(&self, request: &SamplingRequest<'_>) -> Explanation {
        user_code::call(|| self.0.sampler.explain(request)).unwrap_or(Explanation::UNKNOWN)
    }

    /// Waits until all documents that are finished now have been handed to the kernel, `timeout` at most.
    ///
    /// It blocks the thread, but no runtime: the documents leave by a thread of their own. Async code awaits
    /// [`flushed`](Recorder::flushed) instead.
    pub fn flush(&self, timeout: Duration) -> Flushed {
        self.pipeline().call_emitter(|emitter| emitter.flush(timeout)).unwrap_or(Flushed::TimedOut { left: 0 })
    }

    /// As [`flush`](Recorder::flush), and reports what is left.
    fn flush_at_exit(&self, timeout: Duration) {
        if let Flushed::TimedOut { left: left @ 1.. } = self.flush(timeout) {
            let message = format_args!(
                "{left} documents were not sent in the second that the guard of `install()` waits for; they are lost if \
                 the process ends now. Call `flush` with more time before the guard is dropped"
            );
            self.diagnostics().error(Cause::Unsent, message);
        }
    }

    /// Is ready when all documents that are finished now have been handed to the kernel.
    pub fn flushed(&self) -> FlushedFuture {
        let (future, then) = FlushedFuture::new();
        self.pipeline().call_emitter(|emitter| emitter.when_flushed(then));
        future
    }

    /// What became of everything so far.
    pub fn stats(&self) -> Stats {
        self.pipeline().counters.snapshot()
    }

    /// Whether the recorder records at all. The environment can turn it off.
    pub fn is_enabled(&self) -> bool {
        self.0.enabled
    }

    pub(crate) fn tracing_name(&self) -> Option<&str> {
        self.0.tracing_name.as_deref()
    }

    pub(crate) fn propagation(&self) -> Propagation {
        self.pipeline().propagation
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.pipeline().clock
    }

    pub(crate) fn diagnostics(&self) -> &Diagnostics {
        &self.pipeline().diagnostics
    }

    fn pipeline(&self) -> &Arc<Pipeline> {
        &self.0.pipeline
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("enabled", &self.0.enabled)
            .field("streaming_threshold", &self.pipeline().streaming_threshold)
            .field("context_missing", &self.0.context_missing)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Flushes the recorder it came from, and that of the process, when it is dropped, for a second at most.
#[derive(Debug)]
#[must_use = "dropping the guard at once flushes nothing that is recorded later"]
pub struct Installed {
    recorder: Recorder,
}

impl Installed {
    /// Whether this recorder is the process's: `false` when another one was installed before, or the default one used,
    /// so that layers and clients do not use this one. An error is logged then, with the line that was first.
    ///
    /// ```
    /// use xray_core::Recorder;
    ///
    /// let first = Recorder::disabled().install();
    /// let late = Recorder::disabled().install();
    /// assert!(first.is_active() && !late.is_active());
    /// ```
    pub fn is_active(&self) -> bool {
        GLOBAL.get().is_some_and(|global| Arc::ptr_eq(&global.recorder.0, &self.recorder.0))
    }
}

impl std::ops::Deref for Installed {
    type Target = Recorder;

    fn deref(&self) -> &Recorder {
        &self.recorder
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let start = Instant::now();
        if let Some(global) = GLOBAL.get()
            && !Arc::ptr_eq(&global.recorder.0, &self.recorder.0)
        {
            // This one came too late: what the program has recorded is mostly there.
            global.recorder.flush_at_exit(FLUSH_AT_EXIT);
        }
        self.recorder.flush_at_exit(FLUSH_AT_EXIT.saturating_sub(start.elapsed()));
    }
}
