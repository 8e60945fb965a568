//! This SDK in the comparison: works F1 and F2, with several threads.

use std::thread;

use harness::{Env, Harness, Work, doc};

use crate::request::Request;

mod request;

/// Work F1: threads that annotate one segment.
struct Annotate {
    threads: usize,
    request: Request,
}

impl Annotate {
    fn new(env: &Env, threads: usize) -> Annotate {
        Annotate { threads, request: Request::new(env, 1.0) }
    }
}

impl Work for Annotate {
    fn op(&mut self, _: u64) {
        let segment = self.request.recorder.begin(doc::SEGMENT);
        let annotate = || {
            for index in 0..doc::ANNOTATIONS {
                segment.annotate(doc::KEYS[index % doc::KEYS.len()], index as i64);
            }
        };
        thread::scope(|scope| {
            (1..self.threads).for_each(|_| _ = scope.spawn(annotate));
            annotate();
        });
        segment.close();
    }

    fn flush(&mut self) {
        self.request.send();
    }

    fn units(&self) -> u64 {
        (doc::ANNOTATIONS * self.threads) as u64
    }
}

impl harness::Request for Request {
    fn request(&self) {
        self.record();
    }

    fn flush(&self) {
        self.send();
    }
}

fn main() {
    let h = Harness::new();
    h.case("ours-1-thread", "F1", |env| Annotate::new(env, 1));
    h.case("ours-2-threads", "F1", |env| Annotate::new(env, 2));
    h.threads("ours", |env| Request::new(env, 1.0));
}
