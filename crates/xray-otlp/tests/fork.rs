//! A forked child sends its own documents, with its own thread and connections. The only test of its program, so that no
//! threads of other tests exist at the fork.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "all of this is a test")]

#[allow(dead_code, unreachable_pub)]
#[path = "../src/proto.rs"]
mod proto;
#[allow(dead_code)]
#[path = "export/receiver.rs"]
mod receiver;

use std::thread;
use std::time::{Duration, Instant};

use fork::{Fork, fork, waitpid_nohang};
use xray_core::Recorder;
use xray_core::emit::Flushed;
use xray_core::sampling::Always;
use xray_otlp::{Batching, Otlp};

use receiver::Receiver;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn the_parent_sends_what_was_queued_at_the_fork_and_each_process_what_follows() {
    let receiver = Receiver::start([]);
    let batching = Batching::default().delay(Duration::from_secs(3_600));
    let otlp = Otlp::builder().endpoint(receiver.url()).batching(batching).build().unwrap();
    let recorder = Recorder::builder().environment(|_| None).sampling(Always).emitter(otlp).build().unwrap();
    recorder.begin("first").close();
    assert_eq!(recorder.flush(SOON), Flushed::All);
    for _ in 0..20 {
        recorder.begin("queued").close();
    }
    match fork().unwrap() {
        Fork::Child => {
            recorder.begin("child").close();
            let flushed = recorder.flush(SOON);
            drop(recorder);
            std::process::exit(i32::from(flushed != Flushed::All));
        }
        Fork::Parent(child) => {
            recorder.begin("parent").close();
            assert_eq!(recorder.flush(SOON), Flushed::All);
            let start = Instant::now();
            let status = loop {
                match waitpid_nohang(child).unwrap() {
                    Some(status) => break status,
                    None => thread::sleep(Duration::from_millis(1)),
                }
                assert!(start.elapsed() < SOON, "the child did not end");
            };
            assert_eq!(status, 0);
        }
    }
    let requests = receiver.rest();
    let mut names: Vec<_> = requests.iter().flat_map(|request| request.spans()).map(|span| span.name).collect();
    names.sort_unstable();
    assert_eq!(names[..3], ["child", "first", "parent"]);
    assert_eq!(names[3..], vec!["queued"; 20]);
}
