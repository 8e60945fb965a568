//! Forked children send their own documents and never hang.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::collections::HashSet;
use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fork::{Fork, fork, waitpid_nohang};
use xray_core::Recorder;
use xray_core::emit::Flushed;
use xray_core::sampling::Always;
use xray_core::serde_json::Value;

#[path = "support/child.rs"]
mod child;

fn recorder() -> (UdpSocket, Recorder) {
    let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
    daemon.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let recorder = Recorder::builder().sampling(Always).daemon(daemon.local_addr().unwrap().into());
    (daemon, recorder.build().unwrap())
}

/// Returns the name of the next segment.
fn name(daemon: &UdpSocket) -> Option<String> {
    let mut buffer = vec![0; 65_536];
    let length = daemon.recv(&mut buffer).ok()?;
    let document = buffer[..length].splitn(2, |byte| *byte == b'\n').nth(1)?;
    let segment: Value = xray_core::serde_json::from_slice(document).unwrap();
    Some(segment["name"].as_str().unwrap().to_owned())
}

/// Waits for a child to end by itself.
fn ends(pid: i32) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        match waitpid_nohang(pid).unwrap() {
            Some(status) => return status == 0,
            None => thread::sleep(Duration::from_millis(1)),
        }
    }
    false
}

#[test]
fn a_child_sends_its_own_document_within_a_second() {
    // In a process of its own, without the threads of other tests at the fork.
    if !child::is_child() {
        child::run("a_child_sends_its_own_document_within_a_second", &[]);
        return;
    }
    let (daemon, recorder) = recorder();
    // The sender naps after this document, and is not woken for the next one.
    recorder.begin("parent").close();
    assert_eq!(name(&daemon).unwrap(), "parent");
    match fork().unwrap() {
        Fork::Child => {
            recorder.begin("child").close();
            thread::sleep(Duration::from_secs(5)); // the document is not sent by the end of the process
            std::process::exit(0);
        }
        Fork::Parent(child) => {
            let start = Instant::now();
            assert_eq!(name(&daemon).unwrap(), "child");
            assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
            // The parent's thread still works.
            recorder.begin("parent again").close();
            assert_eq!(name(&daemon).unwrap(), "parent again");
            assert!(ends(child));
        }
    }
}

#[test]
fn only_the_parent_sends_what_is_queued_at_the_fork() {
    if !child::is_child() {
        child::run("only_the_parent_sends_what_is_queued_at_the_fork", &[]);
        return;
    }
    let (daemon, recorder) = recorder();
    recorder.begin("first").close();
    assert_eq!(recorder.flush(Duration::from_secs(5)), Flushed::All);
    (0..20).for_each(|_| recorder.begin("queued").close());
    match fork().unwrap() {
        Fork::Child => {
            recorder.begin("child").close();
            let flushed = recorder.flush(Duration::from_secs(5));
            std::process::exit(i32::from(flushed != Flushed::All));
        }
        Fork::Parent(child) => {
            assert_eq!(recorder.flush(Duration::from_secs(5)), Flushed::All);
            assert!(ends(child));
            daemon.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            let mut names = Vec::from_iter(std::iter::from_fn(|| name(&daemon)));
            names.sort_unstable();
            assert_eq!(names[..2], ["child", "first"]);
            assert_eq!(names[2..], vec!["queued"; 20]);
        }
    }
}

#[test]
fn a_child_fetches_sampling_rules_itself() {
    if !child::is_child() {
        child::run("a_child_fetches_sampling_rules_itself", &[]);
        return;
    }
    let daemon = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = daemon.local_addr().unwrap();
    let (asked, asks) = mpsc::channel();
    thread::spawn(move || daemon.incoming().for_each(|_| asked.send(()).unwrap()));
    let recorder = Recorder::builder().environment(|_| None).daemon(address.into()).on_diagnostic(|_| {});
    let recorder = recorder.build().unwrap();
    drop(recorder.begin("parent"));
    asks.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(
        asks.recv_timeout(Duration::from_millis(300)).is_err(),
        "the parent does not fetch again within ten seconds"
    );
    match fork().unwrap() {
        Fork::Child => {
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(3) {
                drop(recorder.begin("child"));
                thread::sleep(Duration::from_millis(10));
            }
            std::process::exit(0);
        }
        Fork::Parent(child) => {
            asks.recv_timeout(Duration::from_secs(5)).unwrap();
            assert!(ends(child));
        }
    }
}

#[test]
fn children_forked_under_load_do_not_hang() {
    if !child::is_child() {
        child::run("children_forked_under_load_do_not_hang", &[]);
        return;
    }
    const CHILDREN: usize = 300;
    let (daemon, recorder) = recorder();
    // Refused documents make the SDK's log active as well.
    let nowhere = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let absent = Recorder::builder().sampling(Always).daemon(nowhere.into()).on_diagnostic(|_| {}).build().unwrap();
    let done = AtomicBool::new(false);
    let arrived = thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    recorder.begin("load").close();
                    absent.begin("load").close();
                }
            });
        }
        let reader = scope.spawn(|| {
            let mut arrived = HashSet::new();
            daemon.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            while let Some(name) = name(&daemon) {
                arrived.extend(name.starts_with("child").then_some(name));
            }
            arrived
        });
        let mut hanging = 0;
        for number in 0..CHILDREN {
            match fork().unwrap() {
                Fork::Child => {
                    absent.begin("child").close();
                    recorder.begin(format!("child {number}")).close();
                    let flushed = [&absent, &recorder].map(|recorder| recorder.flush(Duration::from_secs(5)));
                    std::process::exit(i32::from(flushed != [Flushed::All; 2]));
                }
                Fork::Parent(child) => hanging += usize::from(!ends(child)),
            }
        }
        done.store(true, Relaxed);
        assert_eq!(hanging, 0);
        reader.join().unwrap()
    });
    // The parent's load overflows the reader's buffer occasionally, and more often on a busy machine. So this only checks
    // that children send at all; the tests without load check that each one does.
    assert!(arrived.len() > CHILDREN / 2, "{} of {CHILDREN}", arrived.len());
}
