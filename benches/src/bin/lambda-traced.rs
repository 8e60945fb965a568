//! A Lambda function that records two subsegments, compared to `lambda-bare`.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use xray_lambda::XRayLambda;

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(XRayLambda::wrap(service_fn(handler)).handler_subsegment("handler")).await
}

async fn handler(event: LambdaEvent<Value>) -> Result<Value, Error> {
    Ok(xray_core::capture("work", |_| event.payload))
}
