//! A client for metadata endpoints: small documents by plain HTTP, with limits on time and size.

use std::fmt;
use std::thread;
use std::time::Duration;

use crate::endpoint::agent;

/// The default timeout of a request. Metadata endpoints are on the same machine and respond within milliseconds.
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);
/// The timeout for connecting. Outside of AWS, connection attempts are neither accepted nor refused.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(250);
/// The number of retries if the endpoint is overloaded or not ready.
const RETRIES: usize = 5;
/// The pause before a retry.
const PAUSE: Duration = Duration::from_millis(250);
/// The largest head or body of a response, in bytes. The largest document, that of an ECS container with many labels,
/// has some KiB.
const MAX_SIZE: usize = 64 * 1024;

/// A client for metadata endpoints.
#[derive(Debug)]
pub(super) struct Client {
    agent: ureq::Agent,
    pub(super) pause: Duration,
}

impl Client {
    pub(super) fn new(timeout: Duration) -> Client {
        Client { agent: agent(timeout, CONNECT_TIMEOUT, MAX_SIZE), pause: PAUSE }
    }

    /// Reads a document. Retries if the endpoint is overloaded.
    pub(super) fn get(&self, url: &str, header: Option<(&str, &str)>) -> Result<String, MetadataError> {
        let attempt = || {
            let request = self.agent.get(url);
            text(header.into_iter().fold(request, |request, (name, value)| request.header(name, value)).call()?)
        };
        let mut retries = RETRIES;
        loop {
            match attempt() {
                Err(MetadataError::Status(429 | 500..)) if retries > 0 => {
                    retries -= 1;
                    thread::sleep(self.pause);
                }
                result => return result,
            }
        }
    }

    /// Sends a `PUT` request, and returns the body of the response.
    pub(super) fn put(&self, url: &str, (name, value): (&str, &str)) -> Result<String, MetadataError> {
        text(self.agent.put(url).header(name, value).send_empty()?)
    }
}

/// Returns the body of a response with the status 200.
fn text(mut response: ureq::http::Response<ureq::Body>) -> Result<String, MetadataError> {
    match response.status().as_u16() {
        200 => Ok(response.body_mut().with_config().limit(MAX_SIZE as u64).read_to_string()?),
        status => Err(MetadataError::Status(status)),
    }
}

/// Why a document could not be read.
#[derive(Debug)]
pub(super) enum MetadataError {
    /// The status of the response is not 200.
    Status(u16),
    /// There was no response, or it could not be read.
    Exchange(ureq::Error),
}

impl From<ureq::Error> for MetadataError {
    fn from(error: ureq::Error) -> MetadataError {
        MetadataError::Exchange(error)
    }
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetadataError::Status(status) => write!(f, "the metadata endpoint responded with status {status}"),
            MetadataError::Exchange(error) => write!(f, "no response from the metadata endpoint: {error}"),
        }
    }
}

impl std::error::Error for MetadataError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            MetadataError::Status(_) => None,
            MetadataError::Exchange(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::{Endpoint, Reply};
    use super::*;

    fn client() -> Client {
        Client { pause: Duration::ZERO, ..Client::new(Duration::from_secs(10)) }
    }

    #[test]
    fn requests_have_only_the_required_headers() {
        let endpoint = Endpoint::start(|_| Reply::ok("text"));
        assert_eq!(client().get(&endpoint.url("/a?b=c"), Some(("x-token", "t"))).unwrap(), "text");
        assert_eq!(client().put(&endpoint.url("/d"), ("x-ttl", "60")).unwrap(), "text");
        let host = endpoint.url("").replace("http://", "");
        let want = [
            format!("GET /a?b=c HTTP/1.1\nhost: {host}\nx-token: t"),
            format!("PUT /d HTTP/1.1\ncontent-length: 0\nhost: {host}\nx-ttl: 60"),
        ];
        assert_eq!(endpoint.requests(), want);
    }

    #[test]
    fn requests_are_retried_only_if_the_endpoint_is_overloaded() {
        for (status, requests) in [(503, 6), (500, 6), (429, 6), (404, 1), (401, 1), (302, 1), (204, 1)] {
            let endpoint = Endpoint::start(move |_| Reply::Status(status));
            let error = client().get(&endpoint.url("/"), None).unwrap_err();
            assert_eq!(error.to_string(), format!("the metadata endpoint responded with status {status}"));
            assert_eq!(endpoint.requests().len(), requests, "{status}");
        }
        let mut busy = 5;
        let endpoint = Endpoint::start(move |_| {
            busy -= 1;
            if busy >= 0 { Reply::Status(503) } else { Reply::ok("at last") }
        });
        assert_eq!(client().get(&endpoint.url("/"), None).unwrap(), "at last");
        assert_eq!(Endpoint::start(|_| Reply::Status(503)).put(&client()), 1);
    }

    impl Endpoint {
        /// Sends a `PUT` request that is rejected, and returns the number of requests.
        fn put(&self, client: &Client) -> usize {
            client.put(&self.url("/"), ("a", "b")).unwrap_err();
            self.requests().len()
        }
    }

    #[test]
    fn requests_are_limited_in_time_and_size() {
        let endpoint = Endpoint::start(|_| Reply::Never);
        let client = Client::new(Duration::from_millis(30));
        let error = client.get(&endpoint.url("/"), None).unwrap_err();
        assert!(matches!(error, MetadataError::Exchange(ureq::Error::Timeout(_))), "{error}");

        let endpoint = Endpoint::start(|_| Reply::ok("x".repeat(MAX_SIZE + 1)));
        let error = Client::new(Duration::from_secs(10)).get(&endpoint.url("/"), None).unwrap_err();
        assert!(matches!(error, MetadataError::Exchange(ureq::Error::BodyExceedsLimit(_))), "{error}");

        for url in [Endpoint::absent(), "https://127.0.0.1:1".to_owned(), "127.0.0.1".to_owned(), String::new()] {
            assert!(Client::new(TIMEOUT).get(&url, None).is_err(), "{url}");
        }
    }
}
