//! The application's code may panic when the SDK calls it: the request continues, and everything else is recorded.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::error::Error;
use std::fmt;

use serde::{Serialize, Serializer};
use xray_core::adapter::{ClientOptions, ClientRequest, ClientRequestInfo, error_chain};
use xray_core::emit::MemoryEmitter;
use xray_core::plugin::Detected;
use xray_core::sampling::central::{CallError, SamplingApi};
use xray_core::sampling::{
    Always, Central, Decision, FixedTarget, ParseRulesError, Rate, Rules, Sampler, SamplerContext, SamplingRequest,
};
use xray_core::{AnnotationValue, Aws, Exception, Recorder, Segment};

/// A client of the sampling API whose creation or calls panic.
struct MeanApi;

impl MeanApi {
    fn create(panics: bool) -> MeanApi {
        assert!(!panics, "in the application's closure");
        MeanApi
    }
}

impl SamplingApi for MeanApi {
    fn call(&mut self, _: &str, _: &str) -> Result<String, CallError> {
        panic!("in the application's client")
    }
}

impl fmt::Display for MeanApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the mean API")
    }
}

#[test]
fn a_panic_in_a_client_of_the_sampling_api_leaves_the_decision_to_local_rules() {
    for (panics, report) in [
        (true, "creating the client for sampling rules panicked: local sampling rules apply"),
        (false, "fetching sampling rules panicked: it is tried again"),
    ] {
        let (sender, reports) = std::sync::mpsc::channel();
        let sender = std::sync::Mutex::new(sender);
        let sampler = Central::with_fallback(Rules::new(FixedTarget(0), Rate(1.0)));
        let recorder = Recorder::builder()
            .environment(|_| None)
            .emitter(MemoryEmitter::new())
            .sampling(sampler.through(move || MeanApi::create(panics)))
            .on_diagnostic(move |diagnostic| drop(sender.lock().unwrap().send(diagnostic.to_string())))
            .build()
            .unwrap();
        assert!(recorder.begin("shop").is_sampled());
        assert_eq!(reports.recv_timeout(std::time::Duration::from_secs(20)).unwrap(), report);
        assert!(recorder.begin("shop").is_sampled());
    }
}

/// A value whose code panics at one place.
#[derive(Clone, Copy, PartialEq)]
enum Mean {
    Display,
    DisplayInTheMiddle,
    DisplayFails,
    Debug,
    Source,
    /// In the code of its source.
    Cause,
    /// In none: its chain of sources is endless.
    Endless,
}

const ALL: [Mean; 7] = [
    Mean::Display,
    Mean::DisplayInTheMiddle,
    Mean::DisplayFails,
    Mean::Debug,
    Mean::Source,
    Mean::Cause,
    Mean::Endless,
];

impl fmt::Display for Mean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Mean::Display {
            std::panic::panic_any(Bomb);
        }
        f.write_str("some text")?;
        match self {
            Mean::DisplayInTheMiddle => panic!("in Display"),
            Mean::DisplayFails => Err(fmt::Error),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Mean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Mean::Debug { panic!("in Debug") } else { f.write_str("Mean") }
    }
}

impl Error for Mean {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Mean::Source => panic!("in source"),
            Mean::Cause => Some(&Mean::Display),
            Mean::Endless => Some(&Mean::Endless),
            _ => None,
        }
    }
}

impl Serialize for Mean {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("in Serialize")
    }
}

impl From<Mean> for AnnotationValue<'_> {
    fn from(_: Mean) -> Self {
        panic!("in a conversion")
    }
}

/// The payload of a panic that panics itself when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in Drop")
    }
}

fn call(segment: &Segment) -> ClientRequest {
    let mut request = ClientRequestInfo::default();
    (request.method, request.scheme, request.authority, request.target) = ("GET", "http", "h", "/p");
    ClientRequest::begin(Some(&segment.entity()), &ClientOptions::new(), &request).unwrap()
}

fn recorder() -> (Recorder, MemoryEmitter) {
    let emitter = MemoryEmitter::new();
    let builder = Recorder::builder().environment(|_| None).on_diagnostic(|_| {}).sampling(Always);
    (builder.emitter(emitter.clone()).build().unwrap(), emitter)
}

/// Returns the only document.
fn document(emitter: &MemoryEmitter) -> serde_json::Value {
    let documents = emitter.take();
    assert_eq!(documents.len(), 1);
    serde_json::from_str(documents[0].json()).unwrap()
}

