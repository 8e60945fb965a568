//! The commands and their exit codes.

use std::fs;
use std::net::UdpSocket;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::daemon::{Daemon, TempFile, segment};

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[test]
fn traces_are_listed_shown_exported_and_imported() {
    let daemon = Daemon::start(&[]);
    assert_eq!(code(&daemon.run(&["list"])), Some(1));
    let (document, id) = segment(7);
    daemon.send(&document);
    daemon.get("/api/wait?count=1&timeout=10s");

    let list = daemon.run(&["list", "--limit", "5"]);
    assert_eq!((code(&list), stdout(&list)), (Some(0), format!("{id}       100.0 ms  200 ok        shop  (shop)\n")));
    let row: Value = serde_json::from_str(&stdout(&daemon.run(&["list", "--json"]))).unwrap();
    assert_eq!((&row["id"], &row["services"][0], &row["name"]), (&id.as_str().into(), &"shop".into(), &"shop".into()));
    assert_eq!(code(&daemon.run(&["list", "--since", "15m"])), Some(1));

    let shown = stdout(&daemon.run(&["show", &id, "--no-color"]));
    assert!(shown.contains(&id) && shown.contains("100 ms"), "{shown}");
    assert_eq!(stdout(&daemon.run(&["show", &id, "--raw"])), format!("{document}\n"));
    let json: Value = serde_json::from_str(&stdout(&daemon.run(&["show", &id, "--json"]))).unwrap();
    assert_eq!(json["documents"][0]["name"], "shop");
    let page = TempFile::new();
    assert_eq!(code(&daemon.run(&["show", &id, "--html", page.text()])), Some(0));
    let html = fs::read_to_string(page.path()).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.contains(&id), "{html}");
    assert_eq!(code(&daemon.run(&["show", &id, "--html", "/missing/folder/page.html"])), Some(1));
    assert_eq!(code(&daemon.run(&["show", "1-2"])), Some(1));

    let (file, other) = (TempFile::new(), Daemon::start(&[]));
    fs::write(file.path(), stdout(&daemon.run(&["export"]))).unwrap();
    assert_eq!(code(&other.run(&["import", file.text()])), Some(0));
    assert_eq!(stdout(&other.run(&["show", &id, "--raw"])), format!("{document}\n"));
    assert_eq!(code(&other.run(&["list", "--filter", "(("])), Some(1));
}

#[test]
fn a_program_that_is_not_there_has_an_exit_code_of_its_own() {
    // A port that was free a moment ago.
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xray-local"));
        command.args(arguments).env("XRAY_LOCAL", address.to_string()).output().unwrap()
    };
    assert_eq!(code(&run(&["list"])), Some(3));
    assert_eq!(code(&run(&["list", "--unknown"])), Some(2));
    let file = TempFile::new();
    assert_eq!(code(&run(&["list", "--store", file.text()])), Some(1));
}

#[test]
#[cfg(unix)]
fn signals_print_what_waits_and_end_with_success() {
    for signal in ["-INT", "-TERM"] {
        let daemon = Daemon::start(&["--follow", "--no-color"]);
        let (document, id) = segment(1);
        daemon.send(&document.replace("\"end_time\":1480615200.1", "\"in_progress\":true"));
        let (code, output) = daemon.end(signal);
        assert_eq!(code, Some(0));
        assert!(output.contains(&id) && output.contains("1 in progress"), "{output}");
    }
}

#[test]
fn documents_are_forwarded_unchanged() {
    let target = UdpSocket::bind("127.0.0.1:0").unwrap();
    target.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let daemon = Daemon::start(&["--forward", &format!("udp:{}", target.local_addr().unwrap())]);
    let (document, _) = segment(1);
    daemon.send(&document);
    let mut buffer = [0; 2_000];
    let length = target.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], format!("{{\"format\":\"json\",\"version\":1}}\n{document}").as_bytes());
}
