//! `client_ip`: from `X-Forwarded-For` and the peer's address to the members of `http.request`.

use serde_json::{Value, json};
use xray_core::Recorder;
use xray_core::adapter::{ServerOptions, ServerRequest, ServerRequestDetails, ServerRequestInfo};

use crate::vectors::Verdict;

pub(super) fn check(case: &Value) -> Verdict {
    let (recorder, traces) = Recorder::in_memory();
    let mut options = ServerOptions::new("svc");
    options.set_trust_forwarded_for(case["trust"].as_bool().expect("`trust` is a boolean"));
    let mut request = ServerRequestInfo::default();
    (request.method, request.target, request.host) = ("GET", "/", Some("svc"));
    let mut details = ServerRequestDetails::default();
    details.forwarded_for = case["header"].as_str();
    details.peer = case["peer"].as_str().map(|peer| peer.parse().expect("`peer` is an address"));
    drop(ServerRequest::begin(&recorder, &options, &request, || details));
    let trace = traces.take().single();
    let request = &trace.root().json()["http"]["request"];
    let forwarded = request["x_forwarded_for"].as_bool().unwrap_or_default();
    Verdict::new(json!({"client_ip": request["client_ip"], "x_forwarded_for": forwarded}), case["expected"].clone())
}
