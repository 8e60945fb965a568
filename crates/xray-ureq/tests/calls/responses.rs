//! What is recorded of responses, and what the caller sees.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use ureq::Error;
use ureq::http::Method;
use xray_behaviours::documents::recorder_with;
use xray_core::sampling::Always;
use xray_ureq::XRayMiddleware;

use crate::support::{Server, agent, config, lenient, only, traced, unsampled};

#[test]
fn the_whole_document_of_a_call() {
    let server = Server::start();
    let (recorder, mut documents) = recorder_with(Always);
    let segment = recorder.begin("shop");
    {
        let _current = segment.enter();
        let url = server.url("/ok?token=s3cret").replace("http://", "http://user:s3cret@");
        let mut response = agent(XRayMiddleware::new()).get(url).call().unwrap();
        assert_eq!(response.body_mut().read_to_string().unwrap(), "ok");
    }
    segment.close();
    let raw = server.runtime.block_on(documents.raw());
    let call = &raw["subsegments"][0];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let header = format!("Root={};Parent={};Sampled=1", text(&raw["trace_id"]), text(&call["id"]));
    assert_eq!(server.headers(), [header]);
    let document = xray_behaviours::documents::normalised(raw);
    let expected = json!({
        "name": "shop",
        "subsegments": [{
            "name": "127.0.0.1",
            "namespace": "remote",
            "http": {
                "request": {"method": "GET", "url": server.url("/ok")},
                "response": {"status": 200, "content_length": 2},
            },
        }],
    });
    assert_eq!(document, expected);
    documents.assert_empty();
}

#[test]
fn a_status_is_recorded_with_its_flags_whether_it_is_an_error_of_ureq_or_not() {
    let server = Server::start();
    for (method, path, status, length, flags) in [
        (Method::GET, "/ok", 200, Some(2), ""),
        (Method::HEAD, "/ok", 200, Some(2), ""),
        (Method::GET, "/chunked", 200, None, ""),
        (Method::DELETE, "/empty", 204, None, ""),
        (Method::GET, "/missing", 404, Some(2), "error"),
        (Method::GET, "/status/429", 429, Some(3), "error throttle"),
        (Method::GET, "/status/503", 503, Some(3), "fault"),
    ] {
        for as_error in [true, false] {
            let agent = if as_error { agent } else { lenient };
            let request = || ureq::http::Request::builder().method(&method).uri(server.url(path)).body(()).unwrap();
            let plain: ureq::Agent = config().http_status_as_error(as_error).build().into();
            let plain = plain.run(request());
            let (trace, with) = traced(|| agent(XRayMiddleware::new()).run(request()));
            let what = format!("{method} {path} {as_error}");
            let call = only(&trace).json();
            let is_error = as_error && status >= 400;
            let mut response = json!({"status": status});
            // ureq's error has the status and nothing else.
            if let Some(length) = length.filter(|_| !is_error) {
                response["content_length"] = length.into();
            }
            assert_eq!(call["http"]["response"], response, "{what}");
            assert_eq!(call["http"]["request"], json!({"method": method.as_str(), "url": server.url(path)}), "{what}");
            for flag in ["error", "throttle", "fault"] {
                assert_eq!(call[flag] == true, flags.contains(flag), "{flag}: {what}");
            }
            assert_eq!(call["cause"], Value::Null, "{what}");
            match (with, plain) {
                (Ok(mut with), Ok(mut plain)) => {
                    assert_eq!(with.headers(), plain.headers(), "{what}");
                    assert_eq!(with.body().content_length(), plain.body().content_length(), "{what}");
                    assert_eq!(with.body_mut().read_to_vec().unwrap(), plain.body_mut().read_to_vec().unwrap());
                }
                (with, plain) => assert_eq!(format!("{:?}", with.err()), format!("{:?}", plain.err()), "{what}"),
            }
        }
    }
}

#[test]
fn each_hop_of_a_redirect_sends_the_header_and_all_are_one_call() {
    let server = Server::start();
    // The redirect leads from 127.0.0.1 to another host, localhost.
    let url = server.url(&format!("/redirect/{}", server.port()));
    let (trace, response) = traced(|| agent(XRayMiddleware::new()).get(&url).call());
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(trace.tree(), "shop\n  127.0.0.1 remote 200\n");
    assert_eq!(only(&trace).json()["http"]["request"]["url"], url);
    let hops = server.take_seen();
    assert_eq!(hops.len(), 2);
    assert_eq!((hops[0].1.len(), &hops[0].1), (1, &hops[1].1), "once on each hop, the same");
}

#[test]
fn a_redirect_that_is_not_followed_is_a_response() {
    let server = Server::start();
    let url = server.url(&format!("/redirect/{}", server.port()));
    let agent: ureq::Agent = config().max_redirects(0).middleware(XRayMiddleware::new()).build().into();
    let (trace, response) = traced(|| agent.get(&url).call());
    assert_eq!(response.unwrap().status(), 302);
    assert_eq!(trace.tree(), "shop\n  127.0.0.1 remote 302\n");
}

#[test]
fn a_hook_receives_subsegment_request_and_outcome() {
    let server = Server::start();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = heard.clone();
    let xray = XRayMiddleware::new().on_outcome(move |outcome| {
        let cache = outcome.response_headers().and_then(|headers| headers.get("x-cache"));
        outcome.subsegment().annotate("cache", cache.map_or("none", |value| value.to_str().unwrap()));
        let error = outcome.error().map(|error| error.is::<Error>());
        told.lock().unwrap().push((outcome.method().to_string(), outcome.status().map(|one| one.as_u16()), error));
    });
    let agent = agent(xray);
    let (trace, ()) = traced(|| {
        agent.get(server.url("/ok")).call().unwrap();
        agent.get(server.url("/missing")).call().unwrap_err();
        agent.get("http://127.0.0.1:1/x").call().unwrap_err();
    });
    {
        let segment = unsampled();
        let _current = segment.enter();
        agent.get(server.url("/ok")).call().unwrap();
    }
    let tree = "shop\n  127.0.0.1 remote 200 [cache=hit]\n  127.0.0.1 remote 404 error [cache=none]\n  \
                127.0.0.1 remote fault [cache=none]\n";
    assert_eq!(trace.tree(), tree);
    let get = |status, error| ("GET".to_owned(), status, error);
    let expected = [get(Some(200), None), get(Some(404), None), get(None, Some(true))];
    assert_eq!(*heard.lock().unwrap(), expected);

    let panicking = XRayMiddleware::new().on_outcome(|_| panic!("a hook"));
    let (trace, response) = traced(|| crate::support::agent(panicking).get(server.url("/ok")).call());
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(only(&trace).metadata("xray", "hook"), "panicked");
}
