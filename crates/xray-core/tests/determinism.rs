//! The same seed and clock give the same documents, and time never runs backwards in a trace.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use xray_core::emit::MemoryEmitter;
use xray_core::sampling::Always;
use xray_core::serde_json::Value;
use xray_core::time::{Clock, Timestamp};
use xray_core::{Recorder, RecorderBuilder, Segment, TraceHeader};

const START: u64 = 1_700_000_000_000_000;

fn builder(emitter: &MemoryEmitter, clock: &Clock) -> RecorderBuilder {
    Recorder::builder().sampling(Always).emitter(emitter.clone()).clock(clock.clone())
}

fn work(segment: &Segment, clock: &Clock) {
    for name in ["a", "b"] {
        clock.advance(Duration::from_micros(1500));
        let subsegment = segment.subsegment(name);
        subsegment.annotate("n", 1).fault("failed");
        clock.advance(Duration::from_millis(2));
        subsegment.subsegment("inner").close();
    }
}

#[test]
fn a_seed_and_a_manual_clock_reproduce_every_byte() {
    let run = |seed| {
        let (emitter, clock) = (MemoryEmitter::new(), Clock::manual(Timestamp::from_micros(START)));
        let recorder = builder(&emitter, &clock).seed(seed).build().unwrap();
        for name in ["first", "second"] {
            let segment = recorder.begin(name);
            work(&segment, &clock);
            segment.unsampled_subsegment().close();
            segment.close();
        }
        emitter.take()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
    let first: Value = run(7)[0].json().parse().unwrap();
    assert!(first["trace_id"].as_str().unwrap().starts_with("1-6553f100-"));
    assert!(run(7)[0].json().contains(r#""start_time":1700000000.000000,"end_time":1700000000.007000"#));
}

#[test]
fn explicit_ends_are_never_before_the_start() {
    let second = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
    let far = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(1 << 50));
    for (start, end, want) in [
        (second(1_600_000_000), second(1_600_000_010), (1.6e9, 1.6e9 + 10.0)),
        (second(1_600_000_000), second(1_500_000_000), (1.6e9, 1.6e9)),
        (second(0), UNIX_EPOCH - Duration::from_secs(5), (0.0, 0.0)),
        (second(5), far.unwrap_or(second(5)), (5.0, f64::INFINITY)),
    ] {
        let (emitter, clock) = (MemoryEmitter::new(), Clock::manual(Timestamp::from_micros(START)));
        let segment = builder(&emitter, &clock).build().unwrap().begin("shop");
        segment.subsegment_at("work", start).close_at(end);
        segment.close_at(end);
        let document: Value = emitter.take()[0].json().parse().unwrap();
        let time = |value: &Value| value.as_f64().unwrap();
        let work = &document["subsegments"][0];
        assert_eq!(time(&work["start_time"]), want.0);
        assert!(time(&work["end_time"]) == want.1 || want.1.is_infinite() && time(&work["end_time"]) > 1e12);
        assert!(time(&document["end_time"]) >= time(&document["start_time"]));
    }
}

#[test]
fn steps_of_the_wall_clock_between_traces_change_only_their_start() {
    let (emitter, clock) = (MemoryEmitter::new(), Clock::manual(Timestamp::from_micros(START)));
    let recorder = builder(&emitter, &clock).build().unwrap();
    recorder.begin("before").close();
    clock.step(Timestamp::from_micros(START - 3_600_000_000));
    recorder.begin_from("after", &TraceHeader::parse("Sampled=1")).close();
    let starts = emitter
        .take()
        .iter()
        .map(|document| document.json().parse::<Value>().unwrap()["start_time"].as_f64().unwrap())
        .collect::<Vec<_>>();
    assert_eq!(starts, [1.7e9, 1.7e9 - 3600.0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_step_of_the_clock_makes_an_end_precede_its_start(steps in prop::collection::vec((0u8..4, 0u64..10_000_000), 1..40)) {
        let (emitter, clock) = (MemoryEmitter::new(), Clock::manual(Timestamp::from_micros(START)));
        let recorder = builder(&emitter, &clock).streaming_threshold(3).build().unwrap();
        let segment = recorder.begin("shop");
        let mut open = vec![];
        for (step, amount) in steps {
            match step {
                0 => clock.step(Timestamp::from_micros(START - 5_000_000 + amount)),
                1 => clock.advance(Duration::from_micros(amount)),
                2 => open.push(open.last().map_or_else(|| segment.subsegment("s"), |s: &xray_core::Subsegment| s.subsegment("s"))),
                _ => drop(open.pop()),
            }
        }
        while let Some(last) = open.pop() {
            last.close();
        }
        segment.close();
        for document in emitter.take() {
            let mut work = vec![document.json().parse::<Value>().unwrap()];
            while let Some(entity) = work.pop() {
                let (start, end) = (entity["start_time"].as_f64().unwrap(), entity["end_time"].as_f64().unwrap());
                prop_assert!(1.7e9 <= start && start <= end, "{}", entity);
                work.extend(entity["subsegments"].as_array().into_iter().flatten().cloned());
            }
        }
    }
}
