//! `load <port> <connections> <seconds>`: requests over this many connections; each sends the next one when it has received
//! the response. Prints requests, seconds, and the times of a request at the 50th and 99th percentile in microseconds.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

const REQUEST: &[u8] = b"GET /hello/you HTTP/1.1\r\nhost: localhost\r\nuser-agent: load\r\n\r\n";
/// The end of every response.
const END: &[u8] = b"Hello, World!";

/// Sends requests until `end`, and appends their times.
async fn client(port: u16, end: Instant, times: Rc<RefCell<Vec<u64>>>) -> io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    while Instant::now() < end {
        let sent = Instant::now();
        stream.write_all(REQUEST).await?;
        let mut length = 0;
        while !buffer[..length].ends_with(END) {
            match stream.read(&mut buffer[length..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => length += read,
            }
        }
        times.borrow_mut().push(sent.elapsed().as_nanos() as u64);
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, connections, seconds] = &arguments[..] else { panic!("usage: load <port> <connections> <seconds>") };
    let port = port.parse().expect("a port");
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(seconds.parse().expect("seconds"));
    let times = Rc::new(RefCell::new(Vec::with_capacity(1 << 20)));
    let clients = LocalSet::new();
    let running: Vec<_> = (0..connections.parse().expect("a number"))
        .map(|_: u32| clients.spawn_local(client(port, end, times.clone())))
        .collect();
    clients.await;
    for client in running {
        client.await??;
    }
    let elapsed = start.elapsed().as_secs_f64();
    let mut times = times.take();
    times.sort_unstable();
    let percentile = |percent: usize| times[(times.len() - 1) * percent / 100] as f64 / 1e3;
    println!("{} {elapsed:.6} {:.1} {:.1}", times.len(), percentile(50), percentile(99));
    Ok(())
}
