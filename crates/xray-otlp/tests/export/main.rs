//! Emitters against scripted receivers, some of which misbehave, and against real ones.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

#[cfg(feature = "aws")]
mod aws;
mod faults;
mod otlp;
mod receiver;
mod rotel;

// The crate's own messages. `src/spans/tests.rs` reads requests with OpenTelemetry's own Python classes.
#[allow(dead_code, unreachable_pub)]
#[path = "../../src/proto.rs"]
mod proto;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use xray_core::Recorder;
use xray_core::diagnostics::Level;
use xray_core::emit::Emitter;
use xray_core::sampling::Always;

/// Longer than any step takes, on any machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The messages of a recorder: level, cause, text.
pub(crate) type Reports = Arc<Mutex<Vec<(Level, &'static str, String)>>>;

/// Creates a recorder that samples every request and has an empty environment.
pub(crate) fn recorder(emitter: impl Emitter) -> (Recorder, Reports) {
    let reports = Reports::default();
    let log = reports.clone();
    let recorder = Recorder::builder().environment(|_| None).sampling(Always).emitter(emitter);
    let recorder = recorder.diagnostic_level(Level::Info).on_diagnostic(move |diagnostic| {
        let report = (diagnostic.level(), diagnostic.cause().as_str(), diagnostic.to_string());
        log.lock().unwrap().push(report);
    });
    (recorder.build().unwrap(), reports)
}

/// Whether there is a message with this level and cause, and these words in its text.
pub(crate) fn has(reports: &Reports, level: Level, cause: &str, words: &str) -> bool {
    reports.lock().unwrap().iter().any(|(is, of, text)| (*is, *of) == (level, cause) && text.contains(words))
}
