//! Segments and subsegments: every member of their documents, and the lifetime of their handles.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, UNIX_EPOCH};

use xray_core::emit::MemoryEmitter;
use xray_core::http::{HttpRequest, HttpResponse};
use xray_core::sampling::Always;
use xray_core::serde::{Serialize, Serializer};
use xray_core::serde_json::{self, Value, json};
use xray_core::testing::Traces;
use xray_core::time::{Clock, Timestamp};
use xray_core::{
    AnnotationValue, Aws, Entity, Flag, Namespace, Recorder, Segment, Sql, TraceHeader, capture, current,
    current_segment,
};

const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

fn begun() -> (Segment, Recorder, Traces) {
    let (recorder, traces) = Recorder::in_memory();
    (recorder.begin("shop"), recorder, traces)
}

/// Returns the only document that was sent.
fn sent(traces: &Traces) -> Value {
    let taken = traces.take();
    let [document] = taken.documents() else { panic!("{taken:?}") };
    document.json().parse().unwrap()
}

#[test]
fn a_segment_document_has_everything_that_was_recorded() {
    let (emitter, clock) = (MemoryEmitter::new(), Clock::manual(Timestamp::from_micros(1_700_000_000_000_001)));
    let builder = Recorder::builder().service("orders").service_version("1.2.3").sampling(Always);
    let recorder = builder.emitter(emitter.clone()).clock(clock.clone()).seed(1).build().unwrap();
    let segment = recorder.begin_from("shop", &TraceHeader::parse(HEADER));
    segment
        .set_user("john")
        .set_http_request(
            &HttpRequest::new("POST", "https://u:s3cret@shop.test/orders?secret=s3cret#top")
                .user_agent("curl/8")
                .client_ip("203.0.113.7")
                .forwarded(true),
        )
        .set_http_response(&HttpResponse::new(429).content_length(17))
        .throttle()
        .annotate("tier", "gold")
        .metadata("cart", &json!({"items": [1, 2]}))
        .fault("broken");
    let id = segment.id().unwrap().to_string();
    clock.advance(Duration::from_micros(999_999));
    segment.close();

    let text = emitter.take()[0].json().to_owned();
    let mut document: Value = text.parse().unwrap();
    assert!(document["cause"]["exceptions"][0]["id"].is_string() && document["cause"]["working_directory"].is_string());
    document["cause"] = Value::Null;
    for place in ["/aws/xray/sdk_version", "/service/runtime_version"] {
        assert!(document.pointer_mut(place).unwrap().take().as_str().unwrap().contains('.'), "{text}");
    }
    let want = json!({
        "name": "shop", "id": id, "trace_id": "1-5759e988-bd862e3fe1be46a994272793", "parent_id": "53995c3f42cd8ad8",
        "start_time": 1_700_000_000.000_001, "end_time": 1_700_000_001.0,
        "error": true, "throttle": true, "fault": true, "user": "john",
        "aws": {"xray": {"sdk": "X-Ray for Rust", "sdk_version": null}},
        "service": {"name": "orders", "version": "1.2.3", "runtime": "rustc", "runtime_version": null},
        "http": {
            "request": {"method": "POST", "url": "https://shop.test/orders", "user_agent": "curl/8",
                        "client_ip": "203.0.113.7", "x_forwarded_for": true},
            "response": {"status": 429, "content_length": 17},
        },
        "annotations": {"tier": "gold"}, "metadata": {"default": {"cart": {"items": [1, 2]}}}, "cause": null,
    });
    assert_eq!(document, want);
}

#[test]
fn a_subsegment_document_has_everything_that_was_recorded() {
    let (segment, _, traces) = begun();
    let first = segment.subsegment("first");
    let call = segment.subsegment("call");
    let aws = Aws::operation("PutItem").region("eu-west-1").request_id("R").id_2("I").retries(2).parameter("n", &7);
    call.set_namespace(Namespace::Aws)
        .set_traced(true)
        .add_precursor(first.id().unwrap())
        .set_aws(&aws)
        .set_http_request(&HttpRequest::new("GET", "http://h/p").traced(true))
        .set_http_response(&HttpResponse::new(500))
        .set_sql(&Sql::from_url("postgres://app:s3cret@db:5432/shop").query("SELECT 1").prepared())
        .mark(Flag::Fault);
    call.close();
    first.set_namespace(Namespace::Remote).close();
    segment.close();
    let document = sent(&traces);
    let mut recorded = document["subsegments"][1].clone();
    let members = recorded.as_object_mut().unwrap();
    for timed in ["id", "start_time", "end_time"] {
        assert!(members.remove(timed).is_some());
    }
    let want = json!({
        "name": "call", "namespace": "aws", "traced": true, "precursor_ids": [document["subsegments"][0]["id"]],
        "fault": true,
        "aws": {"operation": "PutItem", "region": "eu-west-1", "request_id": "R", "id_2": "I", "retries": 2, "n": 7},
        "sql": {"url": "postgresql://db:5432/shop", "user": "app", "database_type": "PostgreSQL",
                "preparation": "statement"},
        "http": {"request": {"method": "GET", "url": "http://h/p", "traced": true}, "response": {"status": 500}},
    });
    assert_eq!(recorded, want);
    assert_eq!(document["subsegments"][0]["namespace"], "remote");
}

