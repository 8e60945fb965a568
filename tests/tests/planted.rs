//! Core terminates the process if a test would send a document with a planted secret. This checks that it does.

use std::process::Command;

use xray_core::Recorder;

/// Set in the child process, which must terminate.
const CHILD: &str = "XRAY_TEST_SENDS_PLANTED_SECRET";

#[test]
fn a_process_that_sends_a_planted_secret_is_terminated() {
    if std::env::var_os(CHILD).is_some() {
        let (recorder, _traces) = Recorder::in_memory();
        recorder.begin("shop").annotate("password", "s3cret");
        return;
    }
    let program = std::env::current_exe().expect("the path of the test program");
    let mut command = Command::new(program);
    command.args(["--exact", "a_process_that_sends_a_planted_secret_is_terminated"]).env(CHILD, "1");
    let output = command.output().expect("the test program starts");
    assert!(!output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("a document contains the planted secret"), "{stderr}");
}
