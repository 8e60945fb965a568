//! The documents of large entities, of many entities, and of entities that close in any order.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::sync::Arc;
use std::thread;

use proptest::prelude::*;
use xray_core::document::{Document, MAX_DOCUMENT};
use xray_core::emit::MemoryEmitter;
use xray_core::http::HttpRequest;
use xray_core::sampling::Always;
use xray_core::serde_json::{self, Value, json};
use xray_core::{Aws, Exception, Recorder, Segment, Sql, Subsegment};

#[path = "support/union.rs"]
mod union;
use union::union;

fn recorder(threshold: usize) -> (Recorder, MemoryEmitter) {
    let emitter = MemoryEmitter::new();
    let builder = Recorder::builder().sampling(Always).emitter(emitter.clone()).streaming_threshold(threshold);
    (builder.build().unwrap(), emitter)
}

/// Begins `length` subsegments, each below the one before.
fn chain(segment: &Segment, length: usize) -> Vec<Subsegment> {
    let mut chain = vec![segment.subsegment("top")];
    while chain.len() < length {
        chain.push(chain[chain.len() - 1].subsegment("part"));
    }
    chain
}

fn text(characters: usize) -> String {
    "𝒳".repeat(characters)
}

#[test]
fn oversized_metadata_is_trimmed_and_everything_else_is_kept() {
    let (recorder, emitter) = recorder(100);
    let segment = recorder.begin("shop");
    let part = segment.subsegment("part");
    part.annotate("n", 1).metadata("small", "kept").metadata_in("debug", "large", &"x".repeat(200_000));
    part.metadata("medium", &"y".repeat(20_000)).mark(xray_core::Flag::Error);
    let id = part.id().unwrap().to_string();
    part.close();
    segment.close();
    let union = union(&emitter.take());
    assert_eq!(union.len(), 2);
    let part = &union[&id].json;
    assert_eq!((&part["annotations"], &part["error"]), (&json!({"n": 1}), &json!(true)));
    assert_eq!(part["metadata"]["default"]["small"], "kept");
    assert_eq!(part["metadata"]["default"]["medium"].as_str().unwrap().len(), 20_000);
    assert_eq!(part["metadata"]["debug"]["large"], "removed: 200002 bytes");
    assert!(
        part["metadata"]["xray"]["trimmed"].as_str().unwrap().contains("200002 bytes"),
        "{}",
        part["metadata"]["xray"]
    );
    assert_eq!((recorder.stats().trimmed, recorder.stats().dropped_oversize), (1, 0));
}

/// What makes a subsegment too large.
type Case<'a> = (&'a str, &'a dyn Fn(&Subsegment));

#[test]
fn an_entity_too_large_is_trimmed_until_it_fits() {
    let failure = |number: usize| {
        let message = format!("{number}: {}", text(5000));
        Exception::new("Kind", message).backtrace(&std::backtrace::Backtrace::force_capture())
    };
    let cases: [Case<'_>; 9] = [
        ("many small values", &|part| {
            (0..900).for_each(|n| {
                part.metadata(&format!("key {n:0100}"), &n);
            })
        }),
        ("long keys", &|part| {
            (0..90).for_each(|n| {
                part.metadata(&format!("{n} {}", text(40_000)), &n);
            })
        }),
        ("long namespaces", &|part| {
            (0..90).for_each(|n| {
                part.metadata_in(&format!("{n} {}", text(40_000)), "k", &n);
            })
        }),
        ("escapes", &|part| {
            part.metadata(&"\u{1}".repeat(400), &"\u{1}".repeat(30_000));
        }),
        ("messages", &|part| {
            (0..32).for_each(|n| {
                part.fault(failure(n));
            })
        }),
        ("a query and a url", &|part| {
            part.set_sql(&Sql::from_url(&format!("mysql://h/{}", text(300))).database_version(text(30_000)));
            part.set_http_request(&HttpRequest::new("GET", &format!("http://h/{}", text(20_000))));
        }),
        ("a parameter", &|part| {
            part.set_aws(&Aws::operation("Put").parameter("item", &text(60_000)));
        }),
        ("a list of parameters", &|part| {
            let names: Vec<_> = (0..9000).map(|n| format!("table {n}")).collect();
            part.set_aws(&Aws::operation("BatchGet").parameter("tables", &names));
        }),
        ("a deep parameter", &|part| {
            let deep = (0..300).fold(json!(text(20_000)), |inner, _| json!([inner]));
            part.set_aws(&Aws::operation("Put").parameter("item", &deep));
        }),
    ];
    for (case, add) in cases {
        let (recorder, emitter) = recorder(100);
        let segment = recorder.begin(text(200));
        let part = segment.subsegment(text(200));
        add(&part);
        part.annotate("kept", true).mark(xray_core::Flag::Throttle);
        let id = part.id().unwrap().to_string();
        part.close();
        segment.close();
        let union = union(&emitter.take());
        assert_eq!(union.len(), 2, "{case}");
        let part = &union[&id].json;
        assert_eq!((&part["annotations"]["kept"], &part["throttle"]), (&json!(true), &json!(true)), "{case}");
        assert!(part["metadata"]["xray"]["trimmed"].is_string(), "{case}: {}", part["metadata"]);
        assert_eq!((recorder.stats().trimmed, recorder.stats().dropped_oversize), (1, 0), "{case}");
    }
}