/// A way to record a value that panics.
type Recording = (&'static str, fn(&Segment, Mean));

#[test]
fn every_way_to_record_an_error_survives_a_panic_in_its_code() {
    let recordings: [Recording; 8] = [
        ("a typed error", |segment, mean| _ = segment.fault(mean)),
        ("a failure of the caller", |segment, mean| _ = segment.error(mean)),
        ("a boxed error", |segment, mean| {
            let boxed: Box<dyn Error + Send + Sync> = Box::new(mean);
            segment.fault(boxed);
        }),
        ("a report", |segment, mean| _ = segment.fault(anyhow::Error::new(mean))),
        ("a failed call", |segment, mean| call(segment).failed(&mean)),
        ("an exception", |segment, mean| _ = segment.fault(Exception::from(&mean))),
        ("text by Display", |segment, mean| _ = segment.fault(Exception::from_display(&mean))),
        ("text by Debug", |segment, mean| {
            _ = segment.fault(Exception::from_debug(&mean)).fault(Exception::from_dyn(&mean))
        }),
    ];
    for (recording, record) in recordings {
        for mean in ALL {
            let (recorder, emitter) = recorder();
            let segment = recorder.begin("shop");
            record(&segment, mean);
            segment.annotate("after", true).close();
            let json = document(&emitter).to_string();
            assert!(json.contains("\"after\":true") && json.contains("\"exceptions\""), "{recording}: {json}");
        }
    }
    assert!(error_chain(&Mean::Endless).count() <= 10);
    assert_eq!([error_chain(&Mean::Source).count(), error_chain(&Mean::Cause).count()], [1, 2]);
}

#[test]
fn a_message_that_panics_leaves_the_rest_of_the_exception() {
    let (recorder, emitter) = recorder();
    recorder.begin("shop").fault(Mean::DisplayInTheMiddle).close();
    let exception = &document(&emitter)["cause"]["exceptions"][0];
    assert_eq!((&exception["type"], &exception["message"]), (&"Mean".into(), &"the error's own text panicked".into()));
}

#[test]
fn every_recorded_value_may_panic_in_its_code() {
    let recordings: [Recording; 5] = [
        ("metadata", |segment, mean| _ = segment.metadata("mean", &mean)),
        ("metadata within", |segment, mean| _ = segment.metadata("mean", &[("a", mean)])),
        ("metadata on demand", |segment, _| _ = segment.metadata_with("mean", || -> u8 { panic!("in a closure") })),
        ("an annotation", |segment, mean| _ = segment.annotate("mean", mean)),
        ("a parameter", |segment, mean| {
            let aws = Aws::operation("Get").parameter("mean", &mean).parameter("kept", &1);
            segment.subsegment("call").set_aws(&aws).close();
        }),
    ];
    for (recording, record) in recordings {
        let (recorder, emitter) = recorder();
        let segment = recorder.begin("shop");
        record(&segment, Mean::Display);
        segment.annotate("after", true).close();
        let json = document(&emitter);
        assert_eq!(json["annotations"], serde_json::json!({"after": true}), "{recording}");
        assert!(!json.to_string().contains("mean"), "{recording}: {json}");
        if recording == "a parameter" {
            let aws = &json["subsegments"][0]["aws"];
            assert_eq!(*aws, serde_json::json!({"operation": "Get", "kept": 1}));
        }
    }
    let host = Detected::new("o", "b").field("mean", &Mean::Display).field("n", &1);
    assert_eq!(host, Detected::new("o", "b").field("n", &1));
}

#[test]
fn a_sampler_that_panics_at_its_start_does_not_fail_the_build() {
    struct Unready;
    impl Sampler for Unready {
        fn decide(&self, _: &SamplingRequest<'_>) -> Decision {
            Decision::sampled()
        }
        fn validate(&self) -> Result<(), ParseRulesError> {
            panic!("in validate")
        }
        fn start(&self, _: &SamplerContext) {
            panic!("in start")
        }
    }
    let emitter = MemoryEmitter::new();
    let builder = Recorder::builder().environment(|_| None).on_diagnostic(|_| {});
    builder.sampling(Unready).emitter(emitter.clone()).build().unwrap().begin("shop").close();
    assert_eq!(emitter.take().len(), 1);
}

#[test]
fn code_may_panic_while_a_panic_unwinds() {
    struct RecordsInDrop(Segment);
    impl Drop for RecordsInDrop {
        fn drop(&mut self) {
            let mean = Mean::Display;
            self.0.metadata("mean", &mean).annotate("mean", mean).fault(mean).annotate("after", true);
        }
    }
    let (recorder, emitter) = recorder();
    let segment = recorder.begin("shop");
    let records = RecordsInDrop(segment.clone());
    let work = std::panic::AssertUnwindSafe(move || {
        let _records = records;
        panic!("the host's own");
    });
    assert!(std::panic::catch_unwind(work).is_err());
    segment.close();
    assert_eq!(document(&emitter)["annotations"]["after"], true);
}
