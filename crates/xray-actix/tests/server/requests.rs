//! What is taken from requests, and what is left alone.

use actix_web::web::{Path, get};
use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use xray_actix::Naming;
use xray_actix::{MatchedRoute, XRay};
use xray_core::Recorder;
use xray_core::sampling::{Always, Decision, Never, Rate, Sampler, SamplingRequest};

use crate::support::{self, Global, ask, recorder_with, serve, start, xray};

fn ok(app: &mut web::ServiceConfig) {
    app.route("/", web::route().to(async || "ok"));
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
        // Anybody can write these.
        (Naming::dynamic("shop"), "any.test\r\nX-Forwarded-Host: forged.test", "any.test"),
        (Naming::dynamic("shop"), "any.test\r\nForwarded: host=forged.test", "any.test"),
    ] {
        let (xray, mut documents) = xray(naming.clone());
        let address = serve(xray, ok);
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(documents.next().await["name"], name, "{naming:?} {host}");
    }
}

#[tokio::test]
async fn the_request_is_described_as_configured() {
    let shop = || XRay::dynamic("shop", "*.example.com");
    let forwarded = "X-Forwarded-For:  203.0.113.9 , 10.0.0.1";
    for (xray, line, headers, described) in [
        (shop(), "GET /?q=1", &[][..], json!({"url": "http://shop.test/", "client_ip": "127.0.0.1"})),
        (
            shop().keep_query(true),
            "GET /?q=1",
            &["User-Agent: test/1"],
            json!({"url": "http://shop.test/?q=1", "client_ip": "127.0.0.1", "user_agent": "test/1"}),
        ),
        (
            shop(),
            "GET /",
            &[forwarded],
            json!({"url": "http://shop.test/", "client_ip": "203.0.113.9", "x_forwarded_for": true}),
        ),
        (
            shop().trust_forwarded_for(false),
            "GET /",
            &[forwarded],
            json!({"url": "http://shop.test/", "client_ip": "127.0.0.1"}),
        ),
        // Neither is what the server itself received.
        (
            shop(),
            "GET /",
            &["X-Forwarded-Proto: https", "X-Forwarded-Host: forged.test"],
            json!({"url": "http://shop.test/", "client_ip": "127.0.0.1"}),
        ),
        (shop(), "GET http://other.test/?q=1", &[], json!({"url": "http://other.test/", "client_ip": "127.0.0.1"})),
        (shop(), "OPTIONS *", &[], json!({"url": "http://shop.test", "client_ip": "127.0.0.1"})),
    ] {
        let (recorder, mut documents) = recorder_with(Always);
        let address = serve(xray.recorder(recorder), ok);
        ask(address, line, headers).await.unwrap();
        let mut expected = described;
        expected["method"] = line.split(' ').next().into();
        let document = documents.next().await;
        assert_eq!(document["http"]["request"], expected, "{line} {headers:?}");
        assert_eq!(document["name"], "shop");
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
        let rate = if case["decision"] == true { 1.0 } else { 0.0 };
        let (recorder, mut documents) = recorder_with(Rate(rate));
        let address = serve(XRay::fixed("shop").recorder(recorder), ok);
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
        let address = serve(XRay::fixed("shop").respond_always(true).recorder(recorder), ok);
        let answer = ask(address, "GET /", &[&header]).await.unwrap();
        assert_eq!(answer.header("x-amzn-trace-id"), Some(&*format!("Root={ROOT};Sampled={sampled}")));
    }
}

