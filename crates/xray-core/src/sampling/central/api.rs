//! How [`Central`](super::Central) reaches the operations of the X-Ray service: through the daemon, or by a client that an
//! application provides.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::emit::Endpoint;
use crate::endpoint::agent;

/// The timeout for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The timeout for a whole call. The daemon itself waits for the service without a limit.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest body of a response, in bytes: enough for some thousand rules.
const MAX_BODY: u64 = 1 << 20;

/// The largest head of a response, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Calls operations of the X-Ray service for a [`Central`](super::Central) sampler, where no daemon does:
/// [`Central::through`](super::Central::through). `xray-otlp` has an implementation that signs its calls.
///
/// Log messages name the implementation by its `Display`, after "cannot reach": `the X-Ray service at https://…`.
pub trait SamplingApi: fmt::Display + Send {
    /// Posts `body`, which is JSON, to the path `/<operation>` of the service, and returns the body of the response. The
    /// operation is `GetSamplingRules` or `SamplingTargets`.
    ///
    /// The sampler calls this on a thread of its own. A call may block, but must end: within some seconds, so that reports
    /// stay on time.
    ///
    /// # Errors
    ///
    /// Returns [`CallError`] if there was no response, or if its status is not 200. The sampler logs it, keeps its counts
    /// for the next report, and calls again later.
    fn call(&mut self, operation: &str, body: &str) -> Result<String, CallError>;
}

/// Creates the client of a poller.
pub(super) type Connect = Arc<dyn Fn() -> Box<dyn SamplingApi> + Send + Sync>;

/// Why a call of a [`SamplingApi`] failed. The text describes the reason, and becomes part of a log message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// There was no response, or it could not be read. Further calls of the same report are put off.
    Unreachable(String),
    /// The service responded with an error.
    Refused(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Unreachable(why) | CallError::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for CallError {}

/// The daemon's TCP port, which signs calls and forwards them. It forwards every header, so only the required ones are sent.
#[derive(Debug)]
pub(super) struct Proxy {
    agent: ureq::Agent,
    address: String,
}

impl Proxy {
    /// Creates a client, without connecting yet.
    pub(super) fn new(endpoint: &Endpoint) -> Proxy {
        Proxy::with_timeout(endpoint, TIMEOUT)
    }

    /// Returns what creates clients for a daemon.
    pub(super) fn connect(endpoint: &Endpoint) -> Connect {
        let endpoint = endpoint.clone();
        Arc::new(move || Box::new(Proxy::new(&endpoint)))
    }

    pub(super) fn with_timeout(endpoint: &Endpoint, timeout: Duration) -> Proxy {
        Proxy { agent: agent(timeout, CONNECT_TIMEOUT, MAX_HEAD), address: endpoint.to_string() }
    }
}

impl SamplingApi for Proxy {
    fn call(&mut self, operation: &str, body: &str) -> Result<String, CallError> {
        let url = format!("http://{}/{operation}", self.address);
        let unreachable = |error: ureq::Error| CallError::Unreachable(error.to_string());
        let mut response = self.agent.post(&url).content_type("application/json").send(body).map_err(unreachable)?;
        match response.status().as_u16() {
            200 => Ok(response.body_mut().with_config().limit(MAX_BODY).read_to_string().map_err(unreachable)?),
            status => Err(CallError::Refused(format!("it responded with status {status}"))),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the X-Ray service through the daemon")
    }
}
