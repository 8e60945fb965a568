//! A running `xray-local`, and calls to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

/// The program, killed on drop.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

/// Returns the command that starts the program on a free port.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xray-local"));
    command.args(["--listen", "127.0.0.1:0", "--ready-json"]).args(arguments);
    command
}

impl Daemon {
    pub(crate) fn start(arguments: &[&str]) -> Daemon {
        Daemon::spawn(command(arguments))
    }

    /// Starts a command and waits for its first line.
    pub(crate) fn spawn(mut command: Command) -> Daemon {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        // Byte by byte, so that nothing after the line is lost in a buffer.
        let mut stdout = BufReader::with_capacity(1, child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        child.stdout = Some(stdout.into_inner());
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut error = String::new();
            child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
            panic!("not ready: {error}")
        });
        assert_eq!(ready["pid"], child.id());
        Daemon { child, address: ready["address"].as_str().unwrap().parse().unwrap() }
    }

    pub(crate) fn send(&self, document: &str) {
        let datagram = format!("{{\"format\":\"json\",\"version\":1}}\n{document}");
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(datagram.as_bytes(), self.address).unwrap();
    }

    /// Puts documents by HTTP. Returns `None` if the program is gone, or whether it has accepted all of them.
    pub(crate) fn put(&self, documents: &[String]) -> Option<bool> {
        let body = json!({ "TraceSegmentDocuments": documents }).to_string();
        let answer = self.exchange("POST", "/TraceSegments", &body)?;
        Some(answer["UnprocessedTraceSegments"] == json!([]))
    }

    /// Calls an operation of the X-Ray API.
    pub(crate) fn call(&self, path: &str, body: &Value) -> Value {
        self.exchange("POST", path, &body.to_string()).unwrap()
    }

    pub(crate) fn get(&self, target: &str) -> Value {
        self.exchange("GET", target, "").unwrap()
    }

    fn exchange(&self, method: &str, target: &str, body: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        let length = body.len();
        let head = format!("{method} {target} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
        let mut response = String::new();
        stream.read_to_string(&mut response).ok()?;
        serde_json::from_str(response.split_once("\r\n\r\n")?.1).ok()
    }

    /// Runs a command of the program against this one.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xray-local"));
        command.args(arguments).env("XRAY_LOCAL", self.address.to_string()).output().unwrap()
    }

    /// Sends a signal, and returns what the program still prints.
    #[cfg(unix)]
    pub(crate) fn end(mut self, signal: &str) -> (Option<i32>, String) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
        let mut output = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        (self.child.wait().unwrap().code(), output)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// A path for a file of a test, removed before and after.
pub(crate) struct TempFile(PathBuf);

impl TempFile {
    pub(crate) fn new() -> TempFile {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("xray-local-{}-{number}", std::process::id()));
        _ = std::fs::remove_file(&path);
        TempFile(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

/// Returns the document of a trace with one segment, and the id of the trace.
pub(crate) fn segment(number: u64) -> (String, String) {
    let id = format!("1-{:08x}-{number:024x}", 1_480_615_200 + number);
    let members = r#""start_time":1480615200,"end_time":1480615200.1,"http":{"response":{"status":200}}"#;
    (format!(r#"{{"trace_id":"{id}","id":"{:016x}","name":"shop",{members}}}"#, number + 1), id)
}