#[tokio::test]
async fn ignored_requests_leave_nothing_and_complain_of_nothing() {
    let global = Global::install();
    let (xray, mut documents) = xray("shop");
    let xray = xray.ignore(|request| request.path() == "/panics" && panic!("in the rule"));
    // The last rule counts.
    let xray = xray.ignore(|request| {
        assert_ne!(request.path(), "/panics", "in the rule");
        request.path() == "/health" && request.headers().contains_key("host")
    });
    let handler = async |path: Path<String>| {
        xray_core::annotate("ignored-key", path.into_inner());
        xray_core::capture("ignored-capture", |_| ());
        xray_core::current().trace_header().map(|header| header.to_string()).unwrap_or_default()
    };
    let address = serve(xray, move |app| {
        app.route("/{path}", get().to(handler));
    });
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
    let xray = XRay::fixed("shop").recorder(recorder).sampling_attributes(|request| {
        let tier = request.headers().get("x-tier").map(|tier| tier.to_str().expect("a text").to_owned());
        tier.into_iter().map(|tier| ("tier", tier)).collect()
    });
    let address = serve(xray, ok);
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
    let xray = XRay::fixed("shop").respond_always(true).recorder(Recorder::disabled());
    let handler = async || {
        xray_core::annotate("disabled-key", 1);
        assert_eq!(xray_core::current().trace_header(), None);
        HttpResponse::ImATeapot().body("short and stout")
    };
    let with = serve(xray, move |app| {
        app.route("/", get().to(handler));
    });
    let app = || App::new().route("/", get().to(async || HttpResponse::ImATeapot().body("short and stout")));
    let without = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let without = start(without.addrs()[0], without.run());
    let asks = [&*format!("X-Amzn-Trace-Id: Root={ROOT};Sampled=?")];
    let [with, without] = [ask(with, "GET /", &asks).await.unwrap(), ask(without, "GET /", &asks).await.unwrap()];
    assert_eq!((with.status, &*with.body), (418, "short and stout"));
    assert_eq!((with.head_without_date(), &with.body), (without.head_without_date(), &without.body));
    assert!(!global.missed("disabled-key"));
}

#[tokio::test]
async fn a_request_that_is_not_sampled_is_served_and_says_so_downstream() {
    let (recorder, mut documents) = recorder_with(Never);
    let address = serve(XRay::fixed("shop").recorder(recorder), |app| {
        app.route("/", get().to(async || xray_core::current().trace_header().unwrap().to_string()));
    });
    let header = format!("X-Amzn-Trace-Id: Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:2");
    let downstream = ask(address, "GET /", &[&header]).await.unwrap().body;
    assert!(downstream.starts_with(&format!("Root={ROOT};Parent=")), "{downstream}");
    assert!(downstream.ends_with(";Sampled=0;Lineage=1:2") && !downstream.contains("53995c3f42cd8ad8"));
    documents.assert_empty();
}

#[tokio::test]
async fn the_matched_route_is_recorded_on_request() {
    for (option, path, annotations) in [
        (None, "/api/user/7", Value::Null),
        (Some(MatchedRoute::annotation("route")), "/api/user/7", json!({"route": "/api/user/{id}"})),
        // A route of a resource, and what no resource takes.
        (Some(MatchedRoute::annotation("route")), "/api/item/7", json!({"route": "/api/item/{id:[0-9]+}"})),
        (Some(MatchedRoute::annotation("route")), "/api/item/x", Value::Null),
        (Some(MatchedRoute::annotation("route")), "/other", Value::Null),
    ] {
        let (mut xray, mut documents) = xray("shop");
        if let Some(option) = option {
            xray = xray.matched_route(option);
        }
        let address = serve(xray, |app| {
            let item = web::resource("/item/{id:[0-9]+}").to(async || "ok");
            app.service(web::scope("/api").route("/user/{id}", get().to(async || "ok")).service(item));
        });
        support::get(address, path).await;
        assert_eq!(documents.next().await["annotations"], annotations, "{path}");
    }
}

#[tokio::test]
async fn a_recorder_may_be_installed_after_the_middleware_was_made() {
    let xray = XRay::fixed("installed-later");
    let global = Global::install();
    let address = serve(xray, ok);
    assert_eq!(support::get(address, "/").await.body, "ok");
    // The body may be dropped a moment after its last byte was read: the next request comes after that.
    while !global.emitted("installed-later") {
        tokio::task::yield_now().await;
    }
}
