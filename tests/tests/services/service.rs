//! A service under test: its process and the operations on it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use xray_tests::daemon::Daemon;
use xray_tests::http::{self, Connection, Response};

/// The timeout for everything. Nothing in these tests takes this long unless it never happens.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);
/// The `Host` header of all requests.
pub(crate) const HOST: &str = "shop.test";

/// A program that serves the routes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) framework: &'static str,
    path: &'static str,
}

const PROGRAMS: &[Program] = &[
    Program { framework: "axum", path: env!("CARGO_BIN_EXE_service-axum") },
    Program { framework: "actix-web", path: env!("CARGO_BIN_EXE_service-actix") },
];

/// Runs a test for every framework.
pub(crate) fn for_each_framework(test: impl Fn(Program)) {
    for program in PROGRAMS {
        // Printed if the test fails.
        println!("on {}", program.framework);
        test(*program);
    }
}

/// A running service. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    address: SocketAddr,
    log: Mutex<Receiver<String>>,
}

impl Program {
    /// Starts a service named `shop` that sends to `daemon`.
    pub(crate) fn start(self, daemon: &Daemon) -> Service {
        self.start_with(daemon, &[], &[])
    }

    /// Starts a service like [`start`](Program::start), with additional arguments and variables.
    pub(crate) fn start_with(self, daemon: &Daemon, arguments: &[&str], variables: &[(&str, &str)]) -> Service {
        let mut child = Command::new(self.path)
            .args(["--listen", "127.0.0.1:0", "--name", "shop"])
            .args(arguments)
            .env_clear()
            .env("AWS_XRAY_DAEMON_ADDRESS", daemon.address().to_string())
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the service can be started");
        let log = lines(child.stderr.take().expect("it is piped"));
        let out = lines(child.stdout.take().expect("it is piped"));
        let first = out.recv_timeout(TIMEOUT).expect("the service prints its address");
        let address = first.strip_prefix("listening on ").and_then(|address| address.parse().ok());
        Service {
            child,
            address: address.unwrap_or_else(|| panic!("{first:?} is not an address")),
            log: Mutex::new(log),
        }
    }
}

/// Reads lines as they arrive, so that the writer never blocks.
fn lines(source: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            // The receiver may be gone, but the pipe must still be drained.
            let _ = sender.send(line);
        }
    });
    receiver
}

impl Service {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a sampled request. Returns an error if the connection ends without a response.
    pub(crate) fn try_request(&self, method: &str, target: &str) -> std::io::Result<Response> {
        http::request(self.address, method, target, &[("Host", HOST), ("X-Amzn-Trace-Id", "Sampled=1")])
    }

    /// Makes a sampled GET request.
    pub(crate) fn get(&self, target: &str) -> Response {
        self.try_request("GET", target).unwrap_or_else(|error| panic!("{target}: {error}"))
    }

    /// Makes a GET request with this trace header, or without one.
    pub(crate) fn get_from(&self, target: &str, header: Option<&str>) -> Response {
        let mut headers = vec![("Host", HOST)];
        headers.extend(header.map(|header| ("X-Amzn-Trace-Id", header)));
        http::request(self.address, "GET", target, &headers).unwrap_or_else(|error| panic!("{target}: {error}"))
    }

    /// Sends a GET request and returns the connection without reading the response.
    pub(crate) fn send(&self, target: &str, header: Option<&str>) -> Connection {
        let mut connection = Connection::open(self.address).expect("the service listens");
        let header = header.map(|header| format!("X-Amzn-Trace-Id: {header}\r\n")).unwrap_or_default();
        let request = format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{header}\r\n");
        connection.send(request).expect("the service reads");
        connection
    }

    /// Waits for a line on standard error that contains `text`.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        let deadline = Instant::now() + TIMEOUT;
        let mut all = String::new();
        let log = self.log.lock().expect("no thread panics with the lock");
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match log.recv_timeout(left) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => all.extend([line.as_str(), "\n"]),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("{text:?} is not in the log:\n{all}")
                }
            }
        }
    }

    /// Sends SIGTERM to the service.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("the service runs");
    }

    /// Waits until the service has exited successfully on its own.
    pub(crate) fn wait(mut self) {
        let (sender, ended) = mpsc::channel::<()>();
        let pid = Pid::from_child(&self.child);
        thread::spawn(move || {
            if ended.recv_timeout(TIMEOUT) == Err(RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        let status = self.child.wait().expect("the child process can be awaited");
        drop(sender);
        assert!(status.success(), "the service ended with {status}");
    }

    /// Shuts the service down gracefully. When this returns, everything recorded has been sent.
    pub(crate) fn stop(self) {
        self.terminate();
        self.wait();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both calls fail if the service has already exited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
