//! CPU time of the server process that the layers add to a request, compared to the same server without a layer in the
//! same run, for both frameworks at 100 %, 5 % and 0 % sampling. Linux only, because the time is read from `/proc`.
//!
//! `cargo bench -p xray-benches --bench servers`

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 16;
const LOAD: Duration = Duration::from_millis(700);
const ROUNDS: usize = 5;
const RATES: [&str; 3] = ["1", "0.05", "0"];
/// Clock ticks per second in `/proc/*/stat`, the same on all current Linux platforms.
const TICKS: f64 = 100.0;

fn main() -> io::Result<()> {
    // Reads the documents that the servers send, so that the kernel does not drop them.
    let daemon = UdpSocket::bind("127.0.0.1:0")?;
    let address = daemon.local_addr()?.to_string();
    thread::spawn(move || while daemon.recv(&mut [0; 65_536]).is_ok() {});
    println!("CPU time added to a request, in µs: median of {ROUNDS} rounds, each compared to the bare server");
    for framework in ["axum", "actix"] {
        let bare = Server::start(framework, "bare", &address)?;
        for rate in RATES {
            let traced = Server::start(framework, rate, &address)?;
            let mut added = Vec::new();
            for _ in 0..ROUNDS {
                // The mirrored order evens out drift of the machine.
                let (before, first, second, after) = (bare.load()?, traced.load()?, traced.load()?, bare.load()?);
                added.push((first + second - before - after) / 2.0);
            }
            added.sort_by(f64::total_cmp);
            println!(
                "{framework:6} sampling {rate:5} {:6.2}   ({:.2} to {:.2})",
                added[ROUNDS / 2],
                added[0],
                added[ROUNDS - 1]
            );
        }
    }
    Ok(())
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(framework: &str, rate: &str, daemon: &str) -> io::Result<Server> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
        let mut child = command.args([framework, rate, daemon]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let address = line.trim().parse().map_err(io::Error::other)?;
        let server = Server { child, address };
        server.load()?;
        Ok(server)
    }

    /// Puts load on the server; returns the CPU time per request in µs.
    fn load(&self) -> io::Result<f64> {
        let before = self.cpu()?;
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let address = self.address;
                thread::spawn(move || requests(address))
            })
            .collect();
        let mut made = 0;
        for client in clients {
            made += client.join().unwrap_or_else(|_| Err(io::Error::other("a client panicked")))?;
        }
        Ok((self.cpu()? - before) / made as f64)
    }

    /// Returns the CPU time that the process has used so far, in µs.
    fn cpu(&self) -> io::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
        Ok((ticks(11) + ticks(12)) / TICKS * 1e6)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes requests on one connection, one after the other; returns their number.
fn requests(address: SocketAddr) -> io::Result<usize> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    let (start, mut made, mut buffer) = (Instant::now(), 0, [0; 4096]);
    while start.elapsed() < LOAD {
        connection.write_all(b"GET /hello/you HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: bench\r\n\r\n")?;
        let mut read = 0;
        while !buffer[..read].ends_with(b"Hello, World!") {
            match connection.read(&mut buffer[read..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => read += more,
            }
        }
        made += 1;
    }
    Ok(made)
}
