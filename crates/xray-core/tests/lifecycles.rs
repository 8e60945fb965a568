//! Entities that many threads begin, annotate and close in random order: each is sent exactly once.
//!
//! The large run takes some seconds: `cargo test --release -p xray-core --test lifecycles -- --ignored --nocapture`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use xray_core::document::Document;
use xray_core::emit::{Emitter, Flushed};
use xray_core::sampling::Always;
use xray_core::{Recorder, Subsegment};

/// A number of entities, and the sum of their IDs.
#[derive(Debug, Default)]
struct Tally {
    entities: AtomicU64,
    ids: AtomicU64,
}

impl Tally {
    fn add(&self, id: u64) {
        self.entities.fetch_add(1, Relaxed);
        self.ids.fetch_add(id, Relaxed);
    }

    fn get(&self) -> (u64, u64) {
        (self.entities.load(Relaxed), self.ids.load(Relaxed))
    }
}

/// Tallies finished entities and those in progress.
#[derive(Debug, Default)]
struct Received {
    documents: AtomicU64,
    finished: Tally,
    in_progress: Tally,
}

#[derive(Debug, Clone, Default)]
struct TallyEmitter(Arc<Received>);

impl Emitter for TallyEmitter {
    fn emit(&self, document: Document) {
        self.0.documents.fetch_add(1, Relaxed);
        // Nothing in these documents except entities has an ID, and no entity has the end of another one before its own.
        for entity in document.json().split(r#","id":""#).skip(1) {
            let id = u64::from_str_radix(&entity[..16], 16).expect("an ID");
            let is_finished = entity.contains(r#","end_time":"#);
            assert_ne!(is_finished, entity.contains(r#","in_progress":true"#), "{entity}");
            if is_finished { &self.0.finished } else { &self.0.in_progress }.add(id);
        }
    }

    fn flush(&self, _: Duration) -> Flushed {
        Flushed::All
    }
}

const THREADS: usize = 16;

/// Begins this many entities by 16 threads. Each thread has traces of its own, and closes some subsegments of another thread,
/// whose segments may have closed before.
fn run(entities: u64) {
    let started = Instant::now();
    let emitter = TallyEmitter::default();
    let received = emitter.0.clone();
    let recorder = Recorder::builder().sampling(Always).emitter(emitter).build().expect("valid settings");
    let (begun, ready) = (Tally::default(), Barrier::new(THREADS));
    let (mut senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| channel::<Subsegment>()).unzip();
    senders.rotate_left(1);
    thread::scope(|scope| {
        for (thread, (to_next, from_previous)) in senders.into_iter().zip(receivers).enumerate() {
            let (recorder, begun, ready) = (&recorder, &begun, &ready);
            scope.spawn(move || {
                let mut rng = Rng::with_seed(thread as u64);
                let mut left = entities / THREADS as u64;
                ready.wait();
                while left > 0 {
                    let segment = recorder.begin("segment");
                    begun.add(segment.id().expect("an ID").to_u64());
                    left -= 1;
                    let mut open: Vec<Subsegment> = vec![];
                    for _ in 0..rng.u64(0..40).min(left) {
                        left -= 1;
                        let below = rng.usize(0..=open.len());
                        let child =
                            open.get(below).map_or_else(|| segment.subsegment("a"), |parent| parent.subsegment("b"));
                        begun.add(child.id().expect("an ID").to_u64());
                        open.push(child);
                        for _ in 0..rng.usize(0..3) {
                            if open.is_empty() {
                                break;
                            }
                            let entity = open.swap_remove(rng.usize(0..open.len()));
                            match rng.u8(0..8) {
                                0 => to_next.send(entity).expect("the next thread receives"),
                                1 => drop(entity),
                                2 => open.push(entity),
                                _ => entity.annotate("thread", thread).close(),
                            }
                        }
                    }
                    for late in from_previous.try_iter() {
                        late.annotate("closed_by", thread).close();
                    }
                    segment.annotate("thread", thread).close();
                    // What is still open closes late.
                }
                drop(to_next);
                from_previous.iter().for_each(|late| late.close());
            });
        }
    });
    let (stats, passed) = (recorder.stats(), started.elapsed());
    println!(
        "{} entities begun, {} sent in {} documents, {} more times in progress, in {passed:?}",
        begun.get().0,
        received.finished.get().0,
        received.documents.load(Relaxed),
        received.in_progress.get().0
    );
    assert_eq!(begun.get().0, entities / THREADS as u64 * THREADS as u64);
    assert_eq!(received.finished.get(), begun.get(), "each entity is sent once");
    assert_eq!((stats.late_writes, stats.dropped_oversize), (0, 0));
}

#[test]
fn each_of_many_entities_is_sent_once() {
    run(100_000);
}

#[test]
#[ignore = "takes long without optimisation"]
fn each_of_five_million_entities_is_sent_once() {
    run(5_000_000);
}
