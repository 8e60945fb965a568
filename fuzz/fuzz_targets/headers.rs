//! Any text as `X-Amzn-Trace-Id` and `traceparent`: parsing never panics, and printing is stable.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xray_core::{TraceHeader, TraceParent};

fuzz_target!(|text: &str| {
    let printed = TraceHeader::parse(text).to_string();
    assert_eq!(TraceHeader::parse(&printed).to_string(), printed);
    if let Some(parent) = TraceParent::parse(text) {
        let again = TraceParent::parse(&parent.to_string()).expect("what is printed parses");
        assert_eq!(again.trace_id(), parent.trace_id());
        assert_eq!(again.is_sampled(), parent.is_sampled());
    }
});
