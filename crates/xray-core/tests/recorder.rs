//! The recorder: its installation, flushes and counts.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use xray_core::diagnostics::Cause;
use xray_core::emit::{DaemonAddress, Flushed, MemoryEmitter};
use xray_core::sampling::Always;
use xray_core::stats::Stats;
use xray_core::{Recorder, RecorderBuilder, TraceHeader};

#[path = "support/child.rs"]
mod child;

fn daemon() -> (UdpSocket, DaemonAddress) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let address = socket.local_addr().unwrap().into();
    (socket, address)
}

fn sending_to(address: &DaemonAddress) -> RecorderBuilder {
    Recorder::builder().sampling(Always).daemon(address.clone())
}

#[test]
fn the_first_installation_wins_and_later_ones_are_reported() {
    if !child::is_child() {
        child::run("the_first_installation_wins_and_later_ones_are_reported", &[]);
        return;
    }
    let told = Arc::new(Mutex::new(Vec::new()));
    let [first, second] = ["first", "second"].map(|name| {
        let (emitter, told) = (MemoryEmitter::new(), told.clone());
        let log = move |diagnostic: &xray_core::diagnostics::Diagnostic<'_>| {
            if diagnostic.cause() == Cause::LateInstall {
                told.lock().unwrap().push(format!("{name}: {diagnostic}"));
            }
        };
        (Recorder::builder().sampling(Always).emitter(emitter.clone()).on_diagnostic(log).build().unwrap(), emitter)
    });
    let installed = first.0.install();
    assert!(told.lock().unwrap().is_empty());
    let ineffective = second.0.install();
    {
        let told = told.lock().unwrap();
        let [line] = &told[..] else { panic!("{told:?}") };
        let file = file!();
        assert!(line.starts_with(&format!("second: `install()` at {file}:")), "{line}");
        assert!(line.contains(&format!("the process already has a recorder, installed at {file}:")), "{line}");
        assert!(line.contains("rules, the daemon's address and all other options of this one are not used"), "{line}");
    }
    Recorder::global().begin("shop").close();
    assert_eq!((first.1.take().len(), second.1.take().len()), (1, 0));
    // The guard dereferences to the recorder, whether it is installed or not.
    installed.begin("shop").close();
    ineffective.begin("shop").close();
    assert_eq!((first.1.take().len(), second.1.take().len()), (1, 1));
}

#[test]
fn the_guard_flushes_when_it_is_dropped() {
    if !child::is_child() {
        let (socket, address) = daemon();
        child::run("the_guard_flushes_when_it_is_dropped", &[("AWS_XRAY_DAEMON_ADDRESS", &address.to_string())]);
        assert!(socket.recv(&mut [0; 65_536]).is_ok());
        return;
    }
    let guard = Recorder::builder().sampling(Always).build().unwrap().install();
    guard.begin("shop").close();
    drop(guard);
    assert_eq!(Recorder::global().stats().emitted, 1);
}

#[test]
fn the_guard_of_a_late_installation_flushes_the_recorder_of_the_process() {
    if !child::is_child() {
        let (_socket, address) = daemon();
        let test = "the_guard_of_a_late_installation_flushes_the_recorder_of_the_process";
        child::run(test, &[("AWS_XRAY_DAEMON_ADDRESS", &address.to_string())]);
        return;
    }
    let sampled = TraceHeader::parse("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1");
    let recorder = Recorder::global();
    let late = Recorder::builder().sampling(Always).on_diagnostic(|_| {}).build().unwrap().install();
    (0..500).for_each(|_| recorder.begin_from("shop", &sampled).close());
    late.begin("its own").close();
    let its_own = (*late).clone();
    drop(late);
    assert_eq!((recorder.stats().emitted, its_own.stats().emitted), (500, 1));
}

#[test]
fn a_flush_waits_until_everything_is_sent() {
    let (socket, address) = daemon();
    let recorder = sending_to(&address).build().unwrap();
    assert_eq!(recorder.flush(Duration::ZERO), Flushed::All, "nothing is queued");
    for _ in 0..20 {
        recorder.begin("shop").close();
    }
    assert_eq!(recorder.flush(Duration::from_secs(20)), Flushed::All);
    let stats = recorder.stats();
    assert_eq!((stats.emitted, stats.dropped_unsent, stats.refused), (20, 0, 0));
    let mut bytes = 0;
    for _ in 0..20 {
        bytes += socket.recv(&mut [0; 65_536]).unwrap() as u64;
    }
    assert_eq!(stats.bytes, bytes);
}

