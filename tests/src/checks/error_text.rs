//! Texts of errors: what the messages of a document show of them.

use std::error::Error;
use std::fmt;

use serde_json::{Value, json};
use xray_core::adapter::{ClientOptions, ClientRequest, ClientRequestInfo};
use xray_core::{Exception, Recorder, Segment};

use crate::vectors::Verdict;

/// An error with this text, and one that has it as its source.
#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failure {}

#[derive(Debug)]
struct Wrapped(Failure);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Records a text on a segment, or below it.
type Record = fn(&Segment, &str);

/// The ways in which a text enters a document.
const WAYS: [(&str, Record); 6] = [
    ("a failed call", |segment, text| failed_call(segment, &Failure(text.to_owned()))),
    ("the source of a failed call", |segment, text| failed_call(segment, &Wrapped(Failure(text.to_owned())))),
    ("fault", |segment, text| {
        segment.fault(Failure(text.to_owned()));
    }),
    ("a source", |segment, text| {
        segment.error(Wrapped(Failure(text.to_owned())));
    }),
    ("a text", |segment, text| {
        segment.fault(Exception::new("Failure", text));
    }),
    ("a panic", |segment, text| {
        segment.fault(Exception::from_panic(&text.to_owned()));
    }),
];

fn failed_call(segment: &Segment, error: &(dyn Error + 'static)) {
    let mut request = ClientRequestInfo::default();
    (request.method, request.scheme, request.authority, request.target) = ("GET", "http", "h", "/");
    if let Some(mut call) = ClientRequest::begin(Some(&segment.entity()), &ClientOptions::new(), &request) {
        call.failed(error);
    }
}

pub(super) fn check(case: &Value) -> Verdict {
    let text = case["text"].as_str().expect("`text` is a text");
    let words = |name: &str| case[name].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut wrong = Vec::new();
    for (way, record) in WAYS {
        let (recorder, traces) = Recorder::in_memory();
        let segment = recorder.begin("svc");
        record(&segment, text);
        segment.close();
        let trace = traces.take().single();
        let recorded = match trace.children(trace.root()).first() {
            Some(call) => call.json()["cause"].to_string(),
            None => trace.root().json()["cause"].to_string(),
        };
        let escaped = |word: &str| Value::from(word).to_string().trim_matches('"').to_owned();
        wrong.extend(
            words("absent").filter(|word| recorded.contains(&escaped(word))).map(|word| json!([way, "has", word])),
        );
        wrong.extend(
            words("present").filter(|word| !recorded.contains(&escaped(word))).map(|word| json!([way, "lacks", word])),
        );
    }
    Verdict::new(wrong, json!([]))
}
