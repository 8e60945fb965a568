//! The daemon's TCP port, which signs calls to the X-Ray API and forwards them.

use std::fmt;
use std::time::Duration;

use super::rule::AnswerError;
use crate::emit::Endpoint;
use crate::endpoint::agent;

/// For the connection alone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// For a whole call: the daemon waits for the service without an end.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an answer: some thousand rules.
const MAX_ANSWER: u64 = 1 << 20;

/// Bytes of an answer's head.
const MAX_HEAD: usize = 16 * 1024;

/// Makes calls. The daemon signs and forwards every header, so only what is needed is sent.
#[derive(Debug)]
pub(super) struct Proxy {
    agent: ureq::Agent,
    address: String,
}

impl Proxy {
    /// Opens no connection yet.
    pub(super) fn new(endpoint: &Endpoint) -> Proxy {
        Proxy::with_timeout(endpoint, TIMEOUT)
    }

    pub(super) fn with_timeout(endpoint: &Endpoint, timeout: Duration) -> Proxy {
        Proxy { agent: agent(timeout, CONNECT_TIMEOUT, MAX_HEAD), address: endpoint.to_string() }
    }

    /// Calls one operation of the API, and gives the answer's text.
    pub(super) fn call(&self, operation: &str, body: &str) -> Result<String, ProxyError> {
        let url = format!("http://{}/{operation}", self.address);
        let mut response = self.agent.post(&url).content_type("application/json").send(body)?;
        match response.status().as_u16() {
            200 => Ok(response.body_mut().with_config().limit(MAX_ANSWER).read_to_string()?),
            status => Err(ProxyError::Status(status)),
        }
    }
}

/// Why a call came to nothing.
#[derive(Debug)]
pub(super) enum ProxyError {
    /// There was no answer, or none that could be read.
    Exchange(ureq::Error),
    /// The answer has another status than 200.
    Status(u16),
    /// The answer is of no use.
    Answer(AnswerError),
}

impl From<ureq::Error> for ProxyError {
    fn from(error: ureq::Error) -> ProxyError {
        ProxyError::Exchange(error)
    }
}

impl From<AnswerError> for ProxyError {
    fn from(error: AnswerError) -> ProxyError {
        ProxyError::Answer(error)
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyError::Exchange(error) => write!(f, "{error}"),
            ProxyError::Status(status) => write!(f, "it answers with status {status}"),
            ProxyError::Answer(error) => write!(f, "{error}"),
        }
    }
}
