//! Spans of OpenTelemetry as entities.

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use xray_core::{Entity, EntityId, Recorder, TraceId, try_current};

/// Returns the active span of a context as an entity. Subsegments below it have the span as their parent.
///
/// Make it current by [`enter`](Entity::enter); in asynchronous code, use [`in_span`](crate::in_span) instead:
///
/// ```
/// use opentelemetry::trace::Tracer;
/// use xray_opentelemetry::entity_of;
///
/// # fn resize() {}
/// let tracer = opentelemetry::global::tracer("worker");
/// tracer.in_span("resize images", |cx| {
///     let _in = entity_of(&cx).map(|span| span.enter());
///     xray_core::capture("resize", |_| resize()); // a subsegment below the span
/// });
/// ```
///
/// OpenTelemetry sends the span, so it cannot be changed here: the SDK ignores what code adds to it and logs a warning. Each
/// subsegment below it is sent on its own when it closes.
///
/// - In the trace of the current entity, that trace's sampling decision applies. `None` if OpenTelemetry dropped the span
///   although the trace is sampled: subsegments would have no parent then, and are better below the current entity.
/// - In another trace, the span's sampling decision applies, and the [recorder of the process](Recorder::global) records; for
///   another recorder, use [`Recorder::external_segment`]. A server layer that receives a request below the span records it as
///   a subsegment, since OpenTelemetry has the server's span.
/// - `None` if no span is active. What runs then finds the entity that is current anyway. If there is none, the
///   [context-missing strategy](xray_core::ContextMissing) applies, as elsewhere.
#[must_use]
#[track_caller]
pub fn entity_of(context: &Context) -> Option<Entity> {
    let span = context.span();
    let span = span.span_context();
    let trace_id = TraceId::from_u128(u128::from_be_bytes(span.trace_id().to_bytes()));
    let id = EntityId::from_u64(u64::from_be_bytes(span.span_id().to_bytes())).filter(|_| span.is_valid())?;
    match try_current().filter(|current| current.trace_id() == Some(trace_id)) {
        Some(current) if current.is_sampled() && !span.is_sampled() => None,
        Some(current) => Some(current.external_subsegment(id)),
        None => Some(Recorder::global().external_segment(trace_id, id, span.is_sampled())),
    }
}
