//! A service to call, and agents.

use std::error::Error;
use std::ops::Deref;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;
use xray_behaviours::callee;
use xray_core::testing::{Recorded, Trace};
use xray_core::{Recorder, Segment, TraceHeader};
use xray_ureq::XRayMiddleware;

/// A called service, on a runtime of its own.
pub(crate) struct Server {
    server: callee::Server,
    pub(crate) runtime: Runtime,
}

impl Server {
    pub(crate) fn start() -> Server {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Server { server: runtime.block_on(callee::Server::start()), runtime }
    }

    /// The trace headers of the only request since the last call.
    pub(crate) fn headers(&self) -> Vec<String> {
        let [(_, headers)] = &self.take_seen()[..] else { panic!("not one request") };
        headers.clone()
    }
}

impl Deref for Server {
    type Target = callee::Server;

    fn deref(&self) -> &callee::Server {
        &self.server
    }
}

/// The configuration of all agents: no proxy of the environment, and a timeout that only a broken test needs.
pub(crate) fn config() -> ConfigBuilder<AgentScope> {
    Agent::config_builder().proxy(None).timeout_global(Some(Duration::from_secs(30)))
}

/// An agent whose statuses are errors, as ureq has it by default.
pub(crate) fn agent(xray: XRayMiddleware) -> Agent {
    config().middleware(xray).build().into()
}

/// An agent that returns a response for each status.
pub(crate) fn lenient(xray: XRayMiddleware) -> Agent {
    config().http_status_as_error(false).middleware(xray).build().into()
}

/// Records the calls of `work` below a segment.
pub(crate) fn traced<T>(work: impl FnOnce() -> T) -> (Trace, T) {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let result = {
        let _current = segment.enter();
        work()
    };
    segment.close();
    (traces.take().single(), result)
}

/// The only call of a trace.
#[track_caller]
pub(crate) fn only(trace: &Trace) -> &Recorded {
    let [call] = trace.children(trace.root())[..] else { panic!("not one call:\n{}", trace.tree()) };
    call
}

/// Begins a segment that is not recorded.
pub(crate) fn unsampled() -> Segment {
    let header = TraceHeader::parse("Root=1-5f84c7a5-e7d1852db8c4fd35d88bf49a;Parent=53995c3f42cd8ad8;Sampled=0;L=a:1");
    Recorder::in_memory().0.begin_from("shop", &header)
}

/// The exceptions of a call: type, message, whether it is remote.
pub(crate) fn exceptions(call: &Recorded) -> Vec<(String, String, bool)> {
    let all = call.json()["cause"]["exceptions"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.iter().map(|one| (text(&one["type"]), text(&one["message"]), one["remote"] == true)).collect()
}

/// The text of an error and of its causes.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    std::iter::successors(Some(error), |error| (*error).source()).map(|error| format!("{error:?} {error}")).collect()
}
