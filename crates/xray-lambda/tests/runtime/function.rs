//! The function under test. Its event selects what it does.

use std::collections::HashMap;
use std::env::var_os;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use tokio::sync::Barrier;
use xray_core::FutureExt;
use xray_lambda::{Init, SqsRecord, XRayLambda};

/// Does nothing unless the stub of Lambda has started this program.
#[test]
fn is_run_by_lambda() {
    if var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let init = Init::new();
        init.capture("read table", || xray_core::capture("not recorded", |_| {}));
        init.capture_async("connect", async {}).await;
        let mut function = XRayLambda::wrap(service_fn(handler)).init(init);
        if let Some(name) = var_os("HANDLER") {
            function = function.handler_subsegment(name.to_string_lossy());
        }
        match var_os("AWS_LAMBDA_MAX_CONCURRENCY") {
            Some(_) => lambda_runtime::run_concurrent(function).await.unwrap(),
            None => lambda_runtime::run(function).await.unwrap(),
        }
    });
}

static MEETING: LazyLock<Barrier> = LazyLock::new(|| Barrier::new(4));

async fn handler(event: LambdaEvent<Value>) -> Result<Value, Error> {
    match event.payload["do"].as_str().unwrap_or_default() {
        "capture" => {
            for number in 0..event.payload["times"].as_u64().unwrap_or(1) {
                xray_core::capture("outer", |outer| {
                    outer.annotate("number", number);
                    xray_core::capture("inner", |_| {});
                });
            }
        }
        "burst" => burst(&event.payload).await,
        "write" => {
            xray_core::annotate("tenant", "acme");
            xray_core::current_segment().set_user("john123").fault("refused");
        }
        "fail" => failing().try_in_subsegment("failing").await?,
        "panic" => xray_core::capture("panicking", |_| panic!("out of paper")),
        "hang" => std::future::pending::<()>().in_subsegment("hanging").await,
        "receive" => {
            for record in event.payload["Records"].as_array().unwrap() {
                let attributes: HashMap<String, String> = serde_json::from_value(record["attributes"].clone()).unwrap();
                let record = SqsRecord::new(&attributes);
                let order = record.subsegment("order");
                let _in = order.enter();
                xray_core::capture("work", |_| {});
                record.begin(xray_core::Recorder::global(), "worker").close();
            }
        }
        "leak" => {
            std::mem::forget(xray_core::subsegment("left behind"));
            assert!(event.payload["panic"] != true, "out of paper");
        }
        "meet" => {
            let name = event.context.request_id.clone();
            async {
                MEETING.wait().await;
                xray_core::annotate("request", &*name);
                tokio::task::yield_now().await;
                xray_core::capture("inner", |inner| {
                    inner.annotate("request", &*name);
                });
                MEETING.wait().await;
            }
            .in_subsegment("outer")
            .await;
        }
        _ => {}
    }
    Ok(json!({"header": xray_core::current().trace_header().map(|header| header.to_string())}))
}

/// Records `times` subsegments, one after the other or `together`, each with `bytes` of metadata and `micros` of work.
async fn burst(payload: &Value) {
    let number = |name: &str| payload[name].as_u64().unwrap_or_default();
    let (times, micros, metadata) = (number("times"), number("micros"), "x".repeat(number("bytes") as usize));
    let step = || {
        xray_core::current().metadata("text", &metadata);
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(micros) {}
    };
    if payload["together"] == true {
        futures_util::future::join_all((0..times).map(|_| async { step() }.in_subsegment("step"))).await;
    } else {
        (0..times).for_each(|_| xray_core::capture("step", |_| step()));
    }
}

async fn failing() -> Result<(), std::num::ParseIntError> {
    "x".parse::<u8>().map(drop)
}
