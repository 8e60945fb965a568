//! Futures that run in both contexts.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use opentelemetry::Context;
use opentelemetry::trace::{FutureExt, WithContext};
use pin_project_lite::pin_project;
use xray_core::context::InEntity;

use crate::{current_context, entity_of};

/// Runs a future with the entity that is current at each of its polls as OpenTelemetry's active span.
///
/// For code that reads `Context::current()` without starting a span, and for spans of tracers that are not those of an
/// [`XRayTracerProvider`](crate::XRayTracerProvider). The spans of such tracers do not notice a subsegment that begins inside
/// of the future. One line serves all requests, inside of the layer that begins segments:
///
/// ```
/// use axum::extract::Request;
/// use axum::middleware::{Next, from_fn};
/// use axum::{Router, routing::get};
/// use xray_axum::XRayLayer;
/// use xray_opentelemetry::in_otel_context;
///
/// let app: Router = Router::new()
///     .route("/orders", get(async || "orders"))
///     .layer(from_fn(|request: Request, next: Next| in_otel_context(next.run(request))))
///     .layer(XRayLayer::new("shop"));
/// ```
///
/// Outside any traced request, OpenTelemetry's context stays as it is.
pub fn in_otel_context<F: Future>(future: F) -> InOtelContext<F> {
    InOtelContext { inner: future }
}

pin_project! {
    /// A future in OpenTelemetry's context: see [`in_otel_context`].
    #[must_use = "futures do nothing unless polled"]
    pub struct InOtelContext<F> {
        #[pin]
        inner: F,
    }
}

impl<F: Future> Future for InOtelContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let _attached = current_context().attach();
        self.project().inner.poll(cx)
    }
}

impl<F> fmt::Debug for InOtelContext<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InOtelContext").finish_non_exhaustive()
    }
}

/// Runs a future in a context of OpenTelemetry, with its active span as the current entity.
///
/// Subsegments and calls of instrumented clients in the future have the span as their parent; see [`entity_of`] for the rules.
/// The entity is chosen now, so a future that is made in a request and spawned stays in the trace of that request. Call
/// [`in_subsegment`](xray_core::FutureExt::in_subsegment) inside of the future, as here, since it takes the parent where it is
/// called.
///
/// ```
/// use opentelemetry::Context;
/// use opentelemetry::trace::{TraceContextExt, Tracer};
/// use xray_core::FutureExt;
///
/// # async fn resize() {}
/// # async fn worker() {
/// let span = opentelemetry::global::tracer("worker").start("resize images");
/// let cx = Context::current_with_span(span);
/// xray_opentelemetry::in_span(cx, async {
///     resize().in_subsegment("resize").await; // a subsegment below the span
/// })
/// .await;
/// # }
/// ```
///
/// With a layer of OpenTelemetry that has begun the span of a request, `in_span(Context::current(), ..)` around the rest of the
/// stack puts the whole request below that span.
#[track_caller]
pub fn in_span<F: Future>(context: Context, future: F) -> InSpan<F> {
    let scoped = match entity_of(&context) {
        Some(span) => Scoped::Span { future: span.scope(future) },
        None => Scoped::Unchanged { future },
    };
    InSpan { inner: scoped.with_context(context) }
}

pin_project! {
    /// A future below a span of OpenTelemetry: see [`in_span`].
    #[must_use = "futures do nothing unless polled"]
    pub struct InSpan<F> {
        #[pin]
        inner: WithContext<Scoped<F>>,
    }
}

impl<F: Future> Future for InSpan<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        self.project().inner.poll(cx)
    }
}

impl<F> fmt::Debug for InSpan<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InSpan").finish_non_exhaustive()
    }
}

pin_project! {
    /// A future with a span as its current entity, or in whatever entity is current.
    #[project = ScopedProjection]
    enum Scoped<F> {
        Span { #[pin] future: InEntity<F> },
        Unchanged { #[pin] future: F },
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        match self.project() {
            ScopedProjection::Span { future } => future.poll(cx),
            ScopedProjection::Unchanged { future } => future.poll(cx),
        }
    }
}