#[test]
fn the_steps_of_trimming_run_in_their_order_and_are_reported_in_it() {
    let (recorder, emitter) = recorder(100);
    let segment = recorder.begin("shop");
    let part = segment.subsegment("everything");
    let names: Vec<_> = (0..9000).map(|n| format!("table {n}")).collect();
    part.set_aws(&Aws::operation("BatchGet").parameter("tables", &names));
    part.set_sql(&Sql::from_url("mysql://h/shop").database_version(text(30_000)));
    part.metadata("large", &text(40_000));
    for number in 0..32 {
        let exception = Exception::new("Kind", format!("{number}: {}", text(5000)));
        part.fault(exception.backtrace(&std::backtrace::Backtrace::force_capture()));
    }
    let id = part.id().unwrap().to_string();
    part.close();
    segment.close();
    let union = union(&emitter.take());
    let report = union[&id].json["metadata"]["xray"]["trimmed"].as_str().unwrap().to_owned();
    let steps: Vec<_> = report.split(", ").map(|line| line.replace(|c: char| c.is_ascii_digit(), "")).collect();
    assert_eq!(
        steps,
        [
            "long lists of aws",
            "metadata \"default\".\"large\" ( bytes)",
            " stack frames",
            "long texts of sql",
            "long texts of aws",
            "long exception messages"
        ]
    );
}

