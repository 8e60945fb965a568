//! Scenarios of kind `aws`: one call of an AWS SDK client to a service whose response the file specifies.

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

/// The segment name and the region of the recordings.
const SEGMENT: &str = "svc";
const REGION: &str = "eu-west-1";

/// A call and its response.
#[derive(Clone, Debug)]
struct Scenario {
    /// The name of the client, such as `DynamoDB`.
    client: String,
    /// The operation.
    command: String,
    input: Map<String, Value>,
    /// The response to each attempt, or `None` if no service listens.
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
            return Err(ParseStepsError::new("input", "needs either `answer` or `refuse`"));
        }
        Ok(scenario)
    }
}

/// Performs the scenario, and compares the documents and the headers that arrived.
///
/// A real client makes the call if the input can be converted: clients of the SDK take inputs of their own types, not
/// JSON. Any other call is built from the same parts of the SDK, in the service's protocol.
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

/// Makes the call; returns the trace headers that arrived and the documents.
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
        // The recorded response may lack something that a real client needs to recognise a success.
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
