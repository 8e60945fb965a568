//! Calls that fail: what is recorded, and that the caller gets the same error as without tracing.

use std::time::Duration;

use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, timeout::TimeoutLayer};
use xray_behaviours::callee::Server;
use xray_behaviours::tls::{certified, trusting_no_certificate};
use xray_core::testing::Recorded;
use xray_core::{FutureExt, Recorder};

use crate::kinds::{self, KINDS, Kind, Read, Setup};

/// Makes a failing call with and without tracing. Returns what is recorded, and what the caller sees in both cases.
async fn failing(kind: Kind, setup: &Setup, url: &str, before_end: impl Fn()) -> (Recorded, kinds::Seen, kinds::Seen) {
    let plain = kind.client(&Setup { plain: true, ..setup.clone() });
    before_end();
    let without = plain.call(Method::GET, url, Read::All).await;
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let client = kind.client(setup);
    before_end();
    let with = segment.scope(client.call(Method::GET, url, Read::All)).await;
    segment.close();
    let trace = traces.take().single();
    let [call] = trace.children(trace.root())[..] else { panic!("{kind:?}: one call, not\n{}", trace.tree()) };
    (call.clone(), with, without)
}

/// Returns `type: message` of each exception, whether it is remote, and its cause.
fn exceptions(call: &Recorded) -> Vec<(String, bool, Option<usize>)> {
    let all = call.json()["cause"]["exceptions"].as_array().cloned().unwrap_or_default();
    let describe = |exception: &Value| {
        let text = |member: &str| exception[member].as_str().unwrap().to_owned();
        let cause = exception["cause"].as_str();
        let cause = cause.map(|cause| all.iter().position(|other| other["id"] == cause).unwrap());
        (format!("{}: {}", text("type"), text("message")), exception["remote"] == true, cause)
    };
    all.iter().map(describe).collect()
}

