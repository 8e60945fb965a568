//! The context of OpenTelemetry in which code of a traced request runs.

use std::borrow::Cow;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use xray_core::{Entity, try_current};

use crate::started;

/// Returns an entity as the context of a span: its trace, its id and the sampling decision.
///
/// `None` if the entity belongs to no trace, or to one that Lambda passes through without a decision. While tail sampling has
/// not decided, the context is not sampled, as in the `traceparent` header.
///
/// ```
/// # let (recorder, _traces) = xray_core::Recorder::in_memory();
/// let segment = recorder.begin("shop");
/// let context = xray_opentelemetry::span_context(&segment.entity()).unwrap();
/// assert_eq!(context.span_id().to_string(), segment.id().unwrap().to_string());
/// assert!(context.is_sampled() && context.is_remote());
/// ```
///
/// For a link to the current request, in a span of another trace:
///
/// ```
/// use opentelemetry::trace::{Link, SpanBuilder};
///
/// let request = xray_core::try_current().and_then(|entity| xray_opentelemetry::span_context(&entity));
/// let links = request.map(Link::with_context).into_iter().collect();
/// let span = SpanBuilder::from_name("refresh").with_links(links);
/// ```
pub fn span_context(entity: &Entity) -> Option<SpanContext> {
    let parent = entity.traceparent()?;
    Some(SpanContext::new(
        TraceId::from(parent.trace_id().to_u128()),
        SpanId::from(parent.parent().to_u64()),
        TraceFlags::default().with_sampled(parent.is_sampled()),
        true,
        TraceState::NONE,
    ))
}

/// Returns OpenTelemetry's current context, in which the current entity is the active span if it is inside of OpenTelemetry's
/// own one.
///
/// For code that reads a context without starting a span, such as a propagator:
///
/// ```
/// use std::collections::HashMap;
/// use opentelemetry::global;
///
/// let mut headers = HashMap::new();
/// global::get_text_map_propagator(|propagator| {
///     propagator.inject_context(&xray_opentelemetry::current_context(), &mut headers);
/// });
/// ```
///
/// Outside any traced request, this is `Context::current()`.
pub fn current_context() -> Context {
    Context::map_current(|context| innermost(context, try_current().as_ref()).into_owned())
}

/// Returns `context`, or one in which `entity` is the active span if it is inside of that of `context`.
pub(crate) fn innermost<'a>(context: &'a Context, entity: Option<&Entity>) -> Cow<'a, Context> {
    let Some(entity) = entity.and_then(span_context) else { return Cow::Borrowed(context) };
    let span = context.span();
    let active = span.span_context();
    if is_inside(active, &entity) {
        return Cow::Borrowed(context);
    }
    let state = if active.is_valid() { active.trace_state().clone() } else { TraceState::NONE };
    let (trace_id, id, flags) = (entity.trace_id(), entity.span_id(), entity.trace_flags());
    Cow::Owned(context.with_remote_span_context(SpanContext::new(trace_id, id, flags, true, state)))
}

/// Whether the active span is inside of the current entity, or has nothing to do with it.
fn is_inside(active: &SpanContext, entity: &SpanContext) -> bool {
    if !active.is_valid() {
        return false;
    }
    let same = active.span_id() == entity.span_id();
    // Code that chose a context of another trace, such as that of a message, has its reasons.
    same || active.trace_id() != entity.trace_id() || is_started_in(active.span_id(), entity.span_id())
}

fn is_started_in(span: SpanId, entity: SpanId) -> bool {
    started::entity_at_start(span).is_some_and(|started| started.to_u64().to_be_bytes() == entity.to_bytes())
}
