//! Measures one subject and one work in a process of its own: `<program> <subject> <work>` prints one line of JSON, and
//! `<program>` alone lists what it measures.
//!
//! Times are taken while the allocator does not count; a separate phase counts allocations. CPU time is that of all threads of
//! the process. The sink is another process.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

mod allocations;
pub mod doc;
mod sink;
mod threads;

pub use crate::sink::{Seen, Sink};
pub use crate::threads::{Request, THREADS};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

/// What is measured.
pub trait Work {
    /// Does the work once, as far as the calling thread is concerned.
    fn op(&mut self, i: u64);

    /// Returns when everything has been handed to the kernel.
    fn flush(&mut self) {}

    /// The number of operations that `op` does.
    fn units(&self) -> u64 {
        1
    }
}

impl<F: FnMut(u64)> Work for F {
    fn op(&mut self, i: u64) {
        self(i)
    }
}

/// Where a subject sends its documents.
pub struct Env {
    pub sink: std::net::SocketAddr,
}

/// The command line: which subject and work to measure.
pub struct Harness {
    chosen: Option<(String, String)>,
}

impl Harness {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Harness {
        let mut arguments = std::env::args().skip(1);
        Harness { chosen: arguments.next().zip(arguments.next()) }
    }

    /// Lists this case, or measures it if the command line names it.
    pub fn case<W: Work>(&self, subject: &str, work: &str, build: impl FnOnce(&Env) -> W) {
        let Some((chosen, its_work)) = &self.chosen else {
            println!("{subject} {work}");
            return;
        };
        if chosen != subject || its_work != work {
            return;
        }
        let mut sink = Sink::start();
        let mut measured = build(&Env { sink: sink.address });
        let figures =
            if work == "C" { large(&mut sink, &mut measured) } else { repeated(work, &mut sink, &mut measured) };
        println!("{{\"subject\":\"{subject}\",\"work\":\"{work}\",{figures}}}");
    }

    /// Work F2: the same number of requests by one thread, and by [`THREADS`] threads at a time.
    pub fn threads<R: Request>(&self, subject: &str, build: impl Fn(&Env) -> R) {
        self.case(&format!("{subject}-1-thread"), "F2", |env| threads::Alone(build(env)));
        self.case(&format!("{subject}-{THREADS}-threads"), "F2", |env| threads::Together::new(build(env)));
    }
}

/// User and system time of all threads of the process so far, in nanoseconds.
fn cpu() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// How often an operation runs between two flushes.
fn burst(work: &str) -> u64 {
    match work {
        "A" | "S" => 256,
        "F1" | "F2" => 1,
        _ => 4096,
    }
}

/// A busy machine must not leave a measurement with one burst.
const LEAST_BURSTS: usize = 3;

struct Run {
    /// Nanoseconds of an operation, in each burst, in order of size.
    bursts: Vec<f64>,
    operations: u64,
    wall: u64,
    cpu: u64,
}

fn run<W: Work>(work: &mut W, burst: u64, next: &mut u64, limit: Duration) -> Run {
    let (mut bursts, mut operations) = (Vec::with_capacity(1 << 16), 0);
    let (start, before) = (Instant::now(), cpu());
    while start.elapsed() < limit || bursts.len() < LEAST_BURSTS {
        let begun = Instant::now();
        for _ in 0..burst {
            work.op(*next);
            *next += 1;
        }
        let done = burst * work.units();
        bursts.push(begun.elapsed().as_nanos() as f64 / done as f64);
        operations += done;
        work.flush();
    }
    let (wall, cpu) = (start.elapsed().as_nanos() as u64, cpu() - before);
    bursts.sort_by(f64::total_cmp);
    Run { bursts, operations, wall, cpu }
}

fn repeated<W: Work>(name: &str, sink: &mut Sink, work: &mut W) -> String {
    let seconds = std::env::var("COMPARE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0.35);
    let (burst, mut next) = (burst(name), 0);
    run(work, burst, &mut next, Duration::from_secs_f64(f64::min(seconds, 0.2)));
    sink.take();
    let Run { bursts, operations, wall, cpu } = run(work, burst, &mut next, Duration::from_secs_f64(seconds));
    let seen = sink.take();
    let allocated = allocations::during(|| {
        for _ in 0..4 {
            for _ in 0..burst {
                work.op(next);
                next += 1;
            }
            work.flush();
        }
    });
    let per = |total: u64, operations: u64| total as f64 / operations as f64;
    let counted = 4 * burst * work.units();
    format!(
        "\"ops\":{operations},\"call_ns_min\":{:.1},\"call_ns\":{:.1},\"total_ns\":{:.1},\"cpu_ns\":{:.1},\
         \"allocs\":{:.2},\"alloc_bytes\":{:.0},\"datagrams\":{:.3},\"out_bytes\":{:.0},\"docs\":{:.3},\"kernel_drops\":{}",
        bursts[0],
        bursts[bursts.len() / 2],
        per(wall, operations),
        per(cpu, operations),
        per(allocated.calls, counted),
        per(allocated.bytes, counted),
        per(seen.datagrams, operations),
        per(seen.bytes, operations),
        per(seen.documents, operations),
        seen.dropped,
    )
}

/// Work C, whose operation is one large trace.
fn large<W: Work>(sink: &mut Sink, work: &mut W) -> String {
    work.op(0);
    work.flush();
    sink.take();
    let (mut times, mut cpus, mut seen) = (Vec::new(), Vec::new(), Seen::default());
    for index in 0..5 {
        let (start, before) = (Instant::now(), cpu());
        work.op(index);
        work.flush();
        times.push(start.elapsed().as_secs_f64() * 1e3);
        cpus.push((cpu() - before) as f64 / 1e6);
        seen = sink.take();
    }
    times.sort_by(f64::total_cmp);
    cpus.sort_by(f64::total_cmp);
    let allocated = allocations::during(|| {
        work.op(9);
        work.flush();
    });
    format!(
        "\"ms_min\":{:.2},\"ms\":{:.2},\"cpu_ms\":{:.2},\"peak_kib\":{},\"allocs\":{},\"datagrams\":{},\"out_bytes\":{},\
         \"docs\":{},\"kernel_drops\":{}",
        times[0],
        times[2],
        cpus[2],
        allocated.peak / 1024,
        allocated.calls,
        seen.datagrams,
        seen.bytes,
        seen.documents,
        seen.dropped,
    )
}