#[tokio::test]
async fn a_call_that_cannot_connect_is_a_fault_with_its_causes() {
    let server = Server::start().await;
    let (config, trusting) = certified("wrong.example");
    let tls = Server::start_tls(config).await;
    let refused = "http://user:s3cret@127.0.0.1:1/x?token=s3cret".to_owned();
    for kind in KINDS {
        for (what, url, cause) in [
            ("refused", refused.clone(), "refused"),
            ("TLS", format!("https://localhost:{}/x?token=s3cret", tls.port()), "certificate not valid for name"),
            ("lost", server.url("/lost?token=s3cret"), ""),
        ] {
            let setup = Setup { traced: true, tls: Some(trusting.clone()), ..Setup::default() };
            let (call, with, without) = failing(kind, &setup, &url, || {}).await;
            let what = format!("{kind:?} {what}: {}", call.json());
            assert!(call.has("fault") && !call.has("error") && !call.has("throttle"), "{what}");
            assert_eq!(call.json()["http"]["response"], Value::Null, "{what}");
            assert_eq!(call.json()["http"]["request"]["method"], "GET", "{what}");
            // X-Ray must not wait for the segment of a service that was not reached.
            assert_eq!(call.json()["traced"] == true, cause.is_empty(), "{what}");
            let exceptions = exceptions(&call);
            assert!(exceptions.iter().all(|(_, remote, _)| !remote), "{what}");
            assert!(exceptions.iter().any(|(text, ..)| text.contains(cause)), "{what}");
            let (first, ..) = &exceptions[0];
            assert!(
                first.starts_with("reqwest::Error: ") || first.starts_with("hyper_util::client::legacy::Error: "),
                "{what}"
            );
            for (index, (_, _, cause)) in exceptions.iter().enumerate() {
                assert_eq!(*cause, Some(index + 1).filter(|next| *next < exceptions.len()), "{what}");
            }
            assert!(!call.json().to_string().contains("s3cret"), "{what}");
            // The caller sees the same error.
            assert_eq!(with.head.unwrap_err(), without.head.unwrap_err(), "{what}");
        }
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_fault() {
    #[derive(Debug)]
    struct Nowhere;
    impl reqwest::dns::Resolve for Nowhere {
        fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
            Box::pin(async { Err("no such host".into()) })
        }
    }
    let reqwest = || {
        let builder = reqwest::Client::builder().no_proxy().dns_resolver(Nowhere);
        builder.tls_backend_preconfigured(trusting_no_certificate()).build().unwrap()
    };
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let client = reqwest_middleware::ClientBuilder::new(reqwest()).with(kinds::middleware(&Setup::default())).build();
    let error = segment.scope(client.get("http://nowhere.invalid/").send()).await.unwrap_err();
    let plain = reqwest().get("http://nowhere.invalid/").send().await.unwrap_err();
    assert_eq!(format!("{error:?}"), format!("Reqwest({plain:?})"));
    segment.close();
    let trace = traces.take().single();
    assert_eq!(trace.tree(), "shop\n  nowhere.invalid remote fault\n");
    assert!(exceptions(trace.find("nowhere.invalid")).iter().any(|(text, ..)| text.contains("no such host")));
}

#[tokio::test]
async fn a_body_that_fails_is_a_remote_fault_in_addition_to_the_response() {
    let server = Server::start().await;
    for kind in KINDS {
        // The server resets the connection when the gate opens, in the middle of the body.
        let (call, with, without) =
            failing(kind, &Setup::default(), &server.url("/reset"), || server.open_gate()).await;
        let what = format!("{kind:?}: {}", call.json());
        assert_eq!(call.json()["http"]["response"], json!({"status": 200, "content_length": 4}), "{what}");
        assert!(call.has("fault"), "{what}");
        assert_eq!(call.metadata("xray", "aborted"), &Value::Null, "{what}");
        let exceptions = exceptions(&call);
        assert!(!exceptions.is_empty() && exceptions.iter().all(|(_, remote, _)| *remote), "{what}");
        // The same kind and text. The causes are the same too, except for reqwest's own error in between.
        let (with, without) = (with.body.unwrap_err(), without.body.unwrap_err());
        assert_eq!(with[0], without[0], "{what}");
        let own = |text: &String| text != "request or response body error";
        assert!(with.iter().filter(|text| own(text)).eq(without.iter().filter(|text| own(text))), "{what}");

        // Recorded only until the headers, so the body is reqwest's own.
        let setup = Setup { end_at_headers: true, ..Setup::default() };
        let (call, with, without) = failing(kind, &setup, &server.url("/reset"), || server.open_gate()).await;
        assert!(!call.has("fault"), "{kind:?}");
        assert_eq!(with.body.unwrap_err(), without.body.unwrap_err(), "{kind:?}");
    }
}

#[tokio::test]
async fn timeouts_are_recorded_as_timeouts() {
    const SHORT: Duration = Duration::from_millis(20);
    let server = Server::start().await;
    let (recorder, traces) = Recorder::in_memory();

    // reqwest's own timeout, of the call and in the middle of the body.
    let reqwest = || {
        let builder = reqwest::Client::builder().no_proxy().timeout(SHORT);
        builder.tls_backend_preconfigured(trusting_no_certificate()).build().unwrap()
    };
    let client = reqwest_middleware::ClientBuilder::new(reqwest()).with(kinds::middleware(&Setup::default())).build();
    let segment = recorder.begin("shop");
    let error = segment.scope(client.get(server.url("/hang")).send()).await.unwrap_err();
    let plain = reqwest().get(server.url("/hang")).send().await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(format!("{error:?}"), format!("Reqwest({plain:?})"));
    let response = segment.scope(client.get(server.url("/slow-body")).send()).await.unwrap();
    let error = response.bytes().await.unwrap_err();
    assert!(error.is_timeout() && error.is_decode(), "{error:?}");
    segment.close();
    let trace = traces.take().single();
    assert_eq!(trace.tree(), "shop\n  127.0.0.1 remote fault\n  127.0.0.1 remote 200 fault\n");
    // The timeout is local, both before the response and in the middle of its body.
    for call in trace.children(trace.root()) {
        let exceptions = exceptions(call);
        assert!(exceptions.iter().any(|(text, ..)| text.contains("timed out")), "{exceptions:?}");
        assert!(exceptions.iter().all(|(_, remote, _)| !remote), "{exceptions:?}");
    }

    // tower's timeout, inside and outside of the layer.
    let hyper = kinds::hyper_client(&Setup::default());
    let inside = ServiceBuilder::new()
        .layer(kinds::layer(&Setup::default()).boxed_errors())
        .layer(TimeoutLayer::new(SHORT))
        .service(hyper.clone());
    let outside =
        ServiceBuilder::new().layer(TimeoutLayer::new(SHORT)).layer(kinds::layer(&Setup::default())).service(hyper);
    let request = || Request::get(server.url("/hang")).body(Empty::new()).unwrap();
    for (what, client) in [
        ("Elapsed: request timed out", tower::util::BoxCloneService::new(inside.map_response(drop))),
        (
            "Cancelled: the call was dropped before its response",
            tower::util::BoxCloneService::new(outside.map_response(drop)),
        ),
    ] {
        let segment = recorder.begin("shop");
        let error = segment.scope(client.oneshot(request())).await.unwrap_err();
        assert!(error.is::<tower::timeout::error::Elapsed>());
        segment.close();
        let trace = traces.take().single();
        assert_eq!(trace.tree(), "shop\n  127.0.0.1 remote fault\n");
        assert_eq!(exceptions(trace.find("127.0.0.1"))[0].0, what);
    }
}

#[tokio::test]
async fn a_local_timeout_of_a_body_is_not_a_remote_failure() {
    let server = Server::start().await;
    let plain = kinds::hyper_client(&Setup::default());
    // A timeout of the body alone, as inner layers have it.
    let limited = tower::service_fn(move |request: Request<Empty<bytes::Bytes>>| {
        let sending = plain.request(request);
        async { Ok::<_, hyper_util::client::legacy::Error>(sending.await?.map(Limited::new)) }
    });
    let client = kinds::layer(&Setup::default()).boxed_body_errors().layer(limited);
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let request = Request::get(server.url("/slow-body")).body(Empty::new()).unwrap();
    segment.scope(async { client.oneshot(request).await.unwrap().collect().await.unwrap_err() }).await;
    segment.close();
    let trace = traces.take().single();
    assert_eq!(trace.tree(), "shop\n  127.0.0.1 remote 200 fault\n");
    assert_eq!(exceptions(trace.find("127.0.0.1")), [("Elapsed: deadline has elapsed".to_owned(), false, None)]);
}

/// A body with a timeout for each frame.
struct Limited<B> {
    inner: std::pin::Pin<Box<B>>,
    limit: std::pin::Pin<Box<tokio::time::Timeout<std::future::Pending<()>>>>,
}

impl<B> Limited<B> {
    fn new(inner: B) -> Limited<B> {
        let limit = tokio::time::timeout(Duration::from_millis(20), std::future::pending());
        Limited { inner: Box::pin(inner), limit: Box::pin(limit) }
    }
}

impl<B: http_body::Body<Error: std::error::Error + Send + Sync + 'static>> http_body::Body for Limited<B> {
    type Data = B::Data;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<B::Data>, Self::Error>>> {
        if let std::task::Poll::Ready(frame) = self.inner.as_mut().poll_frame(cx) {
            return std::task::Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        self.limit.as_mut().poll(cx).map(|elapsed| Some(Err(elapsed.unwrap_err().into())))
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_is_closed() {
    let server = Server::start().await;
    for kind in KINDS {
        let (recorder, traces) = Recorder::in_memory();
        let segment = recorder.begin("shop");
        let client = kind.client(&Setup::default());
        let url = server.url("/hang");
        tokio::select! {
            _ = segment.scope(client.get(&url)) => panic!("nothing answers"),
            () = server.hanging() => {}
        }
        segment.close();
        let trace = traces.take().single();
        assert_eq!(trace.tree(), "shop\n  127.0.0.1 remote fault\n", "{kind:?}");
        let told = exceptions(trace.find("127.0.0.1"));
        assert_eq!(told, [("Cancelled: the call was dropped before its response".to_owned(), false, None)], "{kind:?}");
        assert_eq!(trace.find("127.0.0.1").json()["http"]["response"], Value::Null, "{kind:?}");
    }
}

#[tokio::test]
async fn an_error_that_propagates_is_described_once() {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let client = kinds::layer(&Setup::default()).layer(kinds::reqwest_client(&Setup::default()));
    let request = reqwest::Request::new(Method::GET, "http://127.0.0.1:1/?q".parse().unwrap());
    segment.scope(async { client.oneshot(request).try_in_subsegment("load").await }).await.unwrap_err();
    segment.close();
    let trace = traces.take().single();
    assert_eq!(trace.tree(), "shop\n  load fault\n    127.0.0.1 remote fault\n");
    let described = &trace.find("127.0.0.1").json()["cause"]["exceptions"][0]["id"];
    assert_eq!(&trace.find("load").json()["cause"], described);
}

#[tokio::test]
async fn a_panic_of_the_client_is_recorded_and_propagates() {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let broken = tower::service_fn(
        async |_: Request<Empty<bytes::Bytes>>| -> Result<http::Response<Empty<bytes::Bytes>>, std::io::Error> {
            panic!("broken client")
        },
    );
    let mut client = kinds::layer(&Setup::default()).layer(broken);
    let call = client.call(Request::get("http://h/").body(Empty::new()).unwrap());
    let entered = segment.enter();
    let again = client.call(Request::get("http://h/").body(Empty::new()).unwrap());
    drop(entered);
    drop(call);
    assert!(tokio::spawn(again).await.unwrap_err().is_panic());
    segment.close();
    let trace = traces.take().single();
    assert_eq!(trace.tree(), "shop\n  h remote fault\n");
    assert_eq!(exceptions(trace.find("h"))[0].0, "panic: broken client");
}
