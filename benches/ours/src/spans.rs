//! This SDK in the comparison: work S, spans of `tracing`.

use std::time::Duration;

use harness::{Env, Harness, Work};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry;
use xray_core::Recorder;
use xray_core::sampling::{FixedTarget, Rate, Rules};
use xray_tracing::SubsegmentLayer;

/// The layer, with segments for spans outside any trace.
struct Spans(Recorder);

impl Spans {
    fn new(env: &Env, rate: f64) -> Spans {
        let rules = Rules::new(FixedTarget(0), Rate(rate));
        let recorder =
            Recorder::builder().daemon(env.sink.to_string().parse().unwrap()).sampling(rules).build().unwrap();
        install(SubsegmentLayer::new().annotate(["order_id"]).segments(recorder.clone()));
        Spans(recorder)
    }
}

impl Work for Spans {
    fn op(&mut self, _: u64) {
        spans::request();
    }

    fn flush(&mut self) {
        self.0.flush(Duration::from_secs(30));
    }
}

fn install(layer: impl Layer<registry::Registry> + Send + Sync) {
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
}

fn main() {
    let h = Harness::new();
    h.case("f-registry", "S", |_| {
        install(tracing_subscriber::layer::Identity::new());
        |_| spans::request()
    });
    h.case("ours", "S", |env| Spans::new(env, 1.0));
    h.case("ours", "S0", |env| Spans::new(env, 0.0));
}