#[test]
fn members_are_in_the_order_that_the_daemon_needs() {
    let (segment, _, traces) = begun();
    segment.fault("broken").annotate("a", 1).metadata("m", &1);
    segment.subsegment("part").fault("too").annotate("a", 1);
    segment.close();
    let text = traces.take().documents()[0].json().to_owned();
    let at = |member: &str| text.find(&format!("\"{member}\":")).unwrap_or_else(|| panic!("{member} in {text}"));
    let order = ["name", "id", "start_time", "end_time", "trace_id", "annotations", "metadata", "cause", "subsegments"];
    assert!(order.map(at).is_sorted(), "{text}");
}

#[test]
fn annotations_of_all_types_are_recorded_unchanged() {
    let borrowed = String::from("borrowed");
    let values: [(AnnotationValue<'_>, Value); 15] = [
        ("text".into(), json!("text")),
        ("".into(), json!("")),
        ("\"\\\n\u{1}\u{7f}é😀".into(), json!("\"\\\n\u{1}\u{7f}é😀")),
        (String::from("owned").into(), json!("owned")),
        ((&borrowed).into(), json!("borrowed")),
        (true.into(), json!(true)),
        (u8::MAX.into(), json!(255)),
        (u64::MAX.into(), json!(u64::MAX)),
        (i64::MIN.into(), json!(i64::MIN)),
        (usize::MAX.into(), json!(usize::MAX)),
        ((-0.5f32).into(), json!(-0.5)),
        (1e300.into(), json!(1e300)),
        (f64::NAN.into(), json!("NaN")),
        (f64::INFINITY.into(), json!("Infinity")),
        (f64::NEG_INFINITY.into(), json!("-Infinity")),
    ];
    let (segment, _, traces) = begun();
    for (index, (value, _)) in values.iter().enumerate() {
        segment.annotate(&format!("k{index}"), value.clone());
    }
    segment.close();
    let annotations = sent(&traces)["annotations"].clone();
    for (index, (_, want)) in values.iter().enumerate() {
        assert_eq!(annotations[format!("k{index}")], *want, "{index}");
    }
}

#[test]
fn annotations_are_limited_and_repaired() {
    let (segment, recorder, traces) = begun();
    segment.annotate("order.id", 1).annotate("größe", 2).annotate("", 3).annotate(&"k".repeat(600), 4);
    segment.annotate("long", "ä".repeat(1500)).annotate("again", 1).annotate("again", "two");
    for number in 0..60 {
        segment.annotate(&format!("n{number}"), number);
    }
    // An existing key may still change.
    segment.annotate("n0", "changed");
    segment.close();
    let annotations = sent(&traces)["annotations"].clone();
    assert_eq!(annotations.as_object().unwrap().len(), 50);
    assert_eq!(recorder.stats().annotations_dropped, 16);
    for (key, value) in [
        ("order_id", json!(1)),
        ("gr__e", json!(2)),
        ("_", json!(3)),
        (&"k".repeat(500), json!(4)),
        ("long", json!("ä".repeat(1000))),
        ("again", json!("two")),
        ("n0", json!("changed")),
        ("n43", json!(43)),
    ] {
        assert_eq!(annotations[key], value, "{key}");
    }
}

#[test]
fn metadata_keeps_any_json_by_namespace_and_key() {
    #[derive(serde::Serialize)]
    struct Cart<'a> {
        id: u64,
        note: Option<&'a str>,
        sums: Vec<f64>,
    }
    let (segment, _, traces) = begun();
    segment
        .metadata("cart", &Cart { id: u64::MAX, note: None, sums: vec![0.1, f64::NAN] })
        .metadata("none", &None::<u8>)
        .metadata("text", "a \"quoted\" text")
        .metadata_in("debug \"x\"", "key with spaces é", &[1, 2])
        .metadata_in("AWS.reserved", "key", &1)
        .metadata_in("debug \"x\"", "other", &BTreeMap::from([(1, "one")]))
        .metadata("text", &2)
        .metadata_in("", "", &())
        .metadata("__proto__", &true)
        .metadata_with("made", || vec!["late"]);
    segment.close();
    let want = json!({
        "default": {"cart": {"id": u64::MAX, "note": null, "sums": [0.1, null]}, "none": "", "text": 2,
                    "__proto__": true, "made": ["late"]},
        "debug \"x\"": {"key with spaces é": [1, 2], "other": {"1": "one"}},
        "": {"": ""},
    });
    assert_eq!(sent(&traces)["metadata"], want);
}

