//! Spans of an [`XRayTracer`](crate::XRayTracer).

use std::borrow::Cow;
use std::error::Error;
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, SpanContext, Status};
use xray_core::Entity;

use crate::started;

/// A span of an [`XRayTracer`](crate::XRayTracer). It behaves as the wrapped one.
#[derive(Debug)]
pub struct XRaySpan<S: Span> {
    inner: S,
    /// Whether the entity at its start is remembered.
    remembered: bool,
}

impl<S: Span> XRaySpan<S> {
    /// Wraps a span that has started while `entity` was current.
    pub(crate) fn started(span: S, entity: Option<&Entity>) -> XRaySpan<S> {
        let id = entity.and_then(Entity::id).filter(|_| span.span_context().is_valid());
        if let Some(id) = id {
            started::remember(span.span_context().span_id(), id);
        }
        XRaySpan { inner: span, remembered: id.is_some() }
    }
}

/// A span that has ended may still be the parent of others, as long as a context has it.
impl<S: Span> Drop for XRaySpan<S> {
    fn drop(&mut self) {
        if self.remembered {
            started::forget(self.inner.span_context().span_id());
        }
    }
}

impl<S: Span> Span for XRaySpan<S> {
    fn add_event<T>(&mut self, name: T, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        self.inner.add_event(name, attributes);
    }

    fn record_error(&mut self, error: &dyn Error) {
        self.inner.record_error(error);
    }

    fn add_event_with_timestamp<T>(&mut self, name: T, timestamp: SystemTime, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        self.inner.add_event_with_timestamp(name, timestamp, attributes);
    }

    fn span_context(&self) -> &SpanContext {
        self.inner.span_context()
    }

    fn is_recording(&self) -> bool {
        self.inner.is_recording()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        self.inner.set_attribute(attribute);
    }

    fn set_attributes(&mut self, attributes: impl IntoIterator<Item = KeyValue>) {
        self.inner.set_attributes(attributes);
    }

    fn set_status(&mut self, status: Status) {
        self.inner.set_status(status);
    }

    fn update_name<T>(&mut self, new_name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        self.inner.update_name(new_name);
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        self.inner.add_link(span_context, attributes);
    }

    fn end(&mut self) {
        self.inner.end();
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        self.inner.end_with_timestamp(timestamp);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use xray_core::Recorder;

    use super::*;
    use crate::XRayTracerProvider;

    #[test]
    fn the_entity_at_the_start_is_remembered_as_long_as_the_span_lives() {
        let (recorder, _traces) = Recorder::in_memory();
        let tracer = XRayTracerProvider::new(SdkTracerProvider::builder().build()).tracer("library");
        let segment = recorder.begin("shop");
        let guard = segment.enter();
        let mut span = tracer.start("inside");
        drop(guard);
        let id = span.span_context().span_id();
        span.end();
        assert_eq!(started::entity_at_start(id), segment.id());
        drop(span);
        assert_eq!(started::entity_at_start(id), None);

        let outside = tracer.start("outside");
        assert_eq!(started::entity_at_start(outside.span_context().span_id()), None);
    }
}
