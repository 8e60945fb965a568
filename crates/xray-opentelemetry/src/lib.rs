//! AWS X-Ray for services that also use [OpenTelemetry](https://docs.rs/opentelemetry): its spans and the segments of this
//! SDK form one trace.
//!
//! OpenTelemetry sends its spans and this SDK sends its documents, each as configured. This crate only connects the two
//! contexts, so that each entity and each span has the right parent:
//!
//! | parent | child | how |
//! |---|---|---|
//! | current entity | spans of libraries that OpenTelemetry instruments | [`XRayTracerProvider`], once at the start |
//! | current entity | whatever reads `Context::current()`: propagators, logs | [`in_otel_context`], [`current_context`] |
//! | span | subsegments, calls of instrumented clients | [`in_span`], [`entity_of`] |
//!
//! ```
//! use opentelemetry::global;
//! use opentelemetry::trace::{Tracer, TracerProvider};
//! use opentelemetry_sdk::trace::SdkTracerProvider;
//! use xray_opentelemetry::XRayTracerProvider;
//!
//! let provider = SdkTracerProvider::builder().build(); // with an exporter
//! global::set_tracer_provider(XRayTracerProvider::new(provider.clone()));
//!
//! # let (recorder, _traces) = xray_core::Recorder::in_memory();
//! # let segment = recorder.begin("shop");
//! # let _in = segment.enter();
//! xray_core::capture("load order", |_| {
//!     // In a library: a span of this trace, with the subsegment as its parent.
//!     global::tracer("library").in_span("parse", |_| ());
//! });
//! ```
//!
//! `docs/opentelemetry.md` in the repository describes which of both starts a trace, how the headers of services are joined,
//! and how this works with `tracing-opentelemetry`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod context;
mod entity;
mod future;
mod provider;
mod span;
mod started;

pub use context::{current_context, span_context};
pub use entity::entity_of;
pub use future::{InOtelContext, InSpan, in_otel_context, in_span};
pub use provider::{XRayTracer, XRayTracerProvider};
pub use span::XRaySpan;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
