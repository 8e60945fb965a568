//! `AWS_XRAY_DAEMON_ADDRESS`: from the text to both endpoints, or an error.

use serde_json::{Value, json};
use xray_core::emit::DaemonAddress;

use crate::vectors::Verdict;

pub(super) fn check(case: &Value) -> Verdict {
    let text = case["address"].as_str().expect("`address` is a text");
    let got = match text.parse::<DaemonAddress>() {
        Ok(address) => json!({"udp": address.udp().to_string(), "tcp": address.tcp().to_string()}),
        Err(_) => json!({"error": true}),
    };
    Verdict::new(got, case["expected"].clone())
}
