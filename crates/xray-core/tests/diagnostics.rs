//! The SDK's log about itself: its lines, and the sinks that receive them.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::sync::{Arc, Mutex};

use xray_core::adapter::{ServerOptions, ServerRequest, ServerRequestDetails, ServerRequestInfo};
use xray_core::diagnostics::{Cause, Level};
use xray_core::emit::MemoryEmitter;
use xray_core::sampling::{Always, FixedTarget, Rate, Rule, Rules, Sampler, TailSampler};
use xray_core::{Naming, Recorder, RecorderBuilder, TraceHeader};

#[path = "support/child.rs"]
mod child;

type Lines = Arc<Mutex<Vec<String>>>;

/// Returns a recorder that ignores the environment, its emitter, and its log lines, each with its cause.
fn reporting(sampler: impl Sampler, level: Option<Level>) -> (Recorder, MemoryEmitter, Lines) {
    let (lines, emitter) = (Lines::default(), MemoryEmitter::new());
    let sink = lines.clone();
    let builder =
        Recorder::builder().environment(|_| None).sampling(sampler).emitter(emitter.clone()).on_diagnostic(
            move |diagnostic| sink.lock().unwrap().push(format!("{}: {diagnostic}", diagnostic.cause())),
        );
    let builder = level.into_iter().fold(builder, RecorderBuilder::diagnostic_level);
    (builder.build().unwrap(), emitter, lines)
}

fn taken(lines: &Lines) -> Vec<String> {
    std::mem::take(&mut lines.lock().unwrap())
}

#[test]
fn a_request_logs_nothing_below_the_level_debug() {
    for (level, want) in [(None, 0), (Some(Level::Error), 0), (Some(Level::Warn), 0), (Some(Level::Debug), 3)] {
        let (recorder, _, lines) = reporting(Always, level);
        let segment = recorder.begin("shop");
        segment.subsegment("load").close();
        segment.close();
        segment.annotate("late", 1);
        assert_eq!(taken(&lines).len(), want, "{level:?}");
    }
}

#[test]
fn the_environment_sets_the_level_as_the_builder_does() {
    for (variable, value, want) in [
        ("AWS_XRAY_LOG_LEVEL", "debug", 2),
        ("AWS_XRAY_DEBUG_MODE", "1", 2),
        ("AWS_XRAY_LOG_LEVEL", "warn", 0),
        ("AWS_XRAY_LOG_LEVEL", "silent", 0),
    ] {
        let lines = Lines::default();
        let sink = lines.clone();
        let recorder = Recorder::builder()
            .environment(|name| (name == variable).then(|| value.to_owned()))
            .sampling(Always)
            .emitter(MemoryEmitter::new())
            .on_diagnostic(move |diagnostic| sink.lock().unwrap().push(diagnostic.to_string()))
            .build()
            .unwrap();
        recorder.begin("shop").close();
        assert_eq!(taken(&lines).len(), want, "{variable}={value}");
    }
}

#[test]
fn each_decision_is_logged_with_its_trace_and_reason() {
    let (recorder, _, lines) = reporting(Rules::new(FixedTarget(0), Rate(0.0)), Some(Level::Debug));
    let root = "1-5759e988-bd862e3fe1be46a994272793";
    let segment = recorder.begin("shop");
    let own = segment.trace_id().unwrap();
    for (header, want) in [
        (format!("Root={root};Sampled=1"), format!("decision: trace {root}: \"shop\": sampled by its caller")),
        (format!("Root={root};Sampled=0"), format!("decision: trace {root}: \"shop\": not sampled by its caller")),
    ] {
        lines.lock().unwrap().clear();
        let _segment = recorder.begin_from("shop", &TraceHeader::parse(&header));
        assert_eq!(taken(&lines)[0], want);
    }
    let want = format!("decision: trace {own}: \"shop\": not sampled by the default local rule: by its rate alone");
    let segment = recorder.begin("shop");
    let own_again = segment.trace_id().unwrap();
    assert_eq!(taken(&lines), [want.replace(&own.to_string(), &own_again.to_string())]);
}

