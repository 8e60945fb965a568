//! The checks of each request: who may ask, and how much.
//!
//! The server trusts the machine's own programs and its own page. Pages of other sites can make a browser send requests
//! here, and a name that a foreign DNS server resolves to this machine makes such a page look like the own one. The
//! `Host`, `Origin` and `Sec-Fetch-Site` headers give both away; programs other than browsers send none of the latter.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::respond::error;
use super::{App, REQUEST_TIME};

/// Maximum bytes of a request's body.
const MAX_BODY: usize = 1 << 20;

/// The number of bytes of a refused body that are read, and the pause of the client that ends the reading.
const MAX_DISCARDED: usize = 64 << 20;
const DISCARD_PAUSE: Duration = Duration::from_millis(250);

/// Maximum bytes of a body with documents.
const MAX_DOCUMENTS: usize = 16 << 20;

const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types xray-local",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Refuses requests from foreign pages and requests that are too large; adds security headers to each response.
pub(super) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = match admit(&app, request).await {
        Ok(request) => next.run(request).await,
        Err(response) => response,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn admit(app: &App, request: Request) -> Result<Request, Response> {
    let host = request.headers().get(header::HOST).map(HeaderValue::as_bytes);
    let host = match host.map(std::str::from_utf8) {
        // Not a browser: all of them send it.
        None => None,
        Some(Ok(host)) if is_allowed(app, host) => Some(host),
        Some(_) => {
            let message = "this host name is not allowed: use localhost, or start xray-local with --allow-host";
            return Err(error(StatusCode::MISDIRECTED_REQUEST, message));
        }
    };
    if is_foreign(request.method(), request.uri().path(), request.headers(), host) {
        return Err(error(StatusCode::FORBIDDEN, "requests from pages of other sites are not allowed"));
    }
    with_body(request).await
}

fn is_allowed(app: &App, host: &str) -> bool {
    let name = host_name(host);
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let lower = name.to_ascii_lowercase();
    match address {
        // A numeric address cannot be rebound, but only the own ones are expected.
        Some(ip) => ip.is_loopback() || ip == app.address.ip() || app.address.ip().is_unspecified(),
        None => {
            lower == "localhost"
                || lower.ends_with(".localhost")
                || app.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
        }
    }
}

/// Removes the port.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// Whether a page of another origin made the browser send a request.
fn is_foreign(method: &Method, path: &str, headers: &HeaderMap, host: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(origin) = text("origin") {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if authority.is_none() || authority != host {
            return true;
        }
    }
    match text("sec-fetch-site") {
        None | Some("same-origin" | "none") => false,
        // A link to a page is harmless: the page itself contains no data, and no site can embed it.
        Some("cross-site" | "same-site") => {
            let link = text("sec-fetch-mode") == Some("navigate") && text("sec-fetch-dest") == Some("document");
            !(link && method == Method::GET && !path.starts_with("/api/"))
        }
        Some(_) => true,
    }
}

/// Reads the whole body, within limits of size and time.
async fn with_body(request: Request) -> Result<Request, Response> {
    let limit = match request.uri().path() {
        "/TraceSegments" | "/api/import" => MAX_DOCUMENTS,
        _ => MAX_BODY,
    };
    let too_large = || error(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body is larger than {} MiB", limit >> 20));
    let (parts, body) = request.into_parts();
    let stated = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if stated.is_some_and(|length| length > limit as u64) {
        discard(body).await;
        return Err(too_large());
    }
    match tokio::time::timeout(REQUEST_TIME, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(Request::from_parts(parts, Body::from(body.to_bytes()))),
        Ok(Err(failure)) if failure.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(error(StatusCode::BAD_REQUEST, "the body is incomplete")),
        Err(_) => Err(error(StatusCode::REQUEST_TIMEOUT, "the request took too long")),
    }
}

/// Reads and drops a body until the client pauses. Many clients read no response while they send, and lose it if the connection
/// closes before they have finished.
async fn discard(mut body: Body) {
    let mut bytes = 0;
    while bytes <= MAX_DISCARDED
        && let Ok(Some(Ok(frame))) = tokio::time::timeout(DISCARD_PAUSE, body.frame()).await
    {
        bytes += frame.data_ref().map_or(0, |data| data.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_removed_from_host_names() {
        for (host, want) in
            [("a", "a"), ("a:1", "a"), ("127.0.0.1:2000", "127.0.0.1"), ("[::1]:2000", "[::1]"), ("[::1]", "[::1]")]
        {
            assert_eq!(host_name(host), want);
        }
    }

    #[test]
    fn requests_of_other_sites_are_foreign() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
        };
        let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        for (method, path, pairs, want) in [
            (Method::POST, "/SamplingTargets", &[][..], false),
            (Method::POST, "/SamplingTargets", &[("origin", "http://localhost:2000")], false),
            (Method::POST, "/SamplingTargets", &[("origin", "http://localhost:3000")], true),
            (Method::POST, "/SamplingTargets", &[("origin", "http://evil.example")], true),
            (Method::POST, "/SamplingTargets", &[("origin", "null")], true),
            (Method::GET, "/api/traces", &[("sec-fetch-site", "same-origin")], false),
            (Method::GET, "/api/traces", &[("sec-fetch-site", "none")], false),
            (Method::GET, "/api/traces", &[("sec-fetch-site", "cross-site")], true),
            (Method::GET, "/api/traces", &[("sec-fetch-site", "same-site")], true),
            (Method::GET, "/api/traces", &[("sec-fetch-site", "other")], true),
            (Method::GET, "/traces/1", &link, false),
            (Method::GET, "/api/traces", &link, true),
            (Method::POST, "/traces/1", &link, true),
        ] {
            let headers = headers(pairs);
            assert_eq!(is_foreign(&method, path, &headers, Some("localhost:2000")), want, "{method} {path} {pairs:?}");
        }
    }
}
