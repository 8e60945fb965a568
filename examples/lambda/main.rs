//! A traced AWS Lambda function: `cargo run --example lambda` runs it against the Runtime API at
//! `AWS_LAMBDA_RUNTIME_API`.
//!
//! The event selects an action, for example `{"do": "capture", "times": 3}`:
//!
//! | `do` | Action |
//! |---|---|
//! | `succeed` | returns a response |
//! | `fail` | returns an error |
//! | `panic` | panics |
//! | `sleep` | sleeps for `millis` in a subsegment |
//! | `call` | sends a GET request to `url` |
//! | `capture` | captures a function `times` times |
//!
//! To deploy the function, build it for its architecture (`--release --target x86_64-unknown-linux-musl`), zip the
//! program under the name `bootstrap`, and create a function with the runtime `provided.al2023` and active tracing.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use serde_json::{Value, json};
use xray_core::FutureExt;
use xray_lambda::{Init, XRayLambda};
use xray_reqwest::XRayMiddleware;

#[tokio::main]
async fn main() -> Result<(), Error> {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return Err("AWS_LAMBDA_RUNTIME_API is not set: run this on Lambda, or against a local Runtime API".into());
    }
    let init = Init::new();
    let client = init.capture("make client", || ClientBuilder::new(reqwest::Client::new()).with(XRayMiddleware::new()));
    let client = client.build();
    let function = service_fn(|event: LambdaEvent<Value>| serve(&client, event.payload));
    lambda_runtime::run(XRayLambda::wrap(function).handler_subsegment("handler").init(init)).await
}

async fn serve(client: &ClientWithMiddleware, event: Value) -> Result<Value, Error> {
    let number = |key: &str, default| event[key].as_u64().unwrap_or(default);
    let what = event["do"].as_str().unwrap_or("succeed");
    println!("handling an event: {what}");
    xray_core::annotate("do", what);
    match what {
        "succeed" => {}
        "fail" => return Err("the event requested a failure".into()),
        "panic" => panic!("the event requested a panic"),
        "sleep" => tokio::time::sleep(Duration::from_millis(number("millis", 100))).in_subsegment("sleep").await,
        "call" => {
            let url = event["url"].as_str().ok_or("the event has no `url`")?;
            let status = client.get(url).send().await?.status();
            return Ok(json!({"do": what, "status": status.as_u16()}));
        }
        "capture" => {
            for index in 0..number("times", 1) {
                xray_core::capture("step", |step| {
                    step.annotate("index", index);
                });
            }
        }
        other => return Err(format!("unknown action {other:?} in the event").into()),
    }
    Ok(json!({"do": what}))
}
