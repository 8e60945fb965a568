//! What happens when the current entity is asked for and there is none.

use std::fmt;
use std::panic::Location;
use std::str::FromStr;
use std::sync::Arc;

use crate::diagnostics::{Cause, Diagnostics};
use crate::user_code;

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
    /// Panic in the code that asked, at its line (`RUNTIME_ERROR`).
    Panic,
    /// Do nothing (`IGNORE_ERROR`).
    Ignore,
    /// Call this function.
    Call(Arc<dyn Fn(&MissingContext<'_>) + Send + Sync>),
}

/// What a [`ContextMissing::Call`] function learns: what was asked for, where, and what mends it.
#[derive(Clone, Copy, Debug)]
pub struct MissingContext<'a> {
    what: &'a str,
    location: Option<&'static Location<'static>>,
    advice: &'static str,
}

/// Why code finds no current entity, and the way out.
const CARRY: &str = "this code runs outside a traced request, or in a task or thread that does not have its context. \
                     Carry it there by `future.in_current()` or `in_current(|| ..)`";

impl<'a> MissingContext<'a> {
    /// Code asked at `location`.
    pub(crate) fn at(location: &'static Location<'static>, what: &'a str) -> MissingContext<'a> {
        MissingContext { what, location: Some(location), advice: CARRY }
    }

    /// An instrumented call asked.
    pub(crate) fn in_call(what: &'a str) -> MissingContext<'a> {
        MissingContext { what, location: None, advice: CARRY }
    }

    /// A Lambda function was invoked without a trace.
    pub(crate) fn in_invocation() -> MissingContext<'a> {
        let advice = "it came without a trace header. Turn on active tracing of the function";
        MissingContext { what: "an invocation", location: None, advice }
    }

    /// The operation that found no current entity: a subsegment's name, or what was to be recorded.
    pub fn what(&self) -> &str {
        self.what
    }

    /// The line of the application that asked. `None` for calls of instrumented clients.
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.location
    }
}

impl fmt::Display for MissingContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no current segment or subsegment for {:?}", self.what)?;
        if let Some(location) = self.location {
            write!(f, " at {location}")?;
        }
        write!(f, ": {}", self.advice)
    }
}

impl ContextMissing {
    /// Does what was chosen.
    #[track_caller]
    pub(crate) fn apply(&self, missing: &MissingContext<'_>, diagnostics: &Diagnostics) {
        match self {
            ContextMissing::Log => diagnostics.error(Cause::ContextMissing, format_args!("{missing}")),
            ContextMissing::Panic => panic!("{missing}"),
            ContextMissing::Ignore => {}
            ContextMissing::Call(function) => function(missing),
        }
    }

    /// Does what was chosen for a call that is made whatever happens: a panic is a log line.
    pub(crate) fn apply_in_call(&self, missing: &MissingContext<'_>, diagnostics: &Diagnostics) {
        match self {
            ContextMissing::Panic => ContextMissing::Log.apply(missing, diagnostics),
            chosen => {
                if user_code::call(|| chosen.apply(missing, diagnostics)).is_none() {
                    ContextMissing::Log.apply(missing, diagnostics);
                }
            }
        }
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
