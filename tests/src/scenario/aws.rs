//! Scenarios of the kind `aws`: one call of a client of the AWS SDK, to a service that answers as the file says.

mod any;
mod members;
mod real;
mod stub;

use serde_json::{Map, Value};
use tokio::runtime;
use xray_core::Recorder;

use super::{Sent, builder, compare, sent, trace_headers};
use crate::daemon::Daemon;
use crate::forest::Forest;
use crate::golden::Comparison;
use crate::steps::{Members, ParseStepsError};
use stub::Answer;

/// What the recordings call their segment, and where they call.
const SEGMENT: &str = "svc";
const REGION: &str = "eu-west-1";

/// A call, and what it is answered.
#[derive(Clone, Debug)]
struct Scenario {
    /// The service's client, `DynamoDB` for instance.
    client: String,
    /// The operation.
    command: String,
    input: Map<String, Value>,
    /// Given to each attempt. `None`: nobody listens.
    answer: Option<Answer>,
}

impl Scenario {
    fn parse(input: &Value) -> Result<Scenario, ParseStepsError> {
        let mut m = Members::new(input, "input")?;
        let scenario = Scenario {
            client: m.text("client")?,
            command: m.text("command")?,
            input: match m.take("input") {
                None | Some(Value::Null) => Map::new(),
                Some(Value::Object(input)) => input,
                Some(_) => return Err(m.error("`input` is not an object")),
            },
            answer: match m.take("answer") {
                Some(answer) => Some(Answer::parse(Members::new(&answer, "input.answer")?)?),
                None => None,
            },
        };
        let is_refused = m.switch("refuse")?;
        m.finish()?;
        if is_refused != scenario.answer.is_none() {
            return Err(ParseStepsError::new("input", "either `answer` or `refuse`"));
        }
        Ok(scenario)
    }
}

/// Performs the scenario, and compares documents and the headers that arrived.
///
/// A real client makes the call, where one can be told to: those of the SDK take inputs of their own types, not JSON.
/// Any other call is put together from the same parts of the SDK, by the service's protocol.
pub(super) fn perform(golden: &Value, input: &Value) -> Result<Comparison, String> {
    let scenario = Scenario::parse(input).map_err(|error| error.to_string())?;
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let daemon = Daemon::start();
    let recorder = builder(&daemon, &Default::default()).build().map_err(|error| error.to_string())?;
    let (headers, documents) = runtime.block_on(call(&scenario, &recorder, &daemon))?;

    let ours = Forest::from_documents(&documents.documents);
    let mut comparison = compare(golden, documents);
    let given = golden["input"].to_string();
    let empty = Vec::new();
    let want = golden["downstream_headers"].as_array().unwrap_or(&empty);
    for (number, (want, got)) in want.iter().zip(&headers).enumerate() {
        let problem = trace_headers::problem(&want["x-amzn-trace-id"], got.as_deref(), &given, &ours);
        comparison.failures.extend(problem.map(|problem| format!("call {number}: {problem}")));
    }
    if golden["downstream_headers"].is_array() && want.len() != headers.len() {
        comparison.failures.push(format!("{} requests arrived", headers.len()));
    }
    Ok(comparison)
}

/// The trace headers that arrived, and the documents.
async fn call(
    scenario: &Scenario,
    recorder: &Recorder,
    daemon: &Daemon,
) -> Result<(Vec<Option<String>>, Sent), String> {
    let stub = stub::start(scenario.answer.clone()).await.map_err(|error| error.to_string())?;
    if let Some(call) = real::call(scenario, &stub.url()) {
        let segment = recorder.begin(SEGMENT);
        let succeeded = segment.scope(call).await;
        segment.close();
        let (headers, documents) = (stub.take_headers(), sent(recorder, daemon));
        // The stub of a recording may have answered less than what a real client needs to understand a success.
        let is_success = scenario.answer.as_ref().is_some_and(|answer| answer.status < 300);
        if succeeded || !is_success {
            return Ok((headers, documents));
        }
    }
    let segment = recorder.begin(SEGMENT);
    segment.scope(any::call(scenario, &stub.url())).await;
    segment.close();
    Ok((stub.take_headers(), sent(recorder, daemon)))
}
