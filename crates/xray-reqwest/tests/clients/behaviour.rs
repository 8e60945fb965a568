//! What is recorded and sent, as tables that run over all kinds of clients.

use std::sync::{Arc, Mutex};

use http::Method;
use http::{Request, header};
use http_body_util::Empty;
use serde_json::{Value, json};
use tokio::sync::Notify;
use xray_behaviours::callee::Server;
use xray_core::emit::MemoryEmitter;
use xray_core::sampling::TailSampler;
use xray_core::{Recorder, Segment, TraceHeader};
use xray_reqwest::{CallParent, SubsegmentName, Untraced, WithoutHeader};

use crate::kinds::{KINDS, Kind, Read, Setup};

/// Begins a segment that is recorded, and one that is not.
pub(crate) fn unsampled() -> Segment {
    let header = TraceHeader::parse("Root=1-5f84c7a5-e7d1852db8c4fd35d88bf49a;Parent=53995c3f42cd8ad8;Sampled=0;L=a:1");
    Recorder::in_memory().0.begin_from("shop", &header)
}

/// Returns the members of the only call below the segment, without its URL.
async fn record(kind: Kind, setup: &Setup, method: Method, url: &str, read: Read) -> Value {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    segment.scope(kind.client(setup).call(method, url, read)).await;
    segment.close();
    let trace = traces.take().single();
    let [call] = trace.children(trace.root())[..] else { panic!("{kind:?}: one call, not\n{}", trace.tree()) };
    call.json().clone()
}

#[tokio::test]
async fn a_response_is_recorded_by_its_status() {
    let server = Server::start().await;
    // Path, method, and how far the body is read; the call's line in the tree, and members to compare.
    let cases: [(&str, Method, Read, &str, Value); 15] = [
        ("/ok?secret=s3cret", Method::GET, Read::All, "", json!({"status": 200, "content_length": 2})),
        ("/ok", Method::HEAD, Read::All, "", json!({"status": 200, "content_length": 2})),
        ("/ok", Method::HEAD, Read::Nothing, "", json!({"status": 200, "content_length": 2})),
        ("/chunked", Method::GET, Read::All, "", json!({"status": 200})),
        ("/empty", Method::DELETE, Read::Nothing, "", json!({"status": 204})),
        ("/status/301", Method::GET, Read::All, "", json!({"status": 301, "content_length": 3})),
        ("/status/400", Method::POST, Read::All, "error", json!({"status": 400, "content_length": 3})),
        ("/status/429", Method::GET, Read::All, "error throttle", json!({"status": 429, "content_length": 3})),
        ("/status/500", Method::GET, Read::All, "fault", json!({"status": 500, "content_length": 3})),
        ("/status/599", Method::GET, Read::All, "fault", json!({"status": 599, "content_length": 3})),
        ("/grpc", Method::GET, Read::All, "error throttle", json!({"status": 200})),
        // A body that is dropped unread is not aborted.
        ("/ok", Method::GET, Read::Nothing, "", json!({"status": 200, "content_length": 2})),
        ("/status/503", Method::GET, Read::Nothing, "fault", json!({"status": 503, "content_length": 3})),
        ("/chunked", Method::GET, Read::Nothing, "", json!({"status": 200})),
        ("/reset", Method::GET, Read::OnePiece, "aborted", json!({"status": 200, "content_length": 4})),
    ];
    for kind in KINDS {
        for (path, method, read, marks, response) in &cases {
            let call = record(kind, &Setup::default(), method.clone(), &server.url(path), *read).await;
            let what = format!("{kind:?} {method} {path} {read:?}: {call}");
            assert_eq!(call["name"], "127.0.0.1", "{what}");
            assert_eq!(call["namespace"], "remote", "{what}");
            let url = server.url(path.split('?').next().unwrap());
            assert_eq!(call["http"], json!({"request": {"method": method.as_str(), "url": url}, "response": response}));
            for flag in ["error", "throttle", "fault"] {
                assert_eq!(call[flag] == true, marks.contains(flag), "{flag}: {what}");
            }
            assert_eq!(call["metadata"]["xray"]["aborted"] == true, marks.contains("aborted"), "{what}");
            let exceptions = call["cause"]["exceptions"].as_array();
            let kinds = exceptions.map(|exceptions| exceptions.iter().map(|one| &one["type"]).collect::<Vec<_>>());
            let expected = (*path == "/grpc").then(|| json!("RESOURCE_EXHAUSTED"));
            assert_eq!(kinds, expected.as_ref().map(|kind| vec![kind]), "{what}");
            assert_eq!(call["traced"], Value::Null, "{what}");
            assert!(call["end_time"].as_f64() >= call["start_time"].as_f64(), "{what}");
        }
    }
}

