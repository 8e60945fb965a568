//! The `aws` block of a subsegment: an AWS call and its parameters.

use serde::Serialize;

use crate::document::json;

/// The largest number of members. A call has a few dozen.
const MAX_MEMBERS: usize = 500;

/// A call to an AWS service, as the `aws` block of a subsegment describes it and X-Ray's console shows it.
///
/// Clients of the AWS SDK for Rust need no code for this: `xray-aws-sdk` records their calls. Use this type for calls
/// made by other means.
///
/// X-Ray's format defines `operation`, `region`, `request_id`, `queue_url` and `table_name`; the console shows other members
/// as they are. An entity that is too large for a datagram loses long lists in this block before anything else.
///
/// ```
/// use xray_core::Aws;
///
/// let call = Aws::operation("PutItem").region("eu-west-1").retries(0).parameter("table_name", "orders");
/// ```
///
/// Record it on a subsegment with the name of the service and the namespace `aws`:
///
/// ```
/// use xray_core::{Aws, Namespace, Recorder};
///
/// let (recorder, traces) = Recorder::in_memory();
/// let segment = recorder.begin("shop");
/// let call = segment.subsegment("DynamoDB");
/// call.set_namespace(Namespace::Aws);
/// call.set_aws(&Aws::operation("PutItem").region("eu-west-1").request_id("TV2H3"));
/// call.close();
/// segment.close();
/// let trace = traces.take().single();
/// assert_eq!(trace.find("DynamoDB").json()["aws"]["operation"], "PutItem");
/// ```
#[derive(Clone, Debug)]
pub struct Aws {
    /// The members in the form of documents, each with a leading comma.
    text: Vec<u8>,
    members: Vec<Member>,
}

/// The position of a member in the text.
#[derive(Clone, Copy, Debug)]
struct Member {
    start: usize,
    name_end: usize,
    end: usize,
}

impl Aws {
    /// Describes a call of an operation, by its name in the API: `PutItem`.
    pub fn operation(operation: &str) -> Aws {
        // Enough for most calls.
        let empty = Aws { text: Vec::with_capacity(256), members: Vec::with_capacity(8) };
        empty.parameter("operation", operation)
    }

    /// Sets the region that was called, such as `eu-west-1`. Calling this again replaces the value.
    #[must_use]
    pub fn region(self, region: &str) -> Aws {
        self.parameter("region", region)
    }

    /// Sets the id of the request, from the service's response. Calling this again replaces the value.
    #[must_use]
    pub fn request_id(self, id: &str) -> Aws {
        self.parameter("request_id", id)
    }

    /// Sets the second id of a request to S3 (`x-amz-id-2`). Calling this again replaces the value.
    #[must_use]
    pub fn id_2(self, id: &str) -> Aws {
        self.parameter("id_2", id)
    }

    /// Sets the number of retries: the attempts minus one. Calling this again replaces the value.
    #[must_use]
    pub fn retries(self, retries: u32) -> Aws {
        self.parameter("retries", &retries)
    }

    /// Adds a parameter or result of the call, by its name in snake case, such as `table_name`. Adding the same name again
    /// replaces the value. Values that fail to serialise are left out, and so are members beyond the 500th.
    ///
    /// Parameters may contain personal data: add only what is safe to record.
    ///
    /// ```
    /// use xray_core::Aws;
    ///
    /// let call = Aws::operation("Query").parameter("table_name", "orders").parameter("attributes_to_get", &["id", "total"]);
    /// ```
    #[must_use]
    pub fn parameter<T: Serialize + ?Sized>(mut self, name: &str, value: &T) -> Aws {
        let start = self.text.len();
        self.text.push(b',');
        json::string(&mut self.text, name);
        let name_end = self.text.len();
        self.text.push(b':');
        if json::value(&mut self.text, value).is_err() {
            self.text.truncate(start);
            return self;
        }
        let added = Member { start, name_end, end: self.text.len() };
        let is_known = |member: &Member| self.text[member.start..member.name_end] == self.text[start..name_end];
        let known = self.members.iter().position(is_known);
        if known.is_none() && self.members.len() == MAX_MEMBERS {
            self.text.truncate(start);
            return self;
        }
        self.members.push(added);
        if let Some(at) = known {
            self.remove(at);
        }
        self
    }

    /// Removes the member with this index, and moves those after it to the front.
    fn remove(&mut self, at: usize) {
        let Member { start, end, .. } = self.members.remove(at);
        self.text.drain(start..end);
        for later in &mut self.members[at..] {
            for place in [&mut later.start, &mut later.name_end, &mut later.end] {
                *place -= end - start;
            }
        }
    }

    /// Writes the members, each with a leading comma.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.text);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn written(aws: &Aws) -> String {
        let mut out = Vec::new();
        aws.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn adding_a_name_again_replaces_its_value() {
        let aws = Aws::operation("Scan").region("eu").parameter("limit", &7).parameter("n\"", "x");
        let aws = aws.region("us-east-1").parameter("limit", &None::<u8>).retries(0).region("eu-west-1");
        assert_eq!(written(&aws), r#","operation":"Scan","n\"":"x","limit":null,"retries":0,"region":"eu-west-1""#);
    }

    #[test]
    fn members_beyond_the_limit_are_left_out_and_known_ones_are_still_replaced() {
        let many = (0..10_000).fold(Aws::operation("Scan"), |aws, n| aws.parameter(&format!("p{n}"), &n));
        let text = written(&many.parameter("p0", &"new"));
        assert!(text.contains(r#""p498":498"#) && !text.contains(r#""p499":"#) && text.ends_with(r#""p0":"new""#));
    }

    #[test]
    fn a_value_that_does_not_serialise_is_left_out() {
        // JSON keys must be strings.
        let odd = BTreeMap::from([((1, 2), 3)]);
        let aws = Aws::operation("Scan").parameter("odd", &odd).parameter("operation", &odd).retries(1);
        assert_eq!(written(&aws), r#","operation":"Scan","retries":1"#);
    }
}
