//! Members of AWS calls: under which name documents have them.

use serde_json::Value;
use xray_aws_sdk::field_name;

use crate::vectors::Verdict;

pub(super) fn check(case: &Value) -> Verdict {
    Verdict::new(field_name(case["name"].as_str().expect("`name` is a text")), case["expected"].clone())
}
