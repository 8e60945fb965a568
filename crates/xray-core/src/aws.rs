//! The `aws` block of a subsegment: which AWS call was made, and with what.

use serde::Serialize;

use crate::document::json;

/// A call to an AWS service, as X-Ray's console shows it.
///
/// ```
/// use xray_core::Aws;
///
/// let call = Aws::operation("PutItem").region("eu-west-1").retries(0).parameter("table_name", "orders");
/// ```
#[derive(Clone, Debug)]
pub struct Aws {
    /// Names, and encoded values.
    members: Vec<(String, Vec<u8>)>,
}

impl Aws {
    /// A call of the operation, in the console's form: `PutItem`.
    pub fn operation(operation: &str) -> Aws {
        Aws { members: Vec::new() }.parameter("operation", operation)
    }

    /// The region that was called.
    #[must_use]
    pub fn region(self, region: &str) -> Aws {
        self.parameter("region", region)
    }

    /// The id that the service gave the request.
    #[must_use]
    pub fn request_id(self, id: &str) -> Aws {
        self.parameter("request_id", id)
    }

    /// The second id that S3 gives a request.
    #[must_use]
    pub fn id_2(self, id: &str) -> Aws {
        self.parameter("id_2", id)
    }

    /// How often the call was tried again: the attempts less one.
    #[must_use]
    pub fn retries(self, retries: u32) -> Aws {
        self.parameter("retries", &retries)
    }

    /// A parameter or result of the call under its name in snake case, such as `table_name`. The same name again
    /// replaces the value; one that does not serialise is left out.
    #[must_use]
    pub fn parameter<T: Serialize + ?Sized>(mut self, name: &str, value: &T) -> Aws {
        let mut encoded = Vec::new();
        if json::value(&mut encoded, value).is_ok() {
            self.members.retain(|(known, _)| known != name);
            self.members.push((name.to_owned(), encoded));
        }
        self
    }

    /// The members, each after a comma.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for (name, encoded) in &self.members {
            out.push(b',');
            json::string(out, name);
            out.push(b':');
            out.extend_from_slice(encoded);
        }
    }
}
