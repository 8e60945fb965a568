//! What is read from requests, and what is decided on them.

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use xray_core::adapter::Scheme;
use xray_core::sampling::{Decision, Never, Rate, Sampler, SamplingRequest};
use xray_core::{Naming, Recorder, TraceParent};

use super::adapter::Adapter;
use super::{App, Response};
use crate::global::Global;

const ROOT: &str = "1-5f84c7a5-e7d1852db8c4fd35d88bf49a";

pub(super) async fn segments_are_named_as_configured(adapter: &Adapter) {
    for (naming, host, name) in [
        (Naming::fixed("shop"), "any.test", "shop"),
        (Naming::dynamic("shop"), "any.test:8080", "any.test:8080"),
        (Naming::dynamic("shop").matching("*.example.com"), "www.Example.com", "www.Example.com"),
        (Naming::dynamic("shop").matching("*.example.com"), "other.test", "shop"),
        (Naming::dynamic("shop"), "", "shop"),
        (Naming::dynamic("shop"), "user:s3cret@any.test", "any.test"),
        // Any client can write these.
        (Naming::dynamic("shop"), "any.test\r\nX-Forwarded-Host: forged.test", "any.test"),
        (Naming::dynamic("shop"), "any.test\r\nForwarded: host=forged.test", "any.test"),
    ] {
        let (server, mut documents) = adapter.serve(App { naming: naming.clone(), ..App::ok() });
        let text = format!("GET /a HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let _connection = server.send_text(&text).await;
        assert_eq!(documents.next().await["name"], name, "{naming:?} {host}");
    }
}

pub(super) async fn the_request_is_described_as_configured(adapter: &Adapter) {
    const FORWARDED: &[&str] = &["X-Forwarded-For:  203.0.113.9 , 10.0.0.1"];
    for (app, line, headers, described) in [
        (App::ok(), "GET /a?q=1", &[][..], json!({"url": "http://shop.test/a", "client_ip": "127.0.0.1"})),
        (
            App { keep_query: true, ..App::ok() },
            "GET /a?q=1",
            &["User-Agent: test/1"],
            json!({"url": "http://shop.test/a?q=1", "client_ip": "127.0.0.1", "user_agent": "test/1"}),
        ),
        (
            App::ok(),
            "POST /a",
            FORWARDED,
            json!({"url": "http://shop.test/a", "client_ip": "203.0.113.9", "x_forwarded_for": true}),
        ),
        (
            App { trust_forwarded_for: false, ..App::ok() },
            "GET /a",
            FORWARDED,
            json!({"url": "http://shop.test/a", "client_ip": "127.0.0.1"}),
        ),
        // Neither is what the server itself received.
        (
            App::ok(),
            "GET /a",
            &["X-Forwarded-Proto: https", "X-Forwarded-Host: forged.test"],
            json!({"url": "http://shop.test/a", "client_ip": "127.0.0.1"}),
        ),
        (
            App::ok(),
            "GET http://other.test/a?q=1",
            &[],
            json!({"url": "http://other.test/a", "client_ip": "127.0.0.1"}),
        ),
        (App::ok(), "OPTIONS *", &[], json!({"url": "http://shop.test", "client_ip": "127.0.0.1"})),
    ] {
        let (server, mut documents) = adapter.serve(app);
        server.ask(line, headers).await.unwrap();
        let mut expected = described;
        expected["method"] = line.split(' ').next().into();
        let document = documents.next().await;
        assert_eq!(document["http"]["request"], expected, "{line} {headers:?}");
        assert_eq!(document["name"], "shop");
    }
}

pub(super) async fn the_scheme_is_that_of_the_option_of_the_trusted_header_or_of_the_target(adapter: &Adapter) {
    let app = |trust_forwarded_proto, scheme| App { trust_forwarded_proto, scheme, ..App::ok() };
    for (app, header, expected) in [
        (app(false, None), "https", "http"),
        (app(true, None), "https", "https"),
        (app(true, None), "HTTPS, http", "https"),
        (app(true, None), "http,https", "http"),
        (app(true, None), "wss", "https"),
        (app(true, None), "gopher", "http"),
        (app(true, None), "https://evil.test/", "http"),
        (app(false, Some(Scheme::Https)), "http", "https"),
        (app(true, Some(Scheme::Http)), "https", "http"),
    ] {
        let (server, mut documents) = adapter.serve(app);
        server.ask("GET /a", &[&format!("X-Forwarded-Proto: {header}")]).await.unwrap();
        assert_eq!(documents.next().await["http"]["request"]["url"], format!("{expected}://shop.test/a"), "{header}");
    }
}

pub(super) async fn targets_without_a_path_and_requests_without_a_host(adapter: &Adapter) {
    for (line, host, url) in [
        ("OPTIONS *", Some("shop.test"), json!("http://shop.test")),
        ("CONNECT db.test:5432", Some("shop.test"), json!("http://db.test:5432")),
        ("CONNECT db.test:5432", None, json!("http://db.test:5432")),
        ("GET /a", None, Value::Null),
        ("GET /a", Some(""), Value::Null),
        ("GET /a", Some("user:s3cret@"), Value::Null),
        ("OPTIONS *", None, Value::Null),
    ] {
        let (server, mut documents) = adapter.serve(App::ok());
        let host_line = host.map(|host| format!("Host: {host}\r\n")).unwrap_or_default();
        // HTTP/1.0 does not require a host.
        let version = if host.is_some() { "1.1" } else { "1.0" };
        let _connection = server.send_text(&format!("{line} HTTP/{version}\r\n{host_line}\r\n")).await;
        let document = documents.next().await;
        let mut expected = json!({"method": line.split(' ').next(), "client_ip": "127.0.0.1"});
        if !url.is_null() {
            expected["url"] = url;
        }
        assert_eq!(document["http"]["request"], expected, "{line} {host:?}");
        assert_eq!(document["name"], "shop");
    }
}

pub(super) async fn a_caller_s_trace_is_continued(adapter: &Adapter) {
    let app = App::new(|_| async { xray_core::current().id().unwrap().to_string() });
    let (server, mut documents) = adapter.serve(app);
    let header = "X-AMZN-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let answer = server.ask("GET /a", &[header]).await.unwrap();
    let document = documents.raw().await;
    assert_eq!(document["trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
    assert_eq!(document["parent_id"], "53995c3f42cd8ad8");
    assert_eq!(document["id"], *answer.body);
}

pub(super) async fn a_trace_that_arrives_by_traceparent_is_joined(adapter: &Adapter) {
    const HEADER: &str = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";
    let (server, mut documents) = adapter.serve(App::ok());
    server.ask("GET /a", &[&format!("traceparent: {HEADER}")]).await.unwrap();
    let document = documents.raw().await;
    let parent = TraceParent::parse(HEADER).unwrap();
    assert_eq!(document["trace_id"], parent.trace_id().to_string());
    assert_eq!(document["parent_id"], parent.parent().to_string());
}

pub(super) async fn headers_that_are_not_utf_8_are_as_if_absent(adapter: &Adapter) {
    let (server, mut documents) = adapter.serve(App::ok());
    let mut connection = server.send_text("GET /a HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n").await;
    let headers = b"User-Agent: agent \xc3\xa9\r\nX-Amzn-Trace-Id: Root=\xff\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut connection, headers).await.unwrap();
    assert_eq!(documents.next().await["http"]["request"]["user_agent"], "agent \u{e9}");
}

pub(super) async fn the_decision_is_returned_when_the_caller_asks_for_it(adapter: &Adapter) {
    let vectors = include_str!("../../../vectors/trace_header.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let mut cases = 0;
    for case in vectors["cases"].as_array().unwrap().iter().filter(|case| case["kind"] == "response") {
        cases += 1;
        let rate = if case["decision"] == true { 1.0 } else { 0.0 };
        let (server, mut documents) = adapter.serve_sampled_by(Rate(rate), App::ok());
        let header = case["header"].as_str().map(|header| format!("X-Amzn-Trace-Id: {header}"));
        let headers: Vec<_> = header.iter().map(String::as_str).collect();
        let answer = server.ask("GET /a", &headers).await.unwrap();
        // If the caller named no trace, it is the segment's own.
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

pub(super) async fn the_decision_is_always_returned_on_request(adapter: &Adapter) {
    let header = format!("X-Amzn-Trace-Id: Root={ROOT}");
    for (sampled, rate) in [(1, 1.0), (0, 0.0)] {
        let (server, _documents) = adapter.serve_sampled_by(Rate(rate), App { respond_always: true, ..App::ok() });
        let answer = server.ask("GET /a", &[&header]).await.unwrap();
        assert_eq!(answer.header("x-amzn-trace-id"), Some(&*format!("Root={ROOT};Sampled={sampled}")));
    }
}

pub(super) async fn ignored_requests_record_nothing_and_miss_no_context(adapter: &Adapter) {
    let global = Global::install();
    let app = App::new(|path| async move {
        xray_core::annotate("ignored-key", path);
        xray_core::capture("ignored-capture", |_| ());
        xray_core::current().trace_header().map(|header| header.to_string()).unwrap_or_default()
    });
    let (server, mut documents) = adapter.serve(app);
    let asks = [&*format!("X-Amzn-Trace-Id: Root={ROOT};Sampled=?")];
    let answer = server.ask("GET /health", &asks).await.unwrap();
    assert_eq!((answer.status, &*answer.body, answer.header("x-amzn-trace-id")), (200, "", None));
    documents.assert_empty();
    assert!(!global.missed("ignored-key") && !global.missed("ignored-capture"));
    // A function that panics ignores nothing, and changes no response.
    for path in ["/other", "/ignore-panics"] {
        assert_eq!(server.get(path).await.status, 200);
        assert_eq!(documents.next().await["http"]["request"]["url"], format!("http://shop.test{path}"));
    }
}

pub(super) async fn the_application_supplies_the_attributes_of_sampling_rules(adapter: &Adapter) {
    struct Gold;
    impl Sampler for Gold {
        fn decide(&self, request: &SamplingRequest<'_>) -> Decision {
            request.attributes.contains(&("tier", "gold")).into()
        }
    }
    let (server, mut documents) = adapter.serve_sampled_by(Gold, App::ok());
    // A function that panics counts as one without attributes, and changes no response.
    for tier in ["X-Tier: silver", "X-Other: gold", "X-Tier: \u{e4}", "X-Tier: gold"] {
        assert_eq!(server.ask("GET /a", &[tier]).await.unwrap().status, 200, "{tier}");
    }
    documents.next().await;
    documents.assert_empty();
}

pub(super) async fn a_disabled_sdk_changes_nothing(adapter: &Adapter) {
    let global = Global::install();
    let app = || {
        App::new(|_| async {
            if xray_core::current_segment().is_recording() {
                return Response::new(500, "recording");
            }
            xray_core::annotate("disabled-key", 1);
            Response::new(418, "short and stout").with_header("etag", "\"7\"")
        })
    };
    let recorder = Some(Recorder::disabled());
    let with = adapter.start(App { respond_always: true, recorder, ..app() });
    let asks = [&*format!("X-Amzn-Trace-Id: Root={ROOT};Sampled=?")];
    let with = with.ask("GET /a", &asks).await.unwrap();
    assert!(!global.missed("disabled-key"));
    let without = adapter.start(App { layers: 0, ..app() }).ask("GET /a", &asks).await.unwrap();
    assert_eq!((with.status, &*with.body), (418, "short and stout"));
    assert_eq!((with.head_without_date(), &with.body), (without.head_without_date(), &without.body));
}

pub(super) async fn a_request_that_is_not_sampled_is_served_and_says_so_downstream(adapter: &Adapter) {
    let app = App::new(|_| async { xray_core::current().trace_header().unwrap().to_string() });
    let (server, mut documents) = adapter.serve_sampled_by(Never, app);
    let header = format!("X-Amzn-Trace-Id: Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:2");
    let downstream = server.ask("GET /a", &[&header]).await.unwrap().body;
    assert!(downstream.starts_with(&format!("Root={ROOT};Parent=")), "{downstream}");
    assert!(downstream.ends_with(";Sampled=0;Lineage=1:2") && !downstream.contains("53995c3f42cd8ad8"));
    documents.assert_empty();
}

pub(super) async fn a_recorder_may_be_installed_after_the_layer_was_made(adapter: &Adapter) {
    let server = adapter.start(App { naming: Naming::fixed("installed-later"), ..App::ok() });
    // Until its first bytes arrive the server may still be starting; afterwards the layer exists.
    let mut connection = server.send_text("GET").await;
    let global = Global::install();
    let rest = b" /a HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut connection, rest).await.unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("\r\n\r\nok"), "{text}");
    // The body may be dropped a moment after the client has read its last byte.
    while !global.emitted("installed-later") {
        tokio::task::yield_now().await;
    }
}
