//! A handler of `lambda_http` under its real loop, with a stub of Lambda's Runtime API.

#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../support/platform.rs"]
mod platform;

use serde_json::json;

use platform::Function;

mod function {
    use std::convert::Infallible;

    use lambda_http::{Body, Request, Response, service_fn};
    use xray_lambda::XRayLambda;

    /// Does nothing unless the stub of Lambda has started this program.
    #[test]
    fn is_run_by_lambda() {
        if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
            return;
        }
        let handler = service_fn(|request: Request| async move {
            let answer = xray_core::capture("answer", |_| Body::Text(request.uri().path().to_owned()));
            Ok::<_, Infallible>(Response::new(answer))
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(lambda_http::run(XRayLambda::wrap(handler).handler_subsegment("handler"))).unwrap();
    }
}

#[test]
fn a_request_is_recorded_in_the_trace_of_its_invocation() {
    let (root, parent) = ("1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8");
    let event = json!({
        "version": "2.0",
        "rawPath": "/orders/7",
        "rawQueryString": "",
        "headers": {"host": "shop.test"},
        "requestContext": {
            "http": {"method": "GET", "path": "/orders/7", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "stage": "$default",
            "timeEpoch": 1_500_000_000_000_u64,
        },
        "isBase64Encoded": false,
    });
    let function = Function::start(&[]);
    for (sampled, names) in [(1, &["answer", "handler"][..]), (0, &[])] {
        let header = format!("Root={root};Parent={parent};Sampled={sampled}");
        let response = function.invoke("request", header, event.clone());
        assert_eq!((&*response.kind, &response.body["body"]), ("response", &json!("/orders/7")));
        assert_eq!(response.documents.iter().map(|document| &document["name"]).collect::<Vec<_>>(), names);
        if let [answer, handler] = &response.documents[..] {
            assert_eq!((&answer["parent_id"], &handler["parent_id"]), (&handler["id"], &json!(parent)));
            assert!(answer["trace_id"] == root && handler["trace_id"] == root);
        }
    }
    assert!(function.kill().is_empty());
}

/// Tests of an application make such requests.
#[tokio::test]
async fn a_request_without_an_invocation_is_served() {
    use lambda_http::{Body, Request, Response, Service, service_fn};

    let (recorder, traces) = xray_core::Recorder::in_memory();
    let handler = service_fn(|request: Request| async move {
        xray_core::capture("answer", |_| {});
        Ok::<_, std::convert::Infallible>(Response::new(request.into_body()))
    });
    let mut function = xray_lambda::XRayLambda::wrap(handler).recorder(recorder);
    let response = function.call(Request::new(Body::Text("hello".into()))).await.unwrap();
    assert_eq!(*response.body(), Body::Text("hello".into()));
    assert!(traces.take().documents().is_empty());
}
