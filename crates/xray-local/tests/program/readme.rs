//! The helpers in the README for tests in other languages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::daemon::TempFile;

/// Returns the first block of this language in the README.
fn block(language: &str) -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let start = readme.find(&format!("```{language}\n")).unwrap() + language.len() + 4;
    let length = readme[start..].find("```").unwrap();
    readme[start..start + length].to_owned()
}

/// Runs a test script in a folder of its own, with the program in the path.
fn run(file: &str, content: &str, command: &mut Command) {
    let folder = TempFile::new();
    fs::create_dir(folder.path()).unwrap();
    fs::write(folder.path().join(file), content).unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_xray-local"));
    let paths = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect::<Vec<_>>();
    let paths = std::env::join_paths([program.parent().unwrap().to_owned()].into_iter().chain(paths)).unwrap();
    let output = command.arg(file).current_dir(folder.path()).env("PATH", paths).output().unwrap();
    fs::remove_dir_all(folder.path()).unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

fn is_installed(program: &str, arguments: &[&str]) -> bool {
    let found = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped: {program} {} does not work", arguments.join(" "));
    }
    found
}

#[test]
fn the_pytest_fixture_waits_for_a_trace() {
    // CI names a Python that has pytest.
    let python = std::env::var("XRAY_LOCAL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if !is_installed(&python, &["-m", "pytest", "--version"]) {
        return;
    }
    let test = r#"
import socket

def test_a_trace_arrives(xray):
    host, port = xray.address.split(":")
    document = '{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"53995c3f42cd8ad8","name":"shop","start_time":1,"end_time":2}'
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(
        b'{"format":"json","version":1}\n' + document.encode(), (host, int(port)))
    [trace] = xray.wait()
    assert trace["documents"][0]["name"] == "shop"
"#;
    let mut command = Command::new(python);
    run("test_shop.py", &(block("python") + test), command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]));
}

#[test]
fn the_helper_for_node_waits_for_a_trace() {
    if !is_installed("node", &["--version"]) {
        return;
    }
    let test = r#"
import test from "node:test";
import assert from "node:assert";
import dgram from "node:dgram";

test("a trace arrives", async (t) => {
  const { address, wait } = await startXRay(t);
  const [host, port] = address.split(":");
  const document = '{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"53995c3f42cd8ad8","name":"shop","start_time":1,"end_time":2}';
  const socket = dgram.createSocket("udp4");
  socket.send('{"format":"json","version":1}\n' + document, Number(port), host, () => socket.close());
  const [trace] = await wait();
  assert.equal(trace.documents[0].name, "shop");
});
"#;
    run("shop.test.mjs", &(block("js") + test), Command::new("node").arg("--test"));
}