#[tokio::test]
async fn the_downstream_segment_is_a_child_of_the_call() {
    let server = Server::start().await;
    for kind in KINDS {
        let (recorder, traces) = Recorder::in_memory();
        let sampled = recorder.begin("shop");
        let client = kind.client(&Setup::default());
        sampled.scope(client.get(&server.url("/ok"))).await;
        sampled.close();
        let trace = traces.take().single();
        let id = trace.find("127.0.0.1").json()["id"].as_str().unwrap().to_owned();
        let want = format!("Root={};Parent={id};Sampled=1", trace.root().json()["trace_id"].as_str().unwrap());
        assert_eq!(server.take_seen(), [("/ok".to_owned(), vec![want])], "{kind:?}");

        let not_sampled = unsampled();
        not_sampled.scope(client.get(&server.url("/ok"))).await;
        let [(_, headers)] = &server.take_seen()[..] else { panic!("{kind:?}: one request") };
        let [header] = &headers[..] else { panic!("{kind:?}: one header, not {headers:?}") };
        let parsed = TraceHeader::parse(header);
        assert_eq!(parsed.trace_id(), not_sampled.trace_id());
        assert!(parsed.parent().is_some_and(|parent| Some(parent) != not_sampled.id()), "{kind:?}: {header}");
        assert!(header.ends_with(";Sampled=0;L=a:1"), "{kind:?}: {header}");
    }
}

#[tokio::test]
async fn a_request_outside_any_trace_or_of_another_tracer_is_sent_unchanged() {
    let server = Server::start().await;
    for kind in KINDS {
        let client = kind.client(&Setup::default());
        let (recorder, traces) = Recorder::in_memory();

        // The header of another tracer, with its name in upper or lower case.
        let segment = recorder.begin("shop");
        for name in ["X-Amzn-Trace-Id", "x-amzn-trace-id", "X-AMZN-TRACE-ID"] {
            let request = Request::get(server.url("/ok")).header(name, "Root=own").body(Empty::new()).unwrap();
            segment.scope(client.send(request, Read::All)).await;
            assert_eq!(server.take_seen(), [("/ok".to_owned(), vec!["Root=own".to_owned()])], "{kind:?} {name}");
        }
        segment.close();
        assert_eq!(traces.take().single().tree(), "shop\n", "{kind:?}");

        // No context, and a disabled SDK.
        let nothing = vec![("/ok".to_owned(), vec![])];
        client.get(&server.url("/ok")).await;
        assert_eq!(server.take_seen(), nothing, "{kind:?}");
        Recorder::disabled().begin("shop").scope(client.get(&server.url("/ok"))).await;
        assert_eq!(server.take_seen(), nothing, "{kind:?}");
    }
}

