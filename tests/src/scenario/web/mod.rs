//! Scenarios of kind `web`: a server described by the file, and requests to it over TCP.

mod parse;
mod server;

use std::net::SocketAddr;

use serde_json::Value;
use tokio::runtime;

use super::{builder, compare, sent, trace_headers};
use crate::client::Library;
use crate::daemon::Daemon;
use crate::forest::Forest;
use crate::golden::Comparison;
use crate::http;
use parse::{Request, Scenario};
use server::Server;

/// Performs the scenario, and compares documents, responses, and the headers that a called service received. A scenario
/// with calls is performed with each HTTP client.
pub(super) fn perform(golden: &Value, input: &Value) -> Result<Comparison, String> {
    let scenario = Scenario::parse(input).map_err(|error| error.to_string())?;
    if !scenario.calls() {
        return perform_with(Library::Reqwest, &scenario, golden);
    }
    let mut comparison = perform_with(Library::Reqwest, &scenario, golden)?;
    let other = perform_with(Library::Hyper, &scenario, golden)?;
    comparison.failures.extend(other.failures.into_iter().map(|failure| format!("with hyper: {failure}")));
    Ok(comparison)
}

fn perform_with(library: Library, scenario: &Scenario, golden: &Value) -> Result<Comparison, String> {
    let daemon = Daemon::start();
    let recorder = builder(&daemon, &Default::default()).build().map_err(|error| error.to_string())?;
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let server = Server::start(&runtime, scenario, &recorder, library).map_err(|error| error.to_string())?;
    let responses: Result<Vec<_>, _> =
        scenario.requests.iter().map(|request| make(server.address(), request)).collect();
    let seen = server.stop(&runtime);
    let responses = responses.map_err(|error| error.to_string())?;

    let sent = sent(&recorder, &daemon);
    let ours = Forest::from_documents(&sent.documents);
    let mut comparison = compare(golden, sent);
    comparison.failures.extend(seen.problems);
    let given = golden["input"].to_string();
    let mut check = |what: &str, want: &Value, got: Option<&str>| {
        let problem = trace_headers::problem(want, got, &given, &ours);
        comparison.failures.extend(problem.map(|problem| format!("{what}: {problem}")));
    };
    for (number, (want, got)) in list(&golden["responses"]).iter().zip(&responses).enumerate() {
        check(&format!("response {number}"), &want["x-amzn-trace-id"], got.header("x-amzn-trace-id"));
    }
    for (number, (want, got)) in list(&golden["downstream_headers"]).iter().zip(&seen.headers).enumerate() {
        check(&format!("call {number}"), &want["x-amzn-trace-id"], got.as_deref());
    }
    let want: Vec<_> = list(&golden["responses"]).iter().map(|response| response["status"].as_u64()).collect();
    let got: Vec<_> = responses.iter().map(|response| Some(u64::from(response.status()))).collect();
    if want != got {
        comparison.failures.push(format!("statuses: wanted {want:?}, got {got:?}"));
    }
    if list(&golden["downstream_headers"]).len() != seen.headers.len() {
        comparison.failures.push(format!("{} calls arrived", seen.headers.len()));
    }
    Ok(comparison)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn make(address: SocketAddr, request: &Request) -> std::io::Result<http::Response> {
    let headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    http::request_with_body(address, &request.method, &request.path, &headers, &request.body)
}
