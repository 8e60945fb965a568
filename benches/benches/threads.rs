//! What threads cost that record at the same time: in one entity, in entities of one trace, and in traces of their own.
//!
//! Prints the CPU time of all threads per operation, and the time per operation: medians of several rounds, which alternate.
//! `cargo bench -p xray-benches --bench threads`.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use xray_benches::{recorder, request};
use xray_core::{Recorder, Segment};

const ROUNDS: usize = 7;
/// The operations of all threads in a round.
const OPERATIONS: usize = 384_000;

/// What a thread does, this often.
type Work = fn(&Recorder, &Segment, usize);

/// A name, the number of threads, and their work. The segment is the same for all threads.
const WORKS: [(&str, usize, Work); 12] = [
    ("annotate one entity", 1, annotate_one),
    ("annotate one entity", 2, annotate_one),
    ("annotate one entity", 16, annotate_one),
    ("annotate an entity each, in one trace", 1, annotate_own),
    ("annotate an entity each, in one trace", 2, annotate_own),
    ("annotate an entity each, in one trace", 16, annotate_own),
    ("a subsegment with an annotation, in one trace", 1, subsegments),
    ("a subsegment with an annotation, in one trace", 2, subsegments),
    ("a subsegment with an annotation, in one trace", 16, subsegments),
    ("a request of four entities, in a trace each", 1, requests),
    ("a request of four entities, in a trace each", 2, requests),
    ("a request of four entities, in a trace each", 16, requests),
];

fn annotate_one(_: &Recorder, segment: &Segment, count: usize) {
    for number in 0..count {
        segment.annotate("number", number);
    }
}

fn annotate_own(_: &Recorder, segment: &Segment, count: usize) {
    let own = segment.subsegment("own");
    for number in 0..count {
        own.annotate("number", number);
    }
    own.close();
}

fn subsegments(_: &Recorder, segment: &Segment, count: usize) {
    for number in 0..count {
        segment.subsegment("step").annotate("number", number).close();
    }
}

fn requests(recorder: &Recorder, _: &Segment, count: usize) {
    (0..count).for_each(|_| request(recorder));
}

fn cpu() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// Returns the CPU time of all threads per operation, and the time, in nanoseconds.
fn measure(recorder: &Recorder, threads: usize, work: Work) -> (f64, f64) {
    let segment = recorder.begin("orders");
    let (ready, done) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                work(recorder, &segment, 100);
                ready.wait();
                work(recorder, &segment, OPERATIONS / threads);
                done.wait();
            });
        }
        ready.wait();
        let (cpu_before, before) = (cpu(), Instant::now());
        done.wait();
        let (cpu_after, passed) = (cpu(), before.elapsed());
        ((cpu_after - cpu_before) / OPERATIONS as f64, passed.as_nanos() as f64 / OPERATIONS as f64)
    })
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn main() {
    let recorder = recorder(1.0);
    let mut rounds = WORKS.map(|_| (vec![], vec![]));
    for _ in 0..ROUNDS {
        for ((_, threads, work), (cpu, time)) in WORKS.iter().zip(&mut rounds) {
            let measured = measure(&recorder, *threads, *work);
            cpu.push(measured.0);
            time.push(measured.1);
        }
    }
    println!("| work | threads | CPU ns | ns |\n|---|---|---|---|");
    for ((name, threads, _), (cpu, time)) in WORKS.iter().zip(rounds) {
        println!("| {name} | {threads} | {:.0} | {:.0} |", median(cpu), median(time));
    }
}
