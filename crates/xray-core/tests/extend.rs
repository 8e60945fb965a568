//! Emitters, samplers and loggers of users, well-behaved or not.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use xray_core::document::Document;
use xray_core::emit::{Emitter, Flushed, MemoryEmitter};
use xray_core::sampling::{Always, Decision, ParseRulesError, Rate, Sampler, SamplingRequest};
use xray_core::serde_json::Value;
use xray_core::{ConfigError, Recorder, RecorderBuilder, capture, current};

type Lines = Arc<Mutex<Vec<String>>>;

/// Returns a recorder that samples every request, and its log lines.
fn builder() -> (RecorderBuilder, Lines) {
    let lines = Lines::default();
    let sink = lines.clone();
    let log = move |diagnostic: &xray_core::diagnostics::Diagnostic<'_>| {
        if diagnostic.level() > xray_core::diagnostics::Level::Debug {
            sink.lock().unwrap().push(format!("{}: {diagnostic}", diagnostic.cause()));
        }
    };
    (Recorder::builder().sampling(Always).on_diagnostic(log), lines)
}

#[derive(Default)]
struct Names(Mutex<Vec<String>>);

impl Emitter for Names {
    fn emit(&self, document: Document) {
        let json: Value = document.json().parse().unwrap();
        self.0.lock().unwrap().push(json["name"].as_str().unwrap().to_owned());
    }

    fn flush(&self, _: Duration) -> Flushed {
        Flushed::All
    }
}

#[test]
fn a_users_emitter_receives_every_document() {
    let names = Arc::new(Names::default());
    let recorder = builder().0.emitter(names.clone()).streaming_threshold(0).build().unwrap();
    let segment = recorder.begin("shop");
    segment.subsegment("pay").close();
    segment.close();
    assert_eq!(*names.0.lock().unwrap(), ["pay", "shop"]);
    assert_eq!(recorder.flush(Duration::ZERO), Flushed::All);
    assert!(is_ready(recorder.flushed()));
    assert_eq!(recorder.stats().emitted, 0, "it keeps its own counts");
}

fn is_ready(future: impl Future<Output = ()>) -> bool {
    pin!(future).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
}

/// An emitter that calls the SDK.
struct Instrumented(MemoryEmitter);

impl Emitter for Instrumented {
    fn emit(&self, document: Document) {
        if let Some(current) = xray_core::try_current() {
            current.annotate("emitting", true).segment().annotate("emitted", 1);
            capture("emit", |_| self.0.emit(document));
        } else {
            self.0.emit(document);
        }
    }

    fn flush(&self, _: Duration) -> Flushed {
        Flushed::All
    }
}

#[test]
fn an_emitter_may_call_the_sdk() {
    let emitter = MemoryEmitter::new();
    let recorder = builder().0.emitter(Instrumented(emitter.clone())).streaming_threshold(2).build().unwrap();
    let segment = recorder.begin("shop");
    {
        let _in = segment.enter();
        for _ in 0..3 {
            segment.subsegment("work").close();
        }
    }
    segment.close();
    assert!(emitter.take().last().unwrap().json().contains(r#""emitted":1"#));
}

struct Panics;

impl Emitter for Panics {
    fn emit(&self, _: Document) {
        panic!("emit");
    }

    fn flush(&self, _: Duration) -> Flushed {
        panic!("flush");
    }

    fn when_flushed(&self, _: Box<dyn FnOnce() + Send>) {
        panic!("when_flushed");
    }
}

#[test]
fn an_emitter_that_panics_loses_only_its_documents() {
    let (builder, lines) = builder();
    let recorder = builder.emitter(Panics).streaming_threshold(0).build().unwrap();
    let segment = recorder.begin("shop");
    {
        let _in = segment.enter();
        assert!(capture("work", |subsegment| subsegment.announce().is_recording()));
        // Handles are dropped while a panic unwinds, and a second panic would abort the process.
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let _dropped = current().subsegment("unwound");
            panic!("the user's own")
        }));
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"the user's own"));
    }
    drop(segment);
    recorder.flush(Duration::ZERO);
    assert!(is_ready(recorder.flushed()));
    assert!(lines.lock().unwrap().iter().any(|line| line.starts_with("emitter_panicked: ")), "{lines:?}");
}

