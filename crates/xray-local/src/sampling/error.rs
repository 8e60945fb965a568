//! Errors of sampling-rule files.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why sampling rules cannot be used, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RulesError {
    /// The file cannot be read.
    File {
        /// Its path, as given.
        path: PathBuf,
        /// What reading it met with.
        kind: io::ErrorKind,
    },
    /// The text is not JSON.
    Json {
        /// The parser's message, with line and column.
        message: String,
    },
    /// What is in a file cannot be used.
    InFile {
        /// The file's path, as given.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<RulesError>,
    },
    /// The document is one of local sampling rules, which an SDK reads itself.
    LocalDocument,
    /// The document has no list `SamplingRuleRecords`.
    Records,
    /// A rule lacks a field that it needs.
    Missing {
        /// Which rule.
        rule: RulePlace,
        /// The name of the field.
        field: &'static str,
    },
    /// A field's name differs from a known one in the case of its letters.
    Misspelt {
        /// Which rule.
        rule: RulePlace,
        /// What it is called in X-Ray.
        field: &'static str,
    },
    /// A value has the wrong type or is out of range.
    Invalid {
        /// Which rule.
        rule: RulePlace,
        /// The name of the field.
        field: &'static str,
        /// What is accepted.
        expected: &'static str,
        /// The value, as JSON.
        found: String,
    },
}

/// The rule that an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RulePlace {
    /// Where it stands in the document, counted from 0.
    pub index: usize,
    /// Its name, if it has one.
    pub name: Option<String>,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, kind } => write!(f, "cannot read sampling rules from {}: {kind}", path.display()),
            Self::Json { message } => write!(f, "sampling rules are not JSON: {message}"),
            Self::InFile { path, error } => write!(f, "{}: {error}", path.display()),
            Self::LocalDocument => f.write_str(
                "this looks like a local sampling document, which an SDK reads itself, not like the answer of \
                 GetSamplingRules",
            ),
            Self::Records => f.write_str("sampling rules are in a list `SamplingRuleRecords`, which is missing"),
            Self::Missing { rule, field } => write!(f, "{rule} lacks `{field}`"),
            Self::Misspelt { rule, field } => write!(f, "{rule} has `{field}` in other letters"),
            Self::Invalid { rule, field, expected, found } => {
                write!(f, "{rule}: `{field}` is {found}, and must be {expected}")
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
