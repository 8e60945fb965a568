//! What happens when the current entity is asked for and there is none.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What to do when code asks for the current entity outside any traced request.
///
/// Whatever is chosen, calls that carry a trace (HTTP, AWS, SQL) always go out, and nothing is recorded.
/// `AWS_XRAY_CONTEXT_MISSING` overrides the choice made in code.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum ContextMissing {
    /// Log an error, at most one in ten seconds (`LOG_ERROR`, the default).
    #[default]
    Log,
    /// Panic in the code that asked (`RUNTIME_ERROR`).
    Panic,
    /// Do nothing (`IGNORE_ERROR`).
    Ignore,
    /// Call this function.
    Call(Arc<dyn Fn(&MissingContext<'_>) + Send + Sync>),
}

/// Tells a [`ContextMissing::Call`] function what was asked for.
#[derive(Clone, Copy, Debug)]
pub struct MissingContext<'a> {
    pub(crate) what: &'a str,
}

impl MissingContext<'_> {
    /// The operation that found no current entity: a subsegment's name, or what was to be recorded.
    pub fn what(&self) -> &str {
        self.what
    }
}

impl fmt::Display for MissingContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no current segment or subsegment for {}: this code runs outside a traced request", self.what)
    }
}

impl fmt::Debug for ContextMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ContextMissing::Log => "Log",
            ContextMissing::Panic => "Panic",
            ContextMissing::Ignore => "Ignore",
            ContextMissing::Call(_) => "Call(..)",
        })
    }
}

/// The values of `AWS_XRAY_CONTEXT_MISSING`, in any case: `LOG_ERROR`, `RUNTIME_ERROR`, `IGNORE_ERROR`.
impl FromStr for ContextMissing {
    type Err = ParseContextMissingError;

    fn from_str(text: &str) -> Result<ContextMissing, ParseContextMissingError> {
        match text.trim().to_ascii_uppercase().as_str() {
            "LOG_ERROR" => Ok(ContextMissing::Log),
            "RUNTIME_ERROR" => Ok(ContextMissing::Panic),
            "IGNORE_ERROR" => Ok(ContextMissing::Ignore),
            _ => Err(ParseContextMissingError),
        }
    }
}

/// The text names no context-missing strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseContextMissingError;

impl fmt::Display for ParseContextMissingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected LOG_ERROR, RUNTIME_ERROR or IGNORE_ERROR")
    }
}

impl std::error::Error for ParseContextMissingError {}
