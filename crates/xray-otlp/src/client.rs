//! An HTTP/1.1 client that posts to one URL.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::time::{Duration, SystemTime};

use flate2::Compression as Level;
use flate2::write::GzEncoder;
use prost::Message;
use serde::Deserialize;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use crate::background::Reply;
use crate::backoff::retry_after;
use crate::proto::RpcStatus;

/// The maximum size of a response body: enough for a page of sampling rules.
const MAX_RESPONSE_BYTES: u64 = 1 << 20;

/// How long an idle connection is kept: less than the keep-alive time of common servers.
const MAX_IDLE_TIME: Duration = Duration::from_secs(4);

/// The maximum number of characters of a receiver's text in a message.
const MAX_REASON_CHARS: usize = 300;

/// Signs requests.
pub(crate) trait Sign: Send {
    /// Returns the headers to add.
    fn sign(&mut self, url: &str, headers: &HeaderMap, body: &[u8]) -> Result<Vec<(HeaderName, HeaderValue)>, String>;

    /// Returns whether to retry after this AWS error code. Discards credentials that have expired.
    fn should_retry(&mut self, code: &str) -> bool;
}

/// The receiver, and the settings of requests to it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) url: String,
    /// Values may be secret.
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
}

/// Returns a URL for messages: without the query and user information, which may be secret.
pub(crate) fn display_url(url: &str) -> String {
    let (url, _) = url.split_once(['?', '#']).unwrap_or((url, ""));
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}/{path}")
        }
        None => url.to_owned(),
    }
}

/// A connection to a target.
pub(crate) struct Client {
    agent: ureq::Agent,
    target: Target,
    signer: Option<Box<dyn Sign>>,
}

/// A response with its body.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    retry_after: Option<Duration>,
    is_json: bool,
    /// The header `x-amzn-ErrorType` of AWS services.
    error_type: Option<String>,
    /// `None` if the connection broke, or the body is too large.
    body: Option<Vec<u8>>,
}

impl Client {
    pub(crate) fn new(target: Target, signer: Option<Box<dyn Sign>>) -> Client {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(target.timeout))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_idle_age(MAX_IDLE_TIME)
            .max_idle_connections(1)
            .user_agent(concat!("xray-otlp/", env!("CARGO_PKG_VERSION")))
            .accept("")
            .accept_encoding("");
        // A receiver on this host is not behind a proxy.
        let config = if is_loopback(&target.url) { config.proxy(None) } else { config };
        Client { agent: config.build().new_agent(), target, signer }
    }

    /// Sends a body to the target's URL.
    ///
    /// # Errors
    ///
    /// Returns the reason as text if there is no response.
    pub(crate) fn post(&mut self, content_type: &'static str, is_gzip: bool, body: &[u8]) -> Result<Response, String> {
        let url = self.target.url.clone();
        self.post_to(&url, content_type, is_gzip, body)
    }

    /// Sends a body to another URL of the same receiver. Returns the errors of [`post`](Client::post).
    pub(crate) fn post_to(
        &mut self,
        url: &str,
        content_type: &'static str,
        is_gzip: bool,
        body: &[u8],
    ) -> Result<Response, String> {
        let mut headers = self.target.headers.clone();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if is_gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(signer) = &mut self.signer {
            for (name, value) in signer.sign(url, &headers, body)? {
                headers.insert(name, value);
            }
        }
        let mut request = self.agent.post(url);
        if let Some(all) = request.headers_mut() {
            *all = headers;
        }
        let mut response = request.send(body).map_err(|error| with_sources(&error))?;
        let text = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let retry_after = text(header::RETRY_AFTER).and_then(|value| retry_after(value, SystemTime::now()));
        let is_json = text(header::CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
        let error_type = text(HeaderName::from_static("x-amzn-errortype")).map(str::to_owned);
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(MAX_RESPONSE_BYTES).read_to_vec().ok();
        Ok(Response { status, retry_after, is_json, error_type, body })
    }

    /// Returns what an error response means for its request. Statuses in `retryable` are retried.
    pub(crate) fn failure(&mut self, response: &Response, retryable: &[u16]) -> Reply {
        let reply = response.failure(retryable);
        let (Reply::Rejected { why }, Some(signer)) = (&reply, &mut self.signer) else { return reply };
        match response.error_code() {
            Some(code) if signer.should_retry(&code) => Reply::Retry { why: why.clone(), after: response.retry_after },
            _ => reply,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &display_url(&self.target.url)).finish_non_exhaustive()
    }
}

