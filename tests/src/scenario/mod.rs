//! Performs the scenarios of goldens with this SDK, and compares the documents sent to a real socket with the
//! recording.

mod actor;
mod aws;
mod central;
mod detached;
mod performer;
#[cfg(test)]
mod tests;
mod thrown;
mod trace_headers;
mod web;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use serde_json::Value;
use xray_core::emit::Flushed;
use xray_core::sampling::Always;
use xray_core::{Recorder, RecorderBuilder};

use crate::daemon::Daemon;
use crate::golden::{self, Comparison};
use crate::report::Report;
use crate::steps::{Scenario, Step};
use crate::vectors::File;
use performer::Performer;

/// Performs every golden. Reports for each file whether it passed and which allowed differences it needed, each with
/// the first place where it was used.
///
/// # Errors
/// Returns an error if the report cannot be written.
pub fn run<W: Write>(goldens: &[File], report: &mut Report<W>) -> io::Result<()> {
    for File { stem, json, .. } in goldens {
        match panic::catch_unwind(AssertUnwindSafe(|| perform(json))) {
            Ok(Ok(comparison)) => write_result(stem, &comparison, report)?,
            Ok(Err(why)) => report.file(stem, [Err(why)])?,
            Err(_) => report.file(stem, [Err("the program panicked".to_owned())])?,
        }
    }
    Ok(())
}

fn write_result<W: Write>(stem: &str, comparison: &Comparison, report: &mut Report<W>) -> io::Result<()> {
    let outcome = if comparison.passed() { Ok(()) } else { Err(comparison.failures.join("; ")) };
    report.file(stem, [outcome])?;
    for difference in comparison.codes() {
        let used: Vec<_> = comparison.differences.iter().filter(|used| used.difference == difference).collect();
        let more = if used.len() > 1 { format!(" (and {} more)", used.len() - 1) } else { String::new() };
        report.note(&format!("{}{more}", used[0]))?;
    }
    Ok(())
}

/// Performs the `input` of a golden and compares the documents that were sent. `golden` is the whole file.
///
/// # Errors
/// Returns an error if the scenario cannot be parsed or performed.
pub fn perform(golden: &Value) -> Result<Comparison, String> {
    let input = &golden["input"];
    match golden["kind"].as_str() {
        Some("steps") => steps(golden, input),
        Some("web") => web::perform(golden, input),
        Some("aws") => aws::perform(golden, input),
        Some("central") => central::perform(golden),
        other => Err(format!("unknown kind {other:?}")),
    }
}

fn steps(golden: &Value, input: &Value) -> Result<Comparison, String> {
    let Scenario { mut env, steps } = Scenario::parse(input).map_err(|error| error.to_string())?;
    if input.to_string().contains("\"sanitized_query\"") {
        env.insert("AWS_XRAY_COLLECT_SQL_QUERIES".to_owned(), "true".to_owned());
    }
    let daemon = Daemon::start();
    let mut builder = builder(&daemon, &env);
    let threshold = steps.iter().find_map(|step| match step {
        Step::Threshold { value } => Some(*value),
        _ => None,
    });
    if let Some(threshold) = threshold {
        builder = builder.streaming_threshold(threshold);
    }
    let recorder = builder.build().map_err(|error| error.to_string())?;
    let mut performer = Performer::new(recorder.clone(), threshold);
    if let Some(header) = env.get("_X_AMZN_TRACE_ID") {
        performer = performer.in_lambda(header);
    }
    performer.perform(&steps).map_err(|thrown| thrown.to_string())?;
    // Dropping the handles closes the entities that the scenario left open. This happens after the comparison.
    let comparison = compare(golden, sent(&recorder, &daemon));
    drop(performer);
    Ok(comparison)
}

/// Returns the builder of a recorder that samples everything, sends to `daemon`, and sees only these variables.
fn builder(daemon: &Daemon, env: &BTreeMap<String, String>) -> RecorderBuilder {
    Recorder::builder().environment(|name| env.get(name).cloned()).daemon(daemon.address().into()).sampling(Always)
}

/// The documents that a daemon received.
struct Sent {
    documents: Vec<Value>,
    /// The violations in them.
    problems: Vec<String>,
}

/// Flushes, and returns everything that was sent so far.
fn sent(recorder: &Recorder, daemon: &Daemon) -> Sent {
    let flushed = recorder.flush(Duration::from_secs(10));
    let documents = daemon.take().iter().map(|document| document.json().clone()).collect();
    let mut problems = daemon.violations();
    if flushed != Flushed::All {
        problems.push(format!("{flushed:?}"));
    }
    Sent { documents, problems }
}

fn compare(golden: &Value, sent: Sent) -> Comparison {
    let mut comparison = golden::compare(golden, &sent.documents);
    comparison.failures.extend(sent.problems);
    comparison
}
