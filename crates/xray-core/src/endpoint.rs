//! The HTTP client for endpoints beside the process: those of metadata, and the daemon.

use std::time::Duration;

/// A client without TLS, cookies and redirects, each of whose calls ends within `timeout` and has a connection of its
/// own: few calls are made, and one that stays open may be found half closed. It sends no header by itself but those
/// that HTTP demands. The library looks for a proxy in the environment, which is then not used.
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
