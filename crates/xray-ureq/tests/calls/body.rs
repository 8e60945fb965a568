//! Bodies that are recorded until their end, and those that are not.

use std::io::Read;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::{Agent, SendBody};
use xray_core::Recorder;
use xray_ureq::XRayMiddleware;

use crate::support::{Server, agent, config, exceptions, lenient, only, traced};

fn recording() -> XRayMiddleware {
    XRayMiddleware::new().record_body(true)
}

#[test]
fn a_recorded_body_ends_the_call_and_arrives_unchanged() {
    let server = Server::start();
    for (path, body, response) in [
        ("/ok", "ok", json!({"status": 200, "content_length": 2})),
        ("/chunked", "ok", json!({"status": 200})),
        ("/empty", "", json!({"status": 204})),
        ("/status/503", "err", json!({"status": 503, "content_length": 3})),
    ] {
        let (trace, text) = traced(|| {
            let mut response = lenient(recording()).get(server.url(path)).call().unwrap();
            response.body_mut().read_to_string().unwrap()
        });
        assert_eq!(text, body, "{path}");
        let call = only(&trace);
        assert_eq!(call.json()["http"]["response"], response, "{path}");
        assert_eq!(call.metadata("xray", "aborted"), &Value::Null, "{path}");
    }
}

#[test]
fn the_call_lasts_until_the_end_of_its_body_only_if_that_is_recorded() {
    let server = Server::start();
    for (xray, is_open) in [(recording(), true), (XRayMiddleware::new(), false)] {
        let (recorder, traces) = Recorder::in_memory();
        let segment = recorder.begin("shop");
        let mut response = {
            let _current = segment.enter();
            agent(xray).get(server.url("/slow-body")).call().unwrap()
        };
        segment.close();
        assert_eq!(only(&traces.take().single()).json()["in_progress"] == true, is_open);
        server.open_gate();
        assert_eq!(response.body_mut().read_to_string().unwrap(), "okok");
        drop(response);
        let late = traces.take();
        assert_eq!(late.documents().len(), usize::from(is_open));
    }
}

#[test]
fn a_body_that_is_dropped_half_read_is_aborted_and_one_that_is_not_read_is_not() {
    let server = Server::start();
    for (read, aborted) in [(0, false), (1, true), (2, false)] {
        let (trace, ()) = traced(|| {
            let response = agent(recording()).get(server.url("/ok")).call().unwrap();
            let mut reader = response.into_body().into_reader();
            reader.read_exact(&mut vec![0; read]).unwrap();
        });
        let call = only(&trace);
        assert_eq!(call.metadata("xray", "aborted") == true, aborted, "{read}");
        assert_eq!(call.json()["http"]["response"]["status"], 200, "{read}");
        assert!(!call.has("fault"), "{read}");
    }
}

#[test]
fn a_body_that_fails_is_a_remote_fault_if_it_is_recorded() {
    let server = Server::start();
    let read = |agent: Agent| {
        let mut response = agent.get(server.url("/reset")).call().unwrap();
        // The server resets the connection when the gate opens, in the middle of the body.
        server.open_gate();
        format!("{:?}", response.body_mut().read_to_vec().unwrap_err())
    };
    let plain = read(config().build().into());
    let (trace, error) = traced(|| read(agent(recording())));
    assert_eq!(error, plain);
    let call = only(&trace);
    assert!(call.has("fault"));
    let exceptions = exceptions(call);
    assert!(!exceptions.is_empty() && exceptions.iter().all(|(_, _, remote)| *remote), "{exceptions:?}");

    let (trace, error) = traced(|| read(agent(XRayMiddleware::new())));
    assert_eq!((error, &*trace.tree()), (plain, "shop\n  127.0.0.1 remote 200\n"));
}

#[test]
fn a_timeout_of_this_side_in_the_body_is_not_remote() {
    let server = Server::start();
    let config = config().timeout_recv_body(Some(Duration::from_millis(20)));
    let agent: Agent = config.middleware(recording()).build().into();
    let (trace, error) = traced(|| {
        let mut response = agent.get(server.url("/slow-body")).call().unwrap();
        response.body_mut().read_to_string().unwrap_err()
    });
    assert!(matches!(error, ureq::Error::Timeout(_)), "{error:?}");
    let call = only(&trace);
    assert!(call.has("fault"));
    let exceptions = exceptions(call);
    assert!(!exceptions.is_empty() && exceptions.iter().all(|(_, _, remote)| !remote), "{exceptions:?}");
}

#[test]
fn connections_return_to_the_pool() {
    let server = Server::start();
    let agent = agent(recording());
    let (trace, ()) = traced(|| {
        for _ in 0..3 {
            agent.get(server.url("/ok")).call().unwrap().body_mut().read_to_string().unwrap();
        }
    });
    assert_eq!(trace.tree(), format!("shop\n{}", "  127.0.0.1 remote 200\n".repeat(3)));
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_body_can_be_sent_on_as_the_documentation_says() {
    let server = Server::start();
    // As it is, if it is not recorded; as a reader, if it is.
    let (_, lengths) = traced(|| {
        let body = agent(XRayMiddleware::new()).get(server.url("/ok")).call().unwrap().into_body();
        let kept = body.content_length();
        agent(XRayMiddleware::new()).post(server.url("/ok")).send(body).unwrap();
        let body = agent(recording()).get(server.url("/ok")).call().unwrap().into_body();
        let replaced = body.content_length();
        let reader = SendBody::from_owned_reader(body.into_reader());
        agent(recording()).post(server.url("/empty")).send(reader).unwrap();
        (kept, replaced)
    });
    assert_eq!(lengths, (Some(2), None));
}
