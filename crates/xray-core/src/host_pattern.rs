//! Patterns for hosts that can never match, which are mistakes: a regular expression, a url.

use crate::diagnostics::{Cause, Diagnostics, Level};

/// Reports a pattern that no `Host` can match, once.
pub(crate) fn check(pattern: &str, diagnostics: &Diagnostics) {
    if let Some(why) = why_never(pattern) {
        let message = format_args!(
            "host pattern {pattern:?} never matches: {why}. Write a host with * and ?, such as \"*.example.com\""
        );
        diagnostics.report_once(Level::Error, Cause::Pattern, pattern, message);
    }
}

/// Why no `Host`, which is a name or address and perhaps a port, matches this pattern. `None`: some may.
pub(crate) fn why_never(pattern: &str) -> Option<&'static str> {
    let signs_of_an_expression = ['^', '$', '\\', '(', ')', '|', '{', '}', '+'];
    let is_address = pattern.starts_with('[') && pattern.contains(':');
    if pattern.contains("://") {
        Some("it has a scheme, and hosts have none")
    } else if pattern.contains(signs_of_an_expression)
        || pattern.starts_with(".*")
        || (!is_address && pattern.contains(['[', ']']))
    {
        Some("it looks like a regular expression, and patterns know * and ? only")
    } else if pattern.contains('/') {
        Some("it has a path, and hosts have none")
    } else if pattern.starts_with('.') {
        Some("no host begins with a dot")
    } else if !pattern.is_ascii() {
        Some("clients send such a host in its ASCII form, which begins with xn--")
    } else if pattern.contains(|sign: char| !sign.is_ascii_alphanumeric() && !"*?.-_:[]%~".contains(sign)) {
        Some("it has characters that are in no host")
    } else if !is_address
        && let Some((_, port)) = pattern.rsplit_once(':')
        && !port.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'?'))
    {
        Some("what follows the colon is no port")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_host_can_match_is_known() {
        for pattern in [
            r"^api\..*$",
            r"api\.example\.com",
            "(api|shop).example.com",
            "[a-z]+.example.com",
            ".*.example.com",
            "https://*.example.com",
            "http*://example.com",
            "*.example.com/",
            "api.example.com/v1/*",
            ".example.com",
            "api.example.com, shop.example.com",
            "*@example.com",
            "bücher.example",
            "localhost:http",
        ] {
            assert!(why_never(pattern).is_some(), "{pattern}");
        }
    }

    #[test]
    fn what_a_host_can_match_is_fine() {
        for pattern in [
            "*",
            "?*",
            "",
            "api.example.com",
            "*.example.com",
            "*.Example.com:8080",
            "*.example.com:*",
            "localhost:80??",
            "*:443",
            "127.0.0.1",
            "127.0.0.*:3000",
            "[::1]:3000",
            "[::1]",
            "[2001:db8:*]",
            "under_score.internal",
            "xn--bcher-kva.example",
        ] {
            assert_eq!(why_never(pattern), None, "{pattern}");
        }
    }
}
