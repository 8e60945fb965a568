//! Errors of sampling-rule files.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// The error when sampling rules cannot be used, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RulesError {
    /// The file cannot be read.
    File {
        /// The path, as given.
        path: PathBuf,
        /// The kind of I/O error.
        kind: io::ErrorKind,
    },
    /// The text is not JSON.
    Json {
        /// The parser's message, with line and column.
        message: String,
    },
    /// The content of a file cannot be used.
    InFile {
        /// The path, as given.
        path: PathBuf,
        /// The error in the content.
        error: Box<RulesError>,
    },
    /// The document contains local sampling rules, which an SDK reads itself.
    LocalDocument,
    /// The document has no list `SamplingRuleRecords`.
    Records,
    /// A rule lacks a required field.
    Missing {
        /// Which rule.
        rule: RulePlace,
        /// The name of the field.
        field: &'static str,
    },
    /// A field's name differs from a known name only in case.
    Misspelt {
        /// Which rule.
        rule: RulePlace,
        /// The name of the field in X-Ray.
        field: &'static str,
    },
    /// A value has the wrong type or is out of range.
    Invalid {
        /// Which rule.
        rule: RulePlace,
        /// The name of the field.
        field: &'static str,
        /// The accepted values.
        expected: &'static str,
        /// The value, as JSON.
        found: String,
    },
}

/// The rule that an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RulePlace {
    /// Its index in the document, counted from 0.
    pub index: usize,
    /// Its name, if it has one.
    pub name: Option<String>,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, kind } => write!(f, "cannot read sampling rules from {}: {kind}", path.display()),
            Self::Json { message } => write!(f, "sampling rules are not valid JSON: {message}"),
            Self::InFile { path, error } => write!(f, "{}: {error}", path.display()),
            Self::LocalDocument => f.write_str(
                "this looks like a local sampling document, which an SDK reads itself, instead of the response of \
                 GetSamplingRules",
            ),
            Self::Records => f.write_str("the list `SamplingRuleRecords` is missing"),
            Self::Missing { rule, field } => write!(f, "{rule}: `{field}` is missing"),
            Self::Misspelt { rule, field } => {
                write!(f, "{rule}: a field differs from `{field}` only in case; use that spelling")
            }
            Self::Invalid { rule, field, expected, found } => {
                write!(f, "{rule}: `{field}` is {found}, but must be {expected}")
            }
        }
    }
}

impl fmt::Display for RulePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sampling rule {}", self.index)?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, " {name:?}"))
    }
}

impl Error for RulesError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::InFile { error, .. } => Some(&**error),
            _ => None,
        }
    }
}
