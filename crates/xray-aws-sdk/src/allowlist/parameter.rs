//! Parameters: the member of a request or response, and what is recorded of it.

use std::borrow::Cow;

use super::error::{AllowlistError, AllowlistPlace};
use super::{RESERVED, service_key};

/// The recorded parameters of one operation, for [`Allowlist::operation`](crate::Allowlist::operation).
///
/// ```
/// use xray_aws_sdk::{Parameter, Parameters};
///
/// let list_streams = Parameters::new()
///     .request("ExclusiveStartStreamName")
///     .response(Parameter::count("StreamNames").rename_to("stream_count"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    request: Vec<Parameter>,
    response: Vec<Parameter>,
}

impl Parameters {
    /// Creates an empty set of parameters.
    pub fn new() -> Parameters {
        Parameters::default()
    }

    /// Adds a member of the request. A string stands for [`Parameter::value`].
    #[must_use]
    pub fn request(mut self, parameter: impl Into<Parameter>) -> Parameters {
        self.request.push(parameter.into());
        self
    }

    /// Adds a member of the response. A string stands for [`Parameter::value`].
    #[must_use]
    pub fn response(mut self, parameter: impl Into<Parameter>) -> Parameters {
        self.response.push(parameter.into());
        self
    }

    pub(crate) fn requested(&self) -> impl Iterator<Item = &Parameter> {
        self.request.iter()
    }

    pub(crate) fn responded(&self) -> impl Iterator<Item = &Parameter> {
        self.response.iter()
    }

    pub(super) fn validate(&self, service: &str, operation: &str) -> Result<(), AllowlistError> {
        let at = AllowlistPlace::Operation { service: service.into(), operation: operation.into() };
        let invalid = |field: &str, expected| AllowlistError::Invalid { at: at.clone(), field: field.into(), expected };
        if service_key(service).is_empty() {
            return Err(invalid("service", "a name with letters or digits"));
        }
        if operation.is_empty() {
            return Err(invalid("operation", "a non-empty name"));
        }
        for parameter in self.request.iter().chain(&self.response) {
            if parameter.member.is_empty() || parameter.field.is_empty() {
                return Err(invalid(&parameter.member, "a non-empty name"));
            }
            if RESERVED.contains(&&*parameter.field) {
                return Err(invalid(&parameter.member, "a name that the `aws` block does not reserve"));
            }
        }
        Ok(())
    }
}

/// A member of a request or response, by its name in the API reference, and what is recorded of it.
///
/// Strings convert to [`Parameter::value`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    member: Cow<'static, str>,
    field: Cow<'static, str>,
    take: Take,
    source: Source,
}

/// The part of a member that is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    Value,
    Count,
    Keys,
}

/// The place to look for a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The input as captured by the SDK, or the body.
    Member,
    Header(Cow<'static, str>),
    Status,
}

impl Parameter {
    fn new(member: Cow<'static, str>, take: Take, source: Source) -> Parameter {
        let field = field_name(&member).into();
        Parameter { member, field, take, source }
    }

    /// Records the value of a member.
    pub fn value(member: impl Into<Cow<'static, str>>) -> Parameter {
        Parameter::new(member.into(), Take::Value, Source::Member)
    }

    /// Records the number of elements of a list.
    pub fn count(list: impl Into<Cow<'static, str>>) -> Parameter {
        Parameter::new(list.into(), Take::Count, Source::Member)
    }

    /// Records the keys of a map.
    pub fn keys(map: impl Into<Cow<'static, str>>) -> Parameter {
        Parameter::new(map.into(), Take::Keys, Source::Member)
    }

    /// Records the value of a member that travels in an HTTP header, as some members of REST services do.
    pub fn header(member: impl Into<Cow<'static, str>>, header: impl Into<Cow<'static, str>>) -> Parameter {
        Parameter::new(member.into(), Take::Value, Source::Header(header.into()))
    }

    /// Records the status code of the response under the name of this member.
    pub fn status(member: impl Into<Cow<'static, str>>) -> Parameter {
        Parameter::new(member.into(), Take::Value, Source::Status)
    }

    /// Sets the name in segment documents (default: as [`field_name`] returns). Calling this again replaces the name.
    #[must_use]
    pub fn rename_to(mut self, name: impl Into<Cow<'static, str>>) -> Parameter {
        self.field = name.into();
        self
    }

    pub(crate) fn member(&self) -> &str {
        &self.member
    }

    pub(crate) fn field(&self) -> &str {
        &self.field
    }

    pub(crate) fn take(&self) -> Take {
        self.take
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }
}

impl<T: Into<Cow<'static, str>>> From<T> for Parameter {
    fn from(member: T) -> Parameter {
        Parameter::value(member)
    }
}

/// Returns the name under which a member is recorded unless it is renamed: in snake case, with acronyms kept together.
///
/// ```
/// assert_eq!(xray_aws_sdk::field_name("TableName"), "table_name");
/// assert_eq!(xray_aws_sdk::field_name("QueueOwnerAWSAccountId"), "queue_owner_aws_account_id");
/// ```
pub fn field_name(member: &str) -> String {
    let mut name = String::with_capacity(member.len() + 4);
    let mut before: Option<char> = None;
    let mut letters = member.chars().peekable();
    while let Some(letter) = letters.next() {
        let begins_word = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                let ends_acronym = letters.peek().is_some_and(char::is_ascii_lowercase);
                before != '_' && (before.is_ascii_lowercase() || before.is_ascii_digit() || ends_acronym)
            });
        if begins_word {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
        before = Some(letter);
    }
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn field_names_keep_acronyms_together() {
        for (member, want) in [
            ("QueueUrl", "queue_url"),
            ("DBInstanceIdentifier", "db_instance_identifier"),
            ("IPAddress", "ip_address"),
            ("MD5OfBody", "md5_of_body"),
            ("SSEKMSKeyId", "ssekms_key_id"),
            ("already_snake_Case", "already_snake_case"),
            ("aB", "a_b"),
            ("ARN", "arn"),
            ("é", "é"),
            ("", ""),
        ] {
            assert_eq!(field_name(member), want, "{member}");
        }
    }

    #[test]
    fn reserved_and_empty_names_are_rejected() {
        for field in RESERVED {
            let list = Parameters::new().request("Name").response(Parameter::value("Odd").rename_to(field));
            let error = list.validate("S3", "GetObject").unwrap_err();
            assert!(error.to_string().contains("`Odd`"), "{error}");
        }
        assert!(Parameters::new().request("").validate("S3", "GetObject").is_err());
        assert!(Parameters::new().validate(" ", "GetObject").is_err());
        assert!(Parameters::new().validate("S3", "").is_err());
    }

    proptest! {
        #[test]
        fn a_field_name_differs_in_case_and_underscores_only(member in "[A-Za-z0-9]{0,24}") {
            let name = field_name(&member);
            prop_assert_eq!(name.replace('_', ""), member.to_ascii_lowercase());
            prop_assert_eq!(field_name(&name), name.clone());
            prop_assert!(!name.starts_with('_') && !name.contains("__"));
        }
    }
}
