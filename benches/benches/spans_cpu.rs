//! CPU time of all threads for a traced request whose spans come from `tracing`, in one run: `xray-tracing`, whose documents are
//! dropped or sent by UDP, and `tracing-opentelemetry` with a batch processor whose exporter drops the spans. A dropped document
//! is encoded, dropped spans are not.
//!
//! Prints the median of several rounds, which alternate: `cargo bench -p xray-benches --bench spans_cpu`.

use std::net::UdpSocket;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use rustix::time::{ClockId, clock_gettime};
use tracing::{Dispatch, info_span};
use tracing_subscriber::prelude::*;
use xray_benches::recorder;
use xray_core::Recorder;
use xray_core::emit::Flushed;
use xray_core::sampling::Always;
use xray_tracing::SubsegmentLayer;

const ROUNDS: usize = 15;
const BURSTS: u32 = 40;
/// Requests between two flushes: four spans of each fit into OpenTelemetry's queue of 2,048.
const BURST: u32 = 256;

/// The spans of a request.
fn spans() {
    info_span!("handler", order_id = 7, tier = "gold").in_scope(|| {
        for _ in 0..3 {
            info_span!("step", item = 3, state = "reserved").in_scope(|| {});
        }
    });
}

/// Returns the CPU time of one request in microseconds, by all threads of the process.
fn cpu(request: &dyn Fn(), flush: &dyn Fn()) -> f64 {
    let now = || clock_gettime(ClockId::ProcessCPUTime);
    let before = now();
    for _ in 0..BURSTS {
        (0..BURST).for_each(|_| request());
        flush();
    }
    let after = now();
    let nanos = (after.tv_sec - before.tv_sec) as f64 * 1e9 + (after.tv_nsec - before.tv_nsec) as f64;
    nanos / 1e3 / f64::from(BURSTS * BURST)
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

#[derive(Debug)]
struct Discard;

impl SpanExporter for Discard {
    async fn export(&self, _: Vec<SpanData>) -> opentelemetry_sdk::error::OTelSdkResult {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Nothing reads the socket: what does not fit into its buffer costs the sender the same.
    let sink = UdpSocket::bind("127.0.0.1:0")?;
    let sending =
        Recorder::builder().environment(|_| None).daemon(sink.local_addr()?.into()).sampling(Always).build()?;
    let dropping = recorder(1.0);
    let ours = Dispatch::new(tracing_subscriber::registry().with(SubsegmentLayer::new().annotate(["order_id"])));
    let provider = SdkTracerProvider::builder().with_batch_exporter(Discard).build();
    let theirs = tracing_opentelemetry::layer().with_tracer(provider.tracer("orders"));
    let theirs = Dispatch::new(tracing_subscriber::registry().with(theirs));

    let xray = |recorder: &Recorder| {
        let request = || {
            let segment = recorder.begin("orders");
            let _in = segment.enter();
            spans();
        };
        let flush = || assert_eq!(recorder.flush(Duration::from_secs(30)), Flushed::All);
        tracing::dispatcher::with_default(&ours, || cpu(&request, &flush))
    };
    let opentelemetry = || {
        let flush = || assert!(provider.force_flush().is_ok(), "spans were lost");
        tracing::dispatcher::with_default(&theirs, || cpu(&spans, &flush))
    };
    let mut rounds = [(); 3].map(|()| Vec::new());
    for _ in 0..ROUNDS {
        rounds[0].push(xray(&dropping));
        rounds[1].push(xray(&sending));
        rounds[2].push(opentelemetry());
    }
    let [dropped, sent, opentelemetry] = rounds.map(median);
    println!("xray-tracing: {dropped:.2} µs, with sending {sent:.2} µs; tracing-opentelemetry: {opentelemetry:.2} µs");
    Ok(())
}
