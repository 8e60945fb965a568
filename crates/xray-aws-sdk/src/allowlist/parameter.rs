//! One parameter: which member of a request or response it is, and what of it is recorded.

use std::borrow::Cow;

use super::error::{AllowlistError, AllowlistPlace};
use super::{RESERVED, service_key};

/// The parameters of one operation that are recorded, for lists made in code.
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
    /// None yet.
    pub fn new() -> Parameters {
        Parameters::default()
    }

    /// Records a member of the request.
    #[must_use]
    pub fn request(mut self, parameter: impl Into<Parameter>) -> Parameters {
        self.request.push(parameter.into());
        self
    }

    /// Records a member of the response.
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
            return Err(invalid("operation", "a name that is not empty"));
        }
        for parameter in self.request.iter().chain(&self.response) {
            if parameter.member.is_empty() || parameter.field.is_empty() {
                return Err(invalid(&parameter.member, "a name that is not empty"));
            }
            if RESERVED.contains(&&*parameter.field) {
                return Err(invalid(&parameter.member, "a name that X-Ray does not use itself"));
            }
        }
        Ok(())
    }
}

/// A member of a request or response, by its name in the API's reference. A text is one whose value is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    member: Cow<'static, str>,
    field: Cow<'static, str>,
    take: Take,
    source: Source,
}

/// What of a member is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    Value,
    Count,
    Keys,
}

/// Where a member is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// What the SDK tells of the input; the body.
    Member,
    Header(Cow<'static, str>),
    Status,
}

impl Parameter {
    fn new(member: Cow<'static, str>, take: Take, source: Source) -> Parameter {
        let field = field_name(&member).into();
        Parameter { member, field, take, source }
    }

    /// The value of a member.
    pub fn value(member: impl Into<Cow<'static, str>>) -> Parameter {
        Parameter::new(member.into(), Take::Value, Source::Member)
    }

    /// The number of elements of a list.
    pub fn count(list: impl Into<Cow<'static, str>>) -> Parameter {
        Parameter::new(list.into(), Take::Count, Source::Member)
    }

    /// The keys of a map.
    pub fn keys(map: impl Into<Cow<'static, str>>) -> Parameter {
        Parameter::new(map.into(), Take::Keys, Source::Member)
    }

    /// The value of a member that travels in an HTTP header, as some do in REST services.
    pub fn header(member: impl Into<Cow<'static, str>>, header: impl Into<Cow<'static, str>>) -> Parameter {
        Parameter::new(member.into(), Take::Value, Source::Header(header.into()))
    }

    /// A member of the response that is its status code.
    pub fn status(member: impl Into<Cow<'static, str>>) -> Parameter {
        Parameter::new(member.into(), Take::Value, Source::Status)
    }

    /// The name in documents, in the place of [`field_name`].
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

/// The name under which documents have a member that is not renamed: in snake case, acronyms in one piece.
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
    fn names_that_documents_use_themselves_are_refused() {
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
        fn a_name_loses_its_capitals_only(member in "[A-Za-z0-9]{0,24}") {
            let name = field_name(&member);
            prop_assert_eq!(name.replace('_', ""), member.to_ascii_lowercase());
            prop_assert_eq!(field_name(&name), name.clone());
            prop_assert!(!name.starts_with('_') && !name.contains("__"));
        }
    }
}
