//! The operations of the X-Ray service, each a `POST` with a JSON body.
//!
//! Clients differ in what they tolerate, so responses have every member that one of them needs: lists are never absent,
//! and the statistics of a node or an edge are complete. Signatures are ignored. Whatever a call contains, its error is
//! 4xx, because SDKs repeat a call that fails with 5xx.
//!
//! Where the service has a limit without a use on a developer's machine, the limit applies only in
//! [strict](Settings::strict) mode.

mod batch;
mod error;
mod graph;
mod groups;
mod input;
mod other;
mod put;
mod series;
mod state;
mod summaries;
mod tags;

use std::sync::Mutex;

use serde_json::{Map, Value};

pub(crate) use error::ApiError;
pub(crate) use graph::Graph;
pub(crate) use input::page;
pub(crate) use state::{RULES, restore};
pub(crate) use tags::Tags;

use crate::web::App;

/// The arguments of a call.
type Arguments = Map<String, Value>;

/// The state and the settings of the API.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Whether the limits of the service apply.
    pub(crate) strict: bool,
    pub(crate) tags: Tags,
    /// Held while the state is written to the store file.
    pub(crate) saving: Mutex<()>,
}

/// Responds to a call. `path` names the operation, such as `/GetSamplingRules`.
///
/// This may block: some operations read every trace, and with a store file `PutTraceSegments` waits for the disk.
pub(crate) fn respond(app: &App, path: &str, body: &[u8]) -> Result<Value, ApiError> {
    let call = arguments(body)?;
    let result = operation(app, path, &call)?;
    if EDITS.contains(&path) {
        state::save(app)?;
    }
    Ok(result)
}

/// The operations that change groups, tags and sampling rules.
const EDITS: [&str; 8] = [
    "/CreateSamplingRule",
    "/UpdateSamplingRule",
    "/DeleteSamplingRule",
    "/CreateGroup",
    "/UpdateGroup",
    "/DeleteGroup",
    "/TagResource",
    "/UntagResource",
];

fn operation(app: &App, path: &str, call: &Arguments) -> Result<Value, ApiError> {
    let strict = app.settings.strict;
    match path {
        "/TraceSegments" => put::trace_segments(app, call),
        "/TraceSummaries" => summaries::trace_summaries(app, call),
        "/Traces" => batch::traces(app, call),
        "/ServiceGraph" => graph::service_graph(app, call),
        "/TraceGraph" => graph::trace_graph(app, call),
        "/TimeSeriesServiceStatistics" => series::statistics(app, call),
        "/GetSamplingRules" => Ok(app.sampling(|sampling| sampling.rules())),
        "/SamplingTargets" => app.sampling(|sampling| sampling.targets(call)),
        "/SamplingStatisticSummaries" => app.sampling(|sampling| sampling.statistics(call)),
        "/CreateSamplingRule" => {
            let record = app.sampling(|sampling| sampling.create_rule(call, strict))?;
            app.settings.tags.set(&record["SamplingRuleRecord"]["SamplingRule"]["RuleARN"], call.get("Tags"))?;
            Ok(record)
        }
        "/UpdateSamplingRule" => app.sampling(|sampling| sampling.update_rule(call)),
        "/DeleteSamplingRule" => app.sampling(|sampling| sampling.delete_rule(call)),
        "/Groups" => groups::list(app, call),
        "/GetGroup" => groups::get(app, call),
        "/CreateGroup" => groups::create(app, call),
        "/UpdateGroup" => groups::update(app, call),
        "/DeleteGroup" => groups::delete(app, call),
        "/ListTagsForResource" => tags::list(app, call),
        "/TagResource" => tags::add(app, call),
        "/UntagResource" => tags::remove(app, call),
        _ => other::respond(path, call).unwrap_or_else(|| Err(ApiError::unknown_operation(path))),
    }
}

/// Parses the body of a call. Like the service, this accepts an empty body as an empty object.
fn arguments(body: &[u8]) -> Result<Arguments, ApiError> {
    if body.is_empty() {
        return Ok(Arguments::new());
    }
    serde_json::from_slice(body).map_err(|_| ApiError::invalid("the body is not a JSON object"))
}
