//! The operations of the X-Ray service, each a `POST` with a JSON body.

mod error;
mod put;

use serde_json::{Map, Value};

pub(crate) use error::ApiError;

use crate::web::App;

/// The arguments of a call.
type Arguments = Map<String, Value>;

/// Responds to a call. `path` names the operation, such as `/GetSamplingRules`.
///
/// This may block: some operations read every trace, and with a store file `PutTraceSegments` waits for the disk.
pub(crate) fn respond(app: &App, path: &str, body: &[u8]) -> Result<Value, ApiError> {
    let arguments = arguments(body)?;
    match path {
        "/GetSamplingRules" => app.sampling(|sampling| Ok(sampling.rules())),
        "/SamplingTargets" => app.sampling(|sampling| sampling.targets(&arguments)),
        "/TraceSegments" => put::trace_segments(app, &arguments),
        _ => Err(ApiError::unknown_operation(path)),
    }
}

/// Parses the body of a call. Like the service, this accepts an empty body as an empty object.
fn arguments(body: &[u8]) -> Result<Arguments, ApiError> {
    if body.is_empty() {
        return Ok(Arguments::new());
    }
    serde_json::from_slice(body).map_err(|_| ApiError::invalid("the body is not a JSON object"))
}
