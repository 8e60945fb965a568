//! The recorder: it holds the configuration and begins segments.

mod builder;
mod flush;
mod global;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use builder::{ConfigError, RecorderBuilder};
pub use flush::FlushedFuture;
pub use global::Installed;
pub(crate) use global::{diagnostics_of_process, strategy_of_process};

use crate::diagnostics::{Cause, Diagnostics, Level};
use crate::emit::{Flushed, MemoryEmitter};
use crate::entity::{Entity, Facade, Handle, Kind, Node, NonRecording, Segment, SegmentStart, Serves};
use crate::header::{SamplingFlag, TraceHeader};
use crate::id::{EntityId, TraceId};
use crate::missing::{ContextMissing, MissingContext};
use crate::naming::repair_name;
use crate::pipeline::Pipeline;
use crate::sampling::{Decision, Explanation, Outcome, RequestTracker, Sampler, SamplingRequest};
use crate::stats::Stats;
use crate::testing::Traces;
use crate::time::{Anchor, Clock};
use crate::user_code;
use crate::w3c::Propagation;

/// Begins segments and sends what they record. Configured once, immutable and cheap to clone.
///
/// Most programs need only one: [`Recorder::builder`] configures it, and [`install`](Recorder::install) makes it the
/// recorder of the process. Server layers and clients use that one unless they are given another.
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
///
/// A program that installs none uses [`Recorder::global`], configured from the environment. Tests use
/// [`Recorder::in_memory`]:
///
/// ```
/// use xray_core::Recorder;
///
/// let (recorder, traces) = Recorder::in_memory();
/// recorder.begin("shop").annotate("order_id", 7).close();
/// assert_eq!(traces.take().single().tree(), "shop [order_id=7]\n");
/// ```
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

/// What all clones of a recorder share.
struct Inner {
    enabled: bool,
    tracing_name: Option<String>,
    context_missing: ContextMissing,
    sampler: Arc<dyn Sampler>,
    /// What open traces need.
    pipeline: Arc<Pipeline>,
}

impl Recorder {
    /// Returns a builder, which configures a recorder.
    ///
    /// ```
    /// use xray_core::Recorder;
    ///
    /// let recorder = Recorder::builder().service("shop").build()?;
    /// # Ok::<(), xray_core::ConfigError>(())
    /// ```
    pub fn builder() -> RecorderBuilder {
        RecorderBuilder::new()
    }

    /// Returns a recorder that does nothing, as with `AWS_XRAY_SDK_ENABLED=false`.
    ///
    /// It starts no thread, opens no socket and adds no header to calls.
    pub fn disabled() -> Recorder {
        RecorderBuilder::isolated().enabled(false).build_valid()
    }

    /// Returns a recorder for tests, which samples everything, and a handle to the traces that it keeps in memory.
    ///
    /// It ignores the environment.
    ///
    /// ```
    /// use xray_core::Recorder;
    ///
    /// let (recorder, traces) = Recorder::in_memory();
    /// {
    ///     let _in = recorder.begin("shop").enter();
    ///     xray_core::capture("price", |_| ());
    /// }
    /// assert_eq!(traces.take().single().tree(), "shop\n  price\n");
    /// ```
    pub fn in_memory() -> (Recorder, Traces) {
        let emitter = MemoryEmitter::new();
        let recorder =
            RecorderBuilder::isolated().sampling(crate::sampling::Always).emitter(emitter.clone()).build_valid();
        (recorder, Traces::new(emitter))
    }

