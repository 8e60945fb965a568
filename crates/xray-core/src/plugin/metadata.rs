//! Small documents of metadata endpoints: one HTTP exchange, bounded in time and size, without TLS.

use std::fmt;
use std::thread;
use std::time::Duration;

use crate::endpoint::agent;

/// For a whole exchange. Metadata endpoints are on the same machine, and answer in milliseconds.
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);
/// For the connection alone: outside of AWS nobody answers, and nothing refuses.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(250);
/// Further attempts when the endpoint is overloaded or not ready, and the time between two.
const RETRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(250);
/// Bytes of an answer's head or body. The largest document, of an ECS container with many labels, has some KiB.
const MAX_SIZE: usize = 64 * 1024;

/// Speaks to metadata endpoints.
#[derive(Debug)]
pub(super) struct Client {
    agent: ureq::Agent,
    pub(super) pause: Duration,
}

impl Client {
    pub(super) fn new(timeout: Duration) -> Client {
        Client { agent: agent(timeout, CONNECT_TIMEOUT, MAX_SIZE), pause: PAUSE }
    }

    /// Reads a document, and tries again when the endpoint is overloaded.
    pub(super) fn get(&self, url: &str, header: Option<(&str, &str)>) -> Result<String, Failure> {
        let attempt = || {
            let request = self.agent.get(url);
            text(header.into_iter().fold(request, |request, (name, value)| request.header(name, value)).call()?)
        };
        let mut retries = RETRIES;
        loop {
            match attempt() {
                Err(Failure::Status(429 | 500..)) if retries > 0 => {
                    retries -= 1;
                    thread::sleep(self.pause);
                }
                answer => return answer,
            }
        }
    }

    /// Asks for something to be made, and reads what.
    pub(super) fn put(&self, url: &str, (name, value): (&str, &str)) -> Result<String, Failure> {
        text(self.agent.put(url).header(name, value).send_empty()?)
    }
}

fn text(mut response: ureq::http::Response<ureq::Body>) -> Result<String, Failure> {
    match response.status().as_u16() {
        200 => Ok(response.body_mut().with_config().limit(MAX_SIZE as u64).read_to_string()?),
        status => Err(Failure::Status(status)),
    }
}

/// Why there is no document.
#[derive(Debug)]
pub(super) enum Failure {
    /// The endpoint answered by another status than 200.
    Status(u16),
    /// There was no answer, or none that could be read.
    Exchange(ureq::Error),
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Failure {
        Failure::Exchange(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Status(status) => write!(f, "the endpoint answered with status {status}"),
            Failure::Exchange(error) => write!(f, "no answer from the endpoint: {error}"),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Failure::Status(_) => None,
            Failure::Exchange(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::{Answer, Endpoint};
    use super::*;

    fn client() -> Client {
        Client { pause: Duration::ZERO, ..Client::new(Duration::from_secs(10)) }
    }

    #[test]
    fn requests_say_no_more_than_they_must() {
        let endpoint = Endpoint::start(|_| Answer::ok("text"));
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
    fn an_overloaded_endpoint_is_asked_again_and_others_are_not() {
        for (status, asked) in [(503, 6), (500, 6), (429, 6), (404, 1), (401, 1), (302, 1), (204, 1)] {
            let endpoint = Endpoint::start(move |_| Answer::Status(status));
            let failure = client().get(&endpoint.url("/"), None).unwrap_err();
            assert_eq!(failure.to_string(), format!("the endpoint answered with status {status}"));
            assert_eq!(endpoint.requests().len(), asked, "{status}");
        }
        let mut busy = 5;
        let endpoint = Endpoint::start(move |_| {
            busy -= 1;
            if busy >= 0 { Answer::Status(503) } else { Answer::ok("at last") }
        });
        assert_eq!(client().get(&endpoint.url("/"), None).unwrap(), "at last");
        assert_eq!(Endpoint::start(|_| Answer::Status(503)).put(&client()), 1);
    }

    impl Endpoint {
        /// The number of requests that a refused `PUT` makes.
        fn put(&self, client: &Client) -> usize {
            client.put(&self.url("/"), ("a", "b")).unwrap_err();
            self.requests().len()
        }
    }

    #[test]
    fn no_answer_is_waited_for_without_end_and_none_is_read_without_end() {
        let endpoint = Endpoint::start(|_| Answer::Never);
        let client = Client::new(Duration::from_millis(30));
        let failure = client.get(&endpoint.url("/"), None).unwrap_err();
        assert!(matches!(failure, Failure::Exchange(ureq::Error::Timeout(_))), "{failure}");

        let endpoint = Endpoint::start(|_| Answer::ok("x".repeat(MAX_SIZE + 1)));
        let failure = Client::new(Duration::from_secs(10)).get(&endpoint.url("/"), None).unwrap_err();
        assert!(matches!(failure, Failure::Exchange(ureq::Error::BodyExceedsLimit(_))), "{failure}");

        for url in [Endpoint::absent(), "https://127.0.0.1:1".to_owned(), "127.0.0.1".to_owned(), String::new()] {
            assert!(Client::new(TIMEOUT).get(&url, None).is_err(), "{url}");
        }
    }
}
