//! What only a recorded segment shows of a request that a server received.

use std::net::IpAddr;

/// What a recorded segment shows of a request, in addition to [`ServerRequestInfo`](super::ServerRequestInfo).
///
/// Most requests are not recorded, so adapters gather the details only on demand. All fields may be empty.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ServerRequestDetails<'a> {
    /// The scheme of the request target, if it has one: `:scheme` in HTTP/2, the absolute form in HTTP/1.1.
    pub scheme: Option<&'a str>,
    /// Whether the server knows that the connection uses TLS.
    pub secure: bool,
    /// The `User-Agent` header.
    pub user_agent: Option<&'a str>,
    /// The `X-Forwarded-For` header.
    pub forwarded_for: Option<&'a str>,
    /// The `X-Forwarded-Proto` header.
    pub forwarded_proto: Option<&'a str>,
    /// The address of the other end of the connection.
    pub peer: Option<IpAddr>,
}
