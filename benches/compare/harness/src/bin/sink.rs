//! Receives datagrams and counts them. Prints its address; for each line of standard input it waits until its buffer is empty
//! and it has received nothing for 30 ms, then prints the datagrams, bytes, documents and drops since the last time.
//!
//! `SINK_RECEIVE_BUFFER`: bytes, or `default` for the system's; 256 MiB if not set. `SINK_SHOW=1`: prints the first datagram
//! to standard error.

use std::io::{self, BufRead};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use memchr::memmem::Finder;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};

static DATAGRAMS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static DOCUMENTS: AtomicU64 = AtomicU64::new(0);

fn main() -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let buffer = std::env::var("SINK_RECEIVE_BUFFER").unwrap_or_else(|_| (256 << 20).to_string());
    // Without the right to exceed the system's limit, the limit applies, and losses are counted as such.
    if let Ok(bytes) = buffer.parse::<usize>()
        && set_socket_recv_buffer_size_force(&socket, bytes).is_err()
    {
        set_socket_recv_buffer_size(&socket, bytes)?;
    }
    let port = socket.local_addr()?.port();
    println!("{}", socket.local_addr()?);
    thread::spawn(move || receive(&socket));

    let mut drops_before = 0;
    for line in io::stdin().lock().lines() {
        line?;
        let mut before = u64::MAX;
        let drops = loop {
            let (waiting, drops) = queue(port);
            if waiting == 0 && before == DATAGRAMS.load(Relaxed) {
                break drops;
            }
            before = DATAGRAMS.load(Relaxed);
            thread::sleep(Duration::from_millis(30));
        };
        println!(
            "{} {} {} {}",
            DATAGRAMS.swap(0, Relaxed),
            BYTES.swap(0, Relaxed),
            DOCUMENTS.swap(0, Relaxed),
            drops - drops_before
        );
        drops_before = drops;
    }
    Ok(())
}

fn receive(socket: &UdpSocket) {
    // Sentry calls it `start_timestamp`.
    let began = Finder::new(b"\"start_time");
    let mut show = std::env::var_os("SINK_SHOW").is_some();
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok(length) = socket.recv(&mut buffer) else { continue };
        let datagram = &buffer[..length];
        BYTES.fetch_add(length as u64, Relaxed);
        DOCUMENTS.fetch_add(began.find_iter(datagram).count() as u64, Relaxed);
        if std::mem::take(&mut show) {
            eprintln!("{}", String::from_utf8_lossy(datagram));
        }
        DATAGRAMS.fetch_add(1, Relaxed);
    }
}

/// Returns the bytes that wait in the receive buffer of this port, and the datagrams that the kernel has dropped there. Its
/// table has a line for each socket, with hexadecimal ports and lengths of queues, and the drops in the last column.
fn queue(port: u16) -> (u64, u64) {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let port = format!(":{port:04X}");
    let columns = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let Some(line) = columns.into_iter().find(|line| line.get(1).is_some_and(|address| address.ends_with(&port)))
    else {
        return (0, 0);
    };
    let waiting = line[4].split_once(':').and_then(|(_, bytes)| u64::from_str_radix(bytes, 16).ok());
    let drops = line.last().and_then(|drops| drops.parse().ok());
    (waiting.unwrap_or(0), drops.unwrap_or(0))
}