impl Response {
    /// Creates a JSON response.
    #[cfg(all(test, feature = "aws"))]
    pub(crate) fn of_json(status: u16, body: &str) -> Response {
        Response { status, retry_after: None, is_json: true, error_type: None, body: Some(body.into()) }
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    /// Returns the body; `None` if the connection broke, or the body is too large.
    pub(crate) fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    fn failure(&self, retryable: &[u16]) -> Reply {
        let reason = self.reason();
        let why = if reason.is_empty() { self.status.to_string() } else { format!("{} ({reason})", self.status) };
        match self.status {
            413 => Reply::TooLarge,
            status if retryable.contains(&status) => Reply::Retry { why, after: self.retry_after },
            _ => Reply::Rejected { why },
        }
    }

    /// Returns the error code of an AWS service.
    fn error_code(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Body {
            #[serde(rename = "__type", alias = "code", alias = "Code")]
            code: String,
        }

        let in_body = || serde_json::from_slice(self.body()?).map(|Body { code }| code).ok();
        let code = self.error_type.clone().or_else(in_body)?;
        // `com.amazonaws.xray#ThrottledException:http://..`
        let code = code.split(':').next().unwrap_or_default();
        Some(code.rsplit('#').next().unwrap_or_default().to_owned())
    }

    /// Returns the receiver's text for a message, cut and on one line.
    fn reason(&self) -> String {
        let body = self.body.as_deref().unwrap_or_default();
        let text = if self.is_json {
            let fields: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            let text = |key| fields.get(key)?.as_str().map(str::to_owned);
            ["message", "Message", "error"].into_iter().find_map(text)
        } else {
            RpcStatus::decode(body).map(|status| status.message).ok().filter(|message| !message.is_empty())
        };
        let text = text.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
        text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_REASON_CHARS).collect()
    }
}

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Level::fast());
    let done = encoder.write_all(body).and_then(|()| encoder.finish());
    done.expect("a vector takes all bytes")
}

/// Formats an error with its sources.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

fn is_loopback(url: &str) -> bool {
    let Some(host) = url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)) else { return false };
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, is_json: bool, body: &[u8]) -> Response {
        Response {
            status,
            retry_after: Some(Duration::from_secs(7)),
            is_json,
            error_type: None,
            body: Some(body.to_vec()),
        }
    }

    #[test]
    fn failures_are_final_or_retried() {
        let retryable = [429, 503];
        for (status, want) in [
            (400, "Rejected { why: \"400 (bad)\" }"),
            (413, "TooLarge"),
            (429, "Retry { why: \"429 (bad)\", after: Some(7s) }"),
            (500, "Rejected { why: \"500 (bad)\" }"),
            (503, "Retry { why: \"503 (bad)\", after: Some(7s) }"),
        ] {
            assert_eq!(format!("{:?}", response(status, false, b"bad").failure(&retryable)), want);
        }
    }

    #[test]
    fn reasons_are_found_in_every_form() {
        let rpc = RpcStatus { code: 3, message: "no ids".into() }.encode_to_vec();
        for (is_json, body, want) in [
            (true, &br#"{"message":"no\n ids"}"#[..], "no ids"),
            (true, br#"{"Message":"no ids"}"#, "no ids"),
            (true, br#"{"__type":"x#Bad","message":"no ids"}"#, "no ids"),
            (true, br#"{"detail":1}"#, r#"{"detail":1}"#),
            (false, &rpc, "no ids"),
            (false, b"<html>", "<html>"),
            (false, b"", ""),
        ] {
            assert_eq!(response(400, is_json, body).reason(), want);
        }
        assert_eq!(response(400, false, &[b'x'; 1_000]).reason().len(), MAX_REASON_CHARS);
    }

    #[test]
    fn secrets_of_urls_are_not_display_url() {
        for (url, want) in
            [("http://a:b@c:4318/v1/traces?key=d", "http://c:4318/v1/traces"), ("http://c", "http://c/"), ("c", "c")]
        {
            assert_eq!(display_url(url), want);
        }
    }

    #[test]
    fn this_host_is_not_behind_a_proxy() {
        for (url, want) in [
            ("http://localhost:4318/v1/traces", true),
            ("http://127.0.0.1:4318", true),
            ("http://[::1]:4318/", true),
            ("http://collector:4318/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(url), want, "{url}");
        }
    }
}
