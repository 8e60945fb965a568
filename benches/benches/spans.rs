//! Cost of `tracing` spans, in one run: with the registry alone, with `xray-tracing`, `sentry-tracing` and
//! `tracing-opentelemetry`. A request has a root and three spans below it, each with two fields; each is entered once.
//! The exporters drop what they receive, so that the recording itself is compared.

use std::sync::Arc;

use divan::{AllocProfiler, Bencher};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter};
use tracing::{Dispatch, info_span};
use tracing_subscriber::prelude::*;
use xray_benches::recorder;
use xray_tracing::SubsegmentLayer;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// The spans of a request.
fn spans() {
    info_span!("handler", order_id = 7, tier = "gold").in_scope(|| {
        for _ in 0..3 {
            info_span!("step", item = 3, state = "reserved").in_scope(|| {});
        }
    });
}

fn measure(bencher: Bencher<'_, '_>, dispatch: Dispatch, request: impl Fn()) {
    tracing::dispatcher::with_default(&dispatch, || bencher.bench_local(&request));
}

#[divan::bench]
fn no_subscriber(bencher: Bencher<'_, '_>) {
    bencher.bench_local(spans);
}

#[divan::bench]
fn registry_alone(bencher: Bencher<'_, '_>) {
    measure(bencher, Dispatch::new(tracing_subscriber::registry()), spans);
}

fn xray(bencher: Bencher<'_, '_>, rate: f64) {
    let recorder = recorder(rate);
    let layer = SubsegmentLayer::new().annotate(["order_id"]);
    measure(bencher, Dispatch::new(tracing_subscriber::registry().with(layer)), move || {
        let segment = recorder.begin("orders");
        let _in = segment.enter();
        spans();
    });
}

#[divan::bench]
fn xray_sampled(bencher: Bencher<'_, '_>) {
    xray(bencher, 1.0);
}

#[divan::bench]
fn xray_not_sampled(bencher: Bencher<'_, '_>) {
    xray(bencher, 0.0);
}

#[derive(Debug)]
struct Discard;

impl SpanExporter for Discard {
    async fn export(&self, _: Vec<SpanData>) -> opentelemetry_sdk::error::OTelSdkResult {
        Ok(())
    }
}

fn opentelemetry(bencher: Bencher<'_, '_>, sampler: Sampler) {
    let provider = SdkTracerProvider::builder().with_sampler(sampler).with_batch_exporter(Discard).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("orders"));
    measure(bencher, Dispatch::new(tracing_subscriber::registry().with(layer)), spans);
}

#[divan::bench]
fn opentelemetry_sampled(bencher: Bencher<'_, '_>) {
    opentelemetry(bencher, Sampler::AlwaysOn);
}

#[divan::bench]
fn opentelemetry_not_sampled(bencher: Bencher<'_, '_>) {
    opentelemetry(bencher, Sampler::AlwaysOff);
}

struct Nowhere;

impl sentry_core::Transport for Nowhere {
    fn send_envelope(&self, _: sentry_core::Envelope) {}
}

fn sentry(bencher: Bencher<'_, '_>, rate: f32) {
    let nowhere = |_: &sentry_core::ClientOptions| Arc::new(Nowhere) as Arc<dyn sentry_core::Transport>;
    let options =
        sentry_core::ClientOptions::new().dsn("https://key@localhost/1").transport(nowhere).traces_sample_rate(rate);
    let hub = Arc::new(sentry_core::Hub::new(Some(Arc::new(options.into())), Arc::default()));
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(sentry_tracing::layer()));
    sentry_core::Hub::run(hub, || measure(bencher, dispatch, spans));
}

#[divan::bench]
fn sentry_sampled(bencher: Bencher<'_, '_>) {
    sentry(bencher, 1.0);
}

#[divan::bench]
fn sentry_not_sampled(bencher: Bencher<'_, '_>) {
    sentry(bencher, 0.0);
}