#[test]
fn a_long_list_of_an_aws_call_is_shortened_before_anything_else_is_trimmed() {
    let names: Vec<_> = (0..10_000).map(|n| format!("table {n}")).collect();
    let keys: serde_json::Map<_, _> = names.iter().map(|name| (name.clone(), json!({"id": name}))).collect();
    for (case, list) in [("list", json!(names)), ("object", json!(keys)), ("nested", json!({"a": [names, keys]}))] {
        let (recorder, emitter) = recorder(100);
        let segment = recorder.begin("shop");
        let part = segment.subsegment("DynamoDB");
        part.set_aws(&Aws::operation("BatchGetItem").region("eu-west-1").parameter("tables", &list).retries(1));
        part.set_http_request(&HttpRequest::new("POST", "http://h/"));
        part.metadata("large", &"x".repeat(40_000)).fault(Exception::new("Kind", text(1000)));
        let id = part.id().unwrap().to_string();
        part.close();
        segment.close();
        let part = &union(&emitter.take())[&id].json;
        assert_eq!(part["metadata"]["default"]["large"].as_str().unwrap().len(), 40_000, "{case}");
        assert_eq!(part["cause"]["exceptions"][0]["message"], text(1000), "{case}");
        assert_eq!(part["http"]["request"]["url"], "http://h/", "{case}");
        let aws = &part["aws"];
        assert_eq!((&aws["region"], &aws["retries"]), (&json!("eu-west-1"), &json!(1)), "{case}");
        let kept = aws["tables"].to_string();
        assert!((1000..5000).contains(&kept.len()) && kept.contains("table 0"), "{case}: {kept}");
        assert_eq!(part["metadata"]["xray"]["trimmed"], "long lists of aws", "{case}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn trimming_leaves_flags_http_and_exceptions_that_others_refer_to(
        annotations in 0usize..50,
        annotated in 0usize..1000,
        metadata in prop::collection::vec(0usize..20_000, 0..20),
        exceptions in 1usize..32,
        message in 0usize..5000,
        list in 0usize..5000,
        sql in 0usize..40_000,
        unit in prop::sample::select(vec!["a", "𝒳", "\u{1}"]),
    ) {
        let (recorder, emitter) = recorder(100);
        let segment = recorder.begin(text(200));
        let part = segment.subsegment(text(200));
        for number in 0..annotations {
            part.annotate(&format!("key_{number}"), unit.repeat(annotated));
        }
        for (number, bytes) in metadata.iter().enumerate() {
            part.metadata(&number.to_string(), &unit.repeat(*bytes));
        }
        part.set_aws(&Aws::operation("Put").parameter("list", &vec![unit; list]));
        part.set_sql(&Sql::from_url("mysql://h/d").database_version(unit.repeat(sql)));
        part.set_http_request(&HttpRequest::new("GET", "http://h/p")).mark(xray_core::Flag::Throttle);
        part.set_http_response(&xray_core::http::HttpResponse::new(503));
        let failures: Vec<_> = (0..exceptions).map(|n| Exception::new("Kind", format!("{n} {}", unit.repeat(message)))).collect();
        for failure in &failures {
            part.fault(failure.clone());
        }
        let id = part.id().unwrap().to_string();
        // The last one is recorded on the segment as well.
        segment.fault(failures[exceptions - 1].clone());
        part.close();
        let root = segment.id().unwrap().to_string();
        segment.close();
        let documents = emitter.take();
        prop_assert!(documents.iter().all(|document| document.json().len() <= MAX_DOCUMENT));
        let union = union(&documents);
        let part = &union[&id].json;
        prop_assert_eq!((&part["throttle"], &part["fault"]), (&json!(true), &json!(true)));
        prop_assert_eq!(&part["http"]["request"]["url"], "http://h/p");
        prop_assert_eq!(&part["http"]["response"]["status"], 503);
        let described = part["cause"]["exceptions"].as_array().unwrap();
        prop_assert_eq!(described.len(), exceptions);
        let referred = &union[&root].json["cause"];
        prop_assert!(referred.is_string() && described.iter().any(|exception| exception["id"] == *referred));
        prop_assert_eq!(recorder.stats().dropped_oversize, 0);
    }
}

#[test]
fn the_report_of_what_was_trimmed_fits_as_well() {
    for filler in (60_000..64_000).step_by(100) {
        let (recorder, emitter) = recorder(100);
        let segment = recorder.begin(text(200));
        segment.metadata(&text(400), &"x".repeat(100_000)).metadata_in("filler", "k", &"x".repeat(filler));
        segment.close();
        assert_eq!((union(&emitter.take()).len(), recorder.stats().trimmed), (1, 1), "{filler}");
    }
}

#[test]
fn no_annotation_makes_an_entity_too_large() {
    for (characters, unit, kept) in [(1000, "a", 50), (1000, "𝒳", 13), (1000, "\u{1}", 8), (2, "𝒳", 50)] {
        let (recorder, emitter) = recorder(100);
        let segment = recorder.begin("shop");
        for number in 0..50 {
            segment.annotate(&format!("key_{number}"), unit.repeat(characters));
        }
        segment
            .annotate("key_0", "replaced")
            .metadata("large", &text(20_000))
            .fault(text(4000))
            .set_http_request(&HttpRequest::new("GET", &text(300)).user_agent(&text(300)));
        let id = segment.id().unwrap().to_string();
        segment.close();
        let documents = emitter.take();
        let union = union(&documents);
        let annotations = union[&id].json["annotations"].as_object().unwrap();
        assert_eq!(annotations.len(), kept, "{unit:?}");
        assert_eq!(annotations["key_0"], "replaced");
        assert!(annotations.iter().all(|(key, text)| key == "key_0" || *text == json!(unit.repeat(characters))));
        let stats = recorder.stats();
        assert_eq!((stats.annotations_dropped, stats.dropped_oversize), (50 - kept as u64, 0), "{unit:?}");
    }
}

#[test]
fn medium_subsegments_are_split_by_size() {
    let (recorder, emitter) = recorder(10_000);
    let segment = recorder.begin("shop");
    let parts: Vec<_> = (0..60).map(|n| segment.subsegment(format!("{n}"))).collect();
    for part in &parts {
        part.metadata("pad", &"x".repeat(9000));
        part.subsegment("inner").metadata("pad", &"x".repeat(9000));
    }
    drop(parts);
    segment.close();
    let documents = emitter.take();
    assert!(documents.len() > 10, "{}", documents.len());
    assert_eq!(union(&documents).len(), 121);
    assert_eq!((recorder.stats().trimmed, recorder.stats().dropped_oversize), (0, 0));
}

#[test]
fn a_tree_that_is_too_large_at_its_close_is_split_along_its_branches() {
    let (recorder, emitter) = recorder(10_000);
    let segment = recorder.begin("shop");
    // Nothing is complete before the innermost closes, and the outer ones are only after the segment.
    let chain = chain(&segment, 40);
    for part in &chain {
        part.metadata("pad", &"x".repeat(4000));
        part.subsegment("leaf").metadata("pad", &"x".repeat(1000));
    }
    chain[20..].iter().rev().for_each(Subsegment::close);
    segment.close();
    chain.iter().for_each(Subsegment::close);
    assert_eq!(union(&emitter.take()).len(), 81);
}

#[test]
fn fifteen_hundred_subsegments_arrive_one_after_another_or_open_at_once() {
    for at_once in [false, true] {
        for threshold in [0, 1, 100, usize::MAX] {
            let (recorder, emitter) = recorder(threshold);
            let segment = recorder.begin("shop");
            let open: Vec<_> =
                (0..1500).map(|n| Some(segment.subsegment(format!("{n}"))).filter(|_| at_once)).collect();
            drop(open);
            segment.close();
            let documents = emitter.take();
            let union = union(&documents);
            assert_eq!(union.len(), 1501, "{threshold}");
            let root = segment.id().unwrap().to_string();
            assert!(union.values().filter(|entity| entity.parent.as_ref() == Some(&root)).count() == 1500);
            if threshold == 0 {
                assert_eq!(documents.len(), 1501);
            }
        }
    }
}

#[test]
fn ten_thousand_nested_subsegments_are_neither_lost_nor_too_deep() {
    for inner_first in [true, false] {
        let (recorder, emitter) = recorder(100);
        let segment = recorder.begin("shop");
        let mut chain = chain(&segment, 10_000);
        if inner_first {
            chain.reverse();
        }
        chain.iter().for_each(Subsegment::close);
        segment.close();
        let documents = emitter.take();
        // `serde_json` creates and drops values recursively.
        let check = move || assert_eq!(union(&documents).len(), 10_001);
        thread::Builder::new().stack_size(64 << 20).spawn(check).unwrap().join().unwrap();
    }
}

#[test]
fn a_child_that_never_closes_holds_nothing_back() {
    for threshold in [0, 1, 100] {
        let (recorder, emitter) = recorder(threshold);
        let segment = recorder.begin("shop");
        let leaked = segment.subsegment("leaked");
        let below = leaked.subsegment("below");
        below.close();
        let open_below = leaked.subsegment("open below");
        segment.subsegment("other").close();
        segment.close();
        let before = emitter.take();
        let union_before = union(&before);
        let names = |documents: &[Document]| {
            let mut names: Vec<_> =
                union(documents).into_values().map(|entity| entity.json["name"].as_str().unwrap().to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&before), ["below", "other", "shop"], "{threshold}");
        assert_eq!(union_before[&below.id().unwrap().to_string()].parent, leaked.id().map(|id| id.to_string()));
        // Late ones are sent on their own, each with the id of its parent.
        let late = leaked.subsegment("late");
        open_below.close();
        leaked.close();
        late.annotate("n", 1).close();
        segment.subsegment("after the segment").close();
        let after = emitter.take();
        assert_eq!(after.len(), 4);
        let union = union(&after);
        assert_eq!(union[&late.id().unwrap().to_string()].parent, leaked.id().map(|id| id.to_string()));
        assert_eq!(union[&leaked.id().unwrap().to_string()].parent, segment.id().map(|id| id.to_string()));
    }
}

#[test]
fn nothing_complete_is_below_a_stub() {
    let (recorder, emitter) = recorder(100);
    let segment = recorder.begin("shop");
    let open = segment.subsegment("open");
    open.subsegment("complete").close();
    let inner = open.subsegment("inner");
    inner.close();
    let half = inner.subsegment("below a closed one");
    segment.close();
    half.close();
    fn check(entity: &Value, under_stub: bool) {
        let stub = entity["in_progress"] == true;
        assert!(!under_stub || stub, "{entity}");
        entity["subsegments"].as_array().into_iter().flatten().for_each(|child| check(child, stub));
    }
    let documents = emitter.take();
    documents.iter().for_each(|document| check(&document.json().parse().unwrap(), false));
    assert_eq!(union(&documents).len(), 4);
    drop(open);
    assert_eq!(emitter.take().len(), 1);
}

#[test]
fn siblings_are_in_the_order_of_their_start() {
    let (recorder, emitter) = recorder(100);
    let segment = recorder.begin("shop");
    let mut parts: Vec<_> = (0..20).map(|n| segment.subsegment(format!("{n}"))).collect();
    parts.sort_by_key(|part| part.id());
    drop(parts);
    segment.close();
    let document: Value = emitter.take()[0].json().parse().unwrap();
    let names: Vec<_> = document["subsegments"].as_array().unwrap().iter().map(|part| part["name"].clone()).collect();
    assert_eq!(names, (0..20).map(|n| json!(n.to_string())).collect::<Vec<_>>());
}

/// The next action of a thread, in its own part of the trace or anywhere.
#[derive(Clone, Debug)]
enum Act {
    Begin(usize),
    Annotate(usize),
    Pad(usize, usize),
    Announce(usize),
    Close(usize),
    CloseSegment,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        40 => any::<usize>().prop_map(Act::Begin),
        10 => any::<usize>().prop_map(Act::Annotate),
        4 => (any::<usize>(), 1000usize..90_000).prop_map(|(of, size)| Act::Pad(of, size)),
        3 => any::<usize>().prop_map(Act::Announce),
        30 => any::<usize>().prop_map(Act::Close),
        1 => Just(Act::CloseSegment),
    ];
    prop::collection::vec(act, 0..120)
}