#[test]
fn metadata_is_a_snapshot() {
    let (segment, _, traces) = begun();
    let mut list = vec![1];
    segment.metadata("list", &list);
    list.push(2);
    segment.close();
    assert_eq!(sent(&traces)["metadata"]["default"]["list"], json!([1]));
    assert_eq!(list, [1, 2]);
}

#[test]
fn a_value_that_does_not_serialise_loses_only_itself() {
    struct Fails;
    impl Serialize for Fails {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(xray_core::serde::ser::Error::custom("no"))
        }
    }
    struct Panics;
    impl Serialize for Panics {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let _begun = serializer.serialize_seq(None);
            panic!("in the user's own code")
        }
    }
    let (segment, _, traces) = begun();
    segment.metadata("fails", &Fails).metadata("nested", &[Some(Fails)]).metadata("panics", &Panics);
    segment.metadata("good", &1).annotate("good", 1);
    segment.close();
    let document = sent(&traces);
    assert_eq!(
        (&document["metadata"], &document["annotations"]),
        (&json!({"default": {"good": 1}}), &json!({"good": 1}))
    );
}

#[test]
fn a_value_may_call_the_sdk_while_it_serialises() {
    struct Instrumented<'a>(&'a Segment);
    impl Serialize for Instrumented<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            capture("serialise", |_| {
                self.0.annotate("seen", true).metadata("inner", "inner");
                current_segment().close();
            });
            serializer.serialize_str("outer")
        }
    }
    let (segment, recorder, traces) = begun();
    {
        let _in = segment.enter();
        segment.metadata("outer", &Instrumented(&segment));
    }
    assert_eq!(recorder.stats().late_writes, 1);
    let trace = traces.take().single();
    assert_eq!(trace.tree(), "shop [seen=true]\n  serialise\n");
    assert_eq!(trace.root().json()["metadata"], json!({"default": {"inner": "inner"}}));
}

#[test]
fn the_conversion_of_an_annotation_may_call_the_sdk() {
    struct Instrumented;
    impl From<Instrumented> for AnnotationValue<'static> {
        fn from(_: Instrumented) -> AnnotationValue<'static> {
            current().annotate("inner", 1);
            2.into()
        }
    }
    let (segment, _, traces) = begun();
    {
        let _in = segment.enter();
        segment.annotate("outer", Instrumented);
    }
    segment.close();
    assert_eq!(sent(&traces)["annotations"], json!({"inner": 1, "outer": 2}));
}

#[test]
fn texts_are_cut_to_the_limits_of_the_schema() {
    let (segment, _, traces) = begun();
    let long = "ä".repeat(400);
    segment.set_user(&long);
    segment.set_http_request(&HttpRequest::new(&long, &format!("http://h/{long}")).user_agent(&long));
    segment.close();
    let document = sent(&traces);
    let request = &document["http"]["request"];
    for text in [&document["user"], &request["method"], &request["url"], &request["user_agent"]] {
        assert_eq!(text.as_str().unwrap().chars().count(), 250, "{text}");
    }
}

#[test]
fn names_are_cleaned() {
    let (recorder, traces) = Recorder::in_memory();
    let long = "n".repeat(250);
    let names = [
        ("plain name", "plain name"),
        ("GET /users/{id}", "GET /users/id"),
        ("tab\tand\nnewline", "tab and newline"),
        ("a\"b\\c", "abc"),
        ("größe 注文 /_.:%&#=+-@", "größe 注文 /_.:%&#=+-@"),
        ("😀<>{}", "unknown"),
        ("", "unknown"),
        (&long, &long[..200]),
    ];
    for (name, want) in names {
        let segment = recorder.begin(name);
        segment.subsegment(name).close();
        segment.close();
        let document = sent(&traces);
        assert_eq!((&document["name"], &document["subsegments"][0]["name"]), (&json!(want), &json!(want)), "{name:?}");
    }
    assert_eq!(recorder.stats().names_repaired, 12);
}

