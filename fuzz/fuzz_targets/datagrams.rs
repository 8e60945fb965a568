//! Any datagram: the viewer neither panics nor keeps what it refuses, and what it keeps can be rendered.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xray_local::{Store, Style, render};

const SEGMENT: &str =
    r#""trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"53995c3f42cd8ad8","name":"shop","start_time":1480615200"#;

fuzz_target!(|input: (u8, &[u8])| {
    let (form, bytes) = input;
    let head = match form % 3 {
        0 => String::new(),
        1 => "{\"format\":\"json\",\"version\":1}\n".to_owned(),
        _ => format!("{{\"format\":\"json\",\"version\":1}}\n{{{SEGMENT},"),
    };
    let store = Store::new();
    let accepted = store.accept(&[head.as_bytes(), bytes].concat());
    let traces = store.traces();
    assert_eq!(traces.len(), usize::from(accepted.is_ok() && !(head.is_empty() && bytes.is_empty())));
    for trace in traces {
        assert!(!render(&trace, &Style::plain()).is_empty());
    }
});