    /// Begins a segment that starts a new trace. The sampler decides whether it is recorded.
    ///
    /// Use it for jobs and other work without a server layer. The segment is not current until it is
    /// entered.
    ///
    /// ```
    /// # let (recorder, traces) = xray_core::Recorder::in_memory();
    /// let segment = recorder.begin("nightly import");
    /// let guard = segment.enter();
    /// xray_core::capture("download", |_| ());
    /// drop(guard);
    /// segment.close();
    /// # assert_eq!(traces.take().single().tree(), "nightly import\n  download\n");
    /// ```
    ///
    /// For async code, pass the future to [`scope`](Segment::scope), which keeps the segment open until the future is
    /// ready:
    ///
    /// ```
    /// # async fn import() {}
    /// # async fn job(recorder: xray_core::Recorder) {
    /// recorder.begin("nightly import").scope(import()).await;
    /// # }
    /// ```
    ///
    /// Characters that X-Ray does not accept are removed, and names are cut to 200 characters: see
    /// [`clean_name`](crate::clean_name).
    #[must_use = "a segment closes when its last handle is dropped"]
    pub fn begin(&self, name: impl AsRef<str>) -> Segment {
        self.begin_from(name, &TraceHeader::default())
    }

    /// Begins a segment that continues the trace of a header.
    ///
    /// For headers from the attributes of a message, or from a protocol that no adapter knows. The segment follows the
    /// decision in the header. If there is none, the sampler decides; if there is no trace id, the segment starts a new
    /// trace.
    ///
    /// ```
    /// # let (recorder, _) = xray_core::Recorder::in_memory();
    /// # let attribute = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
    /// use xray_core::TraceHeader;
    ///
    /// let segment = recorder.begin_from("worker", &TraceHeader::parse(attribute));
    /// ```
    ///
    /// The sender puts the header into the message, from [`trace_header`](Segment::trace_header):
    ///
    /// ```
    /// # let (recorder, traces) = xray_core::Recorder::in_memory();
    /// use xray_core::TraceHeader;
    ///
    /// let send = recorder.begin("shop").subsegment("queue");
    /// let attribute = send.trace_header().map(|header| header.to_string()).unwrap_or_default();
    ///
    /// // In the service that receives the message:
    /// let worker = recorder.begin_from("worker", &TraceHeader::parse(&attribute));
    /// assert_eq!(worker.trace_id(), send.trace_id());
    /// ```
    #[must_use = "a segment closes when its last handle is dropped"]
    pub fn begin_from(&self, name: impl AsRef<str>, header: &TraceHeader<'_>) -> Segment {
        self.begin_request(&SamplingRequest::new(name.as_ref()), header)
    }

