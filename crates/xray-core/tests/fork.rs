//! Forked children: each sends its own documents, and none hangs.

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

/// The name of the next segment.
fn name(daemon: &UdpSocket) -> Option<String> {
    let mut buffer = vec![0; 65_536];
    let length = daemon.recv(&mut buffer).ok()?;
    let document = buffer[..length].splitn(2, |byte| *byte == b'\n').nth(1)?;
    let segment: Value = xray_core::serde_json::from_slice(document).unwrap();
    Some(segment["name"].as_str().unwrap().to_owned())
}

/// Waits for a child that is to end by itself.
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
    // By itself, so that no other test's threads are there at the fork.
    if !child::is_child() {
        child::run("a_child_sends_its_own_document_within_a_second", &[]);
        return;
    }
    let (daemon, recorder) = recorder();
    // The sender naps after this one, and expects no wake for the next.
    recorder.begin("parent").close();
    assert_eq!(name(&daemon).unwrap(), "parent");
    match fork().unwrap() {
        Fork::Child => {
            recorder.begin("child").close();
            thread::sleep(Duration::from_secs(5)); // it is not the end of the process that sends it
            std::process::exit(0);
        }
        Fork::Parent(child) => {
            let start = Instant::now();
            assert_eq!(name(&daemon).unwrap(), "child");
            assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
            // The parent's own thread is where it was.
            recorder.begin("parent again").close();
            assert_eq!(name(&daemon).unwrap(), "parent again");
            assert!(ends(child));
        }
    }
}

#[test]
fn what_is_queued_at_the_fork_is_sent_by_the_parent_alone() {
    if !child::is_child() {
        child::run("what_is_queued_at_the_fork_is_sent_by_the_parent_alone", &[]);
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
    assert!(asks.recv_timeout(Duration::from_millis(300)).is_err(), "the parent asks again after ten seconds only");
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
fn no_child_hangs_that_is_forked_under_load() {
    if !child::is_child() {
        child::run("no_child_hangs_that_is_forked_under_load", &[]);
        return;
    }
    const CHILDREN: usize = 300;
    let (daemon, recorder) = recorder();
    // With what is refused, the diagnostics of the SDK are at work as well.
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
    // The load of the parent overflows the reader's buffer now and then, more on a busy machine: that children send at all
    // is seen here, that each does so is seen without load.
    assert!(arrived.len() > CHILDREN / 2, "{} of {CHILDREN}", arrived.len());
}
