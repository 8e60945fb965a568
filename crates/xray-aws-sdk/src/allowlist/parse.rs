//! Parses the allowlist document that all X-Ray SDKs share.

use serde_json::{Map, Value};

use super::Allowlist;
use super::error::{AllowlistError, AllowlistPlace};
use super::parameter::{Parameter, Parameters};

pub(super) fn parse(text: &str) -> Result<Allowlist, AllowlistError> {
    let document: Value =
        serde_json::from_str(text).map_err(|error| AllowlistError::Json { message: error.to_string() })?;
    let document = Members::of(&document, AllowlistPlace::Document)?;
    document.allow(&["services"])?;
    let mut list = Allowlist::empty();
    for (service, value) in Members::of(document.get("services")?, AllowlistPlace::Services)?.members {
        let members = Members::of(value, AllowlistPlace::Service(service.as_str().into()))?;
        members.allow(&["operations"])?;
        let operations = Members::of(members.get("operations")?, AllowlistPlace::Operations(service.as_str().into()))?;
        for (operation, value) in operations.members {
            list.add(service, operation, parameters(service, operation, value)?)?;
        }
    }
    Ok(list)
}

fn parameters(service: &str, operation: &str, value: &Value) -> Result<Parameters, AllowlistError> {
    let at = AllowlistPlace::Operation { service: service.into(), operation: operation.into() };
    let members = Members::of(value, at)?;
    members.allow(&["request_parameters", "request_descriptors", "response_parameters", "response_descriptors"])?;
    let described = |property: &'static str| -> Result<Vec<Parameter>, AllowlistError> {
        let at = |member: Option<&String>| AllowlistPlace::Descriptor {
            service: service.into(),
            operation: operation.into(),
            property,
            member: member.map(|member| member.as_str().into()),
        };
        let Some(value) = members.members.get(property) else { return Ok(Vec::new()) };
        let descriptors = Members::of(value, at(None))?;
        descriptors
            .members
            .iter()
            .map(|(member, value)| descriptor(member, Members::of(value, at(Some(member)))?))
            .collect()
    };
    let mut parameters = Parameters::new();
    for parameter in members.names("request_parameters")?.into_iter().chain(described("request_descriptors")?) {
        parameters = parameters.request(parameter);
    }
    for parameter in members.names("response_parameters")?.into_iter().chain(described("response_descriptors")?) {
        parameters = parameters.response(parameter);
    }
    Ok(parameters)
}

fn descriptor(member: &str, descriptor: Members<'_>) -> Result<Parameter, AllowlistError> {
    descriptor.allow(&["list", "map", "get_count", "get_keys", "rename_to", "header", "status"])?;
    let member = member.to_owned();
    let (count, keys) = (descriptor.flag("get_count")?, descriptor.flag("get_keys")?);
    let (list, map) = (descriptor.flag("list")?, descriptor.flag("map")?);
    let (status, header) = (descriptor.flag("status")?, descriptor.text("header")?);
    let kinds = [count || list, keys || map, status, header.is_some()];
    if kinds.into_iter().filter(|kind| *kind).count() > 1 {
        let expected = "one of `get_count`, `get_keys`, `header` and `status`";
        return Err(AllowlistError::Invalid { at: descriptor.at, field: member, expected });
    }
    let parameter = match header {
        Some(header) => Parameter::header(member, header),
        None if status && descriptor.is_of_request() => {
            return Err(descriptor.invalid("status", "a descriptor of the response, since requests have no status"));
        }
        None if status => Parameter::status(member),
        None if count && list => Parameter::count(member),
        None if keys => Parameter::keys(member),
        None => Parameter::value(member),
    };
    Ok(match descriptor.text("rename_to")? {
        Some(name) => parameter.rename_to(name),
        None => parameter,
    })
}

/// The members of one object of the document.
struct Members<'a> {
    at: AllowlistPlace,
    members: &'a Map<String, Value>,
}

