//! Bursts of documents, to a reader whose receive buffer has the default size.

use std::net::UdpSocket;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::platform::Function;

/// Returns the names of the documents that arrive, at most `expected`.
fn arrived(expected: usize, payload: Value) -> Vec<String> {
    let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
    daemon.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let address = daemon.local_addr().unwrap().to_string();
    let function = Function::start(&[
        ("HANDLER", "handler"),
        ("AWS_XRAY_DAEMON_ADDRESS", &address),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "provisioned-concurrency"),
    ]);
    let reader = thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        let next = |_| {
            let length = daemon.recv(&mut buffer).ok()?;
            let document = buffer[..length].splitn(2, |byte| *byte == b'\n').nth(1)?;
            let document: Value = serde_json::from_slice(document).unwrap();
            Some(document["name"].as_str().unwrap().to_owned())
        };
        (0..expected).map_while(next).collect()
    });
    let header = "Root=1-5f84c7a5-000000000000000000000001;Parent=53995c3f42cd8ad8;Sampled=1".to_owned();
    function.invoke("burst", header, payload);
    reader.join().unwrap()
}

fn every_burst_arrives_complete() {
    for (steps, payload) in [
        (250, json!({"do": "burst", "times": 250})),
        (1_000, json!({"do": "burst", "times": 1_000})),
        (300, json!({"do": "burst", "times": 300, "micros": 10})),
        (200, json!({"do": "burst", "times": 200, "together": true})),
        (60, json!({"do": "burst", "times": 60, "bytes": 1_500})),
    ] {
        // On a loaded machine the reader may not be scheduled, and then loses documents at any pace, so this retries.
        let whole = (0..3).any(|_| {
            let names = arrived(steps + 1, payload.clone());
            names.len() == steps + 1 && names.ends_with(&["handler".to_owned()])
        });
        assert!(whole, "{payload}");
    }
}

#[test]
fn a_burst_arrives_whole() {
    every_burst_arrives_complete();
}

/// On one processor, the reader runs only while the function waits.
#[test]
fn a_burst_arrives_whole_on_one_processor() {
    if std::env::var_os("ONE_PROCESSOR").is_some() {
        return every_burst_arrives_complete();
    }
    let test = "bursts::a_burst_arrives_whole_on_one_processor";
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program).args(["--exact", test]).env("ONE_PROCESSOR", "1");
    match command.output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) => println!("skipped: cannot run taskset, which pins a process to a processor: {error}"),
    }
}