#[test]
fn each_decision_of_lambda_is_logged() {
    let (recorder, _, lines) = reporting(Always, Some(Level::Debug));
    let root = "1-5759e988-bd862e3fe1be46a994272793";
    for (sampled, want) in [(1, "sampled"), (0, "not sampled")] {
        let header = format!("Root={root};Parent=53995c3f42cd8ad8;Sampled={sampled}");
        let _facade = recorder.facade(&TraceHeader::parse(&header));
        assert_eq!(
            taken(&lines),
            [format!("decision: trace {root}: an invocation of this function: {want} by Lambda")]
        );
    }
}

#[test]
fn each_document_is_logged_with_its_trace_entity_size_and_number_of_entities() {
    let (recorder, emitter, lines) = reporting(Always, Some(Level::Debug));
    let segment = recorder.begin("shop");
    let trace = segment.trace_id().unwrap();
    let late = segment.subsegment("late");
    for _ in 0..2 {
        segment.subsegment("load").close();
    }
    segment.close();
    late.close();
    let documents = emitter.take();
    let sizes: Vec<_> = documents.iter().map(|document| document.datagram().len()).collect();
    let ids = [segment.id().unwrap(), late.id().unwrap()];
    let want = [
        format!("document: sending segment {} of trace {trace} ({} bytes, 4 entities)", ids[0], sizes[0]),
        format!("document: sending subsegment {} of trace {trace} ({} bytes, 1 entity)", ids[1], sizes[1]),
    ];
    assert_eq!(taken(&lines)[1..], want);
}

#[test]
fn each_document_that_is_held_back_or_dropped_is_logged_with_the_reason() {
    let (recorder, _, lines) = reporting(TailSampler::failures(), Some(Level::Debug));
    let segment = recorder.begin("shop");
    let trace = segment.trace_id().unwrap();
    // One more than a trace holds before complete ones are sent.
    for _ in 0..101 {
        segment.subsegment("load").close();
    }
    let lines_before_the_end = taken(&lines);
    let held = lines_before_the_end.last().unwrap();
    assert!(held.starts_with("document: holding back subsegment "), "{held}");
    assert!(held.contains(&trace.to_string()) && held.ends_with(" until its segment closes"), "{held}");
    segment.close();
    let dropped = format!("document: dropping trace {trace}: nothing in it failed, and it was not slow");
    assert_eq!(taken(&lines), [dropped]);
    let segment = recorder.begin("shop");
    let trace = segment.trace_id().unwrap();
    taken(&lines);
    segment.discard();
    assert_eq!(taken(&lines), [format!("document: dropping trace {trace}: `discard()` was called")]);
}

#[test]
fn each_late_write_is_logged() {
    let (recorder, _, lines) = reporting(Always, Some(Level::Debug));
    let segment = recorder.begin("shop");
    let subsegment = segment.subsegment("load");
    subsegment.close();
    taken(&lines);
    subsegment.annotate("n", 1);
    let (id, trace) = (subsegment.id().unwrap(), subsegment.trace_id().unwrap());
    assert_eq!(
        taken(&lines),
        [format!("late_write: ignored a write to subsegment {id} of trace {trace}: it is closed")]
    );
    assert_eq!(recorder.stats().late_writes, 1);
}

#[test]
fn each_invalid_key_and_name_is_logged_once_with_its_replacement() {
    let (recorder, _, lines) = reporting(Always, None);
    for _ in 0..2 {
        let segment = recorder.begin("shop (eu)");
        segment.annotate("order.id", 1).annotate("cart-size", 2).annotate("fine", 3);
        segment.subsegment("GET /{id}").close();
    }
    let keys = "only letters a to z, digits and _ are allowed";
    let names = "X-Ray allows letters, numbers, blanks and _ . : / % & # = + - @, and 200 characters";
    assert_eq!(
        taken(&lines),
        [
            format!("name: name \"shop (eu)\" recorded as \"shop eu\": {names}"),
            format!("annotation_key: annotation key \"order.id\" recorded as \"order_id\": {keys}"),
            format!("annotation_key: annotation key \"cart-size\" recorded as \"cart_size\": {keys}"),
            format!("name: name \"GET /{{id}}\" recorded as \"GET /id\": {names}"),
        ]
    );
    assert_eq!(recorder.stats().names_repaired, 4);
}

