//! The daemon's TCP port, which signs calls to the X-Ray API and forwards them.

use std::fmt;
use std::time::Duration;

use super::service_rule::AnswerError;
use crate::emit::Endpoint;

/// For the connection alone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// For a whole call: the daemon waits for the service without an end.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an answer: some thousand rules.
const MAX_ANSWER: u64 = 1 << 20;

/// Bytes of an answer's head.
const MAX_HEAD: usize = 16 * 1024;

/// Makes calls, each on a connection of its own: one in ten seconds is worth none that stays open, and may be found
/// half closed.
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
        // The daemon signs and forwards every header: only what is needed is sent.
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .timeout_connect(Some(CONNECT_TIMEOUT.min(timeout)))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_response_header_size(MAX_HEAD)
            .max_idle_connections(0)
            .proxy(None)
            .user_agent("")
            .accept("")
            .accept_encoding("")
            .build();
        Proxy { agent: config.new_agent(), address: endpoint.to_string() }
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
