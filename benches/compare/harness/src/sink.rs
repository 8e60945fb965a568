//! The process that receives documents and counts them.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running `sink`, which lives next to the program of the subject.
pub struct Sink {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// Where it receives.
    pub address: SocketAddr,
}

/// What a sink has received.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub datagrams: u64,
    pub bytes: u64,
    /// Segments, subsegments and spans, by the times at which they began.
    pub documents: u64,
    /// Datagrams for which the receive buffer had no space.
    pub dropped: u64,
}

impl Sink {
    pub fn start() -> Sink {
        let program = std::env::current_exe().expect("a path").with_file_name("sink");
        let mut child =
            Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program `sink`");
        let stdin = child.stdin.take().expect("a pipe");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        Sink { child, stdin, stdout, address: line.trim().parse().expect("an address") }
    }

    /// Returns the counts since the last call, once no datagram has come for 30 ms.
    pub fn take(&mut self) -> Seen {
        self.stdin.write_all(b"\n").expect("a running sink");
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a running sink");
        let counts: Vec<u64> = line.split_whitespace().map(|count| count.parse().expect("a number")).collect();
        Seen { datagrams: counts[0], bytes: counts[1], documents: counts[2], dropped: counts[3] }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
