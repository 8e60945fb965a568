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
    },
}

/// The part of a set of rules that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RulePlace {
    /// The document itself.
    Document,
    /// The default rule.
    Default,
    /// The rule of this index, counted from 0.
    Rule(usize),
}

impl fmt::Display for ParseRulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, kind } => write!(f, "cannot read sampling rules from {}: {kind}", path.display()),
            Self::Json { message } => write!(f, "sampling rules are not JSON: {message}"),
            Self::NotAnObject { at } => write!(f, "{at} is not an object"),
            Self::Missing { at, field } => write!(f, "{at} lacks `{field}`"),
            Self::Unknown { at, field } => write!(f, "{at} has the unknown field `{}`", field.escape_debug()),
            Self::Invalid { at, field, expected } => write!(f, "{at} needs {expected} as `{field}`"),
        }
    }
}

impl fmt::Display for RulePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => f.write_str("the sampling document"),
            Self::Default => f.write_str("the default sampling rule"),
            Self::Rule(index) => write!(f, "sampling rule {index}"),
        }
    }
}

impl Error for ParseRulesError {}

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
            (E::NotAnObject { at: Rule(2) }, "sampling rule 2 is not an object"),
            (E::Missing { at: Document, field: "default" }, "the sampling document lacks `default`"),
            (E::Unknown { at: Rule(0), field: "hosts".into() }, "sampling rule 0 has the unknown field `hosts`"),
            (
                E::Invalid { at: Default, field: "rate", expected: "a number from 0 to 1" },
                "the default sampling rule needs a number from 0 to 1 as `rate`",
            ),
        ] {
            assert_eq!(error.to_string(), want);
        }
    }
}
