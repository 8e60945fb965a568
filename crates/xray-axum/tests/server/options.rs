//! What can be configured.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};
use xray_axum::{MatchedRoute, XRayLayer};
use xray_core::sampling::{Always, Decision, Never, Sampler, SamplingRequest};
use xray_core::{Naming, Recorder};

use crate::support::{self, Global, ask, layer, recorder_with, serve};

fn ok() -> Router {
    Router::new().route("/", get(|| async { "ok" }))
}

#[tokio::test]
async fn segments_are_named_as_configured() {
    for (naming, host, name) in [
        (Naming::fixed("shop"), "any.test", "shop"),
        (Naming::dynamic("shop"), "any.test:8080", "any.test:8080"),
        (Naming::dynamic("shop").matching("*.example.com"), "www.Example.com", "www.Example.com"),
        (Naming::dynamic("shop").matching("*.example.com"), "other.test", "shop"),
        (Naming::dynamic("shop"), "", "shop"),
        (Naming::dynamic("shop"), "user:s3cret@any.test", "any.test"),
    ] {
        let (layer, mut documents) = layer(naming.clone());
        let address = serve(ok().layer(layer)).await;
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
        assert_eq!(documents.next().await["name"], name, "{naming:?} {host}");
    }
}

#[tokio::test]
async fn the_request_is_described_as_configured() {
    let shop = || XRayLayer::new("shop");
    let forwarded = "X-Forwarded-For:  203.0.113.9 , 10.0.0.1";
    for (layer, target, headers, described) in [
        (shop(), "/?q=1", &[][..], json!({"url": "http://shop.test/", "client_ip": "127.0.0.1"})),
        (
            shop().keep_query(true),
            "/?q=1",
            &["User-Agent: test/1"],
            json!({"url": "http://shop.test/?q=1", "client_ip": "127.0.0.1", "user_agent": "test/1"}),
        ),
        (
            shop(),
            "/",
            &[forwarded],
            json!({"url": "http://shop.test/", "client_ip": "203.0.113.9", "x_forwarded_for": true}),
        ),
        (
            shop().trust_forwarded_for(false),
            "/",
            &[forwarded],
            json!({"url": "http://shop.test/", "client_ip": "127.0.0.1"}),
        ),
        (shop(), "http://other.test/?q=1", &[], json!({"url": "http://other.test/", "client_ip": "127.0.0.1"})),
    ] {
        let (recorder, mut documents) = recorder_with(Always);
        let address = serve(ok().layer(layer.recorder(recorder))).await;
        ask(address, &format!("GET {target}"), headers).await.unwrap();
        let mut expected = described;
        expected["method"] = "GET".into();
        assert_eq!(documents.next().await["http"]["request"], expected, "{target} {headers:?}");
    }
}

const ROOT: &str = "1-5f84c7a5-e7d1852db8c4fd35d88bf49a";