/// Creates a request as a proxy does, with the headers that it received.
fn forwarded(url: &str, header: &str) -> Request<Empty<bytes::Bytes>> {
    Request::get(url).header("x-amzn-trace-id", header).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn a_trace_that_lambda_passes_through_propagates_and_nothing_is_recorded() {
    const RECEIVED: &str = "Root=1-5f84c7a5-e7d1852db8c4fd35d88bf49a;Lineage=a87bd80c:1";
    let server = Server::start().await;
    let want = [("/ok".to_owned(), vec![RECEIVED.to_owned()])];
    for kind in KINDS {
        let (recorder, traces) = Recorder::in_memory();
        let (client, function) = (kind.client(&Setup::default()), recorder.facade(&TraceHeader::parse(RECEIVED)));
        function.scope(client.get(&server.url("/ok"))).await;
        assert_eq!(server.take_seen(), want, "{kind:?}");
        // The same for a proxy.
        function.scope(client.send(forwarded(&server.url("/ok"), RECEIVED), Read::All)).await;
        assert_eq!(server.take_seen(), want, "{kind:?}");
        assert!(traces.take().is_empty(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_header_that_a_proxy_copied_is_replaced_and_the_call_recorded() {
    const ROOT: &str = "Root=1-5f84c7a5-e7d1852db8c4fd35d88bf49a";
    let server = Server::start().await;
    for kind in KINDS {
        let client = kind.client(&Setup::default());
        for received in [
            ROOT.to_owned(),
            format!("Self=1-2;{ROOT};Sampled=1"),
            format!("{ROOT};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a:1"),
        ] {
            let (recorder, traces) = Recorder::in_memory();
            let segment = recorder.begin_from("gateway", &TraceHeader::parse(&received));
            let below = segment.subsegment("a");
            below.scope(client.send(forwarded(&server.url("/ok"), &received), Read::All)).await;
            below.close();
            segment.close();
            let trace = traces.take().single();
            assert_eq!(trace.tree(), "gateway\n  a\n    127.0.0.1 remote 200\n", "{kind:?} {received}");
            let id = trace.find("127.0.0.1").json()["id"].as_str().unwrap();
            let [(_, headers)] = &server.take_seen()[..] else { panic!("{kind:?}: one request") };
            let [header] = &headers[..] else { panic!("{kind:?}: one header, not {headers:?}") };
            assert!(header.starts_with(&format!("{ROOT};Parent={id};Sampled=1")), "{kind:?}: {header}");
        }

        let received = "Root=1-5f84c7a5-e7d1852db8c4fd35d88bf49a;Parent=53995c3f42cd8ad8;Sampled=0;L=a:1";
        unsampled().scope(client.send(forwarded(&server.url("/ok"), received), Read::All)).await;
        let [(_, headers)] = &server.take_seen()[..] else { panic!("{kind:?}: one request") };
        let [header] = &headers[..] else { panic!("{kind:?}: one header, not {headers:?}") };
        assert!(header.ends_with(";Sampled=0;L=a:1") && !header.contains("53995c3f42cd8ad8"), "{kind:?}: {header}");

        // Headers of another trace, or of another call in this trace.
        for theirs in [
            "Root=1-5f84c7a5-000000000000000000000001;Sampled=1",
            "Root=1-5f84c7a5-e7d1852db8c4fd35d88bf49a;Parent=0000000000000001;Sampled=1",
        ] {
            let (recorder, traces) = Recorder::in_memory();
            let segment = recorder.begin_from("gateway", &TraceHeader::parse(ROOT));
            segment.scope(client.send(forwarded(&server.url("/ok"), theirs), Read::All)).await;
            segment.close();
            assert_eq!(traces.take().single().tree(), "gateway\n", "{kind:?}");
            assert_eq!(server.take_seen(), [("/ok".to_owned(), vec![theirs.to_owned()])], "{kind:?}");
        }
    }
}

#[tokio::test]
async fn an_undecided_trace_asks_the_called_service() {
    let server = Server::start().await;
    let (recorder, _) = recorder_of(TailSampler::failures());
    for kind in KINDS {
        let segment = recorder.begin("shop");
        segment.scope(kind.client(&Setup::default()).get(&server.url("/ok"))).await;
        let [(_, headers)] = &server.take_seen()[..] else { panic!("{kind:?}: one request") };
        assert!(headers[0].ends_with(";Sampled=?"), "{kind:?}: {headers:?}");
    }
}

fn recorder_of(sampler: impl xray_core::sampling::Sampler) -> (Recorder, MemoryEmitter) {
    let emitter = MemoryEmitter::new();
    let builder = Recorder::builder().environment(|_| None).sampling(sampler).emitter(emitter.clone());
    (builder.build().unwrap(), emitter)
}

#[tokio::test]
async fn a_request_can_be_recorded_without_a_header() {
    const RECEIVED: &str = "Root=1-5f84c7a5-e7d1852db8c4fd35d88bf49a;Sampled=1";
    let server = Server::start().await;
    for kind in [Kind::Middleware, Kind::HyperUtil, Kind::AnyService] {
        let client = kind.client(&Setup::default());
        let (recorder, traces) = Recorder::in_memory();
        let segment = recorder.begin_from("shop", &TraceHeader::parse(RECEIVED));
        // The same if a proxy copied the header.
        for copies in [false, true] {
            let request = |path| match copies {
                true => forwarded(&server.url(path), RECEIVED),
                false => Request::get(server.url(path)).body(Empty::new()).unwrap(),
            };
            let (mut untraced, mut without_header) = (request("/ok"), request("/ok"));
            untraced.extensions_mut().insert(Untraced);
            without_header.extensions_mut().insert(WithoutHeader);
            segment.scope(client.send(untraced, Read::All)).await;
            segment.scope(client.send(without_header, Read::All)).await;
            let nothing = ("/ok".to_owned(), vec![]);
            assert_eq!(server.take_seen(), [nothing.clone(), nothing], "{kind:?} {copies}");
        }
        segment.close();
        let tree = "shop\n  127.0.0.1 remote 200\n  127.0.0.1 remote 200\n";
        assert_eq!(traces.take().single().tree(), tree, "{kind:?}");

        // The header of another tracer is kept.
        let segment = recorder.begin("shop");
        let mut request = forwarded(&server.url("/ok"), RECEIVED);
        request.extensions_mut().insert(Untraced);
        segment.scope(client.send(request, Read::All)).await;
        assert_eq!(server.take_seen(), [("/ok".to_owned(), vec![RECEIVED.to_owned()])], "{kind:?}");
    }
}

#[tokio::test]
async fn a_request_can_be_named_untraced_or_given_a_parent() {
    let server = Server::start().await;
    // A `reqwest::Request` has no extensions that a service can see.
    for kind in [Kind::Middleware, Kind::HyperUtil, Kind::AnyService] {
        let client = kind.client(&Setup::default());
        let (recorder, traces) = Recorder::in_memory();
        let segment = recorder.begin("shop");
        let get = || Request::get(server.url("/ok"));
        let named = get().extension(SubsegmentName::from("payments")).body(Empty::new()).unwrap();
        segment.scope(client.send(named, Read::All)).await;
        assert_eq!(server.take_seen()[0].1.len(), 1);

        let alone = get().extension(Untraced).body(Empty::new()).unwrap();
        segment.scope(client.send(alone, Read::All)).await;
        assert_eq!(server.take_seen()[0].1.len(), 0);

        let step = segment.subsegment("step");
        let below = get().extension(CallParent::from(step.entity())).body(Empty::new()).unwrap();
        client.send(below, Read::All).await;
        step.close();
        segment.close();
        assert_eq!(
            traces.take().single().tree(),
            "shop\n  payments remote 200\n  step\n    127.0.0.1 remote 200\n",
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn each_option_has_its_effect() {
    let server = Server::start().await;
    for kind in KINDS {
        let traced = Setup { traced: true, ..Setup::default() };
        assert_eq!(record(kind, &traced, Method::GET, &server.url("/ok"), Read::All).await["traced"], true, "{kind:?}");
        let query = Setup { keep_query: true, ..Setup::default() };
        let call = record(kind, &query, Method::GET, &server.url("/ok?a=1"), Read::All).await;
        assert_eq!(call["http"]["request"]["url"], server.url("/ok?a=1"), "{kind:?}");
    }
}

#[tokio::test]
async fn a_hook_receives_subsegment_request_and_outcome() {
    let server = Server::start().await;
    for kind in KINDS {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = heard.clone();
        let setup = Setup {
            hook: Some(Arc::new(move |outcome| {
                let cache = outcome.response_headers().and_then(|headers| headers.get("x-cache"));
                outcome.subsegment().annotate("cache", cache.map_or("none", |value| value.to_str().unwrap()));
                log.lock().unwrap().push((
                    outcome.method().clone(),
                    outcome.url().to_owned(),
                    outcome.request_headers().contains_key(header::ACCEPT),
                    outcome.status().map(|status| status.as_u16()),
                    outcome.error().is_some(),
                ));
            })),
            ..Setup::default()
        };
        let url = server.url("/ok?q=1");
        let client = kind.client(&setup);
        let (recorder, traces) = Recorder::in_memory();
        let segment = recorder.begin("shop");
        let with_header = Request::get(&url).header(header::ACCEPT, "x/y").body(Empty::new()).unwrap();
        segment.scope(client.send(with_header, Read::All)).await;
        segment.scope(client.get("http://127.0.0.1:1/x")).await;
        unsampled().scope(client.get(&url)).await;
        segment.close();
        let tree = "shop\n  127.0.0.1 remote 200 [cache=hit]\n  127.0.0.1 remote fault [cache=none]\n";
        assert_eq!(traces.take().single().tree(), tree, "{kind:?}");
        let heard = std::mem::take(&mut *heard.lock().unwrap());
        assert_eq!(heard[0], (Method::GET, url, true, Some(200), false), "{kind:?}");
        assert_eq!(heard[1], (Method::GET, "http://127.0.0.1:1/x".to_owned(), false, None, true), "{kind:?}");
        assert_eq!(heard.len(), 2, "{kind:?}");

        let panicking = Setup { hook: Some(Arc::new(|_| panic!("a hook"))), ..Setup::default() };
        let call = record(kind, &panicking, Method::GET, &server.url("/ok"), Read::All).await;
        assert_eq!((&call["http"]["response"]["status"], &call["fault"]), (&json!(200), &Value::Null), "{kind:?}");
        assert_eq!(call["metadata"]["xray"]["hook"], "panicked", "{kind:?}");
    }
}

#[tokio::test]
async fn the_call_lasts_until_the_end_of_its_body_or_with_the_option_until_its_headers() {
    let server = Server::start().await;
    for kind in KINDS {
        for end_at_headers in [false, true] {
            let (recorder, _) = Recorder::in_memory();
            let segment = recorder.begin("shop");
            let (entity, answered) = (Arc::new(Mutex::new(None)), Arc::new(Notify::new()));
            let (of_hook, answer) = (entity.clone(), answered.clone());
            let hook = move |outcome: &xray_reqwest::Outcome<'_>| {
                *of_hook.lock().unwrap() = Some(outcome.subsegment().entity());
                answer.notify_one();
            };
            let client = kind.client(&Setup { end_at_headers, hook: Some(Arc::new(hook)), ..Setup::default() });
            let url = server.url("/slow-body");
            let mut call = Box::pin(segment.scope(client.get(&url)));
            tokio::select! {
                _ = &mut call => panic!("half of the body is missing"),
                () = answered.notified() => {}
            }
            let entity = entity.lock().unwrap().take().unwrap();
            assert_eq!(entity.is_recording(), !end_at_headers, "{kind:?}: half of the body has arrived");
            server.open_gate();
            assert_eq!(call.await.body.unwrap(), "okok", "{kind:?}");
            assert!(!entity.is_recording(), "{kind:?}: the body has been read");
        }
    }
}

#[tokio::test]
async fn documents_equal_those_of_the_other_sdks() {
    let server = Server::start().await;
    for kind in KINDS {
        for (golden, path, method) in [
            ("http_out_200", "/inventory?sku=1", Method::GET),
            ("http_out_404", "/missing", Method::GET),
            ("http_out_500_traced", "/fail", Method::POST),
            ("http_out_refused", "/x", Method::GET),
        ] {
            let file = format!("{}/../../tests/golden/{golden}.json", env!("CARGO_MANIFEST_DIR"));
            let golden: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
            let mut want = golden["datagrams"][0]["subsegments"][0].clone();
            let refused = golden["input"]["routes"][0]["http_out"]["refuse"] == true;
            let traced = golden["input"]["routes"][0]["http_out"]["downstream_xray_enabled"] == true;
            let url = if refused { "http://127.0.0.1:1/x".to_owned() } else { server.url(path) };
            let mut got = record(kind, &Setup { traced, ..Setup::default() }, method, &url, Read::All).await;
            for document in [&mut want, &mut got] {
                for member in ["id", "start_time", "end_time", "cause"] {
                    assert!(document.as_object_mut().unwrap().remove(member).is_some() || member == "cause");
                }
            }
            let url = url.split('?').next().unwrap();
            want["http"]["request"]["url"] = json!(url);
            assert_eq!(got, want, "{kind:?}");
        }
    }
}

#[test]
fn the_public_types_are_send_and_sync() {
    fn is_shared<T: Send + Sync + Clone + std::fmt::Debug + 'static>() {}
    is_shared::<xray_reqwest::XRayMiddleware>();
    is_shared::<xray_reqwest::XRayClientLayer>();
    is_shared::<xray_reqwest::XRayClient<reqwest::Client>>();
    is_shared::<xray_reqwest::XRayConnector<()>>();
    is_shared::<xray_reqwest::XRayResolver<()>>();
    is_shared::<(SubsegmentName, Untraced, WithoutHeader, CallParent)>();
    is_shared::<(xray_reqwest::CallParentLayer, xray_reqwest::WithCallParent<()>)>();
}
