//! The reasons why steps of a scenario end early.

use std::error::Error;
use std::fmt;

/// Why the enclosing steps ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Thrown {
    /// The scenario throws an error with this message.
    Error { message: String },
    /// A step cannot be performed, because the scenario is invalid or needs something that the SDK does not support.
    Impossible(String),
}

impl Thrown {
    pub(super) fn impossible(why: impl Into<String>) -> Thrown {
        Thrown::Impossible(why.into())
    }
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Thrown::Error { message } => f.write_str(message),
            Thrown::Impossible(why) => write!(f, "cannot be performed: {why}"),
        }
    }
}

impl Error for Thrown {}
