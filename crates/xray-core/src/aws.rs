//! The `aws` block of a subsegment: which AWS call was made, and with what.

use serde::Serialize;

use crate::document::json;

/// Members that are kept. A call has a few dozen.
const MAX_MEMBERS: usize = 500;

/// A call to an AWS service, as X-Ray's console shows it.
///
/// ```
/// use xray_core::Aws;
///
/// let call = Aws::operation("PutItem").region("eu-west-1").retries(0).parameter("table_name", "orders");
/// ```
#[derive(Clone, Debug)]
pub struct Aws {
    /// The members as documents have them, each after a comma.
    text: Vec<u8>,
    members: Vec<Member>,
}

/// Where a member stands in the text.
#[derive(Clone, Copy, Debug)]
struct Member {
    start: usize,
    name_end: usize,
    end: usize,
}

impl Aws {
    /// A call of the operation, in the console's form: `PutItem`.
    pub fn operation(operation: &str) -> Aws {
        // Enough for most calls.
        let empty = Aws { text: Vec::with_capacity(256), members: Vec::with_capacity(8) };
        empty.parameter("operation", operation)
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
    /// replaces the value; one that does not serialise is left out, and so are those
    /// after the 500th.
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

    fn remove(&mut self, at: usize) {
        let Member { start, end, .. } = self.members.remove(at);
        self.text.drain(start..end);
        for later in &mut self.members[at..] {
            for place in [&mut later.start, &mut later.name_end, &mut later.end] {
                *place -= end - start;
            }
        }
    }

    /// The members, each after a comma.
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
    fn the_same_name_again_replaces_the_value() {
        let aws = Aws::operation("Scan").region("eu").parameter("limit", &7).parameter("n\"", "x");
        let aws = aws.region("us-east-1").parameter("limit", &None::<u8>).retries(0).region("eu-west-1");
        assert_eq!(written(&aws), r#","operation":"Scan","n\"":"x","limit":null,"retries":0,"region":"eu-west-1""#);
    }

    #[test]
    fn members_past_the_number_are_left_out_and_known_ones_still_replaced() {
        let many = (0..10_000).fold(Aws::operation("Scan"), |aws, n| aws.parameter(&format!("p{n}"), &n));
        let text = written(&many.parameter("p0", &"new"));
        assert!(text.contains(r#""p498":498"#) && !text.contains(r#""p499":"#) && text.ends_with(r#""p0":"new""#));
    }

    #[test]
    fn a_value_that_does_not_serialise_is_left_out() {
        // JSON has no keys but texts.
        let odd = BTreeMap::from([((1, 2), 3)]);
        let aws = Aws::operation("Scan").parameter("odd", &odd).parameter("operation", &odd).retries(1);
        assert_eq!(written(&aws), r#","operation":"Scan","retries":1"#);
    }
}
