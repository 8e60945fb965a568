//! Spans as subsegments, through a real registry and real executors.

#![allow(clippy::unwrap_used, reason = "tests")]
mod errors;
mod executors;
mod fields;
mod lines;
mod tree;

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::prelude::*;
use xray_core::testing::{Trace, Traces};
use xray_core::{Recorder, Segment};
use xray_tracing::SubsegmentLayer;

/// Makes a subscriber with this layer the thread's default.
fn install(layer: SubsegmentLayer) -> DefaultGuard {
    tracing_subscriber::registry().with(layer).set_default()
}

/// A sampled segment, and what is recorded of it.
struct Traced {
    segment: Segment,
    traces: Traces,
}

impl Traced {
    fn begin() -> Traced {
        let (recorder, traces) = Recorder::in_memory();
        Traced { segment: recorder.begin("shop"), traces }
    }

    /// Runs code in the context of the segment.
    fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let _in = self.segment.enter();
        work()
    }

    fn finish(self) -> Trace {
        self.segment.close();
        drop(self.segment);
        self.traces.take().single()
    }
}
