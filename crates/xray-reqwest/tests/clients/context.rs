//! Concurrent calls, each below the entity that made it.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest_middleware::ClientBuilder;
use tower::{Layer, ServiceExt, service_fn};
use xray_core::{FutureExt, Recorder, Segment};
use xray_reqwest::{XRayClientLayer, XRayMiddleware};

use crate::kinds::{KINDS, Kind};

/// Returns each request's trace header as the response, by HTTP/2, so that a thousand calls share a connection.
async fn echo_server() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper::service::service_fn(async |request: Request<Incoming>| {
                let header =
                    request.headers().get("x-amzn-trace-id").map(|value| Bytes::copy_from_slice(value.as_bytes()));
                Ok::<_, Infallible>(Response::new(Full::new(header.unwrap_or_default())))
            });
            let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(serving.serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

type Get = Box<dyn Fn(String) -> BoxFuture<'static, String>>;

fn text(bytes: Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A client whose calls return the body.
fn client(kind: Kind) -> Get {
    let reqwest = reqwest::Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(xray_behaviours::tls::trusting_no_certificate())
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let hyper = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Empty<Bytes>>();
    let request = |url: String| Request::get(url).body(Empty::new()).unwrap();
    match kind {
        Kind::Middleware => {
            let client = ClientBuilder::new(reqwest).with(XRayMiddleware::new()).build();
            Box::new(move |url| {
                let sending = client.get(url).send();
                Box::pin(async { sending.await.unwrap().text().await.unwrap() })
            })
        }
        Kind::HyperUtil => {
            let client = XRayClientLayer::new().layer(hyper);
            Box::new(move |url| {
                let sending = client.clone().oneshot(request(url));
                Box::pin(async { text(sending.await.unwrap().collect().await.unwrap().to_bytes()) })
            })
        }
        Kind::ReqwestService => {
            let client = XRayClientLayer::new().layer(reqwest);
            Box::new(move |url| {
                let sending = client.clone().oneshot(reqwest::Request::new(http::Method::GET, url.parse().unwrap()));
                Box::pin(async { sending.await.unwrap().text().await.unwrap() })
            })
        }
        Kind::AnyService => {
            let service = service_fn(async |request: Request<Empty<Bytes>>| {
                tokio::task::yield_now().await;
                let header = request.headers()["x-amzn-trace-id"].as_bytes().to_vec();
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(header))))
            });
            let client = XRayClientLayer::new().layer(service);
            Box::new(move |url| {
                let sending = client.clone().oneshot(request(url));
                Box::pin(async { text(sending.await.unwrap().collect().await.unwrap().to_bytes()) })
            })
        }
    }
}

fn parents(headers: &[String]) -> Vec<String> {
    let mut parents: Vec<_> =
        headers.iter().map(|header| header.split("Parent=").nth(1).unwrap()[..16].to_owned()).collect();
    parents.sort();
    parents
}

#[tokio::test]
async fn a_thousand_concurrent_calls_are_siblings() {
    let server = echo_server().await;
    for kind in KINDS {
        let (recorder, traces) = Recorder::in_memory();
        let segment = recorder.begin("shop");
        let get = client(kind);
        let calls = async { join_all((0..1000).map(|n| get(format!("http://{server}/{n}")))).await };
        let echoed = segment.scope(async { calls.in_subsegment("fan out").await }).await;
        segment.close();
        let trace = traces.take().single();
        let calls = trace.children(trace.find("fan out"));
        assert_eq!(calls.len(), 1000, "{kind:?}");
        let mut ids: Vec<_> = calls.iter().map(|call| call.json()["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        assert_eq!(ids, parents(&echoed), "{kind:?}: each request names its own call");

        let unsampled = crate::behaviour::unsampled();
        let echoed =
            unsampled.scope(async { join_all((0..10).map(|n| get(format!("http://{server}/{n}")))).await }).await;
        let mut different = parents(&echoed);
        different.dedup();
        assert_eq!(different.len(), 10, "{kind:?}: unsampled calls share an ID");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_concurrent_requests_do_not_mix() {
    let server = echo_server().await;
    for kind in [Kind::Middleware, Kind::HyperUtil] {
        let (recorder, traces) = Recorder::in_memory();
        let segments: Vec<Segment> = (0..50).map(|n| recorder.begin(format!("shop {n}"))).collect();
        let handled = segments.iter().map(|segment| {
            let get = client(kind);
            let call = segment.scope(async move {
                let name = format!("step {}", xray_core::current().id().unwrap());
                async { get(format!("http://{server}/")).await }.in_subsegment(name).await
            });
            async { (segment.trace_id().unwrap().to_string(), call.await) }
        });
        for (trace, header) in join_all(handled).await {
            assert!(header.starts_with(&format!("Root={trace};")), "{kind:?}: {header} of {trace}");
        }
        segments.iter().for_each(Segment::close);
        for trace in traces.take().traces() {
            let root = trace.root().json()["id"].as_str().unwrap().to_owned();
            let step = trace.find(&format!("step {root}"));
            assert_eq!(trace.children(step).len(), 1, "{kind:?}:\n{}", trace.tree());
        }
    }
}
