//! The HTTP client for local endpoints: those of metadata, and the daemon.

use std::time::Duration;

/// Creates a client without TLS, cookies, redirects and proxy. Each call ends within `timeout` and uses a new connection:
/// there are few calls, and a connection that stays open may turn out to be half closed. The client adds only the headers
/// that HTTP requires.
pub(crate) fn agent(timeout: Duration, connect: Duration, max_head: usize) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .timeout_connect(Some(connect.min(timeout)))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_response_header_size(max_head)
        .max_idle_connections(0)
        .proxy(None)
        .user_agent("")
        .accept("")
        .accept_encoding("")
        .build();
    config.new_agent()
}
