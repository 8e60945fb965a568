//! Cost of `tracing` spans, in one run: without a subscriber, with the registry alone, and with `xray-tracing`. A request has a
//! root and three spans below it, each with two fields; each is entered once. Documents are dropped, so that the recording
//! itself is compared. `benches/compare/run --works S,S0` compares with other SDKs, and sends.

use divan::{AllocProfiler, Bencher};
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
