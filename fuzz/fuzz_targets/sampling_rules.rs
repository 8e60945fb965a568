//! Any text as a document of sampling rules, and any request against those that parse.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xray_core::sampling::{Rules, SamplingRequest};

fuzz_target!(|input: (&str, &str, &str, &str)| {
    let (rules, host, method, path) = input;
    if let Ok(rules) = Rules::from_json(rules) {
        let mut request = SamplingRequest::default();
        (request.host, request.method, request.path) = (Some(host), Some(method), Some(path));
        rules.matching(&request);
    }
});