#[test]
fn flags_accumulate_and_are_never_false() {
    for (mark, want) in [
        ((|_| {}) as fn(&Entity), json!({})),
        (
            |e| {
                e.throttle();
            },
            json!({"error": true, "throttle": true}),
        ),
        (
            |e| {
                e.mark(Flag::Throttle);
            },
            json!({"throttle": true}),
        ),
        (
            |e| {
                e.mark(Flag::Error).mark(Flag::Fault).mark(Flag::Error);
            },
            json!({"error": true, "fault": true}),
        ),
    ] {
        let (segment, _, traces) = begun();
        let subsegment = segment.subsegment("part");
        mark(&segment.entity());
        mark(&subsegment.entity());
        subsegment.close();
        segment.close();
        let document = sent(&traces);
        for entity in [&document, &document["subsegments"][0]] {
            let flags = entity
                .as_object()
                .unwrap()
                .iter()
                .filter(|(key, _)| ["error", "fault", "throttle"].contains(&key.as_str()));
            assert_eq!(flags.map(|(key, value)| (key.clone(), value.clone())).collect::<Value>(), want);
        }
    }
}

#[test]
fn the_first_close_or_the_last_drop_closes_once() {
    let (segment, recorder, traces) = begun();
    let closed = segment.subsegment("closed");
    let clone = closed.clone();
    clone.close();
    clone.close();
    closed.annotate("late", 1).metadata("late", &1).mark(Flag::Fault).set_traced(true);
    closed.set_sql(&Sql::from_url("mysql://h/d")).set_namespace(Namespace::Aws).fault("late").announce();
    assert_eq!(recorder.stats().late_writes, 8);
    drop((closed, clone));
    let dropped = segment.subsegment("dropped");
    let clone = dropped.clone();
    drop(dropped);
    assert!(clone.is_recording());
    let moved = std::thread::spawn(move || {
        clone.annotate("on", "thread");
    });
    moved.join().unwrap();
    drop(segment);
    assert_eq!(traces.take().single().tree(), "shop\n  closed\n  dropped [on=thread]\n");
}

#[test]
fn only_owners_keep_an_entity_open() {
    let (segment, _, traces) = begun();
    let (entity, weak, weaker) = (segment.entity(), segment.downgrade(), segment.downgrade().clone());
    let in_scope = segment.entity().scope(async {});
    let guard = segment.downgrade().enter();
    let (current, of_current) = (current(), current_segment());
    let part = segment.subsegment("part");
    let of_part = part.entity();
    drop(part);
    assert!(!of_part.is_recording());
    drop(segment);
    for open in [
        entity.is_recording(),
        weak.is_recording(),
        weaker.is_recording(),
        current.is_recording(),
        of_current.is_recording(),
    ] {
        assert!(!open);
    }
    drop((guard, in_scope));
    assert_eq!(traces.take().single().tree(), "shop\n  part\n");
    // A handle that keeps nothing open may close its entity; dropping it does not.
    let (segment, _, traces) = begun();
    drop((segment.downgrade(), segment.entity().segment()));
    assert!(segment.is_recording());
    segment.entity().segment().close();
    assert!(!segment.is_recording());
    assert_eq!(traces.take().single().tree(), "shop\n");
}

#[test]
fn a_handle_dropped_while_a_panic_unwinds_is_a_fault() {
    let (segment, _, traces) = begun();
    let panics = catch_unwind(AssertUnwindSafe(|| {
        let _part = segment.subsegment("part");
        panic!("oops")
    }));
    assert!(panics.is_err());
    segment.close();
    assert_eq!(traces.take().single().tree(), "shop\n  part fault\n");
}

#[test]
fn explicit_times_are_those_of_the_document() {
    let (segment, _, traces) = begun();
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    segment.subsegment_at("work", at(1_600_000_000)).close_at(at(1_600_000_007));
    segment.close();
    let document = sent(&traces);
    let work = &document["subsegments"][0];
    assert_eq!((&work["start_time"], &work["end_time"]), (&json!(1.6e9), &json!(1_600_000_007.0)));
}

#[test]
fn an_announced_entity_is_sent_in_progress_and_again_when_closed() {
    let (segment, _, traces) = begun();
    segment.annotate("n", 1).announce();
    let document = sent(&traces);
    assert_eq!(
        (&document["in_progress"], document.get("end_time"), &document["annotations"]["n"]),
        (&json!(true), None, &json!(1))
    );
    assert!(document.get("type").is_none() && document["trace_id"].is_string());
    let part = segment.subsegment("part");
    part.announce();
    let document = sent(&traces);
    assert_eq!((&document["type"], &document["in_progress"]), (&json!("subsegment"), &json!(true)));
    assert_eq!(
        (&document["id"], &document["parent_id"]),
        (&json!(part.id().unwrap().to_string()), &json!(segment.id().unwrap().to_string()))
    );
    part.close();
    segment.close();
    let document = sent(&traces);
    assert!(document.get("in_progress").is_none() && document["subsegments"][0].get("in_progress").is_none());
    assert!(document["subsegments"][0].get("type").is_none() && document["subsegments"][0].get("parent_id").is_none());
}

