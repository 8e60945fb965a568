//! The least that each work costs on this machine: the same result without an SDK. See docs/performance.md.

use std::cell::Cell;
use std::hint::black_box;
use std::io::IoSlice;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use harness::{Env, Harness, Work, doc};
use pace::Pace;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};

mod by_hand;
mod by_serde;
mod handoff;
mod pace;
mod threads;

fn socket(env: &Env) -> UdpSocket {
    let s = UdpSocket::bind("127.0.0.1:0").unwrap();
    s.set_nonblocking(true).unwrap();
    s.connect(env.sink).unwrap();
    s
}

/// The datagrams of one `sendmmsg`.
const BATCH: usize = 32;

pub const HEADER: &[u8] = b"{\"format\":\"json\",\"version\":1}\n";

pub fn now() -> (u64, u32) {
    let d = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (d.as_secs(), d.subsec_micros())
}

/// All that is new in each request: ids and times.
pub struct Fresh {
    pub trace: (u32, [u8; 12]),
    pub ids: [u64; 4],
    pub start: [(u64, u32); 4],
    pub end: [(u64, u32); 4],
}

impl Fresh {
    pub fn new() -> Fresh {
        let mut start = [(0, 0); 4];
        let mut end = [(0, 0); 4];
        start.fill_with(now);
        end.fill_with(now);
        let mut random = [0; 12];
        random[..8].copy_from_slice(&fastrand::u64(..).to_ne_bytes());
        random[8..].copy_from_slice(&fastrand::u32(..).to_ne_bytes());
        let mut ids = [0; 4];
        ids.fill_with(|| fastrand::u64(1..));
        Fresh { trace: (start[0].0 as u32, random), ids, start, end }
    }
}

/// One thread fills buffers, and `sendmmsg` sends 32 at a time.
struct Batched {
    socket: UdpSocket,
    bufs: Vec<Vec<u8>>,
    n: usize,
}
impl Work for Batched {
    fn op(&mut self, _: u64) {
        let buf = &mut self.bufs[self.n];
        buf.clear();
        by_hand::segment(buf, &Fresh::new());
        self.n += 1;
        if self.n == self.bufs.len() {
            self.flush();
        }
    }
    fn flush(&mut self) {
        send_all(&self.socket, &self.bufs[..self.n]);
        self.n = 0;
    }
}

