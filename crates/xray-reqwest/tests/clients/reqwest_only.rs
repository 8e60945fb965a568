//! Features that only reqwest has: retries by middleware, redirects, its own response type.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use xray_behaviours::callee::Server;
use xray_core::Recorder;

use crate::kinds::{self, Setup};

/// Retries until the third attempt.
struct Retry;

impl Middleware for Retry {
    fn handle<'a, 'b, 'c, 'd>(
        &'a self,
        request: Request,
        extensions: &'b mut Extensions,
        next: Next<'c>,
    ) -> std::pin::Pin<Box<dyn Future<Output = reqwest_middleware::Result<Response>> + Send + 'd>>
    where
        'a: 'd,
        'b: 'd,
        'c: 'd,
    {
        Box::pin(async move {
            for _ in 0..2 {
                next.clone().run(request.try_clone().unwrap(), extensions).await?.bytes().await?;
            }
            next.run(request, extensions).await
        })
    }
}

#[tokio::test]
async fn outer_retries_have_a_subsegment_each_and_inner_retries_share_one() {
    let server = Server::start().await;
    let client = || ClientBuilder::new(kinds::reqwest_client(&Setup::default()));
    let ours = || kinds::middleware(&Setup::default());
    let of_one = "  127.0.0.1 remote 503 fault\n";
    for (client, calls) in
        [(client().with(Retry).with(ours()).build(), 3), (client().with(ours()).with(Retry).build(), 1)]
    {
        let (recorder, traces) = Recorder::in_memory();
        let segment = recorder.begin("shop");
        segment
            .scope(async { client.get(server.url("/status/503")).send().await?.bytes().await.map_err(Into::into) })
            .await
            .map_err(|error: reqwest_middleware::Error| error)
            .unwrap();
        segment.close();
        let trace = traces.take().single();
        assert_eq!(trace.tree(), format!("shop\n{}", of_one.repeat(calls)));
        let ids = trace.children(trace.root());
        let headers: Vec<_> = server.take_seen().into_iter().flat_map(|(_, headers)| headers).collect();
        assert_eq!(headers.len(), 3);
        for (n, header) in headers.iter().enumerate() {
            let call = ids[if calls == 3 { n } else { 0 }].json()["id"].as_str().unwrap().to_owned();
            assert!(header.contains(&format!("Parent={call};")), "attempt {n}: {header}");
        }
    }
}

#[tokio::test]
async fn each_hop_of_a_redirect_sends_the_header_and_all_are_one_call() {
    let server = Server::start().await;
    let url = server.url(&format!("/redirect/{}", server.port()));
    for kind in [kinds::Kind::Middleware, kinds::Kind::ReqwestService] {
        let (recorder, traces) = Recorder::in_memory();
        let segment = recorder.begin("shop");
        // The redirect leads from 127.0.0.1 to another host, localhost.
        let seen = segment.scope(kind.client(&Setup::default()).get(&url)).await;
        assert_eq!(seen.head.unwrap(), 200);
        segment.close();
        let trace = traces.take().single();
        assert_eq!(trace.tree(), "shop\n  127.0.0.1 remote 200\n", "{kind:?}");
        assert_eq!(trace.find("127.0.0.1").json()["http"]["request"]["url"], url);
        let hops = server.take_seen();
        assert_eq!(hops.len(), 2);
        assert_eq!((hops[0].1.len(), &hops[0].1), (1, &hops[1].1), "{kind:?}: once on each hop, the same");
    }
}

#[tokio::test]
async fn the_response_is_otherwise_the_same() {
    let server = Server::start().await;
    let url = format!("{}#part", server.url("/ok?q=1"));
    let (recorder, _traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let plain = kinds::reqwest_client(&Setup::default()).get(&url).send().await.unwrap();
    let client =
        ClientBuilder::new(kinds::reqwest_client(&Setup::default())).with(kinds::middleware(&Setup::default()));
    let client = client.build();
    let traced = segment.scope(client.get(&url).send()).await.unwrap();
    let facts = |response: &Response| {
        (
            response.url().clone(),
            response.remote_addr(),
            response.content_length(),
            response.version(),
            response.headers().clone(),
            response.status(),
        )
    };
    assert_eq!(facts(&traced), facts(&plain));
    assert_eq!(traced.bytes().await.unwrap(), plain.bytes().await.unwrap());
}

#[tokio::test]
async fn the_call_is_current_in_other_middleware_and_a_second_xray_middleware_records_nothing() {
    struct Peek(Arc<AtomicUsize>);
    impl Middleware for Peek {
        fn handle<'a, 'b, 'c, 'd>(
            &'a self,
            request: Request,
            extensions: &'b mut Extensions,
            next: Next<'c>,
        ) -> std::pin::Pin<Box<dyn Future<Output = reqwest_middleware::Result<Response>> + Send + 'd>>
        where
            'a: 'd,
            'b: 'd,
            'c: 'd,
        {
            Box::pin(async move {
                tokio::task::yield_now().await;
                xray_core::annotate("attempt", self.0.fetch_add(1, Ordering::Relaxed) as u64);
                next.run(request, extensions).await
            })
        }
    }
    let server = Server::start().await;
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let client = ClientBuilder::new(kinds::reqwest_client(&Setup::default()))
        .with(kinds::middleware(&Setup::default()))
        .with(Peek(Arc::default()))
        .with(kinds::middleware(&Setup::default()))
        .build();
    segment.scope(async { client.get(server.url("/ok")).send().await.unwrap().bytes().await.unwrap() }).await;
    segment.close();
    assert_eq!(traces.take().single().tree(), "shop\n  127.0.0.1 remote 200 [attempt=0]\n");
    assert_eq!(server.take_seen()[0].1.len(), 1);
}
