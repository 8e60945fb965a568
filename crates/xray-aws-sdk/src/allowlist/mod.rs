//! Which parameters of AWS calls are recorded.

mod error;
mod parameter;
mod parse;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

pub use error::{AllowlistError, AllowlistPlace};
pub use parameter::{Parameter, Parameters, field_name};
pub(crate) use parameter::{Source, Take};

/// What documents call members of the `aws` block that are no parameters.
const RESERVED: [&str; 6] = ["id_2", "operation", "region", "request_id", "retries", "xray"];

static DEFAULT: LazyLock<Allowlist> =
    LazyLock::new(|| Allowlist::from_json(include_str!("default.json")).unwrap_or_else(|_| Allowlist::empty()));

/// The operations whose parameters are recorded, and which of their parameters. X-Ray's other SDKs call it the
/// *whitelist*, and so do their documents.
///
/// The default is the list of all X-Ray SDKs: operations of DynamoDB, S3, SQS, SNS, Lambda and SageMaker Runtime.
/// Other services are added by name; their crates are not needed for that.
///
/// ```
/// use xray_aws_sdk::{Allowlist, Parameter, Parameters};
///
/// let allowlist = Allowlist::default().extend_json(
///     r#"{"services": {"kinesis": {"operations": {"putRecords": {
///         "request_parameters": ["StreamName"],
///         "request_descriptors": {"Records": {"list": true, "get_count": true, "rename_to": "record_count"}},
///         "response_parameters": ["FailedRecordCount"]
///     }}}}}"#,
/// )?;
/// // The same of another operation, in code:
/// let put_events = Parameters::new().request(Parameter::count("Entries").rename_to("event_count"));
/// let allowlist = allowlist.operation("EventBridge", "PutEvents", put_events)?;
/// # Ok::<(), xray_aws_sdk::AllowlistError>(())
/// ```
///
/// # The document
///
/// `{"services": {SERVICE: {"operations": {OPERATION: {…}}}}}`. The service is named as the SDK names it, in any
/// case and with or without blanks (`secretsmanager`, `Secrets Manager`); the operation as in the API's reference,
/// its first letter in any case.
///
/// | of an operation | what it says |
/// |---|---|
/// | `request_parameters`, `response_parameters` | the members whose values are recorded |
/// | `request_descriptors`, `response_descriptors` | members by name, each with how it is recorded |
///
/// | of a descriptor | what it says |
/// |---|---|
/// | `"list": true, "get_count": true` | the number of elements instead of the value |
/// | `"map": true, "get_keys": true` | the keys instead of the value |
/// | `"rename_to": NAME` | the name in the document; otherwise [`field_name`] |
/// | `"header": NAME` | the HTTP header that carries the member, for REST services |
/// | `"status": true` | the member is the status code of the response |
#[derive(Clone, Debug, PartialEq)]
#[doc(alias = "whitelist")]
pub struct Allowlist {
    /// By name of the service, then of the operation, both in the form that is looked up.
    services: BTreeMap<String, BTreeMap<String, Arc<Parameters>>>,
}

impl Allowlist {
    /// A list without any operation: no parameters are recorded.
    pub fn empty() -> Allowlist {
        Allowlist { services: BTreeMap::new() }
    }

    /// The list of a document, in the place of the default.
    ///
    /// # Errors
    /// When the text is no such document: the error names service, operation and property.
    pub fn from_json(text: &str) -> Result<Allowlist, AllowlistError> {
        parse::parse(text)
    }