#[test]
fn an_async_flush_does_not_block_the_only_thread_of_a_runtime() {
    let (_socket, address) = daemon();
    let recorder = sending_to(&address).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        recorder.flushed().await;
        for sent in 1..=3 {
            recorder.begin("shop").close();
            let (other, ()) = tokio::join!(tokio::spawn(async { 7 }), recorder.flushed());
            assert_eq!((other.unwrap(), recorder.stats().emitted), (7, sent));
        }
        // A blocking flush blocks the thread, and the documents are sent anyway.
        recorder.begin("shop").close();
        assert_eq!(recorder.flush(Duration::from_secs(20)), Flushed::All);
        drop(recorder.flushed());
    });
}

#[test]
fn an_absent_daemon_loses_only_documents() {
    let (socket, address) = daemon();
    drop(socket);
    let recorder = sending_to(&address).on_diagnostic(|_| {}).build().unwrap();
    for _ in 0..50 {
        let segment = recorder.begin("shop");
        segment.subsegment("work").close();
        segment.close();
    }
    assert_eq!(recorder.flush(Duration::from_secs(20)), Flushed::All);
    let stats = recorder.stats();
    assert_eq!(stats.emitted + stats.dropped_unsent, 50);
    assert!(!cfg!(target_os = "linux") || stats.refused > 0, "{stats:?}");
}

#[test]
fn lost_documents_are_one_line_at_default_settings() {
    let test = "lost_documents_are_one_line_at_default_settings";
    if child::is_child() {
        let recorder = Recorder::builder().sampling(Always).build().unwrap();
        for _ in 0..20 {
            recorder.begin("shop").close();
            assert_eq!(recorder.flush(Duration::from_secs(20)), Flushed::All);
        }
        return;
    }
    let (socket, address) = daemon();
    drop(socket);
    for (address, line) in [
        (address.to_string(), format!("no X-Ray daemon listens at {address}: ")),
        ("no-such-host.invalid:2000".to_owned(), "no-such-host.invalid:2000 does not resolve (".to_owned()),
    ] {
        let (_, printed) = child::run(test, &[("AWS_XRAY_DAEMON_ADDRESS", &address)]);
        assert_eq!(printed.lines().filter(|printed| printed.contains(&line)).count(), 1, "{printed}");
        assert_eq!(printed.lines().count(), 1, "{printed}");
        assert!(printed.contains("[ERROR]") && printed.contains("AWS_XRAY_DAEMON_ADDRESS"), "{printed}");
    }
}

#[test]
fn counts_include_what_was_repaired_and_ignored() {
    let (recorder, _traces) = Recorder::in_memory();
    assert_eq!(recorder.stats(), Stats::default());
    let segment = recorder.begin("a{name}");
    (0..52).for_each(|n| {
        segment.annotate(&format!("k{n}"), n);
    });
    segment.metadata("large", &"x".repeat(100_000));
    segment.close();
    segment.annotate("late", 1).metadata("late", &1).mark(xray_core::Flag::Error);
    let stats = recorder.stats();
    let counts = (stats.names_repaired, stats.annotations_dropped, stats.trimmed, stats.late_writes);
    assert_eq!(counts, (1, 2, 1, 3));
}

#[test]
fn recorders_are_independent_and_clones_share_everything() {
    let ((one, of_one), (other, of_other)) = (Recorder::in_memory(), Recorder::in_memory());
    one.clone().begin("one").close();
    let segment = other.begin("other");
    let _in = segment.enter();
    // A subsegment belongs to the trace of its parent, whatever the parent's recorder.
    let both = one.begin("one again");
    xray_core::capture("part", |_| {});
    drop((one, other));
    both.close();
    segment.close();
    assert_eq!(of_one.take().traces().iter().map(|trace| trace.tree()).collect::<Vec<_>>(), ["one\n", "one again\n"]);
    assert_eq!(of_other.take().single().tree(), "other\n  part\n");
}

#[test]
fn a_late_installation_names_the_place_of_the_first_use() {
    if !child::is_child() {
        child::run("a_late_installation_names_the_place_of_the_first_use", &[]);
        return;
    }
    let line = line!() + 1;
    Recorder::global().begin("shop").close();
    let told = Arc::new(Mutex::new(String::new()));
    let sink = told.clone();
    let builder = Recorder::builder().on_diagnostic(move |diagnostic| *sink.lock().unwrap() = diagnostic.to_string());
    let _late = builder.build().unwrap().install();
    let want = format!("built with the default configuration by the first use at {}:{line}:5", file!());
    assert!(told.lock().unwrap().contains(&want), "{}", told.lock().unwrap());
}
