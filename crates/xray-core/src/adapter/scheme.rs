//! The scheme of a URL.

/// The scheme of a server's URLs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// `http`.
    #[default]
    Http,
    /// `https`: HTTP over TLS.
    Https,
}

impl Scheme {
    /// Reads the scheme of a request target or of `X-Forwarded-Proto`. Some proxies write the scheme of a WebSocket's
    /// URL there. Returns `None` for any other text.
    pub(super) fn parse(text: &str) -> Option<Scheme> {
        let is = |names: [&str; 2]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
        if is(["https", "wss"]) {
            Some(Scheme::Https)
        } else if is(["http", "ws"]) {
            Some(Scheme::Http)
        } else {
            None
        }
    }

    /// Returns the scheme as URLs have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}
