//! The options of tracing calls.

use crate::http::HttpRequest;

use super::ClientRequestInfo;

/// The options of tracing calls, which all clients have in common.
///
/// Calling a setter again replaces the value.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientOptions {
    pub(super) traced: bool,
    pub(super) keep_query: bool,
}

impl ClientOptions {
    /// Creates the default options.
    pub fn new() -> ClientOptions {
        ClientOptions::default()
    }

    /// Sets whether the called services send segments of their own, so that X-Ray connects them with the calls
    /// (default: not known).
    pub fn set_traced(&mut self, traced: bool) {
        self.traced = traced;
    }

    /// Sets whether URLs keep their query strings (default: no, because those may contain secrets).
    pub fn set_keep_query(&mut self, keep: bool) {
        self.keep_query = keep;
    }

    /// Returns the `http.request` block.
    pub(super) fn describe<'a>(&self, request: &ClientRequestInfo<'a>) -> HttpRequest<'a> {
        if request.grpc_service().is_some() && request.host_as_written().is_empty() {
            // Without the path, the called method would be unknown.
            return HttpRequest::new(request.method, request.target).keep_query(self.keep_query);
        }
        let authority = match (request.scheme, request.port()) {
            ("http" | "ws", Some("80" | "")) | ("https" | "wss", Some("443" | "")) => request.host_as_written(),
            _ => request.authority,
        };
        HttpRequest::to_host(request.method, request.scheme, authority, request.target).keep_query(self.keep_query)
    }
}