    /// Begins a segment as [`begin_from`](Recorder::begin_from) does, but gives sampling rules more to match: host, method
    /// and path of the request, and attributes that the application knows.
    ///
    /// The segment has the name [`SamplingRequest::service`](SamplingRequest::new).
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
        Segment::begun(self.begin_tracked(request, header, Serves::Other).0)
    }

    /// Begins a segment, whose first owner the caller makes. If the header has no decision, the sampler decides.
    ///
    /// The returned [`RequestTracker`], if any, must observe the end of the request, for adaptive sampling.
    pub(crate) fn begin_tracked(
        &self,
        request: &SamplingRequest<'_>,
        header: &TraceHeader<'_>,
        serves: Serves,
    ) -> (Handle, Option<RequestTracker>) {
        if !self.0.enabled {
            return (Handle::Noop, None);
        }
        let cleaned = repair_name(request.service, &self.pipeline().counters, self.diagnostics());
        let service_type = request.service_type.or_else(|| self.pipeline().service_info.origin());
        let request = SamplingRequest { service: &cleaned, service_type, ..*request };
        let shows_decisions = self.diagnostics().enabled(Level::Debug);
        let mut explanation = None;
        let mut decision = match header.sampled() {
            Some(SamplingFlag::Sampled) => Decision::sampled(),
            Some(SamplingFlag::NotSampled) => Decision::not_sampled(),
            Some(SamplingFlag::Requested) | None => {
                // Before the decision, which counts the request. In a box, as it is large and mostly absent.
                explanation = shows_decisions.then(|| Box::new(self.explanation(&request)));
                self.decide(&request)
            }
        };
        let tracker = decision.take_tracker();
        let segment = self.begin_decided(Kind::Segment, serves, &cleaned, header, &decision);
        if shows_decisions {
            let explanation = explanation.map(|explanation| explanation.decided(&decision));
            self.report_decision(segment.trace_id(), &request, &decision, explanation);
        }
        (segment, tracker)
    }

    /// Returns the facade of a Lambda invocation with this trace header.
    ///
    /// Subsegments below the facade belong to the segment that Lambda sends. The header decides:
    ///
    /// - With `Root`, `Parent` and `Sampled`, the facade follows them.
    /// - With `Root` alone, Lambda passes a trace through: nothing is recorded, and calls carry what was received,
    ///   including `Lineage`.
    /// - Without any of them, the [context-missing strategy](ContextMissing) applies, although it never panics here.
    ///   Nothing is recorded, and calls carry no header.
    /// - Any other header is logged as an error. Nothing is recorded, and calls carry no header.
    ///
    /// ```
    /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
    /// use xray_core::TraceHeader;
    ///
    /// let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    /// let facade = recorder.facade(&TraceHeader::parse(header));
    /// assert!(facade.is_sampled());
    /// ```
    pub fn facade(&self, header: &TraceHeader<'_>) -> Facade {
        if !self.0.enabled {
            return Facade::new(Handle::Noop);
        }
        Facade::new(match (header.trace_id(), header.parent(), header.sampled()) {
            (Some(trace_id), Some(_), Some(sampled)) => {
                let sampled = sampled == SamplingFlag::Sampled;
                let decision = if sampled { Decision::sampled() } else { Decision::not_sampled() };
                let decided = if sampled { "sampled" } else { "not sampled" };
                let message = format_args!("trace {trace_id}: an invocation of this function: {decided} by Lambda");
                self.diagnostics().debug(Cause::Decision, message);
                self.begin_decided(Kind::Facade, Serves::Invocation, "facade", header, &decision)
            }
            (Some(trace_id), None, None) => Handle::NonRecording(NonRecording::passing_through(
                self.pipeline(),
                trace_id,
                header.carried(),
                header.received(),
            )),
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

    /// Returns the entity of a span that another SDK records and sends, in a trace that this process does not have: an
    /// OpenTelemetry span, say.
    ///
    /// Subsegments below it are recorded if `sampled`, have it as their parent, and each is sent on its own when it closes. A
    /// server layer that receives a request below it records a subsegment. The span itself cannot be changed here: the SDK
    /// ignores writes and logs a warning. Outside any trace, if `trace_id` is zero or the recorder is disabled.
    ///
    /// The crate `xray-opentelemetry` calls this.
    ///
    /// ```
    /// # let (recorder, traces) = xray_core::Recorder::in_memory();
    /// # let (trace_id, id_of_span) = (xray_core::TraceId::from_u128(7), xray_core::EntityId::from_u64(7).unwrap());
    /// let span = recorder.external_segment(trace_id, id_of_span, true);
    /// span.subsegment("pack").close();
    /// # assert_eq!(traces.take().single().tree(), "pack\n");
    /// ```
    pub fn external_segment(&self, trace_id: TraceId, id: EntityId, sampled: bool) -> Entity {
        let header = TraceHeader::new(trace_id).with_parent(id).with_sampled(sampled);
        if !self.0.enabled || header.trace_id().is_none() {
            return Entity::default();
        }
        let (decision, decided) = match sampled {
            true => (Decision::sampled(), "sampled"),
            false => (Decision::not_sampled(), "not sampled"),
        };
        self.diagnostics()
            .debug(Cause::Decision, format_args!("trace {trace_id}: span {id} of another SDK: {decided} by that SDK"));
        Entity::new(match self.begin_decided(Kind::External, Serves::Invocation, "external", &header, &decision) {
            Handle::NonRecording(non_recording) => Handle::NonRecording(non_recording.with_id(id)),
            external => external,
        })
    }

    /// Begins the root of a trace that was decided on.
    fn begin_decided(
        &self,
        kind: Kind,
        serves: Serves,
        name: &str,
        header: &TraceHeader<'_>,
        decision: &Decision,
    ) -> Handle {
        let (carried, received) = (header.carried(), header.received());
        if !decision.is_sampled() {
            let trace_id = header.trace_id();
            return Handle::NonRecording(NonRecording::new(self.pipeline(), trace_id, carried, received, serves));
        }
        let anchor = Anchor::new(self.clock());
        self.pipeline().ids.reseed(anchor.entropy());
        let (trace_id, parent) = match header.trace_id() {
            Some(trace_id) => (trace_id, header.parent()),
            // A parent without its trace id is useless.
            None => (self.pipeline().ids.trace_id(anchor.start()), None),
        };
        let start = SegmentStart { kind, name, trace_id, parent, carried, received, anchor, decision };
        Handle::Recorded(Node::begin(self.pipeline(), start))
    }

    /// Calls the sampler.
    fn decide(&self, request: &SamplingRequest<'_>) -> Decision {
        user_code::call(|| self.0.sampler.decide(request)).unwrap_or_else(|| {
            self.diagnostics()
                .error(Cause::SamplerPanicked, format_args!("the sampler panicked: the request is not sampled"));
            Decision::not_sampled()
        })
    }

    /// Logs a decision. Without an explanation, the caller made it.
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

    /// Explains what the sampler would decide about a request now: the decision, the rule and the reason.
    ///
    /// This does not count the request. A caller's decision takes precedence over the sampler's.
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

    /// Waits up to `timeout` until every document that is finished now has been sent.
    ///
    /// It blocks the calling thread; a thread of the emitter sends the documents, so it works within a runtime too. In
    /// async code, await [`flushed`](Recorder::flushed) instead. UDP has no acknowledgements: a document counts as sent when
    /// the kernel has accepted it.
    ///
    /// ```
    /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
    /// use std::time::Duration;
    /// use xray_core::emit::Flushed;
    ///
    /// recorder.begin("shop").close();
    /// if let Flushed::TimedOut { left } = recorder.flush(Duration::from_secs(2)) {
    ///     eprintln!("{left} documents were not sent");
    /// }
    /// ```
    pub fn flush(&self, timeout: Duration) -> Flushed {
        self.pipeline().call_emitter(|emitter| emitter.flush(timeout)).unwrap_or(Flushed::TimedOut { left: 0 })
    }

    /// Returns a future that is ready when all documents that are finished now are sent.
    ///
    /// It blocks no thread and has no timeout: combine it with the timeout of your runtime.
    ///
    /// ```
    /// # async fn shutdown(recorder: xray_core::Recorder) {
    /// use std::time::Duration;
    ///
    /// if tokio::time::timeout(Duration::from_secs(2), recorder.flushed()).await.is_err() {
    ///     eprintln!("some documents were not sent");
    /// }
    /// # }
    /// ```
    pub fn flushed(&self) -> FlushedFuture {
        let (future, then) = FlushedFuture::new();
        self.pipeline().call_emitter(|emitter| emitter.when_flushed(then));
        future
    }

    /// Returns the counts of what this recorder has sent, lost and repaired so far.
    ///
    /// For health checks and dashboards:
    ///
    /// ```
    /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
    /// let stats = recorder.stats();
    /// let lost = stats.dropped_queue_full + stats.dropped_unsent + stats.dropped_oversize;
    /// assert_eq!(lost, 0);
    /// ```
    pub fn stats(&self) -> Stats {
        self.pipeline().counters.snapshot()
    }

    /// Returns whether the recorder records at all.
    ///
    /// [`RecorderBuilder::enabled`], `AWS_XRAY_SDK_ENABLED` and `AWS_XRAY_SDK_DISABLED` can disable it.
    pub fn is_enabled(&self) -> bool {
        self.0.enabled
    }

    /// Returns the name of all segments from `AWS_XRAY_TRACING_NAME`.
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

/// Shows the main settings and the counts.
impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("enabled", &self.0.enabled)
            .field("streaming_threshold", &self.pipeline().streaming_threshold)
            .field("context_missing", &self.0.context_missing)
            .field("propagation", &self.pipeline().propagation)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
