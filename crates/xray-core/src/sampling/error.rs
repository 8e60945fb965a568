//! Errors of sampling-rule documents: the file, rule, field and value at fault.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why sampling rules are refused, be it a document or rules made in code, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseRulesError {
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
        error: Box<ParseRulesError>,
    },
    /// The document is an answer of the X-Ray service to `GetSamplingRules`, as `aws xray get-sampling-rules` prints
    /// it. Its rules are for [`Central`](super::Central), which fetches them itself.
    ServiceAnswer,
    /// The document, its default or one of its rules is not a JSON object.
    NotAnObject {
        /// Which of them.
        at: RulePlace,
    },
    /// A required field is missing.
    Missing {
        /// Where it should stand.
        at: RulePlace,
        /// Its name.
        field: &'static str,
    },
    /// A field is not one of the document's version: perhaps misspelt, or `host` (version 2) where
    /// `service_name` (version 1) is meant.
    Unknown {
        /// Where it stands.
        at: RulePlace,
        /// Its name.
        field: String,
    },
    /// A value has the wrong type or is out of range.
    Invalid {
        /// Where it stands.
        at: RulePlace,
        /// The name of its field.
        field: &'static str,
        /// What is accepted.
        expected: &'static str,
        /// The value, as JSON; cut when it is long.
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
    /// The rule of this index, counted from 0, and its description.
    Rule(usize, Option<Box<str>>),
}

/// Characters of a value that an error shows.
const MAX_FOUND: usize = 60;

impl ParseRulesError {
    /// The value of `field` is not what is expected.
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
            Self::Json { message } => write!(f, "sampling rules are not JSON: {message}"),
            Self::InFile { path, error } => write!(f, "{}: {error}", path.display()),
            Self::ServiceAnswer => f.write_str(
                "this looks like the answer of GetSamplingRules, not like a local sampling document, which has \
                 `version`, `default` and `rules`. The default sampler fetches the rules of the X-Ray service itself",
            ),
            Self::NotAnObject { at } => write!(f, "{at} is not an object"),
            Self::Missing { at, field } => write!(f, "{at} lacks `{field}`"),
            Self::Unknown { at, field } => write!(f, "{at} has the unknown field `{}`", field.escape_debug()),
            Self::Invalid { at, field, expected, found } => {
                write!(f, "{at}: `{field}` is {found}, and must be {expected}")
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
            (E::NotAnObject { at: Rule(2, None) }, "sampling rule 2 is not an object"),
            (E::Missing { at: Document, field: "default" }, "the sampling document lacks `default`"),
            (
                E::Unknown { at: Rule(0, Some("Sign-in".into())), field: "hosts".into() },
                "sampling rule 0 \"Sign-in\" has the unknown field `hosts`",
            ),
            (
                E::invalid(Default, "rate", "a number from 0 to 1", 1.5),
                "the default sampling rule: `rate` is 1.5, and must be a number from 0 to 1",
            ),
            (
                E::InFile { path: "rules.json".into(), error: Box::new(E::Missing { at: Document, field: "version" }) },
                "rules.json: the sampling document lacks `version`",
            ),
        ] {
            assert_eq!(error.to_string(), want);
        }
    }
}
