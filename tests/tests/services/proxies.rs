//! A service that forwards the headers it received to the service behind it.

use serde_json::{Value, json};
use xray_tests::daemon::Daemon;
use xray_tests::http;

use crate::service::{HOST, TIMEOUT, for_each_framework};

const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";
const PARENT: &str = "53995c3f42cd8ad8";

#[test]
fn forwarded_trace_headers_are_replaced_by_those_of_the_call() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let (front, back) = (program.start(&daemon), program.start(&daemon));
        for client in ["reqwest", "hyper"] {
            for (header, parent) in [
                (format!("Root={ROOT};Sampled=1"), Value::Null),
                (format!("Root={ROOT};Parent={PARENT};Sampled=1"), json!(PARENT)),
                (format!("Self=1-00000000-000000000000000000000001;Root={ROOT};Sampled=1"), Value::Null),
            ] {
                let target = format!("/proxy/{client}?url=http://{}/ok", back.address());
                let headers = [("Host", HOST), ("X-Amzn-Trace-Id", &header), ("Connection", "close")];
                let response = http::request(front.address(), "GET", &target, &headers).expect("a response");
                assert_eq!(response.status(), 200);

                let documents = daemon.documents(2, TIMEOUT);
                daemon.take();
                let of = |calls: bool| {
                    documents
                        .iter()
                        .find(|document| document.json()["subsegments"].is_array() == calls)
                        .expect("the segment was sent")
                };
                let (front, back) = (of(true).json(), of(false).json());
                assert_eq!((&front["trace_id"], &back["trace_id"]), (&json!(ROOT), &json!(ROOT)), "{client} {header}");
                assert_eq!(front["parent_id"], parent, "{client} {header}");
                assert_eq!(back["parent_id"], front["subsegments"][0]["id"], "{client} {header}");
            }
        }
        daemon.assert_valid();
    });
}

#[test]
fn forwarded_addresses_name_the_client_or_the_proxy() {
    for_each_framework(|program| {
        let daemon = Daemon::start();
        let (front, back) = (program.start(&daemon), program.start(&daemon));
        for (forwarded, client_ip) in [
            ("203.0.113.7", Some("203.0.113.7")),
            ("203.0.113.7:51234, 10.0.0.1", Some("203.0.113.7")),
            ("[2001:db8::7]:443", Some("2001:db8::7")),
            ("unknown", None),
            ("<script>alert(1)</script>", None),
        ] {
            let target = format!("/proxy/hyper?url=http://{}/ok", back.address());
            let headers = [("Host", HOST), ("X-Amzn-Trace-Id", "Sampled=1"), ("X-Forwarded-For", forwarded)];
            let response = http::request(front.address(), "GET", &target, &headers).expect("a response");
            assert_eq!(response.status(), 200);
            daemon.documents(2, TIMEOUT);
            for document in daemon.take() {
                let request = &document.json()["http"]["request"];
                assert_eq!(request["client_ip"], client_ip.unwrap_or("127.0.0.1"), "{forwarded}");
                assert_eq!(request["x_forwarded_for"], client_ip.map_or(Value::Null, |_| json!(true)), "{forwarded}");
            }
        }
        daemon.assert_valid();
    });
}
