//! Stops the example `shutdown` under load and checks that it loses nothing that it has recorded.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

const REQUESTS: usize = 100;

/// Counts the names of a segment or subsegment and of everything embedded in it.
fn count(entity: &Value, names: &mut BTreeMap<String, usize>) {
    // A subsegment that was open when its segment was sent is sent again when it closes.
    if entity["in_progress"] != true {
        *names.entry(entity["name"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    entity["subsegments"].as_array().into_iter().flatten().for_each(|child| count(child, names));
}

fn order(address: &str) {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "POST /orders HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).unwrap();
    assert!(response.ends_with("ordered"), "{response}");
}

#[test]
fn a_terminated_service_loses_no_trace() {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples/shutdown");
    assert!(program.exists(), "cargo build -p xray-example-shutdown --example shutdown");
    let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.contains("AWS_") || name.contains("LAMBDA_")) {
        command.env_remove(name);
    }
    command.env("AWS_XRAY_DAEMON_ADDRESS", daemon.local_addr().unwrap().to_string()).stdout(Stdio::piped());
    let mut service = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(service.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let end = daemon.local_addr().unwrap();
    let (_, url) = line.trim().split_once("http://").unwrap();
    let address = url.trim_end_matches("/orders").to_owned();

    let reader = thread::spawn(move || {
        let (mut names, mut buffer) = (BTreeMap::new(), vec![0; 65_536]);
        loop {
            let length = daemon.recv(&mut buffer).unwrap();
            match buffer[..length].splitn(2, |byte| *byte == b'\n').nth(1) {
                Some(document) => count(&serde_json::from_slice(document).unwrap(), &mut names),
                None => return names,
            }
        }
    });
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..REQUESTS / 4).for_each(|_| order(&address)));
        }
    });
    assert!(Command::new("kill").arg(service.id().to_string()).status().unwrap().success());
    assert!(service.wait().unwrap().success());
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"end", end).unwrap();
    let names = reader.join().unwrap();
    let want = ["send mail", "shop", "watch delivery"].map(|name| (name.to_owned(), REQUESTS));
    assert_eq!(names, BTreeMap::from(want));
}
