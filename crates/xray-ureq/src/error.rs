//! What errors of ureq say.

use std::error::Error as StdError;
use std::fmt;

use ureq::{Error, Timeout};

/// An error of ureq with the `source()` that it lacks.
pub(crate) struct WithSource(pub(crate) Error);

impl StdError for WithSource {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0 {
            Error::Io(error) => Some(error),
            Error::Http(error) => Some(error),
            Error::Protocol(error) => Some(error),
            Error::Other(error) => Some(&**error),
            _ => None,
        }
    }
}

impl fmt::Display for WithSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Core takes the name of the type from here. The variant alone says too little.
impl fmt::Debug for WithSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ureq::Error::{:?}", self.0)
    }
}

/// Returns whether the error says that no connection was made. Core itself detects refused connections.
pub(crate) fn is_unreached(error: &Error) -> bool {
    matches!(
        error,
        Error::BadUri(_)
            | Error::HostNotFound
            | Error::ConnectionFailed
            | Error::ConnectProxyFailed(_)
            | Error::InvalidProxyUrl
            | Error::RequireHttpsOnly(_)
            | Error::Tls(_)
            | Error::TlsRequired
            | Error::Timeout(Timeout::Resolve | Timeout::Connect)
    )
}