impl<'a> Members<'a> {
    fn of(value: &'a Value, at: AllowlistPlace) -> Result<Members<'a>, AllowlistError> {
        match value.as_object() {
            Some(members) => Ok(Members { at, members }),
            None => Err(AllowlistError::NotAnObject { at }),
        }
    }

    /// Rejects unknown properties: a misspelt one would silently record nothing.
    fn allow(&self, fields: &[&str]) -> Result<(), AllowlistError> {
        match self.members.keys().find(|key| !fields.contains(&key.as_str())) {
            Some(key) => Err(AllowlistError::Unknown { at: self.at.clone(), field: key.clone() }),
            None => Ok(()),
        }
    }

    fn get(&self, field: &'static str) -> Result<&'a Value, AllowlistError> {
        self.members.get(field).ok_or_else(|| AllowlistError::Missing { at: self.at.clone(), field })
    }

    /// Returns a list of members by name; a missing list is empty.
    fn names(&self, field: &'static str) -> Result<Vec<Parameter>, AllowlistError> {
        let expected = "an array of non-empty strings";
        let Some(value) = self.members.get(field) else { return Ok(Vec::new()) };
        let values = value.as_array().ok_or_else(|| self.invalid(field, expected))?;
        let name = |value: &Value| Some(Parameter::value(value.as_str().filter(|name| !name.is_empty())?.to_owned()));
        values.iter().map(name).collect::<Option<_>>().ok_or_else(|| self.invalid(field, expected))
    }

    fn flag(&self, field: &'static str) -> Result<bool, AllowlistError> {
        match self.members.get(field) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| self.invalid(field, "`true` or `false`")),
        }
    }

