//! Tracers whose spans have the current entity as their parent.

use opentelemetry::trace::{SpanBuilder, Tracer, TracerProvider};
use opentelemetry::{Context, InstrumentationScope};
use xray_core::try_current;

use crate::XRaySpan;
use crate::context::innermost;

/// A provider of tracers whose spans have the current entity as their parent. It wraps the provider that records the spans.
///
/// ```
/// use opentelemetry::global;
/// use opentelemetry_sdk::trace::SdkTracerProvider;
/// use xray_opentelemetry::XRayTracerProvider;
///
/// let provider = SdkTracerProvider::builder().build(); // with an exporter
/// global::set_tracer_provider(XRayTracerProvider::new(provider.clone()));
/// // …
/// provider.shutdown().unwrap(); // sends what is still queued
/// ```
///
/// The parent of a span is chosen when the span starts: the innermost of the current entity and OpenTelemetry's active span. So
/// it is right below [`capture`](xray_core::capture), in futures that run together and in tasks that carry the context, on
/// every runtime. A trace that is not sampled has a parent that is not sampled, so that OpenTelemetry's `ParentBased` sampler,
/// the default, drops the span.
///
/// Two contexts are left as they are: any context outside traced requests, and one whose active span is of another trace, such
/// as that of a received message. Within a traced request, a context without a span does not begin a new trace.
///
/// The wrapped provider's own tracers do not see entities: pass this one to libraries that take a provider or a tracer.
#[derive(Clone, Debug)]
pub struct XRayTracerProvider<P> {
    inner: P,
}

impl<P: TracerProvider> XRayTracerProvider<P> {
    /// Wraps the provider that records the spans.
    pub fn new(provider: P) -> XRayTracerProvider<P> {
        XRayTracerProvider { inner: provider }
    }
}

impl<P: TracerProvider> TracerProvider for XRayTracerProvider<P> {
    type Tracer = XRayTracer<P::Tracer>;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> XRayTracer<P::Tracer> {
        XRayTracer { inner: self.inner.tracer_with_scope(scope) }
    }
}

/// A tracer of an [`XRayTracerProvider`].
#[derive(Clone, Debug)]
pub struct XRayTracer<T> {
    inner: T,
}

impl<T: Tracer> Tracer for XRayTracer<T> {
    type Span = XRaySpan<T::Span>;

    fn build_with_context(&self, builder: SpanBuilder, parent_cx: &Context) -> XRaySpan<T::Span> {
        let entity = try_current();
        let context = innermost(parent_cx, entity.as_ref());
        XRaySpan::started(self.inner.build_with_context(builder, &context), entity.as_ref())
    }
}
