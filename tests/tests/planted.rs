//! No document of any test holds a secret that a test has planted: core ends the process that would send one. Here: it
//! does end it.

use std::process::Command;

use xray_core::Recorder;

/// Set in the process that is to end.
const ENDS: &str = "XRAY_TEST_SENDS_PLANTED_SECRET";

#[test]
fn a_process_that_sends_a_planted_secret_ends() {
    if std::env::var_os(ENDS).is_some() {
        let (recorder, _traces) = Recorder::in_memory();
        recorder.begin("shop").annotate("password", "s3cret");
        return;
    }
    let program = std::env::current_exe().expect("a test has a program");
    let mut command = Command::new(program);
    command.args(["--exact", "a_process_that_sends_a_planted_secret_ends"]).env(ENDS, "1");
    let output = command.output().expect("a test can run itself");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("a document holds the planted secret"), "{said}");
}