#[tokio::test]
async fn the_decision_is_answered_when_it_was_asked_for() {
    let vectors = include_str!("../../../../tests/vectors/trace_header.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let mut cases = 0;
    for case in vectors["cases"].as_array().unwrap().iter().filter(|case| case["kind"] == "response") {
        cases += 1;
        let sampler = if case["decision"] == true { 1.0 } else { 0.0 };
        let (recorder, mut documents) = recorder_with(xray_core::sampling::Rate(sampler));
        let address = serve(ok().layer(XRayLayer::new("shop").recorder(recorder))).await;
        let header = case["header"].as_str().map(|header| format!("X-Amzn-Trace-Id: {header}"));
        let headers: Vec<_> = header.iter().map(String::as_str).collect();
        let answer = ask(address, "GET /", &headers).await.unwrap();
        // Where the caller named no trace, it is the segment's own.
        let mut expected = case["expected"].as_str().map(str::to_owned);
        let named = case["header"].as_str().is_some_and(|header| header.contains(ROOT));
        if case["decision"] == true {
            let trace_id = documents.raw().await["trace_id"].as_str().unwrap().to_owned();
            assert_eq!(trace_id == ROOT, named, "{case}");
            expected = expected.map(|expected| expected.replace(ROOT, &trace_id));
        }
        assert_eq!(answer.header("x-amzn-trace-id"), expected.as_deref(), "{case}");
        documents.assert_empty();
    }
    assert_eq!(cases, 5);
}

#[tokio::test]
async fn the_decision_is_always_answered_on_request() {
    let header = format!("X-Amzn-Trace-Id: Root={ROOT}");
    for (sampled, recorder) in [(1, recorder_with(Always).0), (0, recorder_with(Never).0)] {
        let address = serve(ok().layer(XRayLayer::new("shop").respond_always(true).recorder(recorder))).await;
        let answer = ask(address, "GET /", &[&header]).await.unwrap();
        assert_eq!(answer.header("x-amzn-trace-id"), Some(&*format!("Root={ROOT};Sampled={sampled}")));
    }
}

#[tokio::test]
async fn ignored_requests_leave_nothing_and_complain_of_nothing() {
    let global = Global::install();
    let (layer, mut documents) = layer("shop");
    let layer = layer.ignore(|request| request.uri().path() == "/panics" && panic!("in the rule"));
    // The last rule counts.
    let layer = layer.ignore(|request| {
        assert_ne!(request.uri().path(), "/panics", "in the rule");
        request.uri().path() == "/health" && request.headers().contains_key("host")
    });
    let handler = |Path(path): Path<String>| async move {
        xray_core::annotate("ignored-key", path);
        xray_core::capture("ignored-capture", |_| ());
        xray_core::current().trace_header().map(|header| header.to_string()).unwrap_or_default()
    };
    let address = serve(Router::new().route("/{path}", get(handler)).layer(layer)).await;
    let asks = [&*format!("X-Amzn-Trace-Id: Root={ROOT};Sampled=?")];
    let answer = ask(address, "GET /health", &asks).await.unwrap();
    assert_eq!((answer.status, &*answer.body, answer.header("x-amzn-trace-id")), (200, "", None));
    documents.assert_empty();
    assert!(!global.missed("ignored-key") && !global.missed("ignored-capture"));
    // A rule that fails ignores nothing, and changes no answer.
    for path in ["/other", "/panics"] {
        assert_eq!(support::get(address, path).await.status, 200);
        assert_eq!(documents.next().await["http"]["request"]["url"], format!("http://shop.test{path}"));
    }
}

#[tokio::test]
async fn the_application_gives_what_rules_ask_for() {
    struct Gold;
    impl Sampler for Gold {
        fn decide(&self, request: &SamplingRequest<'_>) -> Decision {
            request.attributes.contains(&("tier", "gold")).into()
        }
    }
    let (recorder, mut documents) = recorder_with(Gold);
    let layer = XRayLayer::new("shop").recorder(recorder).sampling_attributes(|request| {
        let tier = request.headers().get("x-tier").map(|tier| tier.to_str().expect("a text").to_owned());
        tier.into_iter().map(|tier| ("tier", tier)).collect()
    });
    let address = serve(ok().layer(layer)).await;
    // What cannot be told is as if there were nothing, and changes no answer.
    for tier in ["X-Tier: silver", "X-Other: gold", "X-Tier: \u{e4}", "X-Tier: gold"] {
        assert_eq!(ask(address, "GET /", &[tier]).await.unwrap().status, 200, "{tier}");
    }
    documents.next().await;
    documents.assert_empty();
}

#[tokio::test]
async fn a_disabled_sdk_changes_nothing() {
    let global = Global::install();
    let layer = XRayLayer::new("shop").respond_always(true).recorder(Recorder::disabled());
    let handler = || async {
        xray_core::annotate("disabled-key", 1);
        assert_eq!(xray_core::current().trace_header(), None);
        (StatusCode::IM_A_TEAPOT, "short and stout")
    };
    let with = serve(Router::new().route("/", get(handler)).layer(layer)).await;
    let without = serve(Router::new().route("/", get(|| async { (StatusCode::IM_A_TEAPOT, "short and stout") }))).await;
    let asks = [&*format!("X-Amzn-Trace-Id: Root={ROOT};Sampled=?")];
    let [with, without] = [ask(with, "GET /", &asks).await.unwrap(), ask(without, "GET /", &asks).await.unwrap()];
    assert_eq!((with.status, &with.body, with.header("x-amzn-trace-id")), (418, &without.body, None));
    assert_eq!(with.header("content-length"), without.header("content-length"));
    assert!(!global.missed("disabled-key"));
}

#[tokio::test]
async fn a_request_that_is_not_sampled_is_served_and_says_so_downstream() {
    let (recorder, mut documents) = recorder_with(Never);
    let handler = || async { xray_core::current().trace_header().unwrap().to_string() };
    let app = Router::new().route("/", get(handler)).layer(XRayLayer::new("shop").recorder(recorder));
    let address = serve(app).await;
    let header = format!("X-Amzn-Trace-Id: Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:2");
    let downstream = ask(address, "GET /", &[&header]).await.unwrap().body;
    assert!(downstream.starts_with(&format!("Root={ROOT};Parent=")), "{downstream}");
    assert!(downstream.ends_with(";Sampled=0;Lineage=1:2") && !downstream.contains("53995c3f42cd8ad8"));
    documents.assert_empty();
}

#[tokio::test]
async fn the_matched_route_is_recorded_on_request() {
    for (option, path, annotations, metadata) in [
        (None, "/api/user/7", Value::Null, Value::Null),
        (Some(MatchedRoute::annotation("route")), "/api/user/7", json!({"route": "/api/user/{id}"}), Value::Null),
        (Some(MatchedRoute::annotation("route")), "/other", Value::Null, Value::Null),
        (
            Some(MatchedRoute::metadata("pattern")),
            "/api/user/7",
            Value::Null,
            json!({"default": {"pattern": "/api/user/{id}"}}),
        ),
    ] {
        let (mut layer, mut documents) = layer("shop");
        if let Some(option) = option {
            layer = layer.matched_route(option);
        }
        let routes = Router::new().route("/user/{id}", get(|| async { "ok" }));
        let address = serve(Router::new().nest("/api", routes).layer(layer)).await;
        support::get(address, path).await;
        let document = documents.next().await;
        assert_eq!((&document["annotations"], &document["metadata"]), (&annotations, &metadata), "{path}");
    }
}

#[tokio::test]
async fn a_recorder_may_be_installed_after_the_layer_was_made() {
    let layer = XRayLayer::new("installed-later");
    let app = ok().layer(layer);
    let global = Global::install();
    let address = serve(app).await;
    assert_eq!(support::get(address, "/").await.body, "ok");
    // The body may be dropped a moment after its last byte was read: the next request comes after that.
    while !global.emitted("installed-later") {
        tokio::task::yield_now().await;
    }
}
