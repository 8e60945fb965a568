//! Cost of the Lambda layer compared to a bare `lambda_runtime` program: binary size, time to the first request for an
//! event, and time of the first invocation and of later ones. `cargo bench -p xray-benches --bench lambda`
//!
//! The programs run as child processes against a fake Runtime API. The results are medians over many starts.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

const STARTS: usize = 60;
const INVOCATIONS: usize = 200;

fn main() {
    let programs = [("bare", env!("CARGO_BIN_EXE_lambda-bare")), ("traced", env!("CARGO_BIN_EXE_lambda-traced"))];
    let mut runs = [const { Vec::new() }; 2];
    // The programs alternate, so that drift of the machine affects both equally.
    for _ in 0..STARTS {
        for (runs, (_, program)) in runs.iter_mut().zip(programs) {
            runs.push(run(program));
        }
    }
    println!("Size, start-up and response times; medians of {STARTS} starts of {INVOCATIONS} later invocations each\n");
    println!("{:8} {:>12} {:>14} {:>14} {:>15}", "", "bytes", "to first /next", "first response", "later responses");
    for (runs, (name, program)) in runs.iter_mut().zip(programs) {
        let [start, first, later] = [0, 1, 2].map(|part| {
            runs.sort_by_key(|run| run[part]);
            runs[STARTS / 2][part]
        });
        println!("{name:8} {:>12} {start:>14.1?} {first:>14.1?} {later:>15.1?}", stripped(program));
    }
}

/// Returns the size of a program without its symbols.
fn stripped(program: &str) -> String {
    let copy = std::env::temp_dir().join(format!("xray-benches-{}", std::process::id()));
    let done = Command::new("strip").arg("-o").arg(&copy).arg(program).status();
    let size = done.ok().filter(|status| status.success()).and_then(|_| fs::metadata(&copy).ok());
    let _ = fs::remove_file(copy);
    size.map_or_else(|| "strip failed".to_owned(), |metadata| metadata.len().to_string())
}

/// Runs a program; returns the times of the start, the first invocation, and the median of later ones.
fn run(program: &str) -> [Duration; 3] {
    let daemon = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let api = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = |address: std::io::Result<std::net::SocketAddr>| address.expect("an address").to_string();
    let started = Instant::now();
    let mut process = Command::new(program)
        .env("AWS_LAMBDA_RUNTIME_API", address(api.local_addr()))
        .env("AWS_LAMBDA_FUNCTION_NAME", "function")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("LAMBDA_TASK_ROOT", "/var/task")
        .env("AWS_XRAY_DAEMON_ADDRESS", address(daemon.local_addr()))
        .stdin(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut next = request(&api);
    let start = started.elapsed();
    let mut times: Vec<_> = (0..=INVOCATIONS).map(|_| invoke(&api, &mut next)).collect();
    process.kill().expect("it runs");
    process.wait().expect("it ran");
    let first = times.remove(0);
    times.sort();
    [start, first, times[INVOCATIONS / 2]]
}

/// Sends an event on the connection that requested it and waits for the response and the next request. Returns the time
/// from the event to the response.
fn invoke(api: &TcpListener, next: &mut TcpStream) -> Duration {
    let deadline = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() + 3000;
    let event = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 7\r\nlambda-runtime-aws-request-id: 1\r\n\
         lambda-runtime-deadline-ms: {deadline}\r\nlambda-runtime-trace-id: \
         Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1\r\n\r\n{{\"a\":1}}"
    );
    let sent = Instant::now();
    next.write_all(event.as_bytes()).expect("the runtime reads");
    let mut response = request(api);
    let elapsed = sent.elapsed();
    let accepted = b"HTTP/1.1 202 Accepted\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    response.write_all(accepted).expect("the runtime reads");
    *next = request(api);
    elapsed
}

/// Accepts one request of the runtime and reads it. Each request has its own connection.
fn request(api: &TcpListener) -> TcpStream {
    let (connection, _) = api.accept().expect("the runtime connects");
    let mut reader = BufReader::new(&connection);
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        reader.read_line(&mut line).expect("the runtime writes");
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().expect("a length");
            }
            _ if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).expect("the runtime writes");
    connection
}
