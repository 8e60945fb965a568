//! Errors of allowlist documents.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why an allowlist is invalid, and at which place. Both documents and lists built in code are validated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllowlistError {
    /// The file cannot be read.
    File {
        /// Its path, as given.
        path: PathBuf,
        /// The kind of the I/O error.
        kind: io::ErrorKind,
    },
    /// The text is not JSON.
    Json {
        /// The parser's message, with line and column.
        message: String,
    },
    /// Something is not a JSON object.
    NotAnObject {
        /// The value that is not an object.
        at: AllowlistPlace,
    },
    /// A required property is missing.
    Missing {
        /// The object that lacks it.
        at: AllowlistPlace,
        /// Its name.
        field: &'static str,
    },
    /// A property is unknown, perhaps misspelt.
    Unknown {
        /// The object that has it.
        at: AllowlistPlace,
        /// Its name.
        field: String,
    },
    /// A value has the wrong type, or contradicts another one.
    Invalid {
        /// The object that has it.
        at: AllowlistPlace,
        /// The name of its property or parameter.
        field: String,
        /// The accepted values.
        expected: &'static str,
    },
}

/// The part of an allowlist that an error refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllowlistPlace {
    /// The document itself.
    Document,
    /// The member `services`.
    Services,
    /// A service.
    Service(Box<str>),
    /// The member `operations` of a service.
    Operations(Box<str>),
    /// An operation.
    #[non_exhaustive]
    Operation {
        /// Its service.
        service: Box<str>,
        /// Its name.
        operation: Box<str>,
    },
    /// The descriptors of an operation, or one of them.
    #[non_exhaustive]
    Descriptor {
        /// The operation's service.
        service: Box<str>,
        /// The operation.
        operation: Box<str>,
        /// `request_descriptors` or `response_descriptors`.
        property: &'static str,
        /// The described member, or `None` for the whole property.
        member: Option<Box<str>>,
    },
}

impl fmt::Display for AllowlistError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, kind } => write!(f, "cannot read an allowlist from {}: {kind}", path.display()),
            Self::Json { message } => write!(f, "the allowlist is not JSON: {message}"),
            Self::NotAnObject { at } => write!(f, "{at} is not an object"),
            Self::Missing { at, field } => write!(f, "{at} has no `{field}`"),
            Self::Unknown { at, field } => write!(f, "{at} has the unknown property `{}`", field.escape_debug()),
            Self::Invalid { at, field, expected } => {
                write!(f, "invalid `{}` in {at}: expected {expected}", field.escape_debug())
            }
        }
    }
}

impl fmt::Display for AllowlistPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => f.write_str("the allowlist"),
            Self::Services => f.write_str("`services` of the allowlist"),
            Self::Service(service) => write!(f, "the service `{}`", service.escape_debug()),
            Self::Operations(service) => write!(f, "`operations` of the service `{}`", service.escape_debug()),
            Self::Operation { service, operation } => {
                write!(f, "the operation `{}` of `{}`", operation.escape_debug(), service.escape_debug())
            }
            Self::Descriptor { service, operation, property, member } => {
                if let Some(member) = member {
                    write!(f, "`{}` in ", member.escape_debug())?;
                }
                let (service, operation) = (service.escape_debug(), operation.escape_debug());
                write!(f, "`{property}` of the operation `{operation}` of `{service}`")
            }
        }
    }
}

impl Error for AllowlistError {}
