//! The layer that records spans.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};
use xray_core::{Entity, Recorder, try_current};

use crate::entered;
use crate::event;
use crate::fields::{FieldUse, Fields, Recording};
use crate::members::Members;
use crate::recorded::Recorded;
use crate::reentrance::Busy;
use crate::targets::Ignored;

/// Records spans of `tracing` as subsegments of the current segment or subsegment, and events at the level `ERROR` as
/// exceptions.
///
/// Filter it as any layer, with [`with_filter`](Layer::with_filter): each span that passes is a subsegment.
///
/// ```
/// use tracing_subscriber::filter::{LevelFilter, Targets};
/// use tracing_subscriber::prelude::*;
/// use xray_tracing::SubsegmentLayer;
///
/// let of_the_application = Targets::new().with_target("shop", LevelFilter::INFO);
/// let subscriber = tracing_subscriber::registry().with(SubsegmentLayer::new().with_filter(of_the_application));
/// # let _ = subscriber;
/// ```
///
/// | of a span | what is recorded |
/// |---|---|
/// | its creation | the begin of a subsegment with the span's name, or with the field `otel.name` |
/// | its parent | a `parent:` that is recorded, or the nearest recorded span above it; otherwise the current X-Ray entity |
/// | while it is entered | it is the current entity: spans, captured functions and instrumented calls are below it |
/// | its last exit | the end; a span that was never entered ends when it closes |
/// | its close | sends it, with its segment or, in a large trace, before it |
/// | a field named by [`annotate`](SubsegmentLayer::annotate), or `annotation.x` | an annotation |
/// | another field | metadata in the namespace `tracing`, unless [`fields`](SubsegmentLayer::fields) decides otherwise |
/// | an error value, `error`, `exception.*`, `otel.status_code` | a fault, with the exception and its sources |
/// | `db.*`, `server.*` | the `sql` block; the text of a query without literals, if queries are collected |
/// | `http.*`, `url.full`, `client.address`, `user_agent.original` | the `http` block, and the flags of the status |
/// | `rpc.grpc.status_code` | the flags of the status |
/// | `otel.kind` | `client` and `producer` mean a call to another service |
///
/// Fields that may hold secrets (parameters of queries, query strings, headers under `http.`) are not recorded.
///
/// Outside any trace nothing is recorded, unless [`segments`](SubsegmentLayer::segments) asks for it. In a request that is
/// not sampled a span costs a look at the context. Spans and events of the SDK itself, of the crates of the AWS SDK and of
/// `hyper`, `h2`, `tower`, `tower_http`, `rustls`, `lambda_runtime` and `reqwest_middleware` are ignored, since adapters
/// record their calls.
#[derive(Default)]
pub struct SubsegmentLayer {
    fields: Fields,
    ignored: Ignored,
    segments: Option<Recorder>,
    /// Recorded spans that are not closed. While there are none, no span has to be looked up.
    live: AtomicUsize,
}

impl SubsegmentLayer {
    /// Creates a layer that records fields as metadata.
    pub fn new() -> SubsegmentLayer {
        SubsegmentLayer::default()
    }

    /// Records the fields of these names as annotations, by which X-Ray searches. Calling this again adds names.
    ///
    /// ```
    /// use xray_tracing::SubsegmentLayer;
    ///
    /// let layer = SubsegmentLayer::new().annotate(["order_id", "tenant"]);
    /// ```
    #[must_use]
    pub fn annotate<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> SubsegmentLayer {
        self.fields.annotations.extend(names.into_iter().map(|name| name.into().into()));
        self
    }

    /// Decides by its name how a field is recorded that [`annotate`](SubsegmentLayer::annotate) does not name (default: as
    /// metadata). Calling this again replaces the function.
    ///
    /// ```
    /// use xray_tracing::{FieldUse, SubsegmentLayer};
    ///
    /// let layer = SubsegmentLayer::new().fields(|name| match name {
    ///     "card_number" => FieldUse::Skip,
    ///     id if id.ends_with("_id") => FieldUse::Annotation,
    ///     _ => FieldUse::Metadata,
    /// });
    /// ```
    #[must_use]
    pub fn fields(mut self, rule: impl Fn(&str) -> FieldUse + Send + Sync + 'static) -> SubsegmentLayer {
        self.fields.rule = Some(Box::new(rule));
        self
    }

    /// Ignores spans and events of a target and of the modules in it: `sqlx` covers `sqlx::query`, not `sqlx_events`.
    /// Calling this again adds a target.
    #[must_use]
    pub fn ignore(mut self, target: impl Into<String>) -> SubsegmentLayer {
        self.ignored.add(target.into());
        self
    }

    /// Begins a segment for each span outside any trace: for jobs and workers (default: such spans are not recorded). The
    /// sampler of `recorder` decides on it. Calling this again replaces the recorder.
    ///
    /// ```
    /// use xray_core::Recorder;
    /// use xray_tracing::SubsegmentLayer;
    ///
    /// let layer = SubsegmentLayer::new().segments(Recorder::global().clone());
    /// ```
    #[must_use]
    pub fn segments(mut self, recorder: Recorder) -> SubsegmentLayer {
        self.segments = Some(recorder);
        self
    }

