//! Environment variables, each in a process of its own: they override code, and are never fatal.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::net::UdpSocket;
use std::panic::catch_unwind;
use std::time::Duration;

use xray_core::adapter::{ServerOptions, ServerRequest, ServerRequestDetails, ServerRequestInfo};
use xray_core::context::current_for_call;
use xray_core::sampling::Always;
use xray_core::{Naming, Recorder, Sql, TraceHeader, current, try_current};

#[path = "support/child.rs"]
mod child;

fn daemon() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

fn receive(daemon: &UdpSocket) -> String {
    let mut datagram = vec![0; 65_536];
    let length = daemon.recv(&mut datagram).unwrap();
    String::from_utf8(datagram[..length].to_vec()).unwrap()
}

#[test]
fn a_disabled_sdk_starts_no_thread_opens_no_socket_and_sends_no_header() {
    let test = "a_disabled_sdk_starts_no_thread_opens_no_socket_and_sends_no_header";
    if !child::is_child() {
        for variable in
            [("AWS_XRAY_SDK_ENABLED", "false"), ("AWS_XRAY_SDK_ENABLED", "0"), ("AWS_XRAY_SDK_DISABLED", "TRUE")]
        {
            child::run(test, &[variable]);
        }
        return;
    }
    let count = |folder: &str| std::fs::read_dir(folder).map(Iterator::count).unwrap_or(0);
    let in_use = || (count("/proc/self/task"), count("/proc/self/fd"));
    let before = in_use();
    let recorder = Recorder::builder().enabled(true).sampling(Always).build().unwrap();
    let installed = recorder.clone().install();
    let segment =
        recorder.begin_from("shop", &TraceHeader::parse("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"));
    let call = segment.subsegment("call");
    assert!(!recorder.is_enabled() && call.trace_header().is_none() && segment.trace_id().is_none());
    call.close();
    segment.close();
    assert!(!current().is_sampled(), "no missing context is reported");
    drop(installed);
    assert_eq!(in_use(), before);
}

#[test]
fn the_daemons_address_overrides_code() {
    let test = "the_daemons_address_overrides_code";
    if !child::is_child() {
        let daemon = daemon();
        let address = daemon.local_addr().unwrap();
        for value in [format!("{address}"), format!("tcp:127.0.0.1:9 udp:{address}")] {
            child::run(test, &[("AWS_XRAY_DAEMON_ADDRESS", &value)]);
            assert!(receive(&daemon).starts_with("{\"format\":\"json\",\"version\":1}\n{\"name\":\"shop\""));
        }
        return;
    }
    let code = "127.0.0.1:9".parse().unwrap();
    let recorder = Recorder::builder().daemon(code).sampling(Always).build().unwrap().install();
    recorder.begin("shop").close();
}

#[test]
fn the_environment_alone_configures_a_program() {
    let test = "the_environment_alone_configures_a_program";
    if !child::is_child() {
        let daemon = daemon();
        let address = daemon.local_addr().unwrap().to_string();
        child::run(test, &[("AWS_XRAY_DAEMON_ADDRESS", &address)]);
        assert!(receive(&daemon).contains("\"name\":\"shop\""));
        return;
    }
    Recorder::global().begin_from("shop", &TraceHeader::parse("Sampled=1")).close();
    Recorder::global().flush(Duration::from_secs(10));
    assert_eq!(Recorder::global().stats().emitted, 1);
}

#[test]
fn on_lambda_documents_are_sent_at_once_on_the_same_thread() {
    let test = "on_lambda_documents_are_sent_at_once_on_the_same_thread";
    if !child::is_child() {
        let daemon = daemon();
        let address = daemon.local_addr().unwrap().to_string();
        for lambda in [("LAMBDA_TASK_ROOT", "/var/task"), ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")] {
            child::run(test, &[("AWS_XRAY_DAEMON_ADDRESS", &address), lambda]);
            assert!(receive(&daemon).contains("\"name\":\"part\""), "before the segment");
            assert!(receive(&daemon).contains("\"name\":\"shop\""));
        }
        return;
    }
    let recorder = Recorder::builder().sampling(Always).build().unwrap();
    let segment = recorder.begin("shop");
    segment.subsegment("part").close();
    assert_eq!(recorder.stats().emitted, 1);
    segment.close();
    assert_eq!(recorder.stats().emitted, 2);
}