#[test]
fn names_from_clients_do_not_fill_the_log() {
    let (recorder, _, lines) = reporting(Always, None);
    for n in 0..1_000 {
        recorder.begin(format!("host<{n}>")).close();
    }
    assert!(taken(&lines).len() <= 200);
    assert_eq!(recorder.stats().names_repaired, 1_000);
}

#[test]
fn a_users_sampler_reports_with_a_cause_of_its_own() {
    struct Speaks;
    impl Sampler for Speaks {
        fn decide(&self, _: &xray_core::sampling::SamplingRequest<'_>) -> xray_core::sampling::Decision {
            xray_core::sampling::Decision::not_sampled()
        }
        fn start(&self, context: &xray_core::sampling::SamplerContext) {
            context.report(Level::Warn, "my_sampler", format_args!("no table"));
        }
    }
    let (_, _, lines) = reporting(Speaks, None);
    assert_eq!(taken(&lines), ["my_sampler: no table"]);
    assert_eq!(Cause::Custom("my_sampler").as_str(), "my_sampler");
}

#[test]
fn a_host_pattern_that_never_matches_is_logged_once() {
    let regular = "host pattern \"^api\\\\..*$\" never matches: it looks like a regular expression, but patterns only \
                   support * and ?. Write a host with * and ?, such as \"*.example.com\"";
    let rules = Rules::default()
        .rule(Rule::new(FixedTarget(0), Rate(0.0)).host(r"^api\..*$"))
        .rule(Rule::new(FixedTarget(0), Rate(0.0)).host("https://*.example.com"))
        .rule(Rule::new(FixedTarget(0), Rate(0.0)).host("*.example.com:443"));
    let (recorder, _, lines) = reporting(rules, None);
    let logged = taken(&lines);
    assert_eq!(logged[0], format!("pattern: {regular}"));
    assert!(logged[1].contains("\"https://*.example.com\" never matches: it has a scheme"), "{logged:?}");
    assert_eq!(logged.len(), 2);

    // A pattern of a layer is logged by the recorder that it uses.
    let options = ServerOptions::new(Naming::dynamic("shop").matching("api.example.com/v1"));
    for _ in 0..2 {
        let incoming =
            ServerRequest::begin(&recorder, &options, &ServerRequestInfo::default(), ServerRequestDetails::default);
        drop(incoming);
    }
    let logged = taken(&lines);
    assert!(logged[0].contains("\"api.example.com/v1\" never matches: it has a path"), "{logged:?}");
    assert_eq!(logged.len(), 1);
}

#[test]
fn a_host_pattern_is_checked_when_it_is_set_without_making_a_recorder() {
    if !child::is_child() {
        let test = "a_host_pattern_is_checked_when_it_is_set_without_making_a_recorder";
        let (_, err) = child::run(test, &[]);
        assert!(err.contains("[ERROR] host pattern \"https://*.example.com\" never matches"), "{err}");
        assert!(!err.contains("too late"), "{err}");
        return;
    }
    let _naming = Naming::dynamic("shop").matching("https://*.example.com");
    let lines = Lines::default();
    let sink = lines.clone();
    let recorder =
        Recorder::builder().on_diagnostic(move |diagnostic| sink.lock().unwrap().push(diagnostic.to_string()));
    let _flush = recorder.build().unwrap().install();
    assert!(lines.lock().unwrap().is_empty());
    let _another = Naming::dynamic("shop").matching("https://*.example.com");
    assert_eq!(taken(&lines).len(), 1, "the recorder of the process now has a function");
}
