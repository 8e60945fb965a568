//! Runs a test of this binary again, in a process with an environment of its own.

use std::process::{Command, Output};

const MARK: &str = "XRAY_TEST_CHILD";

/// Whether this is such a process.
pub(crate) fn is_child() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Runs `test` with these variables and no other ones of X-Ray or Lambda. Returns its standard output and standard error.
///
/// # Panics
///
/// The test fails.
pub(crate) fn run(test: &str, variables: &[(&str, &str)]) -> (String, String) {
    let output = output(test, variables);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{test} with {variables:?}:\n{out}\n{err}");
    (out, err)
}

fn output(test: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().expect("a test runs from a file"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") || name.to_string_lossy().starts_with("LAMBDA_") {
            command.env_remove(name);
        }
    }
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(MARK, "1").envs(variables.iter().copied());
    command.output().expect("a test can be run again")
}
