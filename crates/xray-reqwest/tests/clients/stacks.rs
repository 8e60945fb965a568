//! The layer in combination with others of tower and reqwest-middleware: retries, buffers, tasks.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use xray_behaviours::callee::Server;
use xray_core::Recorder;
use xray_reqwest::{CallParent, CallParentLayer, XRayClientLayer};

use crate::kinds::{Setup, hyper_client, middleware, reqwest_client};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn get(url: &str) -> Request<Empty<Bytes>> {
    Request::get(url).body(Empty::new()).unwrap()
}

/// A client that cannot be cloned.
struct Single<S>(S);

impl<S: Service<R>, R> Service<R> for Single<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}

/// Makes each call in a new task.
#[derive(Clone)]
struct Spawned<S>(S);

impl<S, R> Service<R> for Spawned<S>
where
    S: Service<R> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send,
    S::Error: Into<BoxError> + Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let call = self.0.clone().oneshot(request);
        Box::pin(async { tokio::spawn(call).await?.map_err(Into::into) })
    }
}

/// Makes a call in a trace. Asserts that it was recorded there, and that the server received its header.
async fn assert_traced<S, B>(server: &Server, client: S)
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let call = async { client.oneshot(get(&server.url("/ok"))).await.unwrap().into_body().collect().await.unwrap() };
    assert_eq!(segment.scope(call).await.to_bytes(), "ok");
    segment.close();
    let trace = traces.take().single();
    assert_eq!(trace.tree(), "shop\n  127.0.0.1 remote 200\n");
    let id = trace.find("127.0.0.1").json()["id"].as_str().unwrap();
    let [(_, headers)] = &server.take_seen()[..] else { panic!("one request") };
    assert!(headers[0].contains(&format!("Parent={id};Sampled=1")), "{headers:?}");
}

#[tokio::test]
async fn a_buffer_inside_and_outside_keeps_the_trace() {
    let server = Server::start().await;
    let hyper = || hyper_client(&Setup::default());
    assert_traced(&server, ServiceBuilder::new().buffer(8).layer(XRayClientLayer::new()).service(hyper())).await;
    let boxed = || XRayClientLayer::new().boxed_errors();
    assert_traced(&server, ServiceBuilder::new().layer(boxed()).buffer(8).service(hyper())).await;
    assert_traced(&server, ServiceBuilder::new().layer(boxed()).buffer(8).service(Single(hyper()))).await;
    let carrying = ServiceBuilder::new().layer(CallParentLayer::new()).buffer(8);
    assert_traced(&server, carrying.layer(XRayClientLayer::new().at_call()).service(Single(hyper()))).await;
}

#[tokio::test]
async fn buffered_calls_keep_their_own_parents() {
    let server = Server::start().await;
    let client = ServiceBuilder::new().buffer(8).layer(XRayClientLayer::new()).service(hyper_client(&Setup::default()));
    let (recorder, traces) = Recorder::in_memory();
    let segments: Vec<_> = (0..20).map(|number| recorder.begin(format!("shop{number}"))).collect();
    let calls = segments.iter().map(|segment| {
        let call = client.clone().oneshot(get(&server.url("/ok")));
        segment.scope(async { call.await.unwrap().into_body().collect().await.unwrap() })
    });
    futures_util::future::join_all(calls).await;
    for segment in segments {
        segment.close();
    }
    for trace in traces.take().traces() {
        assert_eq!(trace.tree(), format!("{}\n  127.0.0.1 remote 200\n", trace.root().name()));
    }
}