    /// The list of a file, as [`from_json`](Allowlist::from_json).
    ///
    /// # Errors
    /// When the file cannot be read, and as for [`from_json`](Allowlist::from_json).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Allowlist, AllowlistError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path);
        parse::parse(&text.map_err(|error| AllowlistError::File { path: path.to_owned(), kind: error.kind() })?)
    }

    /// Adds the operations of another list. An operation that both have is recorded as the other says.
    #[must_use]
    pub fn extend(mut self, other: Allowlist) -> Allowlist {
        for (service, operations) in other.services {
            self.services.entry(service).or_default().extend(operations);
        }
        self
    }

    /// Adds the operations of a document, as [`extend`](Allowlist::extend).
    ///
    /// # Errors
    /// As [`from_json`](Allowlist::from_json).
    pub fn extend_json(self, text: &str) -> Result<Allowlist, AllowlistError> {
        Ok(self.extend(Allowlist::from_json(text)?))
    }

    /// Adds the operations of a file, as [`extend`](Allowlist::extend).
    ///
    /// # Errors
    /// As [`from_file`](Allowlist::from_file).
    pub fn extend_file(self, path: impl AsRef<Path>) -> Result<Allowlist, AllowlistError> {
        Ok(self.extend(Allowlist::from_file(path)?))
    }

    /// Adds one operation, or takes the place of what was said of it.
    ///
    /// # Errors
    /// When a name is empty, or a parameter's name in documents is taken by the `aws` block itself.
    pub fn operation(
        mut self,
        service: &str,
        operation: &str,
        parameters: Parameters,
    ) -> Result<Allowlist, AllowlistError> {
        self.add(service, operation, parameters)?;
        Ok(self)
    }

    fn add(&mut self, service: &str, operation: &str, parameters: Parameters) -> Result<(), AllowlistError> {
        parameters.validate(service, operation)?;
        let operations = self.services.entry(service_key(service)).or_default();
        operations.insert(operation_key(operation), Arc::new(parameters));
        Ok(())
    }

    /// What is recorded of an operation.
    pub(crate) fn find(&self, service: &str, operation: &str) -> Option<&Arc<Parameters>> {
        self.services.get(&service_key(service))?.get(&operation_key(operation))
    }

    /// The request's members of all operations that the SDK may be asked for by name.
    pub(crate) fn request_members(&self) -> impl Iterator<Item = &str> {
        let operations = self.services.values().flat_map(BTreeMap::values);
        operations.flat_map(|parameters| parameters.requested()).map(Parameter::member)
    }
}

impl Default for Allowlist {
    fn default() -> Allowlist {
        DEFAULT.clone()
    }
}

/// The form in which services are looked up.
pub(crate) fn service_key(service: &str) -> String {
    service.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn operation_key(operation: &str) -> String {
    let mut key = operation.to_owned();
    if let Some(first) = key.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_has_the_operations_of_all_x_ray_sdks() {
        let list = Allowlist::default();
        let counts: Vec<_> = list.services.iter().map(|(name, operations)| (name.as_str(), operations.len())).collect();
        let want = [("dynamodb", 13), ("lambda", 2), ("s3", 76), ("sagemakerruntime", 1), ("sns", 2), ("sqs", 17)];
        assert_eq!(counts, want);
        assert_eq!(list, Allowlist::from_json(include_str!("default.json")).unwrap());
    }

    #[test]
    fn services_and_operations_are_found_by_the_names_of_the_sdk() {
        let list = Allowlist::default();
        for (service, operation, found) in [
            ("DynamoDB", "GetItem", true),
            ("dynamodb", "getItem", true),
            ("SageMaker Runtime", "InvokeEndpoint", true),
            ("DynamoDB", "getitem", false),
            ("DynamoDB", "", false),
            ("", "GetItem", false),
            ("Dynamo", "GetItem", false),
            ("S3", "éa", false),
        ] {
            assert_eq!(list.find(service, operation).is_some(), found, "{service} {operation}");
        }
    }

    #[test]
    fn extending_replaces_operations_and_keeps_the_others() {
        let list = r#"{"services":{"S3":{"operations":{"GetObject":{"request_parameters":["Range"]}}}}}"#;
        let list = Allowlist::default().extend_json(list).unwrap();
        let members = |operation| -> Vec<String> {
            list.find("S3", operation).unwrap().requested().map(|parameter| parameter.member().to_owned()).collect()
        };
        assert_eq!(
            (members("GetObject"), members("PutObject")),
            (vec!["Range".into()], vec!["Key".into(), "Bucket".into()])
        );
        assert!(
            Allowlist::default().find("S3", "GetObject").unwrap().requested().count() == 3,
            "the default is as it was"
        );
        assert!(list.find("DynamoDB", "GetItem").is_some());
        assert!(Allowlist::empty().find("S3", "GetObject").is_none());
    }
}