    /// Returns what is recorded of a span. The lock of its extensions is not held afterwards.
    fn recorded<S: Subscriber + for<'a> LookupSpan<'a>>(&self, id: &Id, ctx: &Context<'_, S>) -> Option<Arc<Recorded>> {
        // A thread that knows the span's id also sees the count that its creation left.
        if self.live.load(Relaxed) == 0 { None } else { ctx.span(id).and_then(|span| recorded_of(&span)) }
    }

    /// Records fields on the entity of a span. `visit` passes them to the visitor.
    fn record_fields(&self, recorded: &Recorded, visit: impl FnOnce(&mut Recording<'_>)) {
        let entity = recorded.entity();
        let mut recording = Recording { fields: &self.fields, entity: &entity, members: Members::default() };
        visit(&mut recording);
        if !recording.members.is_empty() {
            recorded.merge(recording.members);
        }
    }

    /// Begins the entity of a span, if it is recorded.
    fn begin(&self, parent: Option<Entity>, attrs: &Attributes<'_>) -> Option<Recorded> {
        let metadata = attrs.metadata();
        let is_wanted = || !self.ignored.covers(metadata.target());
        match (parent, &self.segments) {
            (Some(parent), _) if parent.is_sampled() && is_wanted() => {
                Some(Recorded::subsegment(with_name(attrs, |name| parent.subsegment(name))))
            }
            (None, Some(recorder)) if is_wanted() => {
                Some(Recorded::segment(with_name(attrs, |name| recorder.begin(name))))
            }
            _ => None,
        }
    }
}

/// Calls `begin` with the name of a span: `otel.name`, which libraries set to what they do, or its own.
fn with_name<T>(attrs: &Attributes<'_>, begin: impl FnOnce(&str) -> T) -> T {
    struct Name(Option<String>);
    impl Visit for Name {
        fn record_str(&mut self, field: &Field, value: &str) {
            if field.name() == "otel.name" {
                self.0 = Some(value.to_owned());
            }
        }

        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == "otel.name" {
                self.0 = Some(format!("{value:?}"));
            }
        }
    }
    if attrs.metadata().fields().field("otel.name").is_none() {
        return begin(attrs.metadata().name());
    }
    let mut name = Name(None);
    attrs.record(&mut name);
    begin(name.0.as_deref().unwrap_or(attrs.metadata().name()))
}

/// Returns what is recorded of a span.
fn recorded_of<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>) -> Option<Arc<Recorded>> {
    span.extensions().get::<Arc<Recorded>>().cloned()
}

/// Returns the entity of an explicit parent, or of the nearest recorded span above it. Without one, returns the current
/// entity.
fn parent_or_current<S>(parent: Option<&Id>, ctx: &Context<'_, S>) -> Option<Entity>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let recorded = parent.and_then(|id| ctx.span(id)?.scope().find_map(|span| recorded_of(&span)));
    recorded.map(|recorded| recorded.entity()).or_else(try_current)
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for SubsegmentLayer {
    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let parent = if attrs.is_root() { None } else { parent_or_current(attrs.parent(), &ctx) };
        if parent.is_none() && self.segments.is_none() {
            return;
        }
        let Some(_busy) = Busy::enter() else { return };
        let Some(recorded) = self.begin(parent, attrs) else { return };
        if recorded.entity().is_sampled() {
            self.record_fields(&recorded, |recording| attrs.record(recording));
        }
        if let Some(span) = ctx.span(id) {
            self.live.fetch_add(1, Relaxed);
            span.extensions_mut().replace(Arc::new(recorded));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        let Some(recorded) = self.recorded(id, &ctx) else { return };
        let Some(_busy) = Busy::enter() else { return };
        self.record_fields(&recorded, |recording| values.record(recording));
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() != Level::ERROR || self.ignored.covers(metadata.target()) || event::is_own(event) {
            return;
        }
        let Some(entity) = parent_or_current(event.parent(), &ctx).filter(Entity::is_sampled) else { return };
        let Some(_busy) = Busy::enter() else { return };
        event::record(event, &entity);
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        if let Some(recorded) = self.recorded(id, &ctx) {
            entered::push(recorded);
        }
    }

    fn on_exit(&self, id: &Id, ctx: Context<'_, S>) {
        if let Some(recorded) = self.recorded(id, &ctx) {
            recorded.exited();
            entered::pop(&recorded);
        }
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        if self.live.load(Relaxed) == 0 {
            return;
        }
        let Some(span) = ctx.span(&id) else { return };
        let recorded = span.extensions_mut().remove::<Arc<Recorded>>();
        if let Some(recorded) = recorded {
            self.live.fetch_sub(1, Relaxed);
            let _busy = Busy::enter();
            recorded.close();
        }
    }
}

impl fmt::Debug for SubsegmentLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubsegmentLayer")
            .field("annotate", &self.fields.annotations)
            .field("ignored", &self.ignored)
            .field("segments", &self.segments.is_some())
            .finish_non_exhaustive()
    }
}
