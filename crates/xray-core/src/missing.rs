//! The context-missing strategy: what happens when code needs a current entity and there is none.

use std::fmt;
use std::panic::Location;
use std::str::FromStr;
use std::sync::Arc;

use crate::diagnostics::{Cause, Diagnostics};
use crate::user_code;

/// What to do when code needs the current entity outside any traced request.
///
/// With every strategy, instrumented calls (HTTP, AWS, SQL) are made, and nothing is recorded. The variable
/// `AWS_XRAY_CONTEXT_MISSING` overrides the strategy set in code.
///
/// ```
/// use std::sync::Arc;
/// use xray_core::{ContextMissing, Recorder};
///
/// // In tests: fail where the context is lost.
/// let strict = Recorder::builder().context_missing(ContextMissing::Panic).build()?;
/// // In production: count.
/// let counting = ContextMissing::Call(Arc::new(|missing| eprintln!("{missing}")));
/// let recorder = Recorder::builder().context_missing(counting).build()?;
/// # Ok::<(), xray_core::ConfigError>(())
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum ContextMissing {
    /// Logs an error, at most once every ten seconds (`LOG_ERROR`, the default).
    #[default]
    Log,
    /// Panics at the line of the application that needed the entity (`RUNTIME_ERROR`). Instrumented calls log instead.
    Panic,
    /// Does nothing (`IGNORE_ERROR`).
    Ignore,
    /// Calls this function. If it panics, the SDK logs the missing context.
    Call(Arc<dyn Fn(&MissingContext<'_>) + Send + Sync>),
}

/// A missing context, as a [`ContextMissing::Call`] function receives it. Its text names the operation, the line and
/// the remedy.
#[derive(Clone, Copy, Debug)]
pub struct MissingContext<'a> {
    what: &'a str,
    location: Option<&'static Location<'static>>,
    advice: &'static str,
}

/// Why code finds no current entity, and the remedy.
const CARRY: &str = "this code runs outside a traced request, or in a task or thread that does not have its context. \
                     Carry it there by `future.in_current()` or `in_current(|| ..)`";

impl<'a> MissingContext<'a> {
    /// For code at `location`.
    pub(crate) fn at(location: &'static Location<'static>, what: &'a str) -> MissingContext<'a> {
        MissingContext { what, location: Some(location), advice: CARRY }
    }

    /// For an instrumented call.
    pub(crate) fn in_call(what: &'a str) -> MissingContext<'a> {
        MissingContext { what, location: None, advice: CARRY }
    }

    /// For a Lambda function that is invoked without a trace.
    pub(crate) fn in_invocation() -> MissingContext<'a> {
        let advice = "it came without a trace header. Turn on active tracing of the function";
        MissingContext { what: "an invocation", location: None, advice }
    }

    /// Returns the operation that found no current entity: the name of a subsegment, an annotation's key or a function.
    pub fn what(&self) -> &str {
        self.what
    }

    /// Returns the line of the application. `None` for calls of instrumented clients.
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
    /// Applies the strategy.
    #[track_caller]
    pub(crate) fn apply(&self, missing: &MissingContext<'_>, diagnostics: &Diagnostics) {
        match self {
            ContextMissing::Log => diagnostics.error(Cause::ContextMissing, format_args!("{missing}")),
            ContextMissing::Panic => panic!("{missing}"),
            ContextMissing::Ignore => {}
            ContextMissing::Call(function) => function(missing),
        }
    }

    /// Applies the strategy for an instrumented call, which must not fail: it logs instead of panicking.
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

/// Parses the values of `AWS_XRAY_CONTEXT_MISSING`, in any letter case: `LOG_ERROR`, `RUNTIME_ERROR`, `IGNORE_ERROR`.
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

/// The error of parsing a text that is not a context-missing strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseContextMissingError;

impl fmt::Display for ParseContextMissingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected LOG_ERROR, RUNTIME_ERROR or IGNORE_ERROR")
    }
}

impl std::error::Error for ParseContextMissingError {}