#[test]
fn the_tracing_name_replaces_the_default_of_servers() {
    let test = "the_tracing_name_replaces_the_default_of_servers";
    if !child::is_child() {
        child::run(test, &[("AWS_XRAY_TRACING_NAME", "from the environment")]);
        return;
    }
    let (isolated, _) = Recorder::in_memory();
    let emitter = xray_core::emit::MemoryEmitter::new();
    let recorder = Recorder::builder().sampling(Always).emitter(emitter.clone()).build().unwrap();
    let dynamic = || Naming::dynamic("shop").matching("*.test");
    for (recorder, naming, host, want) in [
        (&recorder, Naming::fixed("shop"), Some("a.test"), "from the environment"),
        (&recorder, dynamic(), Some("a.test"), "a.test"),
        (&recorder, dynamic(), Some("a.other"), "from the environment"),
        (&recorder, dynamic(), None, "from the environment"),
        (&isolated, Naming::fixed("shop"), None, "shop"),
    ] {
        let mut request = ServerRequestInfo::default();
        (request.method, request.target, request.host) = ("GET", "/", host);
        let mut incoming =
            ServerRequest::begin(recorder, &ServerOptions::new(naming), &request, ServerRequestDetails::default);
        incoming.end();
        if let [document] = &emitter.take()[..] {
            assert!(document.json().starts_with(&format!(r#"{{"name":"{want}""#)), "{document:?}");
        } else {
            assert_eq!(want, "shop");
        }
    }
    // A segment that is begun in code has the name from code.
    recorder.begin("by hand").close();
    assert!(emitter.take()[0].json().starts_with(r#"{"name":"by hand""#));
}

#[test]
fn runtime_error_panics_in_user_code_and_not_in_calls() {
    let test = "runtime_error_panics_in_user_code_and_not_in_calls";
    if !child::is_child() {
        child::run(test, &[("AWS_XRAY_CONTEXT_MISSING", "RUNTIME_ERROR")]);
        return;
    }
    let builder = Recorder::builder().context_missing(xray_core::ContextMissing::Ignore);
    let _flush = builder.build().unwrap().install();
    assert!(catch_unwind(current).is_err());
    assert!(!current_for_call("a call").is_recording());
    assert!(try_current().is_none());
}

#[test]
fn queries_are_collected_on_request() {
    let test = "queries_are_collected_on_request";
    if !child::is_child() {
        child::run(test, &[("AWS_XRAY_COLLECT_SQL_QUERIES", "true"), ("WANT", "1")]);
        child::run(test, &[("AWS_XRAY_COLLECT_SQL_QUERIES", "false")]);
        child::run(test, &[]);
        return;
    }
    let emitter = xray_core::emit::MemoryEmitter::new();
    let segment = Recorder::builder().sampling(Always).emitter(emitter.clone()).build().unwrap().begin("shop");
    segment.subsegment("query").set_sql(&Sql::from_url("mysql://h/d").query("SELECT 7")).close();
    segment.close();
    let collected = emitter.take()[0].json().contains(r#""sanitized_query":"SELECT ?""#);
    assert_eq!(collected, std::env::var_os("WANT").is_some() && cfg!(feature = "sql-text"));
}

#[test]
fn an_invalid_value_is_reported_and_ignored() {
    let test = "an_invalid_value_is_reported_and_ignored";
    if !child::is_child() {
        for name in
            ["AWS_XRAY_DAEMON_ADDRESS", "AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_SDK_ENABLED", "AWS_XRAY_LOG_LEVEL"]
        {
            for value in ["nonsense", "\u{1}\u{2}", "::", "127.0.0.1:99999", "tcp:"] {
                let (_, err) = child::run(test, &[(name, value)]);
                assert!(err.contains(&format!("[ERROR] {name}=")), "{name}={value:?}: {err}");
            }
        }
        let (_, err) = child::run(test, &[("AWS_XRAY_DAEMON_ADDRESS", ""), ("AWS_XRAY_CONTEXT_MISSING", " ")]);
        assert_eq!(err, "", "an empty variable counts as unset");
        return;
    }
    assert!(Recorder::builder().build().unwrap().is_enabled());
}

#[test]
fn standard_error_shows_messages_of_its_level() {
    let test = "standard_error_shows_messages_of_its_level";
    if !child::is_child() {
        let all = ["DEBUG", "WARN", "ERROR"];
        for (variables, want) in [
            (&[][..], &all[2..]),
            (&[("AWS_XRAY_LOG_LEVEL", "debug")], &all),
            (&[("AWS_XRAY_LOG_LEVEL", "Warn")], &all[1..]),
            (&[("AWS_XRAY_LOG_LEVEL", "silent")], &[]),
            (&[("AWS_XRAY_DEBUG_MODE", "true")], &all),
            (&[("AWS_XRAY_DEBUG_MODE", "false")], &all[2..]),
            (&[("AWS_XRAY_DEBUG_MODE", "1"), ("AWS_XRAY_LOG_LEVEL", "silent")], &all),
        ] {
            let (_, err) = child::run(test, variables);
            for level in all {
                assert_eq!(err.contains(&format!(" [{level}] ")), want.contains(&level), "{variables:?}: {err}");
            }
        }
        return;
    }
    let emitter = xray_core::emit::MemoryEmitter::new();
    let _flush = Recorder::builder().sampling(Always).emitter(emitter).build().unwrap().install();
    Recorder::global().begin("debug: a decision").annotate("warn: a key", 1);
    assert!(!current().is_recording(), "error: no context");
}
