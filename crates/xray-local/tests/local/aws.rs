//! Real clients of the X-Ray API: boto3, the AWS CLI, the AWS SDK for JavaScript.
//!
//! Each test takes its client from an environment variable. Without it, the test says so and passes; on CI it fails.

use std::path::Path;
use std::process::{Command, Output};

use xray_local::{Receiver, SamplingRules};

use crate::corpus;

/// Returns the path of a script.
pub(crate) fn path(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Returns the value of a variable that names a client.
pub(crate) fn client(variable: &str, what: &str) -> Option<String> {
    let client = std::env::var(variable).ok().filter(|client| Path::new(client).exists());
    if client.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{variable} must name {what}");
        eprintln!("skipped: {variable} does not name {what}");
    }
    client
}

/// Writes the expectations in the form that the scripts read, and returns the path.
fn expectations(name: &str) -> std::path::PathBuf {
    let file = std::env::temp_dir().join(format!("xray-local-{name}-{}.json", std::process::id()));
    std::fs::write(&file, serde_json::to_string(&corpus::expectations()).unwrap()).unwrap();
    file
}

fn check(command: &mut Command, receiver: &Receiver) {
    let output: Output = command
        .env_remove("AWS_PROFILE")
        .env("AWS_ENDPOINT_URL_XRAY", receiver.page())
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_DEFAULT_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "any")
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("START", corpus::START.to_string())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn boto3_calls_each_operation() {
    let Some(python) = client("XRAY_TEST_BOTO3_PYTHON", "a Python that has boto3") else { return };
    let receiver = corpus::receiver();
    let file = expectations("boto3");
    check(Command::new(python).arg(path("boto3_client.py")).arg(&file), &receiver);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn the_command_line_puts_asks_and_edits() {
    let Some(aws) = client("XRAY_TEST_AWS_CLI", "the AWS CLI") else { return };
    for signed in ["no", "yes"] {
        let receiver = Receiver::builder().rules(SamplingRules::default()).bind("127.0.0.1:0").unwrap();
        check(Command::new("bash").arg(path("aws_cli.sh")).arg(&aws).arg(signed), &receiver);
    }
}

#[test]
fn the_javascript_sdk_finds_the_same() {
    let Some(modules) = client("XRAY_TEST_AWS_JS", "a folder with the module @aws-sdk/client-xray") else { return };
    let receiver = corpus::receiver();
    let file = expectations("js");
    check(Command::new("node").arg(path("js_client.mjs")).arg(&modules).arg(&file), &receiver);
    std::fs::remove_file(file).unwrap();
}