#[tokio::test]
async fn a_spawned_call_has_the_parent_that_it_carries() {
    let server = Server::start().await;
    let spawning = tower::layer::layer_fn(Spawned);
    let client = ServiceBuilder::new()
        .layer(CallParentLayer::new())
        .layer(spawning)
        .layer(XRayClientLayer::new())
        .service(hyper_client(&Setup::default()));
    assert_traced(&server, client.clone()).await;

    // An explicit parent takes precedence. Without any entity, the request is unchanged.
    let (recorder, traces) = Recorder::in_memory();
    let (segment, other) = (recorder.begin("shop"), recorder.begin("other"));
    let mut request = get(&server.url("/ok"));
    request.extensions_mut().insert(CallParent::from(other.entity()));
    segment.scope(async { client.clone().oneshot(request).await.unwrap() }).await;
    segment.close();
    other.close();
    let trees: Vec<_> = traces.take().traces().iter().map(|trace| trace.tree()).collect();
    assert_eq!(trees, ["shop\n", "other\n  127.0.0.1 remote 200\n"]);
    server.take_seen();
    client.oneshot(get(&server.url("/ok"))).await.unwrap();
    assert_eq!(server.take_seen(), [("/ok".to_owned(), vec![])]);
}

#[tokio::test]
async fn a_call_begins_in_the_context_of_its_first_poll_if_there_is_none_before() {
    let server = Server::start().await;
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let mut layered = XRayClientLayer::new().layer(hyper_client(&Setup::default()));
    let mut of_reqwest = XRayClientLayer::new().layer(reqwest_client(&Setup::default()));
    let url = server.url("/ok").parse().unwrap();
    let calls = (
        layered.ready().await.unwrap().call(get(&server.url("/ok"))),
        of_reqwest.ready().await.unwrap().call(reqwest::Request::new(http::Method::GET, url)),
    );
    segment.scope(async { (calls.0.await.unwrap(), calls.1.await.unwrap()) }).await;
    // A context at the time of the call takes precedence over a later one.
    let (inner, mut client) = (segment.subsegment("inner"), layered);
    let entered = inner.enter();
    let call = client.call(get(&server.url("/ok")));
    drop(entered);
    segment.scope(call).await.unwrap();
    inner.close();
    segment.close();
    let call = "127.0.0.1 remote 200\n";
    assert_eq!(traces.take().single().tree(), format!("shop\n  {call}  {call}  inner\n    {call}"));
}

#[tokio::test]
async fn a_waiting_call_uses_the_service_that_was_ready() {
    /// Panics if it is called without being ready.
    #[derive(Default)]
    struct Strict {
        is_ready: bool,
    }
    impl Clone for Strict {
        fn clone(&self) -> Strict {
            Strict::default()
        }
    }
    impl Service<Request<Empty<Bytes>>> for Strict {
        type Response = Response<Empty<Bytes>>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Self::Response, Infallible>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            self.is_ready = true;
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<Empty<Bytes>>) -> Self::Future {
            assert!(std::mem::take(&mut self.is_ready), "called before it was ready");
            std::future::ready(Ok(Response::new(Empty::new())))
        }
    }
    let (recorder, _) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let mut client = XRayClientLayer::new().layer(Strict::default());
    let first = client.ready().await.unwrap().call(get("http://h/"));
    let second = client.ready().await.unwrap().call(get("http://h/"));
    segment.scope(async { (second.await.unwrap(), first.await.unwrap()) }).await;
}

#[tokio::test]
async fn each_attempt_of_a_retry_is_a_call_and_none_is_aborted() {
    let server = Server::start().await;
    let bounds = (Duration::from_millis(1), Duration::from_millis(2));
    let policy = ExponentialBackoff::builder().retry_bounds(bounds.0, bounds.1).build_with_max_retries(1);
    let client = reqwest_middleware::ClientBuilder::new(reqwest_client(&Setup::default()))
        .with(RetryTransientMiddleware::new_with_policy(policy))
        .with(middleware(&Setup::default()))
        .build();
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    segment
        .scope(async {
            client.get(server.url("/status/503")).send().await.unwrap().error_for_status().unwrap_err();
            assert_eq!(client.get(server.url("/ok")).send().await.unwrap().status(), 200);
        })
        .await;
    segment.close();
    let trace = traces.take().single();
    let failed = "  127.0.0.1 remote 503 fault\n";
    assert_eq!(trace.tree(), format!("shop\n{failed}{failed}  127.0.0.1 remote 200\n"));
    for call in trace.children(trace.root()) {
        assert!(call.metadata("xray", "aborted").is_null(), "{}", call.json());
    }
}
