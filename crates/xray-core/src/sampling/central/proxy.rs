//! The daemon's TCP port, which signs calls to the X-Ray API and forwards them.

use std::fmt;
use std::time::Duration;

use super::rule::ResponseError;
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

/// Calls the X-Ray API. The daemon signs and forwards every header, so only the required ones are sent.
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

    pub(super) fn with_timeout(endpoint: &Endpoint, timeout: Duration) -> Proxy {
        Proxy { agent: agent(timeout, CONNECT_TIMEOUT, MAX_HEAD), address: endpoint.to_string() }
    }

    /// Calls one operation of the API, and returns the text of the response.
    pub(super) fn call(&self, operation: &str, body: &str) -> Result<String, ProxyError> {
        let url = format!("http://{}/{operation}", self.address);
        let mut response = self.agent.post(&url).content_type("application/json").send(body)?;
        match response.status().as_u16() {
            200 => Ok(response.body_mut().with_config().limit(MAX_BODY).read_to_string()?),
            status => Err(ProxyError::Status(status)),
        }
    }
}

/// Why a call failed.
#[derive(Debug)]
pub(super) enum ProxyError {
    /// There was no response, or it could not be read.
    Exchange(ureq::Error),
    /// The status of the response is not 200.
    Status(u16),
    /// The content of the response cannot be used.
    Invalid(ResponseError),
}

impl From<ureq::Error> for ProxyError {
    fn from(error: ureq::Error) -> ProxyError {
        ProxyError::Exchange(error)
    }
}

impl From<ResponseError> for ProxyError {
    fn from(error: ResponseError) -> ProxyError {
        ProxyError::Invalid(error)
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyError::Exchange(error) => write!(f, "{error}"),
            ProxyError::Status(status) => write!(f, "it responded with status {status}"),
            ProxyError::Invalid(error) => write!(f, "{error}"),
        }
    }
}
