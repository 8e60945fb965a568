//! Errors of sampling-rule documents: the file, rule, field and value at fault.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a sampling document or rules written in code are rejected, and where the problem is.
///
/// Its text names the file, the rule, the field and the value:
///
/// ```
/// use xray_core::sampling::Rules;
///
/// let error = Rules::from_json(r#"{"version": 2, "default": {"fixed_target": 1, "rate": 5}}"#).unwrap_err();
/// assert_eq!(error.to_string(), "the default sampling rule: `rate` is 5, but must be a number from 0 to 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseRulesError {
    /// The file cannot be read.
    File {
        /// The file's path, as given.
        path: PathBuf,
        /// The kind of the I/O error.
        kind: io::ErrorKind,
    },
    /// The text is not JSON.
    Json {
        /// The parser's message, with line and column.
        message: String,
    },
    /// A file was read, but its document is invalid.
    InFile {
        /// The file's path, as given.
        path: PathBuf,
        /// The error in its document.
        error: Box<ParseRulesError>,
    },
    /// The document is a response of the X-Ray service to `GetSamplingRules`, as `aws xray get-sampling-rules` prints
    /// it. [`Central`](super::Central) fetches such rules itself.
    ServiceResponse,
    /// The document, its default or one of its rules is not a JSON object.
    NotAnObject {
        /// Which of them.
        at: RulePlace,
    },
    /// A required field is missing.
    Missing {
        /// The object that lacks it.
        at: RulePlace,
        /// The field's name.
        field: &'static str,
    },
    /// A field is unknown in this version of the document: perhaps misspelt, or `host` (version 2) where
    /// `service_name` (version 1) is meant.
    Unknown {
        /// The object that has it.
        at: RulePlace,
        /// The field's name.
        field: String,
    },
    /// A value has the wrong type or is out of range.
    Invalid {
        /// The object that has it.
        at: RulePlace,
        /// The field's name.
        field: &'static str,
        /// A description of the accepted values.
        expected: &'static str,
        /// The value as JSON, cut to 60 characters.
        found: String,
    },
}

/// The part of a set of rules that an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RulePlace {
    /// The document itself.
    Document,
    /// The default rule.
    Default,
    /// A rule, by its index (counted from 0) and its description.
    Rule(usize, Option<Box<str>>),
}

/// The number of characters of a value that an error shows.
const MAX_FOUND: usize = 60;

impl ParseRulesError {
    /// Creates the error for a value of `field` that is not accepted.
    pub(super) fn invalid(
        at: RulePlace,
        field: &'static str,
        expected: &'static str,
        found: impl fmt::Display,
    ) -> ParseRulesError {
        let found = found.to_string();
        let found = match found.char_indices().nth(MAX_FOUND) {
            Some((end, _)) => format!("{}…", &found[..end]),
            None => found,
        };
        ParseRulesError::Invalid { at, field, expected, found }
    }
}

impl fmt::Display for ParseRulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, kind } => write!(f, "cannot read sampling rules from {}: {kind}", path.display()),
            Self::Json { message } => write!(f, "the sampling document is not valid JSON: {message}"),
            Self::InFile { path, error } => write!(f, "{}: {error}", path.display()),
            Self::ServiceResponse => f.write_str(
                "this looks like a response to GetSamplingRules, not like a local sampling document, which has \
                 `version`, `default` and `rules`. The default sampler fetches the rules of the X-Ray service itself",
            ),
            Self::NotAnObject { at } => write!(f, "{at} is not a JSON object"),
            Self::Missing { at, field } => write!(f, "{at} is missing the field `{field}`"),
            Self::Unknown { at, field } => write!(f, "{at} has the unknown field `{}`", field.escape_debug()),
            Self::Invalid { at, field, expected, found } => {
                write!(f, "{at}: `{field}` is {found}, but must be {expected}")
            }
        }
    }
}

impl fmt::Display for RulePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => f.write_str("the sampling document"),
            Self::Default => f.write_str("the default sampling rule"),
            Self::Rule(index, None) => write!(f, "sampling rule {index}"),
            Self::Rule(index, Some(description)) => write!(f, "sampling rule {index} {description:?}"),
        }
    }
}

impl Error for ParseRulesError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::InFile { error, .. } => Some(&**error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_place_and_the_field() {
        use {ParseRulesError as E, RulePlace::*};
        for (error, want) in [
            (
                E::File { path: "rules.json".into(), kind: io::ErrorKind::NotFound },
                "cannot read sampling rules from rules.json: entity not found",
            ),
            (E::NotAnObject { at: Rule(2, None) }, "sampling rule 2 is not a JSON object"),
            (E::Missing { at: Document, field: "default" }, "the sampling document is missing the field `default`"),
            (
                E::Unknown { at: Rule(0, Some("Sign-in".into())), field: "hosts".into() },
                "sampling rule 0 \"Sign-in\" has the unknown field `hosts`",
            ),
            (
                E::invalid(Default, "rate", "a number from 0 to 1", 1.5),
                "the default sampling rule: `rate` is 1.5, but must be a number from 0 to 1",
            ),
            (
                E::InFile { path: "rules.json".into(), error: Box::new(E::Missing { at: Document, field: "version" }) },
                "rules.json: the sampling document is missing the field `version`",
            ),
        ] {
            assert_eq!(error.to_string(), want);
        }
    }
}