#[test]
fn a_discarded_trace_is_not_sent() {
    let (segment, recorder, traces) = begun();
    let (open, closed) = (segment.subsegment("open"), segment.subsegment("closed"));
    closed.close();
    segment.discard();
    let made = AtomicUsize::new(0);
    open.annotate("n", 1).metadata_with("m", || made.fetch_add(1, SeqCst)).fault("f").announce();
    assert!(!open.is_sampled() && !segment.is_recording());
    let late = open.subsegment("late");
    capture("in no context", |_| {});
    late.close();
    open.close();
    segment.discard();
    segment.close();
    assert!(traces.take().documents().is_empty());
    assert_eq!((made.into_inner(), recorder.stats().late_writes), (0, 0));
}

#[test]
fn nothing_below_an_unsampled_subsegment_is_recorded() {
    let (segment, _, traces) = begun();
    let hidden = segment.unsampled_subsegment();
    {
        let _in = hidden.enter();
        capture("below", |below| {
            below.annotate("n", 1).fault("hidden");
        });
        assert!(!current().is_sampled() && !current_segment().is_sampled());
    }
    segment.subsegment("seen").close();
    drop(hidden);
    segment.close();
    assert_eq!(traces.take().single().tree(), "shop\n  seen\n");
}

#[test]
fn expensive_values_are_computed_only_for_recorded_entities() {
    let made = AtomicUsize::new(0);
    let make = || made.fetch_add(1, SeqCst);
    let (segment, recorder, _traces) = begun();
    segment.metadata_with("k", make);
    segment.close();
    segment.metadata_with("k", make);
    recorder.begin_from("shop", &TraceHeader::parse("Sampled=0")).metadata_with("k", make);
    Recorder::disabled().begin("shop").metadata_with("k", make);
    Entity::default().metadata_with("k", make);
    assert_eq!(made.into_inner(), 1);
}

#[test]
fn subsegments_of_a_span_of_another_sdk_are_sent_on_their_own() {
    let (recorder, traces) = Recorder::in_memory();
    let id = "00000000000000ab".parse().unwrap();
    let segment = recorder.begin("shop");
    let span = segment.entity().external_subsegment(id);
    assert_eq!((span.id(), span.trace_id(), span.segment().id()), (Some(id), segment.trace_id(), segment.id()));
    assert!(span.is_sampled() && !span.is_recording());
    let open = span.subsegment("open");
    span.subsegment("done").close();
    segment.subsegment("inside").close();
    segment.close();
    open.close();
    let taken = traces.take();
    let members = |document: &Value| {
        let names = document["subsegments"].as_array().into_iter().flatten().map(|below| below["name"].clone());
        (document["name"].clone(), document["parent_id"].clone(), names.collect::<Vec<_>>())
    };
    let documents: Vec<_> =
        taken.documents().iter().map(|document| members(&serde_json::from_str(document.json()).unwrap())).collect();
    let parent = json!("00000000000000ab");
    assert_eq!(
        documents,
        [
            (json!("done"), parent.clone(), vec![]),
            (json!("shop"), Value::Null, vec![json!("inside")]),
            (json!("open"), parent, vec![]),
        ]
    );
}

#[test]
fn a_span_of_another_sdk_outside_any_trace_decides() {
    let (recorder, traces) = Recorder::in_memory();
    let (trace_id, id) = ("1-5759e988-bd862e3fe1be46a994272793".parse().unwrap(), "53995c3f42cd8ad8".parse().unwrap());
    for sampled in [false, true] {
        let span = recorder.external_segment(trace_id, id, sampled);
        assert_eq!(span.trace_header(), Some(TraceHeader::new(trace_id).with_parent(id).with_sampled(sampled)));
        span.subsegment("step").close();
        assert_eq!(traces.take().is_empty(), !sampled);
    }
    for nothing in [
        Recorder::disabled().external_segment(trace_id, id, true),
        recorder.external_segment(xray_core::TraceId::from_u128(0), id, true),
        Entity::default().external_subsegment(id),
    ] {
        assert_eq!((nothing.trace_id(), nothing.is_sampled()), (None, false));
    }
}
