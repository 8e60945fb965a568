//! Calls that fail: what is recorded, and that the caller gets the same error as without tracing.

use std::time::Duration;

use serde_json::Value;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};
use xray_ureq::XRayMiddleware;

use crate::support::{Server, agent, chain, config, exceptions, only, traced};

#[test]
fn a_call_without_a_response_is_a_fault_with_its_causes() {
    let server = Server::start();
    for (what, url, reached, expected) in [
        (
            "refused",
            "http://user:s3cret@127.0.0.1:1/x?token=s3cret".to_owned(),
            false,
            &[("ureq::Error::Io", "refused"), ("io::Error", "refused")][..],
        ),
        (
            "lost",
            server.url("/lost?token=s3cret"),
            true,
            &[("ureq::Error::Io", "Peer disconnected"), ("io::Error", "Peer disconnected")],
        ),
        ("no TLS", "https://127.0.0.1:1/x".to_owned(), false, &[("ureq::Error::", "")]),
    ] {
        let plain: Agent = config().build().into();
        let without = plain.get(&url).call().unwrap_err();
        let (trace, with) = traced(|| agent(XRayMiddleware::new().traced(true)).get(&url).call());
        let call = only(&trace);
        let what = format!("{what}: {}", call.json());
        assert!(call.has("fault") && !call.has("error") && !call.has("throttle"), "{what}");
        assert_eq!(call.json()["http"]["response"], Value::Null, "{what}");
        // X-Ray must not wait for the segment of a service that was not reached.
        assert_eq!(call.json()["traced"] == true, reached, "{what}");
        let exceptions = exceptions(call);
        assert!(exceptions.len() >= expected.len(), "{what}");
        for ((kind, message, remote), (expected, text)) in exceptions.iter().zip(expected) {
            assert!(kind.starts_with(expected) && message.contains(text) && !remote, "{what}");
        }
        assert!(!call.json().to_string().contains("s3cret"), "{what}");
        assert_eq!(chain(&with.unwrap_err()), chain(&without), "{what}");
    }
}

#[test]
fn a_name_that_does_not_resolve_is_a_fault() {
    #[derive(Debug)]
    struct Nowhere;
    impl Resolver for Nowhere {
        fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
            Err(Error::HostNotFound)
        }
    }
    let config = config().middleware(XRayMiddleware::new().traced(true)).build();
    let agent = Agent::with_parts(config, DefaultConnector::new(), Nowhere);
    let (trace, result) = traced(|| agent.get("http://nowhere.invalid/").call());
    assert!(matches!(result, Err(Error::HostNotFound)));
    assert_eq!(trace.tree(), "shop\n  nowhere.invalid remote fault\n");
    let call = only(&trace);
    assert_ne!(call.json()["traced"], true);
    assert_eq!(exceptions(call), [("ureq::Error::HostNotFound".to_owned(), "host not found".to_owned(), false)]);
}

#[test]
fn a_timeout_before_the_response_is_recorded_as_such() {
    let server = Server::start();
    let config = config().timeout_recv_response(Some(Duration::from_millis(20)));
    let agent: Agent = config.middleware(XRayMiddleware::new()).build().into();
    let (trace, result) = traced(|| agent.get(server.url("/hang")).call());
    assert!(matches!(result, Err(Error::Timeout(_))));
    let [(kind, message, remote)] = &exceptions(only(&trace))[..] else { panic!("one exception") };
    assert_eq!((&**kind, &**message, *remote), ("ureq::Error::Timeout", "timeout: receive response", false));
}

#[test]
fn an_error_that_the_application_records_refers_to_the_one_of_the_call() {
    let (trace, ()) = traced(|| {
        let result =
            xray_core::try_capture("order", |_| agent(XRayMiddleware::new()).get("http://127.0.0.1:1/").call());
        assert!(result.is_err());
    });
    let id = &trace.find("127.0.0.1").json()["cause"]["exceptions"][0]["id"];
    assert!(id.is_string());
    assert_eq!(trace.find("order").json()["cause"], *id);
}
