//! Sentry's tracing, by its own API and through `tracing`.

use std::thread;

use harness::{Env, Harness, Request, Work, doc};
use sentry::{ClientInitGuard, TransactionContext};
use tracing_subscriber::layer::SubscriberExt;

fn client(env: &Env, rate: f32) -> ClientInitGuard {
    transport::init(env.sink, rate)
}

struct Sentry(#[allow(dead_code)] ClientInitGuard);
impl Request for Sentry {
    fn request(&self) {
        let t = sentry::start_transaction(TransactionContext::new(doc::SEGMENT, "http.server"));
        t.set_request(sentry::protocol::Request {
            method: Some(doc::METHOD.into()),
            url: doc::URL.parse().ok(),
            headers: [("user-agent".to_string(), doc::USER_AGENT.to_string())].into(),
            env: [("REMOTE_ADDR".to_string(), doc::CLIENT_IP.to_string())].into(),
            ..Default::default()
        });
        t.set_tag("tenant", doc::TENANT);
        t.set_tag("items", doc::ITEMS);
        t.set_data("debug", serde_json::json!({"plan": doc::PLAN, "retries": doc::RETRIES}));
        {
            let outer = t.start_child("function", doc::OUTER);
            outer.start_child("function", doc::INNER).finish();
            let remote = outer.start_child("http.client", doc::REMOTE);
            remote.set_data("http.method", doc::REMOTE_METHOD.into());
            remote.set_data("url", doc::REMOTE_URL.into());
            remote.set_data("http.status", doc::STATUS.into());
            remote.set_data("http.length", doc::REMOTE_LENGTH.into());
            remote.finish();
            outer.finish();
        }
        t.set_data("http.status", doc::STATUS.into());
        t.set_data("http.length", doc::LENGTH.into());
        t.finish();
    }

    fn flush(&self) {}
}
impl Work for Sentry {
    fn op(&mut self, _: u64) {
        self.request();
    }
}

struct SentryBig(#[allow(dead_code)] ClientInitGuard);
impl Work for SentryBig {
    fn op(&mut self, _: u64) {
        let t = sentry::start_transaction(TransactionContext::new(doc::SEGMENT, "http.server"));
        for _ in 0..doc::BIG {
            t.start_child("function", "step").finish();
        }
        t.finish();
    }
}

/// Work F1: threads that annotate one transaction.
struct Annotate {
    threads: usize,
    _guard: ClientInitGuard,
}
impl Work for Annotate {
    fn op(&mut self, _: u64) {
        let t = sentry::start_transaction(TransactionContext::new(doc::SEGMENT, "http.server"));
        let annotate = || {
            for i in 0..doc::ANNOTATIONS {
                t.set_data(doc::KEYS[i % doc::KEYS.len()], i.into());
            }
        };
        thread::scope(|scope| {
            (1..self.threads).for_each(|_| _ = scope.spawn(annotate));
            annotate();
        });
        t.finish();
    }
    fn units(&self) -> u64 {
        (doc::ANNOTATIONS * self.threads) as u64
    }
}

/// Work S.
struct Spans {
    _guard: ClientInitGuard,
}
impl Spans {
    fn new(env: &Env, rate: f32) -> Spans {
        let guard = client(env, rate);
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(sentry_tracing::SpanLayer::new()))
            .unwrap();
        Spans { _guard: guard }
    }
}
impl Work for Spans {
    fn op(&mut self, _: u64) {
        spans::request();
    }
}

fn main() {
    let h = Harness::new();
    h.case("sentry", "A", |env| Sentry(client(env, 1.0)));
    h.case("sentry", "B", |env| Sentry(client(env, 0.0)));
    h.case("sentry", "C", |env| SentryBig(client(env, 1.0)));
    h.case("sentry-1-thread", "F1", |env| Annotate { threads: 1, _guard: client(env, 1.0) });
    h.case("sentry-2-threads", "F1", |env| Annotate { threads: 2, _guard: client(env, 1.0) });
    h.threads("sentry", |env| Sentry(client(env, 1.0)));
    h.case("sentry-tracing", "S", |env| Spans::new(env, 1.0));
    h.case("sentry-tracing", "S0", |env| Spans::new(env, 0.0));
}
