//! Which requests are recorded, below what, with which headers.

use std::sync::Barrier;
use std::thread;

use ureq::http::Request;
use ureq::middleware::MiddlewareNext;
use ureq::{Agent, SendBody};
use xray_behaviours::global::Global;
use xray_core::{Recorder, TraceHeader};
use xray_ureq::{CallParent, SubsegmentName, Untraced, WithoutHeader, XRayMiddleware};

use crate::support::{Server, agent, config, only, traced, unsampled};

const RECEIVED: &str = "Root=1-5f84c7a5-e7d1852db8c4fd35d88bf49a;Sampled=1";

fn get(agent: &Agent, url: &str) {
    agent.get(url).call().unwrap();
}

#[test]
fn a_trace_that_is_not_sampled_says_so_downstream_and_records_nothing() {
    let server = Server::start();
    let segment = unsampled();
    {
        let _current = segment.enter();
        get(&agent(XRayMiddleware::new().record_body(true)), &server.url("/ok"));
    }
    let [header] = &server.headers()[..] else { panic!("one header") };
    let parsed = TraceHeader::parse(header);
    assert_eq!(parsed.trace_id(), segment.trace_id());
    assert!(parsed.parent().is_some_and(|parent| Some(parent) != segment.id()), "{header}");
    assert!(header.ends_with(";Sampled=0;L=a:1"), "{header}");
}

#[test]
fn a_request_outside_any_trace_or_of_another_tracer_is_sent_unchanged() {
    let server = Server::start();
    let agent = agent(XRayMiddleware::new());
    let global = Global::install();
    get(&agent, &server.url("/ok").replace("127.0.0.1", "localhost"));
    assert!(server.headers().is_empty());
    assert!(global.missed("localhost"), "the context-missing strategy applies");

    let disabled = Recorder::disabled().begin("shop");
    {
        let _current = disabled.enter();
        get(&agent, &server.url("/ok"));
    }
    assert!(server.headers().is_empty());

    let (trace, ()) = traced(|| {
        agent.get(server.url("/ok")).header("X-AMZN-TRACE-ID", "Root=own").call().unwrap();
    });
    assert_eq!((trace.tree(), server.headers()), ("shop\n".to_owned(), vec!["Root=own".to_owned()]));
}

#[test]
fn a_header_that_a_proxy_copied_is_replaced_or_removed() {
    let server = Server::start();
    let agent = agent(XRayMiddleware::new());
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin_from("gateway", &TraceHeader::parse(RECEIVED));
    let forwarded = || agent.get(server.url("/ok")).header("x-amzn-trace-id", RECEIVED);
    let headers = {
        let _current = segment.enter();
        forwarded().call().unwrap();
        let replaced = server.headers();
        forwarded().extension(WithoutHeader).call().unwrap();
        forwarded().extension(Untraced).call().unwrap();
        assert!(server.take_seen().iter().all(|(_, headers)| headers.is_empty()));
        replaced
    };
    segment.close();
    let trace = traces.take().single();
    assert_eq!(trace.tree(), "gateway\n  127.0.0.1 remote 200\n  127.0.0.1 remote 200\n");
    let [first, _] = trace.children(trace.root())[..] else { panic!("two calls") };
    let id = first.json()["id"].as_str().unwrap();
    assert_eq!(headers, [format!("Root=1-5f84c7a5-e7d1852db8c4fd35d88bf49a;Parent={id};Sampled=1")]);
}

#[test]
fn a_request_can_be_named_untraced_sent_without_a_header_or_given_a_parent() {
    let server = Server::start();
    let agent = agent(XRayMiddleware::new());
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let request = || agent.get(server.url("/ok"));
    {
        let _current = segment.enter();
        request().extension(SubsegmentName::from("payments")).call().unwrap();
        request().extension(WithoutHeader).call().unwrap();
        request().extension(Untraced).call().unwrap();
    }
    let step = segment.subsegment("step");
    request().extension(CallParent::from(step.entity())).call().unwrap();
    step.close();
    segment.close();
    let tree = "shop\n  payments remote 200\n  127.0.0.1 remote 200\n  step\n    127.0.0.1 remote 200\n";
    assert_eq!(traces.take().single().tree(), tree);
    let sent: Vec<_> = server.take_seen().iter().map(|(_, headers)| headers.len()).collect();
    assert_eq!(sent, [1, 0, 0, 1]);
}

#[test]
fn each_option_has_its_effect() {
    let server = Server::start();
    let (trace, ()) = traced(|| get(&agent(XRayMiddleware::default().traced(true)), &server.url("/ok?a=1")));
    let call = only(&trace).json();
    assert_eq!((&call["traced"], &call["http"]["request"]["url"]), (&true.into(), &server.url("/ok").into()));
    let (trace, ()) = traced(|| get(&agent(XRayMiddleware::new().keep_query(true)), &server.url("/ok?a=1")));
    let call = only(&trace).json();
    assert_eq!((&call["traced"], &call["http"]["request"]["url"]), (&().into(), &server.url("/ok?a=1").into()));
}

#[test]
fn threads_that_share_an_agent_record_below_their_own_segments() {
    const THREADS: usize = 8;
    let server = Server::start();
    let agent = agent(XRayMiddleware::new());
    let (recorder, traces) = Recorder::in_memory();
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for index in 0..THREADS {
            let (agent, recorder, barrier, server) = (&agent, &recorder, &barrier, &server);
            scope.spawn(move || {
                let segment = recorder.begin(format!("job {index}"));
                let _current = segment.enter();
                // All segments are current on their threads.
                barrier.wait();
                get(agent, &server.url(&format!("/job/{index}")));
                segment.close();
            });
        }
    });
    let all = traces.take().traces();
    let seen = server.take_seen();
    assert_eq!(seen.len(), THREADS);
    for index in 0..THREADS {
        let trace = all.iter().find(|trace| trace.root().json()["name"] == format!("job {index}")).unwrap();
        let url = server.url(&format!("/job/{index}"));
        assert_eq!(only(trace).json()["http"]["request"]["url"], url);
        let id = only(trace).json()["id"].as_str().unwrap();
        let (_, headers) = seen.iter().find(|(path, _)| url.ends_with(path)).unwrap();
        assert!(headers[0].contains(&format!("Parent={id};")), "{headers:?}");
    }
}

#[test]
fn the_call_is_current_in_inner_middleware_and_a_second_xray_middleware_records_nothing() {
    let server = Server::start();
    let peek = |request: Request<SendBody>, next: MiddlewareNext| {
        xray_core::annotate("attempt", 1);
        next.handle(request)
    };
    let config = config().middleware(XRayMiddleware::new()).middleware(peek).middleware(XRayMiddleware::new());
    let agent: Agent = config.build().into();
    let (trace, ()) = traced(|| get(&agent, &server.url("/ok")));
    assert_eq!(trace.tree(), "shop\n  127.0.0.1 remote 200 [attempt=1]\n");
    assert_eq!(server.headers().len(), 1);
}

#[test]
fn a_panic_of_an_inner_middleware_is_recorded_and_propagates() {
    let panics = |_: Request<SendBody>, _: MiddlewareNext| panic!("in a middleware");
    let agent: Agent = config().middleware(XRayMiddleware::new()).middleware(panics).build().into();
    let (trace, panicked) = traced(|| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| agent.get("http://h.test/").call().is_ok()))
    });
    assert!(panicked.is_err());
    let call = only(&trace).json();
    assert_eq!(call["cause"]["exceptions"][0]["type"], "panic");
    assert_eq!(call["cause"]["exceptions"][0]["message"], "in a middleware");
}
