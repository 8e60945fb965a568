//! Floors of the works with several threads.

use std::cell::RefCell;
use std::hint::black_box;
use std::net::UdpSocket;
use std::sync::Mutex;
use std::thread;

use harness::{Request, Work, doc};

use crate::{Fresh, by_hand};

/// Work F1: annotations in a table under a lock.
pub struct Annotate {
    threads: usize,
    table: Mutex<[i64; doc::KEYS.len()]>,
}

impl Annotate {
    pub fn new(threads: usize) -> Annotate {
        Annotate { threads, table: Mutex::default() }
    }

    fn annotate(&self) {
        for index in 0..doc::ANNOTATIONS {
            black_box(doc::KEYS[index % doc::KEYS.len()]);
            self.table.lock().unwrap()[index % doc::KEYS.len()] = index as i64;
        }
    }
}

impl Work for Annotate {
    fn op(&mut self, _: u64) {
        thread::scope(|scope| {
            (1..self.threads).for_each(|_| _ = scope.spawn(|| self.annotate()));
            self.annotate();
        });
    }

    fn units(&self) -> u64 {
        (doc::ANNOTATIONS * self.threads) as u64
    }
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(4096));
}

/// Work F2: each thread encodes into a buffer of its own, and sends.
pub struct Send(pub UdpSocket);

impl Request for Send {
    fn request(&self) {
        BUFFER.with_borrow_mut(|buffer| {
            buffer.clear();
            by_hand::segment(buffer, &Fresh::new());
            self.0.send(buffer).unwrap();
        });
    }

    fn flush(&self) {}
}
