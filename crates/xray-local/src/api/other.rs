//! Operations about parts of the service that have no use on a developer's machine. They return what a new account
//! returns, and refuse changes.

use serde_json::{Value, json};

use super::input::{no_token, range, required, text};
use super::{ApiError, Arguments};

/// Responds to an operation. Returns `None` if there is none with this path.
pub(super) fn respond(path: &str, call: &Arguments) -> Option<Result<Value, ApiError>> {
    Some(match path {
        "/TelemetryRecords" => telemetry(call),
        "/InsightSummaries" => range(call).map(|_| json!({ "InsightSummaries": [], "NextToken": null })),
        "/Insight" | "/InsightEvents" | "/InsightImpactGraph" => {
            required(call, "InsightId").and_then(|id| Err(ApiError::invalid(format!("there is no insight {id:?}"))))
        }
        "/EncryptionConfig" => Ok(encryption()),
        "/PutEncryptionConfig" => match required(call, "Type") {
            Ok("NONE") => Ok(encryption()),
            Ok(_) => refused("encryption with a key"),
            Err(error) => Err(error),
        },
        "/GetTraceSegmentDestination" => Ok(destination()),
        "/UpdateTraceSegmentDestination" => match text(call, "Destination") {
            Ok(None | Some("XRay")) => Ok(destination()),
            Ok(Some(_)) => refused("another destination of trace segments"),
            Err(error) => Err(error),
        },
        "/GetIndexingRules" => no_token(call).map(|()| json!({ "IndexingRules": [indexing()], "NextToken": null })),
        "/UpdateIndexingRule" => update_indexing(call),
        "/ListResourcePolicies" => no_token(call).map(|()| json!({ "ResourcePolicies": [], "NextToken": null })),
        "/PutResourcePolicy" | "/DeleteResourcePolicy" => refused("a resource policy"),
        "/StartTraceRetrieval" => refused("the retrieval of traces from CloudWatch Logs"),
        "/CancelTraceRetrieval" | "/ListRetrievedTraces" | "/GetRetrievedTracesGraph" => {
            required(call, "RetrievalToken")
                .and_then(|token| Err(ApiError::not_found(format!("there is no retrieval with the token {token:?}"))))
        }
        _ => return None,
    })
}

fn refused(what: &str) -> Result<Value, ApiError> {
    Err(ApiError::invalid(format!("xray-local does not support {what}")))
}

fn telemetry(call: &Arguments) -> Result<Value, ApiError> {
    match call.get("TelemetryRecords").and_then(Value::as_array) {
        Some(records) if records.iter().all(|record| !record["Timestamp"].is_null()) => Ok(json!({})),
        _ => Err(ApiError::invalid("`TelemetryRecords` is missing, or one of them has no `Timestamp`")),
    }
}

fn encryption() -> Value {
    json!({ "EncryptionConfig": { "Status": "ACTIVE", "Type": "NONE" } })
}

fn destination() -> Value {
    json!({ "Destination": "XRay", "Status": "ACTIVE" })
}

/// Every trace is indexed.
fn indexing() -> Value {
    let all = json!({ "DesiredSamplingPercentage": 100.0, "ActualSamplingPercentage": 100.0 });
    json!({ "Name": "Default", "ModifiedAt": 0, "Rule": { "Probabilistic": all } })
}

fn update_indexing(call: &Arguments) -> Result<Value, ApiError> {
    match required(call, "Name")? {
        "Default" => {}
        name => return Err(ApiError::not_found(format!("there is no indexing rule {name:?}"))),
    }
    let share = call.get("Rule").and_then(|rule| rule["Probabilistic"]["DesiredSamplingPercentage"].as_f64());
    match share {
        Some(100.0) => Ok(json!({ "IndexingRule": indexing() })),
        Some(_) => refused("a part of the traces in the index: all are indexed"),
        None => Err(ApiError::invalid("`Rule.Probabilistic.DesiredSamplingPercentage` is missing or no number")),
    }
}
