//! The allowlist: which parameters of AWS calls are recorded.

mod error;
mod parameter;
mod parse;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

pub use error::{AllowlistError, AllowlistPlace};
pub use parameter::{Parameter, Parameters, field_name};
pub(crate) use parameter::{Source, Take};

/// The fields of the `aws` block that are not parameters.
const RESERVED: [&str; 6] = ["id_2", "operation", "region", "request_id", "retries", "xray"];

static DEFAULT: LazyLock<Allowlist> =
    LazyLock::new(|| Allowlist::from_json(include_str!("default.json")).unwrap_or_else(|_| Allowlist::empty()));

/// The operations whose parameters are recorded, and which parameters those are. X-Ray's other SDKs call this list the
/// *whitelist*, and read documents of the same form.
///
/// The default is the list that all X-Ray SDKs share: operations of DynamoDB, S3, SQS, SNS, Lambda and SageMaker
/// Runtime. Add other services by name, without their crates:
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
/// // Another operation, in code:
/// let put_events = Parameters::new().request(Parameter::count("Entries").rename_to("event_count"));
/// let allowlist = allowlist.operation("EventBridge", "PutEvents", put_events)?;
/// # Ok::<(), xray_aws_sdk::AllowlistError>(())
/// ```
///
/// # The document
///
/// A document has the form `{"services": {SERVICE: {"operations": {OPERATION: {…}}}}}`. `SERVICE` is the SDK's name of
/// the service, in any case and with or without spaces (`secretsmanager`, `Secrets Manager`). `OPERATION` is the name
/// in the API reference; the case of its first letter does not matter.
///
/// | Property of an operation | Meaning |
/// |---|---|
/// | `request_parameters`, `response_parameters` | an array of the members whose values are recorded |
/// | `request_descriptors`, `response_descriptors` | an object of members, each with a descriptor |
///
/// | Property of a descriptor | Meaning |
/// |---|---|
/// | `"list": true, "get_count": true` | records the number of elements instead of the value |
/// | `"map": true, "get_keys": true` | records the keys instead of the value |
/// | `"rename_to": NAME` | the name in segment documents (default: as [`field_name`] returns) |
/// | `"header": NAME` | the HTTP header that holds the member, for REST services |
/// | `"status": true` | the member is the status code of the response |
#[derive(Clone, Debug, PartialEq)]
#[doc(alias = "whitelist")]
pub struct Allowlist {
    /// Keyed by [`service_key`], then by [`operation_key`].
    services: BTreeMap<String, BTreeMap<String, Arc<Parameters>>>,
}

impl Allowlist {
    /// Creates a list without operations, with which no parameters are recorded.
    pub fn empty() -> Allowlist {
        Allowlist { services: BTreeMap::new() }
    }

    /// Parses a list from JSON. The result has only the operations of this document; use
    /// [`extend_json`](Allowlist::extend_json) to keep the defaults.
    ///
    /// # Errors
    /// Returns an error if the text is not a valid document. The error names the service, operation and property.
    pub fn from_json(text: &str) -> Result<Allowlist, AllowlistError> {
        parse::parse(text)
    }

    /// Reads a list from a file, which has the form that [`from_json`](Allowlist::from_json) accepts.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or if its content is not a valid document.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Allowlist, AllowlistError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path);
        parse::parse(&text.map_err(|error| AllowlistError::File { path: path.to_owned(), kind: error.kind() })?)
    }

    /// Adds the operations of another list. For an operation in both lists, the entry of `other` replaces the existing
    /// one.
    #[must_use]
    pub fn extend(mut self, other: Allowlist) -> Allowlist {
        for (service, operations) in other.services {
            self.services.entry(service).or_default().extend(operations);
        }
        self
    }

    /// Parses a document as [`from_json`](Allowlist::from_json), and adds its operations as
    /// [`extend`](Allowlist::extend).
    ///
    /// # Errors
    /// Returns the errors of [`from_json`](Allowlist::from_json).
    pub fn extend_json(self, text: &str) -> Result<Allowlist, AllowlistError> {
        Ok(self.extend(Allowlist::from_json(text)?))
    }

    /// Reads a file as [`from_file`](Allowlist::from_file), and adds its operations as [`extend`](Allowlist::extend).
    ///
    /// # Errors
    /// Returns the errors of [`from_file`](Allowlist::from_file).
    pub fn extend_file(self, path: impl AsRef<Path>) -> Result<Allowlist, AllowlistError> {
        Ok(self.extend(Allowlist::from_file(path)?))
    }

    /// Sets the parameters of one operation. Calling this again for the same operation replaces them.
    ///
    /// # Errors
    /// Returns an error if a name is empty, or if a parameter would be recorded under a name that the `aws` block
    /// itself uses, such as `region`.
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

    /// Returns the recorded parameters of an operation.
    pub(crate) fn find(&self, service: &str, operation: &str) -> Option<&Arc<Parameters>> {
        self.services.get(&service_key(service))?.get(&operation_key(operation))
    }

    /// Returns the request members of all operations, which the SDK can capture by name.
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

/// Returns the form of a service name that lookups use: letters and digits in lower case.
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
    fn services_and_operations_are_found_by_the_sdks_names() {
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
            "extending a list changed the default"
        );
        assert!(list.find("DynamoDB", "GetItem").is_some());
        assert!(Allowlist::empty().find("S3", "GetObject").is_none());
    }
}
