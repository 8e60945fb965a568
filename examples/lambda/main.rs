//! A function for AWS Lambda, traced: `cargo run --example lambda`, wherever `AWS_LAMBDA_RUNTIME_API` points.
//!
//! Its event says what to do, for example `{"do": "capture", "times": 3}`:
//!
//! | `do` | what happens |
//! |---|---|
//! | `succeed` | it answers |
//! | `fail` | it returns an error |
//! | `panic` | it panics |
//! | `sleep` | it sleeps for `millis` in a subsegment |
//! | `call` | it gets `url` |
//! | `capture` | it captures a function `times` times |
//!
//! To deploy it, build it for the target of the function's architecture (`--release --target
//! x86_64-unknown-linux-musl`), zip the program under the name `bootstrap`, and create a function of the runtime
//! `provided.al2023` with active tracing.

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
        return Err("this runs on Lambda, or where AWS_LAMBDA_RUNTIME_API names a stand-in".into());
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
    xray_core::annotate("do", what);
    match what {
        "succeed" => {}
        "fail" => return Err("the event asked for a failure".into()),
        "panic" => panic!("the event asked for a panic"),
        "sleep" => tokio::time::sleep(Duration::from_millis(number("millis", 100))).in_subsegment("sleep").await,
        "call" => {
            let url = event["url"].as_str().ok_or("the event names no url")?;
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
        other => return Err(format!("the event asked for {other:?}, which is unknown").into()),
    }
    Ok(json!({"do": what}))
}