/// An emitter that never calls back after a flush.
struct Forgets;

impl Emitter for Forgets {
    fn emit(&self, _: Document) {}

    fn flush(&self, _: Duration) -> Flushed {
        Flushed::All
    }

    fn when_flushed(&self, _: Box<dyn FnOnce() + Send>) {}
}

#[test]
fn an_emitter_that_forgets_a_flush_does_not_block_it() {
    let recorder = builder().0.emitter(Forgets).build().unwrap();
    assert!(is_ready(recorder.flushed()));
}

struct ByService;

impl Sampler for ByService {
    fn decide(&self, request: &SamplingRequest<'_>) -> Decision {
        match request.service {
            "panics" => panic!("sampler"),
            "traced" => Decision::sampled().with_rule("by service"),
            "instrumented" => capture("decide", |_| current().segment().is_sampled().into()),
            _ => Decision::not_sampled(),
        }
    }
}

#[test]
fn a_users_sampler_decides_and_its_panic_means_not_sampled() {
    let (builder, lines) = builder();
    let emitter = MemoryEmitter::new();
    let recorder = builder.sampling(ByService).emitter(emitter.clone()).build().unwrap();
    for (name, sampled) in
        [("traced", true), ("other", false), ("panics", false), ("instrumented", false), ("traced", true)]
    {
        assert_eq!(recorder.begin(name).is_sampled(), sampled, "{name}");
    }
    let documents = emitter.take();
    assert_eq!(documents.len(), 2);
    let traced: Value = documents[0].json().parse().unwrap();
    assert_eq!(traced["aws"]["xray"]["sampling_rule_name"], "by service");
    assert!(lines.lock().unwrap().iter().any(|line| line.starts_with("sampler_panicked: ")), "{lines:?}");
}

struct Wraps<S>(S);

impl<S: Sampler> Sampler for Wraps<S> {
    fn decide(&self, request: &SamplingRequest<'_>) -> Decision {
        self.0.decide(request)
    }

    fn validate(&self) -> Result<(), ParseRulesError> {
        self.0.validate()
    }
}

#[test]
fn an_invalid_sampler_is_rejected_by_build() {
    let error = builder().0.sampling(Wraps(Rate(5.0))).build().unwrap_err();
    assert!(matches!(error, ConfigError::Sampling(_)), "{error}");
    assert!(error.to_string().contains("`rate`"), "{error}");
    assert!(builder().0.sampling(Wraps(Rate(0.5))).build().is_ok());
}

#[test]
fn a_logger_may_call_the_sdk_and_panic() {
    let emitter = MemoryEmitter::new();
    let recorder = Recorder::builder()
        .sampling(Always)
        .emitter(emitter.clone())
        .on_diagnostic(|diagnostic| {
            let message = diagnostic.to_string();
            capture("log", |subsegment| {
                subsegment.annotate("message", message).metadata("a bad one", &Unserialisable);
            });
            current().annotate("not.a.key", 1);
            panic!("logger");
        })
        .build()
        .unwrap();
    let segment = recorder.begin("shop");
    {
        let _in = segment.enter();
        segment.annotate("a key", 1).metadata("bad", &Unserialisable);
    }
    segment.close();
    let document = emitter.take()[0].json().to_owned();
    assert!(document.contains(r#""a_key":1"#) && document.contains(r#""name":"log""#), "{document}");
}

struct Unserialisable;

impl xray_core::serde::Serialize for Unserialisable {
    fn serialize<S: xray_core::serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(xray_core::serde::ser::Error::custom("no"))
    }
}
