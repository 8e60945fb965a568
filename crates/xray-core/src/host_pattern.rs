//! Detection of host patterns that can never match, such as a regular expression or a URL.

use crate::diagnostics::{Cause, Diagnostics, Level};

/// Reports a pattern that no `Host` can match, once per pattern.
pub(crate) fn check(pattern: &str, diagnostics: &Diagnostics) {
    if let Some(why) = why_never(pattern) {
        let message = format_args!(
            "host pattern {pattern:?} never matches: {why}. Write a host with * and ?, such as \"*.example.com\""
        );
        diagnostics.report_once(Level::Error, Cause::Pattern, pattern, message);
    }
}

/// Returns why no `Host` matches this pattern, or `None` if one may. A `Host` is a name or an address, and possibly a
/// port.
pub(crate) fn why_never(pattern: &str) -> Option<&'static str> {
    let signs_of_an_expression = ['^', '$', '\\', '(', ')', '|', '{', '}', '+'];
    let is_address = pattern.starts_with('[') && pattern.contains(':');
    if pattern.contains("://") {
        Some("it has a scheme, and hosts have none")
    } else if pattern.contains(signs_of_an_expression)
        || pattern.starts_with(".*")
        || (!is_address && pattern.contains(['[', ']']))
    {
        Some("it looks like a regular expression, but patterns only support * and ?")
    } else if pattern.contains('/') {
        Some("it has a path, and hosts have none")
    } else if pattern.starts_with('.') {
        Some("no host starts with a dot")
    } else if !pattern.is_ascii() {
        Some("clients send such a host in its ASCII form, which starts with xn--")
    } else if pattern.contains(|sign: char| !sign.is_ascii_alphanumeric() && !"*?.-_:[]%~".contains(sign)) {
        Some("it has characters that no host has")
    } else if !is_address
        && let Some((_, port)) = pattern.rsplit_once(':')
        && !port.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'?'))
    {
        Some("the text after the colon is not a port")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_no_host_can_match_are_detected() {
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
    fn patterns_that_a_host_can_match_are_accepted() {
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