    fn text(&self, field: &'static str) -> Result<Option<String>, AllowlistError> {
        match self.members.get(field) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(_) => Err(self.invalid(field, "a non-empty string")),
        }
    }

    fn is_of_request(&self) -> bool {
        matches!(self.at, AllowlistPlace::Descriptor { property: "request_descriptors", .. })
    }

    fn invalid(&self, field: &'static str, expected: &'static str) -> AllowlistError {
        AllowlistError::Invalid { at: self.at.clone(), field: field.to_owned(), expected }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use proptest::prelude::*;

    use super::*;
    use crate::allowlist::{Source, Take};

    /// Returns the error message for a document with this operation of DynamoDB.
    fn operation_message(operation: &str) -> String {
        message(&format!(r#"{{"services":{{"dynamodb":{{"operations":{{"scan":{operation}}}}}}}}}"#))
    }

    fn message(document: &str) -> String {
        parse(document).expect_err(document).to_string()
    }

    #[test]
    fn an_error_names_the_mistake_in_the_document() {
        for (document, want) in [
            ("", "the allowlist is not JSON: EOF while parsing a value at line 1 column 0"),
            (r#"{"services":"#, "the allowlist is not JSON: EOF while parsing a value at line 1 column 12"),
            ("[]", "the allowlist is not an object"),
            ("{}", "the allowlist has no `services`"),
            (r#"{"services":{},"version":1}"#, "the allowlist has the unknown property `version`"),
            (r#"{"services":[]}"#, "`services` of the allowlist is not an object"),
            (r#"{"services":{"s3":null}}"#, "the service `s3` is not an object"),
            (r#"{"services":{"s3":{}}}"#, "the service `s3` has no `operations`"),
            (r#"{"services":{"s3":{"operation":{}}}}"#, "the service `s3` has the unknown property `operation`"),
            (r#"{"services":{"s3":{"operations":["x"]}}}"#, "`operations` of the service `s3` is not an object"),
            (
                r#"{"services":{"":{"operations":{"x":{}}}}}"#,
                "invalid `service` in the operation `x` of ``: expected a name with letters or digits",
            ),
            (
                r#"{"services":{"s3":{"operations":{"":{}}}}}"#,
                "invalid `operation` in the operation `` of `s3`: expected a non-empty name",
            ),
        ] {
            assert_eq!(message(document), want, "{document}");
        }
    }

    #[test]
    fn an_error_names_the_mistake_in_an_operation_and_its_place() {
        let request = "`request_descriptors` of the operation `scan` of `dynamodb`";
        for (operation, want) in [
            ("7", "the operation `scan` of `dynamodb` is not an object".to_owned()),
            (
                r#"{"request_params":[]}"#,
                "the operation `scan` of `dynamodb` has the unknown property `request_params`".to_owned(),
            ),
            (
                r#"{"request_parameters":"TableName"}"#,
                "invalid `request_parameters` in the operation `scan` of `dynamodb`: expected an array of non-empty \
                 strings"
                    .to_owned(),
            ),
            (
                r#"{"response_parameters":["Count",7]}"#,
                "invalid `response_parameters` in the operation `scan` of `dynamodb`: expected an array of non-empty \
                 strings"
                    .to_owned(),
            ),
            (
                r#"{"response_parameters":[""]}"#,
                "invalid `response_parameters` in the operation `scan` of `dynamodb`: expected an array of non-empty \
                 strings"
                    .to_owned(),
            ),
            (r#"{"request_descriptors":[]}"#, format!("{request} is not an object")),
            (r#"{"request_descriptors":{"A":true}}"#, format!("`A` in {request} is not an object")),
            (
                r#"{"request_descriptors":{"A":{"renameTo":"a"}}}"#,
                format!("`A` in {request} has the unknown property `renameTo`"),
            ),
            (
                r#"{"request_descriptors":{"A":{"list":"yes"}}}"#,
                format!("invalid `list` in `A` in {request}: expected `true` or `false`"),
            ),
            (
                r#"{"request_descriptors":{"A":{"get_keys":1}}}"#,
                format!("invalid `get_keys` in `A` in {request}: expected `true` or `false`"),
            ),
            (
                r#"{"request_descriptors":{"A":{"rename_to":""}}}"#,
                format!("invalid `rename_to` in `A` in {request}: expected a non-empty string"),
            ),
            (
                r#"{"request_descriptors":{"A":{"rename_to":["a"]}}}"#,
                format!("invalid `rename_to` in `A` in {request}: expected a non-empty string"),
            ),
            (
                r#"{"request_descriptors":{"A":{"header":false}}}"#,
                format!("invalid `header` in `A` in {request}: expected a non-empty string"),
            ),
            (
                r#"{"request_descriptors":{"A":{"list":true,"get_count":true,"get_keys":true}}}"#,
                format!(
                    "invalid `A` in `A` in {request}: expected one of `get_count`, `get_keys`, `header` and `status`"
                ),
            ),
            (
                r#"{"request_descriptors":{"A":{"status":true}}}"#,
                format!(
                    "invalid `status` in `A` in {request}: expected a descriptor of the response, \
                     since requests have no status"
                ),
            ),
            (
                r#"{"request_descriptors":{"A":{"rename_to":"region"}}}"#,
                "invalid `A` in the operation `scan` of `dynamodb`: expected a name that the `aws` block does not \
                 reserve"
                    .to_owned(),
            ),
            (
                r#"{"response_parameters":["RequestId"]}"#,
                "invalid `RequestId` in the operation `scan` of `dynamodb`: expected a name that the `aws` block does \
                 not reserve"
                    .to_owned(),
            ),
        ] {
            assert_eq!(operation_message(operation), want, "{operation}");
        }
    }

    #[test]
    fn an_unreadable_file_is_named() {
        let error = Allowlist::from_file("/no/such/list.json").unwrap_err();
        assert_eq!(error, AllowlistError::File { path: "/no/such/list.json".into(), kind: io::ErrorKind::NotFound });
        assert_eq!(error.to_string(), "cannot read an allowlist from /no/such/list.json: entity not found");
    }

    #[test]
    fn descriptors_select_what_is_recorded() {
        let list = parse(
            r#"{"services":{"x":{"operations":{"y":{"request_parameters":["A"],"response_descriptors":{
                "B":{"list":true,"get_count":true,"rename_to":"bees"},
                "C":{"map":true,"get_keys":true},
                "D":{"list":true},
                "E":{"header":"x-e"},
                "F":{"status":true},
                "G":{}
            }}}}}}"#,
        )
        .unwrap();
        let parameters = list.find("X", "Y").unwrap();
        let description =
            |parameter: &Parameter| (parameter.field().to_owned(), parameter.take(), parameter.source().clone());
        assert_eq!(
            parameters.requested().map(description).collect::<Vec<_>>(),
            [("a".into(), Take::Value, Source::Member)]
        );
        assert_eq!(
            parameters.responded().map(description).collect::<Vec<_>>(),
            [
                ("bees".into(), Take::Count, Source::Member),
                ("c".into(), Take::Keys, Source::Member),
                ("d".into(), Take::Value, Source::Member),
                ("e".into(), Take::Value, Source::Header("x-e".into())),
                ("f".into(), Take::Value, Source::Status),
                ("g".into(), Take::Value, Source::Member),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_accepted_or_rejected_without_a_panic(text in r#"(\{|\}|\[|\]|:|,|"services"|"operations"|"x"|"list"|true|7){0,24}"#) {
            let _ = parse(&text);
        }
    }
}