fn perform(segment: &Segment, acts: &[Act]) -> Vec<Subsegment> {
    let mut parts = vec![segment.subsegment("first")];
    for act in acts {
        let of = |number: &usize| &parts[number % parts.len()];
        match act {
            Act::Begin(number) if number % 5 == 0 => parts.push(segment.subsegment("of the segment")),
            Act::Begin(number) => parts.push(of(number).subsegment("part")),
            Act::Annotate(number) => {
                of(number).annotate("n", *number);
            }
            Act::Pad(number, size) => {
                of(number).metadata("pad", &"x".repeat(*size));
            }
            Act::Announce(number) => {
                of(number).announce();
            }
            Act::Close(number) => of(number).close(),
            Act::CloseSegment => segment.close(),
        }
    }
    parts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn threads_in_one_trace_neither_lose_nor_duplicate_anything(
        threshold in prop_oneof![Just(0usize), 1usize..8, Just(100)],
        threads in prop::collection::vec(acts(), 1..5),
        segment_last: bool,
    ) {
        let (recorder, emitter) = recorder(threshold);
        let segment = recorder.begin("shop");
        let root = segment.id().unwrap().to_string();
        let parts: Vec<Subsegment> = thread::scope(|scope| {
            let running: Vec<_> = threads.iter().map(|acts| scope.spawn(|| perform(&segment, acts))).collect();
            running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        if !segment_last {
            segment.close();
        }
        let ids: Vec<_> = parts.iter().map(|part| part.id().unwrap().to_string()).collect();
        let parts = Arc::new(parts);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| parts.iter().for_each(Subsegment::close));
            }
        });
        segment.close();
        let union = union(&emitter.take());
        prop_assert_eq!(union.len(), ids.len() + 1);
        for id in &ids {
            let parent = union[id].parent.as_ref().unwrap();
            prop_assert!(*parent == root || ids.contains(parent));
        }
        prop_assert_eq!(recorder.stats().dropped_oversize, 0);
        prop_assert!(MAX_DOCUMENT < 64 * 1024);
    }
}
