//! What the kernel does with datagrams before a thread receives them: its buffer, and its counter of losses.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use socket2::SockRef;

/// Wanted bytes of the socket's buffer: 0.1 s at 20,000 documents of 2 KB per second.
pub(crate) const WANTED: usize = 4 << 20;

/// How often the counter is read.
const INTERVAL: Duration = Duration::from_millis(500);

/// Enlarges the buffer of a socket as far as the system permits. Returns its size in bytes.
pub(crate) fn widen(socket: &UdpSocket) -> io::Result<usize> {
    let socket = SockRef::from(socket);
    // A system that permits less than this reduces the value or refuses it.
    _ = socket.set_recv_buffer_size(WANTED);
    let size = socket.recv_buffer_size()?;
    // Linux reports the double, which includes its own bookkeeping.
    Ok(if cfg!(target_os = "linux") { size / 2 } else { size })
}

/// The kernel's counter of datagrams that found the socket's buffer full.
pub(crate) struct Drops {
    /// The local address as `/proc/net/udp` has it.
    local: String,
    table: &'static str,
    last: Instant,
    dropped: u64,
}

impl Drops {
    pub(crate) fn of(address: SocketAddr) -> Drops {
        let table = if address.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
        Drops { local: local(address), table, last: Instant::now(), dropped: 0 }
    }

    /// Reads the counter, at most twice a second. Returns `None` in between.
    pub(crate) fn read(&mut self) -> Option<u64> {
        if self.last.elapsed() < INTERVAL {
            return None;
        }
        self.last = Instant::now();
        if cfg!(target_os = "linux")
            && let Ok(table) = std::fs::read_to_string(self.table)
        {
            self.dropped = dropped(&table, &self.local).unwrap_or(self.dropped);
        }
        Some(self.dropped)
    }
}

/// Formats an address as the kernel does: each 32-bit word of the IP address in the machine's byte order.
fn local(address: SocketAddr) -> String {
    let words = |octets: &[u8]| -> String {
        let words = octets.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
        words.map(|word| format!("{word:08X}")).collect()
    };
    let ip = match address.ip() {
        IpAddr::V4(ip) => words(&ip.octets()),
        IpAddr::V6(ip) => words(&ip.octets()),
    };
    format!("{ip}:{:04X}", address.port())
}

/// Returns the last column of the line with this local address.
fn dropped(table: &str, local: &str) -> Option<u64> {
    let line = table.lines().find(|line| line.split_ascii_whitespace().nth(1) == Some(local))?;
    line.split_ascii_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_counter_of_the_own_line_is_read() {
        let table = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  412: 0100007F:07D0 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 39 2 0000000000000000 1789
  413: 0100007F:07D1 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 40 2 0000000000000000 3
";
        for (address, want) in [("127.0.0.1:2000", Some(1789)), ("127.0.0.1:2001", Some(3)), ("127.0.0.1:9", None)] {
            assert_eq!(dropped(table, &local(address.parse().unwrap())), want, "{address}");
        }
        assert_eq!(local("[::1]:2000".parse().unwrap()), "00000000000000000000000001000000:07D0");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_the_kernel_drops_is_counted() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut drops = Drops { last: Instant::now() - INTERVAL, ..Drops::of(address) };
        let size = widen(&socket).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..(2 * size + (4 << 20)) / 60_000 {
            sender.send_to(&[0; 60_000], address).unwrap();
        }
        assert!(drops.read().unwrap() > 0);
    }
}
