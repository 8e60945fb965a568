//! What the layer adds to a span that is not recorded: no allocation.

use tracing::{Subscriber, info_span};
use tracing_subscriber::prelude::*;
use xray_core::Recorder;
use xray_core::sampling::Never;
use xray_tracing::SubsegmentLayer;

/// Allocations of a span that is entered and closed.
fn allocations(subscriber: impl Subscriber + Send + Sync) -> u64 {
    tracing::subscriber::with_default(subscriber, || {
        let span = || info_span!("span", order_id = 7).in_scope(|| {});
        // The first span of a thread sets up what the registry keeps.
        span();
        allocation_counter::measure(span).count_total
    })
}

#[test]
fn a_span_that_is_not_recorded_allocates_nothing_more() {
    let registry_alone = allocations(tracing_subscriber::registry());
    let with_layer = || allocations(tracing_subscriber::registry().with(SubsegmentLayer::new().annotate(["order_id"])));
    assert_eq!(with_layer(), registry_alone, "outside any trace");
    let recorder = Recorder::builder().environment(|_| None).sampling(Never).build().unwrap();
    let segment = recorder.begin("shop");
    let _in = segment.enter();
    assert_eq!(with_layer(), registry_alone, "in a trace that is not sampled");
    let (recorder, _traces) = Recorder::in_memory();
    let sampled = recorder.begin("shop");
    let _in = sampled.enter();
    assert!(with_layer() > registry_alone, "the measurement sees what a recorded span allocates");
}