/// Sends these datagrams, at most [`BATCH`], by one system call.
fn send_all(socket: &UdpSocket, datagrams: &[Vec<u8>]) {
    let slices: [[IoSlice<'_>; 1]; BATCH] =
        std::array::from_fn(|k| [IoSlice::new(datagrams.get(k).map_or(&[], |datagram| &datagram[..]))]);
    let mut controls: [SendAncillaryBuffer<'_, '_, '_>; BATCH] = Default::default();
    let mut controls = controls.iter_mut();
    let mut messages: [MMsgHdr<'_>; BATCH] =
        std::array::from_fn(|k| MMsgHdr::new(&slices[k], controls.next().expect("one for each")));
    let _ = sendmmsg(socket, &mut messages[..datagrams.len()], SendFlags::empty());
}

/// Work C at the floor: subsegments packed into documents under 60 KiB.
struct Big {
    socket: UdpSocket,
    buf: Vec<u8>,
}
impl Work for Big {
    fn op(&mut self, _: u64) {
        let f = Fresh::new();
        let mut left = doc::BIG;
        while left > 0 {
            self.buf.clear();
            by_hand::open_big(&mut self.buf, &f);
            let mut first = true;
            while left > 0 && self.buf.len() < 60 * 1024 {
                by_hand::small(&mut self.buf, fastrand::u64(1..), now(), now(), first);
                first = false;
                left -= 1;
            }
            self.buf.extend_from_slice(b"]}");
            self.socket.send(&self.buf).unwrap();
        }
    }
}

/// Work C at the floor, one document for each subsegment, as other SDKs stream them.
struct BigEach {
    socket: UdpSocket,
    bufs: Vec<Vec<u8>>,
    pace: Option<Pace>,
}
impl BigEach {
    fn new(env: &Env, pace: Option<Pace>) -> BigEach {
        BigEach { socket: socket(env), bufs: vec![Vec::with_capacity(1024); BATCH], pace }
    }
}
impl Work for BigEach {
    fn op(&mut self, _: u64) {
        let f = Fresh::new();
        let mut n = 0;
        for _ in 0..doc::BIG {
            let b = &mut self.bufs[n];
            b.clear();
            by_hand::independent(b, &f, fastrand::u64(1..), now(), now());
            if let Some(pace) = &mut self.pace {
                pace.admit(b);
            }
            n += 1;
            if n == BATCH {
                send_all(&self.socket, &self.bufs);
                n = 0;
            }
        }
        send_all(&self.socket, &self.bufs[..n]);
    }
}

thread_local! {
    static CONTEXT: Cell<u64> = const { Cell::new(0) };
}
static ENABLED: AtomicBool = AtomicBool::new(true);
static DECISIONS: AtomicU64 = AtomicU64::new(0);

fn main() {
    let h = Harness::new();
    h.case("f1-serde+send", "A", |env| {
        let (s, mut buf) = (socket(env), Vec::with_capacity(4096));
        move |_| {
            buf.clear();
            by_serde::segment(&mut buf, &Fresh::new());
            s.send(&buf).unwrap();
        }
    });
    h.case("f1-serde-only", "A", |_| {
        let mut buf = Vec::with_capacity(4096);
        move |_| {
            buf.clear();
            by_serde::segment(&mut buf, &Fresh::new());
            black_box(&buf);
        }
    });
    h.case("f2-hand+send", "A", |env| {
        let (s, mut buf) = (socket(env), Vec::with_capacity(4096));
        move |_| {
            buf.clear();
            by_hand::segment(&mut buf, &Fresh::new());
            s.send(&buf).unwrap();
        }
    });
    h.case("f2-hand-only", "A", |_| {
        let mut buf = Vec::with_capacity(4096);
        move |_| {
            buf.clear();
            by_hand::segment(&mut buf, &Fresh::new());
            black_box(&buf);
        }
    });
    h.case("f3-send-only", "A", |env| {
        let (s, mut buf) = (socket(env), Vec::with_capacity(4096));
        by_hand::segment(&mut buf, &Fresh::new());
        move |_| _ = s.send(&buf).unwrap()
    });
    h.case("f4-hand+sendmmsg32", "A", |env| Batched {
        socket: socket(env),
        bufs: vec![Vec::with_capacity(4096); BATCH],
        n: 0,
    });
    h.case("f7-hand+handoff+send", "A", |env| handoff::Handoff::new(socket(env), None));
    h.case("f7-paced", "A", |env| handoff::Handoff::new(socket(env), Some(Pace::default())));
    h.case("f5-ids+clock-fastrand", "A", |_| |_| _ = black_box(Fresh::new()));
    h.case("f5-ids+clock-rand-crate", "A", |_| {
        |_| {
            use rand::Rng;
            let mut r = rand::rng();
            black_box((r.random::<[u8; 12]>(), r.random::<[u64; 4]>()));
            black_box([now(), now(), now(), now(), now(), now(), now(), now()]);
        }
    });
    h.case("f6-local+atomic+fastrand", "B", |_| {
        |i| {
            if ENABLED.load(Relaxed) {
                CONTEXT.set(black_box(CONTEXT.get() + i));
                DECISIONS.fetch_add(1, Relaxed);
                black_box(fastrand::f64() < 0.05);
            }
        }
    });
    h.case("f-rules-hand", "D1", |_| by_hand::Decide::new());
    h.case("f-header-hand", "D2", |_| {
        |i| _ = black_box(by_hand::header(black_box([doc::TRACE_HEADER, doc::LONG_TRACE_HEADER][(i % 2) as usize])))
    });
    h.case("f-packed-60k", "C", |env| Big { socket: socket(env), buf: Vec::with_capacity(1 << 16) });
    h.case("f-each+sendmmsg32", "C", |env| BigEach::new(env, None));
    h.case("f-each-paced", "C", |env| BigEach::new(env, Some(Pace::default())));
    h.case("f-mutex-1-thread", "F1", |_| threads::Annotate::new(1));
    h.case("f-mutex-2-threads", "F1", |_| threads::Annotate::new(2));
    h.threads("f2-hand+send", |env| threads::Send(socket(env)));
}
