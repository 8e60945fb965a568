//! Cost of recording a request, sampled and unsampled. The baseline (`floor_by_serde`) is `serde_json` writing the same
//! document from borrowed structs into a reused buffer, with the same clock reads.

use std::hint::black_box;
use std::time::{SystemTime, UNIX_EPOCH};

use divan::{AllocProfiler, Bencher};
use serde::Serialize;
use xray_benches::{recorder, request};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench]
fn sampled(bencher: Bencher) {
    let recorder = recorder(1.0);
    bencher.bench_local(|| request(&recorder));
}

#[divan::bench]
fn not_sampled(bencher: Bencher) {
    let recorder = recorder(0.0);
    bencher.bench_local(|| request(&recorder));
}

/// One segment with this many subsegments, begun and closed one after the other.
#[divan::bench(args = [100, 10_000])]
fn many_subsegments(bencher: Bencher, subsegments: usize) {
    let recorder = recorder(1.0);
    bencher.bench_local(|| {
        let segment = recorder.begin("orders");
        let _entered = segment.enter();
        for _ in 0..subsegments {
            xray_core::capture("step", |_| {});
        }
    });
}

#[derive(Serialize)]
struct Entity<'a> {
    name: &'a str,
    id: &'a str,
    start_time: f64,
    end_time: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<Http<'a>>,
    subsegments: Vec<Entity<'a>>,
}

#[derive(Serialize)]
struct Http<'a> {
    request: Request<'a>,
    response: Response,
}

#[derive(Serialize)]
struct Request<'a> {
    method: &'a str,
    url: &'a str,
}

#[derive(Serialize)]
struct Response {
    status: u16,
    content_length: u64,
}

#[divan::bench]
fn floor_by_serde(bencher: Bencher) {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let entity = |name, http, subsegments| Entity {
        name,
        id: "53995c3f42cd8ad8",
        start_time: now(),
        end_time: now(),
        trace_id: Some("1-5759e988-bd862e3fe1be46a994272793"),
        http,
        subsegments,
    };
    let http = |method, url, content_length| {
        Some(Http { request: Request { method, url }, response: Response { status: 200, content_length } })
    };
    let mut out = Vec::with_capacity(4096);
    bencher.bench_local(|| {
        let call = entity("inventory.example.com", http("POST", "http://inventory.example.com/reserve", 64), vec![]);
        let checkout = entity("checkout", None, vec![entity("price", None, vec![]), call]);
        let segment = entity("orders", http("GET", "http://shop.example.com/orders/12345", 512), vec![checkout]);
        out.clear();
        serde_json::to_writer(&mut out, &segment).expect("writing to a vector");
        black_box(&out);
    });
}
